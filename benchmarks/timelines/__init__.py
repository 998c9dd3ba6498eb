"""Timelines to fit, the rules that fit them, and what is measured of the result."""
