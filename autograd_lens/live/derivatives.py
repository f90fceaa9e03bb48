"""PyTorch's own derivative formulas, from the table that the installed torch ships."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Any

import torchgen
import yaml

__all__ = ["DerivativeTable", "Formula"]

Formula = tuple[tuple[str, str], ...]

_ENTRY = re.compile(r"^- name: ([\w.]+)\(", re.MULTILINE)
_ARGUMENT = re.compile(r"(\w+)(?:=[^,()]*)?\s*[,)]")


class DerivativeTable:
    """Looks up one operator's formulas without parsing the whole table.

    Parsing all of it takes half a second; one entry takes microseconds, so the file is only
    split by a pattern, and an entry is parsed when it is asked for.
    """

    def __init__(self) -> None:
        self._parsed: dict[str, Formula] = {}

    def formula(self, op: str, node_name: str) -> Formula:
        """The formulas of a node.

        Args:
            op: Kernel that made the node, as ``"aten.mm.default"``; ``""`` where unknown.
            node_name: The node's name, as ``"MmBackward0"``.

        Returns:
            Pairs (inputs, expression), for example ``("self", "grad * other")``; empty where
            the table has none.
        """
        for key in self._candidates(op, node_name):
            if key in self._entries:
                return self._parse(key)
        return ()

    def _candidates(self, op: str, node_name: str) -> list[str]:
        if not node_name[-1:].isdigit():
            return []  # a custom Function, whatever operator its class may be named like
        base = re.sub(r"\d*$", "", node_name)
        number = re.search(r"Backward(\d+)$", node_name)
        by_op = re.fullmatch(r"aten\.(\w+?)_?\.(\w+)", op)
        candidates = []
        if by_op and _camel(by_op[1]) == base:
            overload = "" if by_op[2] == "default" else f".{by_op[2]}"
            candidates.append(by_op[1] + overload)
        variants = self._by_node_base.get(base, [])
        if number and int(number[1]) < len(variants):
            candidates.append(variants[int(number[1])])
        return candidates

    def _parse(self, key: str) -> Formula:
        if key not in self._parsed:
            start, end = self._entries[key]
            entry: dict[str, Any] = yaml.safe_load(self._text[start:end])[0]
            # Entries with one formula per backend keep them under dispatch.
            dispatch = entry.get("dispatch", {})
            formulas = dispatch.get("Default", entry) if isinstance(dispatch, dict) else entry
            arguments = set(_ARGUMENT.findall(entry["name"]))
            self._parsed[key] = tuple(
                (str(inputs), " ".join(str(expression).split()))
                for inputs, expression in formulas.items()
                # The other keys describe the entry, or are formulas for forward mode.
                if set(inputs.split(", ")) <= arguments and expression != "non_differentiable"
            )
        return self._parsed[key]

    @cached_property
    def _text(self) -> str:
        packaged = Path(torchgen.__file__).parent / "packaged" / "autograd"
        try:
            return (packaged / "derivatives.yaml").read_text(encoding="utf-8")
        except OSError:
            return ""

    @cached_property
    def _entries(self) -> dict[str, tuple[int, int]]:
        matches = list(_ENTRY.finditer(self._text))
        ends = [match.start() for match in matches[1:]] + [len(self._text)]
        return {match[1]: (match.start(), end) for match, end in zip(matches, ends, strict=True)}

    @cached_property
    def _by_node_base(self) -> dict[str, list[str]]:
        # PyTorch numbers the nodes of one base name in the table's order: PowBackward0 is
        # pow.Tensor_Scalar, PowBackward1 is pow.Tensor_Tensor.
        grouped: dict[str, list[str]] = {}
        for name in self._entries:
            grouped.setdefault(_camel(name.split(".")[0]), []).append(name)
        return grouped


def _camel(name: str) -> str:
    """``nll_loss2d_forward`` to ``NllLoss2DBackward``, as PyTorch names its nodes."""
    camel = "".join(part.title() for part in name.split("_"))
    return f"{camel}Backward".replace("ForwardBackward", "Backward")
