"""A template without some of its kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["without_kernels"]

Json = Mapping[str, Any]


def without_kernels(template: Json, dropped: frozenset[int]) -> Json:
    """The template with some kernels left out and the others numbered anew.

    An update that one of them belongs to is left out as a whole.
    """
    template = {**template, "omitted": []}
    if not dropped:
        return template
    kept = [index for index in range(len(template["kernels"])) if index not in dropped]
    numbers = {old: new for new, old in enumerate(kept)}
    return {
        **template,
        "kernels": [template["kernels"][index] for index in kept],
        "backwards": [_backward(backward, numbers) for backward in template["backwards"]],
        "updates": [
            {**update, "kernels": [numbers[index] for index in update["kernels"]]}
            for update in template["updates"]
            if dropped.isdisjoint(update["kernels"])
        ],
    }


def _backward(backward: Json, numbers: Mapping[int, int]) -> Json:
    return {
        **backward,
        "nodes": [{**node, "kernel": numbers.get(node["kernel"])} for node in backward["nodes"]],
        "runs": [
            {**run, "kernels": _renumbered(run["kernels"], numbers)} for run in backward["runs"]
        ],
    }


def _renumbered(kernels: Sequence[int], numbers: Mapping[int, int]) -> list[int]:
    return [numbers[index] for index in kernels if index in numbers]
