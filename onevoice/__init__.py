"""OneVoice: dub a video into other languages, in time with the picture."""

__version__ = "0.1.0"
