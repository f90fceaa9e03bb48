"""A template and a step's slots, put together again as records (see ``template``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from autograd_lens.trace.encodings import Encodings, Json, without_identity
from autograd_lens.trace.records import (
    Argument,
    Backward,
    Edge,
    GradMode,
    GradWrite,
    Graph,
    Kernel,
    Node,
    NodeRun,
    ParameterUpdate,
    Phase,
    SavedTensor,
    ZeroGrad,
)
from autograd_lens.trace.schema import damaged
from autograd_lens.trace.store import parsing
from autograd_lens.trace.typed import at, boolean, integer, text
from autograd_lens.trace.values import Entry

__all__ = ["Tape", "decode"]

_PHASES = frozenset({"forward", "backward", "update", "zero_grad"})


@dataclass(frozen=True, slots=True)
class Tape:
    """What a full step adds to its light rows.

    Attributes:
        kernels: The tape.
        backwards: Runs of the engine with their graphs.
        updates: Parameter updates, without expressions.
        zero_grads: Clearings of ``.grad``.
        omitted: What was left out and why.
    """

    kernels: tuple[Kernel, ...]
    backwards: tuple[Backward, ...]
    updates: tuple[ParameterUpdate, ...]
    zero_grads: tuple[ZeroGrad, ...]
    omitted: tuple[str, ...]


def decode(template: Json, slots: Sequence[Entry], dots: Mapping[int, str] | None = None) -> Tape:
    """The records of a full step.

    Args:
        template: The structure.
        slots: What it refers to by position.
        dots: Drawing of each backward that has one, by index.

    Raises:
        NotATraceError: The two do not fit, or the template is wrong.
    """
    with parsing("the structure of a full step"):
        return _Decoder(template, slots).tape(dots or {})


class _Decoder:
    def __init__(self, template: Json, slots: Sequence[Entry]) -> None:
        self._template = template
        self._encodings = Encodings(template, slots)
        self._backwards: list[Json] = template["backwards"]
        self._kernel_count = len(template["kernels"])

    def tape(self, dots: Mapping[int, str]) -> Tape:
        template = self._template
        return Tape(
            kernels=tuple(map(self._kernel, range(self._kernel_count), template["kernels"])),
            backwards=tuple(
                self._backward(index, plain, dots.get(index, ""))
                for index, plain in enumerate(self._backwards)
            ),
            updates=tuple(map(self._update, template["updates"])),
            zero_grads=tuple(map(self._zero_grad, template["zero_grads"])),
            omitted=tuple(map(text, template["omitted"])),
        )

    def _kernels(self, indexes: Sequence[int]) -> tuple[int, ...]:
        return tuple(integer(index, self._kernel_count) for index in indexes)

    def _kernel(self, index: int, plain: Json) -> Kernel:
        if plain["phase"] not in _PHASES:
            damaged(f"{plain['phase']!r} is no phase of a step")
        backward = integer(plain["backward"])
        node = plain["node"]
        if node is not None:
            node = integer(node, len(at(self._backwards, backward)["nodes"]))
        return Kernel(
            index=index,
            op=text(plain["op"]),
            inputs=tuple(
                Argument(text(name), self._encodings.use(enc), boolean(keyword))
                for name, enc, keyword in plain["args"]
            ),
            outputs=tuple(map(self._encodings.output, plain["outs"])),
            phase=cast("Phase", plain["phase"]),
            node=node,
            backward=backward,
            source=self._encodings.source(plain["source"]),
            module=text(plain["module"]),
            training=_optional(plain.get("training")),
            requires_grad=_optional(plain.get("grad")),
        )

    def _backward(self, index: int, plain: Json, dot: str) -> Backward:
        if plain["kind"] not in ("backward", "grad"):
            damaged(f"{plain['kind']!r} is no kind of backward")
        size = len(plain["nodes"])
        return Backward(
            index=index,
            kind=plain["kind"],
            roots=self._encodings.values(plain["roots"]),
            retain_graph=boolean(plain["retain_graph"]),
            create_graph=boolean(plain["create_graph"]),
            source=self._encodings.source(plain["source"]),
            fingerprint=text(plain["fingerprint"]),
            grad_writes=tuple(map(self._write, plain["writes"])),
            graph=Graph(
                nodes=tuple(map(self._node, range(size), plain["nodes"])),
                edges=tuple(
                    Edge(integer(start, size), integer(slot), integer(end, size), integer(output))
                    for start, slot, end, output in plain["edges"]
                ),
                dot=dot,
            ),
            node_runs=tuple(self._run(order, run, size) for order, run in enumerate(plain["runs"])),
            error=text(plain["error"]),
        )

    def _node(self, index: int, plain: Json) -> Node:
        kernel, variable = plain["kernel"], plain["variable"]
        return Node(
            index=index,
            name=text(plain["name"]),
            formula=tuple((text(name), text(formula)) for name, formula in plain["formula"]),
            forward_kernel=None if kernel is None else integer(kernel, self._kernel_count),
            saved=tuple(map(self._saved, plain["saved"])),
            variable=None if variable is None else text(variable),
        )

    def _saved(self, plain: Json) -> SavedTensor:
        tensor, made = plain["tensor"], plain["made"]
        value = without_identity(self._encodings.decode(plain["value"]))
        changed = made is not None and self._encodings.differs(plain["value"], made)
        return SavedTensor(
            name=text(plain["name"]),
            value=value,
            tensor=None if tensor is None else integer(tensor, self._encodings.tensors),
            changed=changed,
            note=text(plain["note"]),
        )

    def _run(self, order: int, plain: Json, nodes: int) -> NodeRun:
        return NodeRun(
            order=order,
            node=integer(plain["node"], nodes),
            grad_outputs=self._encodings.values(plain["grad_outputs"]),
            grad_inputs=self._encodings.values(plain["grad_inputs"]),
            kernels=self._kernels(plain["kernels"]),
        )

    def _write(self, plain: Json) -> GradWrite:
        if plain["mode"] not in ("set", "accumulate"):
            damaged(f"{plain['mode']!r} is no way to write a grad")
        return GradWrite(
            parameter=text(plain["parameter"]),
            before=self._encodings.value(plain["before"]),
            incoming=self._encodings.value(plain["incoming"]),
            after=self._encodings.value(plain["after"]),
            mode=cast("GradMode", plain["mode"]),
        )

    def _update(self, plain: Json) -> ParameterUpdate:
        return ParameterUpdate(
            parameter=text(plain["parameter"]),
            before=self._encodings.value(plain["before"]),
            after=self._encodings.value(plain["after"]),
            grad=self._encodings.value(plain["grad"]),
            kernels=self._kernels(plain["kernels"]),
            source=self._encodings.source(plain["source"]),
        )

    def _zero_grad(self, plain: Json) -> ZeroGrad:
        return ZeroGrad(
            parameter=text(plain["parameter"]),
            before=self._encodings.value(plain["before"]),
            after=self._encodings.value(plain["after"]),
            source=self._encodings.source(plain["source"]),
        )


def _optional(plain: object) -> bool | None:
    return None if plain is None else boolean(plain)
