"""A template without some of its kernels."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["resized", "without_kernels"]

Json = Mapping[str, Any]


def resized(
    template: Json,
    shapes: Mapping[int, Sequence[int]],
    constants: Mapping[tuple[int, int], Any],
    saved: Mapping[tuple[int, int, int], Any],
) -> Json:
    """The template with other sizes.

    Args:
        template: The template.
        shapes: New shapes of tensors, by id.
        constants: New constants by (kernel, argument).
        saved: New constants by (backward, node, field).
    """
    if not (shapes or constants or saved):
        return template
    result: dict[str, Any] = copy.deepcopy(dict(template))
    for number, shape in shapes.items():
        tensor = result["tensors"][number]
        dtype, _, device = result["specs"][tensor[0]]
        result["specs"].append([dtype, list(shape), device])
        tensor[0] = len(result["specs"]) - 1
    for (kernel, position), constant in constants.items():
        arguments = result["kernels"][kernel]["args"]
        ordered = [one for one in arguments if not one[2]] + [one for one in arguments if one[2]]
        ordered[position][1] = constant
    for (backward, node, field), constant in saved.items():
        result["backwards"][backward]["nodes"][node]["saved"][field]["value"] = constant
    return result


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
