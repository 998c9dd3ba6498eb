"""The parts of ``benchmarks/mix.py``: the case, the measuring, and other tools on the same case."""
