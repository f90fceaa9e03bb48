"""Tells the kernels of the update and of the zeroing from those of the forward.

Outside of backward a step runs forward, update and zeroing kernels, and a handwritten
optimizer does not say which is which. The data say it: what writes a parameter is the update,
what sets a ``.grad`` to zero is the zeroing, and whatever only computes values for one of
these belongs to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from autograd_lens.live.stream import Write

__all__ = ["assign_phases", "tensor_uses"]

Template = dict[str, Any]
_ZEROING = frozenset({"zero_", "_foreach_zero_"})


def assign_phases(template: Template, writes: Sequence[Write], name: Callable[[int], str]) -> None:
    """Set the phase of each kernel and fill in ``updates`` and ``zero_grads``.

    Args:
        template: The template, with ``context`` and ``region`` in its kernels, which are
            taken out.
        writes: Writes to parameters and ``.grad``; ``event`` is the kernel's index.
        name: Name of a parameter by index.
    """
    kernels = template["kernels"]
    flow = _Flow(kernels)
    for kernel in kernels:
        if kernel["context"] is not None:
            kernel["phase"] = kernel["context"][0]
    groups: dict[Any, _Group] = {}
    for write in writes:
        kernel = kernels[write.event]
        if write.kind == "g" and _zeroes(kernel):
            _mark(kernels, flow.ancestors(write.event), "zero_grad")
            template["zero_grads"].append(_zero_grad(kernel, write, name))
        else:
            sources = flow.ancestors(write.event)
            _mark(kernels, sources, "update")
            if write.kind == "p":
                key = (write.parameter, kernel["region"], kernel["context"])
                group = groups.setdefault(key, _Group(write))
                group.last = write
                group.kernels.update(sources)
    template["updates"] = [_update(template, group, name) for group in groups.values()]
    for kernel in kernels:
        del kernel["context"], kernel["region"]


@dataclass(slots=True)
class _Group:
    """All writes that make up one update of one parameter."""

    first: Write
    last: Write = field(init=False)
    kernels: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.last = self.first


class _Flow:
    """Which kernel made the value that another one read."""

    def __init__(self, kernels: list[dict[str, Any]]) -> None:
        self._kernels = kernels
        latest: dict[int, int] = {}
        self._reads: list[set[int]] = []
        for index, kernel in enumerate(kernels):
            reads = [use[1] for _, encoded, _ in kernel["args"] for use in _flatten(encoded)]
            self._reads.append({latest[tensor] for tensor in reads if tensor in latest})
            for encoded in kernel["outs"]:
                for use in _flatten(encoded):
                    latest[use[1]] = index

    def ancestors(self, index: int) -> set[int]:
        """The kernel and all that it needed within its own region, without autograd's."""
        region = self._kernels[index]["region"]
        found, waiting = {index}, [index]
        while waiting:
            for source in self._reads[waiting.pop()] - found:
                kernel = self._kernels[source]
                if (
                    kernel["region"] == region
                    and kernel["phase"] != "backward"
                    and kernel["node"] is None
                ):
                    found.add(source)
                    waiting.append(source)
        return found


def _mark(kernels: list[dict[str, Any]], indexes: set[int], phase: str) -> None:
    for index in indexes:
        if kernels[index]["phase"] == "forward":
            kernels[index]["phase"] = phase


def _zeroes(kernel: dict[str, Any]) -> bool:
    name = kernel["op"].split(".")[1]
    if name == "fill_":
        return bool(kernel["args"][1][1] in (["k", "scalar", 0], ["k", "scalar", False]))
    return name in _ZEROING


def _written(kernel: dict[str, Any], write: Write) -> tuple[Any, Any]:
    """The written tensor before and after the kernel, as the template encodes them.

    Where a new tensor took the parameter's place, there is none before, and after is the one
    the kernel made.
    """
    if write.argument < 0:
        return None, _flatten(kernel["outs"][0])[0]
    encoded = kernel["args"][write.argument][1]
    before = encoded[1][write.item] if write.item >= 0 else encoded
    after = [use for out in kernel["outs"] for use in _flatten(out) if use[1] == before[1]]
    return before, after[-1] if after else None


def _zero_grad(kernel: dict[str, Any], write: Write, name: Callable[[int], str]) -> dict[str, Any]:
    before, after = _written(kernel, write)
    return {
        "parameter": name(write.parameter),
        "before": before,
        "after": after,
        "source": kernel["source"],
    }


def _update(template: Template, group: _Group, name: Callable[[int], str]) -> dict[str, Any]:
    kernels = template["kernels"]
    before, _ = _written(kernels[group.first.event], group.first)
    _, after = _written(kernels[group.last.event], group.last)
    parameter = name(group.first.parameter)
    indexes = sorted(group.kernels)
    return {
        "parameter": parameter,
        "before": before,
        "after": after,
        "grad": _first_use(template, indexes, f"{parameter}.grad"),
        "kernels": indexes,
        "source": kernels[group.last.event]["source"],
    }


def _first_use(template: Template, indexes: list[int], name: str) -> Any:
    for index in indexes:
        for use in tensor_uses(template["kernels"][index]):
            if template["tensors"][use[1]][2] == name:
                return use
    return None


def tensor_uses(kernel: dict[str, Any]) -> list[Any]:
    """All tensor uses of a kernel as the template encodes them, inputs before outputs."""
    encoded = [item for _, item, _ in kernel["args"]] + kernel["outs"]
    return [use for item in encoded for use in _flatten(item)]


def _flatten(encoded: Any) -> list[Any]:
    if not encoded:
        return []
    if encoded[0] == "t":
        return [encoded]
    if encoded[0] == "l":
        return [use for item in encoded[1] for use in _flatten(item)]
    return []
