"""The textbook derivatives of the operators that programs use most.

``rule`` says what one is; ``elementwise``, ``products``, ``shapes`` and ``layers`` hold them;
``recorded`` lays them beside what a run recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from autograd_lens.analysis.textbook.elementwise import ELEMENTWISE
from autograd_lens.analysis.textbook.layers import LAYERS
from autograd_lens.analysis.textbook.products import PRODUCTS
from autograd_lens.analysis.textbook.rule import Rule
from autograd_lens.analysis.textbook.shapes import SHAPES

__all__ = ["RULES", "Rule"]

RULES: Mapping[str, Mapping[str, Rule]] = MappingProxyType(
    {**ELEMENTWISE, **PRODUCTS, **SHAPES, **LAYERS}
)
"""Operator, then argument: what goes on to that argument."""
