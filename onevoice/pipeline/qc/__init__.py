"""Quality control: how a dub measures, line by line and as a whole, and whether that will do."""
