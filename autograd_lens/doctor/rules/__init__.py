"""One rule a file.

A rule is a module with ``RULE`` (what it is), ``check`` (yields findings from the evidence) and
a docstring that is its page, under the headings of ``doctor.engine.HEADINGS``. A module put
here is found by itself; ``tests/doctor/programs`` holds its bad program and its good twin.
"""

from __future__ import annotations

__all__: list[str] = []
