"""Text as a speech engine is to say it."""
from onevoice.speakable.korean import read
