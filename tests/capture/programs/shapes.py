"""Training loops of many shapes. Each is a function of ``see``, which it shows its numbers.

The decorator ``steps`` says how many steps a person would count.
"""

from __future__ import annotations

from tests.capture.programs import (
    calls,  # noqa: F401  fills SHAPES
    failures,  # noqa: F401  fills SHAPES
    graphs,  # noqa: F401  fills SHAPES
    loops,  # noqa: F401  fills SHAPES
    parameters,  # noqa: F401  fills SHAPES
    processes,  # noqa: F401  fills SHAPES
    tools,  # noqa: F401  fills SHAPES
)
from tests.capture.programs.registry import SHAPES

__all__ = ["SHAPES"]
