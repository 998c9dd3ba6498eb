"""The parts of ``benchmarks/server.py``: where it runs, what it asks, what it measures."""
