"""Hosted mode will live here; nothing of it is built yet."""
