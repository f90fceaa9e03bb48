"""NumPy on traces: what a recording tells, without torch."""
