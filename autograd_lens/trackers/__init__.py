"""A recording where people look at their runs.

::

    perfetto.py     a Chrome trace: every step as nested slices, for ui.perfetto.dev
"""
