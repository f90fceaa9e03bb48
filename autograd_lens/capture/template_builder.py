"""Writes out the structure of one step as a template (see ``trace.template``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, ClassVar

from autograd_lens.capture.derivatives import DerivativeTable
from autograd_lens.capture.segment import Segment
from autograd_lens.capture.update_phases import assign_phases, tensor_uses
from autograd_lens.live.backward import (
    BACKWARD_BEGIN,
    BACKWARD_END,
    GRAD_WRITE,
    NODE_RUN,
    SAVED_COPY,
    SAVED_LIST,
    SAVED_TENSOR,
    UNWATCHED,
)
from autograd_lens.live.frames import EVALUATING, Site
from autograd_lens.live.mode import IN_BACKWARD
from autograd_lens.live.reading import DTYPE_NAMES
from autograd_lens.live.stream import NUMBER, Write
from autograd_lens.trace.records import Source
from autograd_lens.trace.values import Summary

__all__ = ["TemplateBuilder", "Writes", "input_slots"]

Template = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Writes:
    """How the parameters of a step were written.

    Attributes:
        in_place: Kernels that wrote to a parameter's or a ``.grad``'s memory.
        replaced: (parameter index, address) where a new tensor took the parameter's place.
    """

    in_place: list[Write]
    replaced: list[tuple[int, int]]


class TemplateBuilder:
    """Builds the template of one segment.

    Attributes:
        template: The result, complete after ``build``.
    """

    def __init__(
        self,
        segment: Segment,
        names: Callable[[int], str],
        writes: Writes,
        derivatives: DerivativeTable,
        source_of: Callable[[tuple[int, int]], Source],
    ) -> None:
        self._segment = segment
        self._parameter_name = names
        self._writes = writes
        self._derivatives = derivatives
        self._source_of = source_of
        self._sources: dict[Any, int] = {}
        self._specs: dict[Any, int] = {}
        self._kernel_of_event: dict[int, int] = {}
        self._views: list[bool] = []  # by kernel
        self._last_sequence = -1
        self._region = -1
        self._makers: dict[int, int] = {}
        self._detached: dict[int, int] = {}  # the tensor that each one was detached from
        self._sequences: list[tuple[int | None, ...]] = []
        self.template: Template = {
            "specs": [],
            "tensors": [],
            "strides": [],
            "sources": [],
            "kernels": [],
            "backwards": [],
            "updates": [],
            "zero_grads": [],
            "omitted": [],
        }

    def build(self) -> Template:
        """Go through the events once, then connect what refers across events."""
        for position, key in enumerate(self._segment.keys):
            kind = key[0] if isinstance(key[0], str) else None
            handler = self._HANDLERS.get(kind, TemplateBuilder._kernel)
            handler(self, position, key)
        self._tensors()
        self._connect_nodes()
        assign_phases(self.template, self._kernel_writes(), self._parameter_name)
        self._note_omissions()
        return self.template

    # -- events -------------------------------------------------------------------------

    def _kernel(self, position: int, key: Any) -> None:
        func, pattern, keywords, results, code, lasti, where, context, module = key
        cursor = self._segment.cursor(position)
        op = func.op
        schema = op._schema
        names = [argument.name for argument in schema.arguments]
        args = [
            [names[i] if i < len(names) else f"arg{i}", cursor.encode(item), False]
            for i, item in enumerate(pattern)
        ]
        args += [[name, cursor.encode(item), True] for name, item in keywords or ()]
        several = isinstance(results, tuple)
        outs = [cursor.encode(r) for r in (results[1:] if several else (results,))]
        in_backward = context is IN_BACKWARD
        index = len(self.template["kernels"])
        self._kernel_of_event[position] = index
        made = None if in_backward else self._makes_node(position, where)
        if not in_backward:
            self._note_maker(self._segment.marks[position][2] - 1, index)
        self._views.append(func.views)
        self.template["kernels"].append(
            {
                "op": str(op),
                "args": args,
                "outs": tensor_uses({"args": [], "outs": outs}),  # lists of tensors flattened
                "phase": "backward" if in_backward else "forward",
                "node": where if in_backward and where >= 0 else None,
                "backward": max(len(self.template["backwards"]) - 1, 0),
                "source": self._source((code, lasti) if code else None),
                "module": module.removesuffix(EVALUATING),
                "training": not module.endswith(EVALUATING) if module else None,
                "grad": made,
                # For assign_phases, which takes these two out again.
                "context": None if in_backward else context,
                "region": len(self.template["backwards"]),
            }
        )

    def _makes_node(self, position: int, where: int) -> bool | None:
        """Whether the kernel has a sequence number that the one before it had not.

        Numbers are counted from the last backward; of those used before the first kernel
        behind it, nothing is known but that there are none or some.
        """
        region = len(self.template["backwards"])
        if region != self._region:
            self._region = region
            return None if where > 1 else where == 1
        return bool(self._segment.marks[position][2] - 1 > self._last_sequence)

    def _note_maker(self, sequence: int, kernel: int) -> None:
        """The first kernel that sees a new sequence number is the one that made the node."""
        if sequence > self._last_sequence:
            self._makers[sequence] = kernel
            self._last_sequence = sequence

    def _begin(self, position: int, key: Any) -> None:
        _, types, edges, sequence, variables, saved, outputs, given, site, flags = key
        cursor = self._segment.cursor(position)
        roots = [_value(cursor.encode(pattern)) for pattern in outputs]
        gradients = [_value(cursor.encode(pattern)) for pattern in given]
        leaves = dict(variables)
        nodes = [
            {
                "name": kind.__name__,
                "formula": [],
                "kernel": None,
                "saved": [self._saved(cursor, name, pattern) for name, pattern in fields],
                "variable": self._leaf_name(leaves, node),
            }
            for node, (kind, fields) in enumerate(zip(types, saved, strict=True))
        ]
        backward_kind, retain_graph, create_graph, fingerprint = flags
        self.template["backwards"].append(
            {
                "kind": backward_kind,
                "roots": roots,
                "gradients": gradients,
                "retain_graph": retain_graph,
                "create_graph": create_graph,
                "source": self._source(site),
                "fingerprint": fingerprint,
                "error": "",
                "nodes": nodes,
                "edges": [list(edge) for edge in edges],
                "runs": [],
                "writes": [],
            }
        )
        base = self._segment.marks[position][2]
        self._sequences.append(tuple(None if s is None else s + base for s in sequence))
        self._claim_first_gradient(self._source(site))

    def _claim_first_gradient(self, source: int | None) -> None:
        """``backward()`` makes the gradient it starts with (``ones_like``) before the engine."""
        for kernel in reversed(self.template["kernels"]):
            if source is None or kernel["source"] != source:
                break
            number = len(self._sequences) - 1
            kernel.update(phase="backward", node=None, backward=number, grad=None)

    def _leaf_name(self, leaves: dict[int, int | str], node: int) -> str | None:
        if node not in leaves:
            return None
        leaf = leaves[node]
        return leaf if isinstance(leaf, str) else self._parameter_name(leaf)

    def _saved(self, cursor: Any, name: str, pattern: Any) -> dict[str, Any]:
        field: dict[str, Any] = {"name": name, "tensor": None, "made": None, "note": ""}
        if pattern in (SAVED_TENSOR, SAVED_COPY):
            encoded = cursor.tensor()
            field["value"] = encoded
            field["tensor"] = encoded[1] if pattern == SAVED_TENSOR else None
        elif pattern is NUMBER:
            field["value"] = cursor.encode(pattern)
        elif pattern is None:
            field["value"] = None
        elif isinstance(pattern, tuple) and pattern[0] == SAVED_LIST:
            items = [self._saved(cursor, name, item)["value"] for item in pattern[1:]]
            field["value"] = ["l", items]
        else:
            field["value"] = cursor.encode(pattern)
        return field

    def _end(self, _position: int, key: Any) -> None:
        self.template["backwards"][-1]["error"] = key[1]

    def _node_run(self, position: int, key: Any) -> None:
        _, node, arrived, computed = key
        cursor = self._segment.cursor(position)
        self.template["backwards"][-1]["runs"].append(
            {
                "node": node,
                "grad_outputs": [_value(cursor.encode(p)) for p in arrived],
                "grad_inputs": [_value(cursor.encode(p)) for p in computed],
                "kernels": [],
            }
        )

    def _grad_write(self, position: int, key: Any) -> None:
        _, node, parameter, old, incoming, new = key
        cursor = self._segment.cursor(position)
        before, arrived = _value(cursor.encode(old)), _value(cursor.encode(incoming))
        after_slot, after_use = self._segment.marks[position][2:]
        after = _value(self._segment.cursor_at(after_slot, after_use).encode(new))
        backward = self.template["backwards"][-1]
        backward["runs"].append(
            {"node": node, "grad_outputs": [arrived], "grad_inputs": [], "kernels": []}
        )
        if parameter is not None:
            backward["writes"].append(
                {
                    "parameter": self._parameter_name(parameter),
                    "before": before,
                    "incoming": arrived,
                    "after": after,
                    "mode": "set" if before is None else "accumulate",
                }
            )

    _HANDLERS: ClassVar[Mapping[Any, Callable[[TemplateBuilder, int, Any], None]]] = {
        BACKWARD_BEGIN: _begin,
        BACKWARD_END: _end,
        NODE_RUN: _node_run,
        GRAD_WRITE: _grad_write,
    }

    # -- what refers across events --------------------------------------------------------

    def _tensors(self) -> None:
        roles = self._roles()
        for number, entry in enumerate(self._segment.tensors):
            if entry.spec not in self._specs:
                self._specs[entry.spec] = len(self._specs)
                dtype, shape, device = entry.spec
                self.template["specs"].append(
                    [DTYPE_NAMES[dtype], list(shape), str(device or "cpu")]
                )
            role = entry.role if entry.role != "intermediate" else roles.get(number, entry.role)
            name = entry.name or ("loss" if role == "loss" else "")
            self.template["tensors"].append([self._specs[entry.spec], role, name])
            if roles.get(number) == "input" and _are_unusual(entry.strides, entry.spec[1]):
                self.template["strides"].append([number, list(entry.strides)])

    def _roles(self) -> dict[int, str]:
        """What a tensor is by how the step uses it: read before it is made, or a root."""
        roles: dict[int, str] = {}
        for kernel in self.template["kernels"]:
            for use in tensor_uses({"args": kernel["args"], "outs": []}):
                roles.setdefault(use[1], "input")
            for use in tensor_uses({"args": [], "outs": kernel["outs"]}):
                roles.setdefault(use[1], "intermediate")
        for backward in self.template["backwards"]:
            for root in backward["roots"]:
                if root and root[0] == "t":
                    roles[root[1]] = "loss"
        return roles

    def _connect_nodes(self) -> None:
        kernels = self.template["kernels"]
        self._detached = {
            kernel["outs"][0][1]: kernel["args"][0][1][1]
            for kernel in kernels
            if kernel["op"] == "aten.detach.default" and kernel["outs"]
        }
        for number, backward in enumerate(self.template["backwards"]):
            sequences = self._sequences[number]
            for index, (node, sequence) in enumerate(
                zip(backward["nodes"], sequences, strict=True)
            ):
                maker = None if sequence is None else self._makers.get(sequence)
                node["kernel"] = maker
                if maker is not None and kernels[maker]["node"] is None:
                    kernels[maker]["node"] = index
                    kernels[maker]["backward"] = number
                op = kernels[maker]["op"] if maker is not None else ""
                node["formula"] = [list(f) for f in self._derivatives.formula(op, node["name"])]
                if maker is not None:
                    self._find_made(node, kernels[maker])
            ran: dict[int, list[int]] = {}
            for index, kernel in enumerate(kernels):
                if kernel["phase"] == "backward" and kernel["backward"] == number:
                    ran.setdefault(kernel["node"], []).append(index)
            for run in backward["runs"]:
                run["kernels"] = ran.get(run["node"], [])

    def _find_made(self, node: dict[str, Any], kernel: dict[str, Any]) -> None:
        """Point each saved tensor to its value when the forward made the node.

        A node keeps its own output through a ``detach``, which would else be taken for it.
        """
        slots = {use[1]: use[2] for use in tensor_uses(kernel)}
        for field in node["saved"]:
            if field["tensor"] is None:
                continue
            origin = self._detached.get(field["tensor"], field["tensor"])
            if field["tensor"] not in slots and origin in slots:
                field["tensor"] = origin
            field["made"] = slots.get(field["tensor"])

    def _kernel_writes(self) -> list[Write]:
        in_place = [
            write._replace(event=self._kernel_of_event[write.event])
            for write in self._writes.in_place
            if write.event in self._kernel_of_event
        ]
        return in_place + [
            Write(maker, "p", parameter, -1, -1)
            for parameter, address in self._writes.replaced
            if (maker := self._maker_at(address)) is not None
        ]

    def _maker_at(self, address: int) -> int | None:
        """The last kernel outside of backward that made memory there, rather than viewed it."""
        here = {i for i, entry in enumerate(self._segment.tensors) if entry.address == address}
        for index in reversed(range(len(self.template["kernels"]))):
            kernel = self.template["kernels"][index]
            made = {use[1] for use in tensor_uses({"args": [], "outs": kernel["outs"]})}
            if made & here and kernel["phase"] != "backward" and not self._views[index]:
                return index
        return None

    def _source(self, site: Site) -> int | None:
        if site is None:
            return None
        if site not in self._sources:
            self._sources[site] = len(self._sources)
            self.template["sources"].append(list(astuple(self._source_of(site))))
        return self._sources[site]

    def _note_omissions(self) -> None:
        summarized = sum(isinstance(slot, Summary) for slot in self._segment.slots)
        if summarized:
            self.template["omitted"].append(
                f"{summarized} values were larger than the budget; of these the statistics, "
                "a sample and a digest were kept."
            )
        names = {node["name"] for one in self.template["backwards"] for node in one["nodes"]}
        self.template["omitted"] += [
            f"The kernels of {name} are left out: torch computes it otherwise where they are seen."
            for name in sorted(names & UNWATCHED)
        ]


def _value(encoded: Any) -> Any:
    return None if encoded == ["k", "scalar", None] else encoded


def _are_unusual(strides: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether they are not those of a new tensor; formulas look at dimensions of size 1, too."""
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=False):
        if stride != expected:
            return True
        expected *= max(size, 1)
    return False


def input_slots(template: Template) -> tuple[int, ...]:
    """The slots of tensors that the forward reads from outside: no parameter, no state."""
    found: dict[int, int] = {}
    made: set[int] = set()
    for kernel in template["kernels"]:
        if kernel["phase"] == "forward":
            for use in tensor_uses({"args": kernel["args"], "outs": []}):
                if use[1] not in made and template["tensors"][use[1]][1] == "input":
                    found.setdefault(use[1], use[2])
        made.update(use[1] for use in tensor_uses({"args": [], "outs": kernel["outs"]}))
    return tuple(found.values())
