"""A recording as a Chrome trace, which Perfetto opens: every step as nested slices.

::

    step 0
      forward
        encoder
          encoder.0
            aten.addmm
      backward
        encoder
          TanhBackward0
            aten.tanh_backward
          AccumulateGrad encoder.0.weight
      update
        encoder.0.weight = encoder.0.weight - 0.1 * encoder.0.weight.grad
          aten.add_

Modules are those of the forward: a node of the backward stands in the module whose forward made
it. Arrows lead from a kernel of the forward to what its node ran in the backward. What kernels
and nodes were given and gave stands in the arguments of their slices.

NOTE 1 [The clock counts]: times are not recorded, so the trace shows none. A kernel takes one
microsecond, as does a node that ran no kernel, and a step of which no kernels are known.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from autograd_lens.analysis.rates import find_rates
from autograd_lens.render.numbers import render_value
from autograd_lens.trace.graph import leaves_unset, operator_name
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import (
    Backward,
    Constant,
    GradChange,
    GradWrite,
    Kernel,
    Node,
    NodeRun,
    ParameterUpdate,
    Source,
    Step,
    TensorUse,
)
from autograd_lens.trace.values import Value

__all__ = ["perfetto_lines"]

Event = dict[str, object]

_KERNEL = 1.0  # microseconds
_RUN, _STEPS = 1, 1  # process and thread
_ARROWS = 24  # bits that tell the arrows of a step apart


def perfetto_lines(trace: Trace, chosen: Iterable[int], opened: Iterable[int]) -> Iterator[str]:
    """The lines of a trace in Chrome's JSON format.

    Args:
        trace: The run.
        chosen: The steps to write, rising.
        opened: Those of them to write with their kernels, where these are known.
    """
    first = True
    yield '{"displayTimeUnit": "ns", "traceEvents": ['
    for event in _events(trace, chosen, frozenset(opened)):
        yield ("" if first else ",") + json.dumps(event, ensure_ascii=False)
        first = False
    yield "]}"


def _events(trace: Trace, chosen: Iterable[int], opened: frozenset[int]) -> Iterator[Event]:
    where = {"ph": "M", "pid": _RUN, "tid": _STEPS}
    yield where | {"name": "process_name", "args": {"name": trace.path.name}}
    clock = "steps (1 us is one kernel, not time)"
    yield where | {"name": "thread_name", "args": {"name": clock}}
    rates, now = find_rates(trace).groups, 0.0
    for number in chosen:
        step = trace.steps[number] if number in opened else trace.light(number)
        values = {"loss": step.loss, "gradient norm": _gradient_norm(step)}
        values |= {f"lr {place}": group.at(number) for place, group in enumerate(rates)}
        for name, value in values.items():
            if value is not None and abs(value) < float("inf"):  # a counter holds no NaN
                counter = {"ph": "C", "pid": _RUN, "ts": now, "name": name}
                yield counter | {"args": {"value": value}}
        writer = _Slices(now)
        yield from writer.write(_leaves(trace, step))
        now = writer.now + _KERNEL


def _gradient_norm(step: Step) -> float | None:
    """The norm of all gradients together, behind the step's last backward."""
    norms = [one.grad.norm for one in step.parameters.values() if one.grad is not None]
    return sum(norm**2 for norm in norms) ** 0.5 if norms else None


@dataclass(frozen=True, slots=True)
class _Frame:
    """A slice that holds others: neighbours with equal keys stand in one."""

    key: Hashable
    name: str
    kind: str
    args: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Leaf:
    """One microsecond, the slices that it stands in, outermost first, and an arrow's end."""

    frames: Sequence[_Frame]
    begins: Sequence[int] = ()
    ends: Sequence[int] = ()


class _Slices:
    """Opens and closes slices as leaves come.

    Args:
        now: The time.
    """

    def __init__(self, now: float) -> None:
        self.now = now
        self._open: list[Hashable] = []

    def write(self, leaves: Iterable[_Leaf]) -> Iterator[Event]:
        """All events of one step."""
        for leaf in leaves:
            shared = 0
            for key, frame in zip(self._open, leaf.frames, strict=False):
                if key != frame.key:
                    break
                shared += 1
            yield from self._close(shared)
            for frame in leaf.frames[shared:]:
                self._open.append(frame.key)
                yield self._event("B") | {
                    "name": frame.name,
                    "cat": frame.kind,
                    "args": {name: part for name, part in frame.args.items() if part},
                }
            for phase, ids in (("s", leaf.begins), ("f", leaf.ends)):
                for one in ids:
                    arrow = {"id": one, "name": "autograd", "cat": "autograd", "bp": "e"}
                    yield self._event(phase, 0.5 * _KERNEL) | arrow
            self.now += _KERNEL
        yield from self._close(0)

    def _close(self, keep: int) -> Iterator[Event]:
        while len(self._open) > keep:
            self._open.pop()
            yield self._event("E")

    def _event(self, phase: str, later: float = 0.0) -> Event:
        return {"ph": phase, "pid": _RUN, "tid": _STEPS, "ts": self.now + later}


def _leaves(trace: Trace, step: Step) -> Iterator[_Leaf]:
    outermost = _Frame(("step", step.index), f"step {step.index}", "step", _about_step(step))
    if not step.kernels:
        yield _Leaf([outermost])
        return
    for leaf in _Tape(trace, step).leaves():
        yield _Leaf([outermost, *leaf.frames], leaf.begins, leaf.ends)


def _about_step(step: Step) -> Mapping[str, object]:
    return {
        "loss": "" if step.loss is None else f"{step.loss:.6g}",
        "level": step.level,
        "provenance": step.provenance,
        "left out": " ".join(step.omitted),
    }


Run = tuple[Backward, NodeRun]


class _Tape:
    """One full step, kernel by kernel.

    Args:
        trace: The run, which has the program's text.
        step: The step.
    """

    def __init__(self, trace: Trace, step: Step) -> None:
        self._trace = trace
        self._step = step
        self._runs: dict[int, Run] = {}
        self._silent: dict[int, list[Run]] = {}  # runs without kernels, by the kernel behind them
        for backward in step.backwards:
            waiting: list[Run] = []
            last = -1
            for run in backward.node_runs:
                waiting.append((backward, run))
                if run.kernels:
                    self._silent.setdefault(run.kernels[0], []).extend(waiting[:-1])
                    self._runs |= dict.fromkeys(run.kernels, waiting[-1])
                    last, waiting = max(run.kernels), []
            self._silent.setdefault(last + 1, []).extend(waiting)
        self._changes = self._sole_writers()
        self._frames: dict[tuple[int, int], list[_Frame]] = {}  # of runs
        self._arrows: dict[tuple[int, int], int] = {}  # by backward and node, where both ends are
        self._begins: dict[int, list[int]] = {}  # the same by the kernel of the forward
        self._draw_arrows()

    def _draw_arrows(self) -> None:
        for backward in self._step.backwards:
            ran = {run.node for run in backward.node_runs if run.kernels}
            for node in backward.graph.nodes if backward.graph else ():
                if node.index in ran and node.forward_kernel is not None:
                    arrow = (self._step.index << _ARROWS) + len(self._arrows)
                    self._arrows[backward.index, node.index] = arrow
                    self._begins.setdefault(node.forward_kernel, []).append(arrow)

    def _sole_writers(self) -> Mapping[int, ParameterUpdate | GradChange]:
        """Kernels that belong to the change of one parameter alone."""
        found: dict[int, list[ParameterUpdate | GradChange]] = {}
        changes: list[ParameterUpdate | GradChange] = [
            *self._step.updates,
            *self._step.grad_changes,
        ]
        for change in changes:
            for kernel in change.kernels:
                found.setdefault(kernel, []).append(change)
        return {kernel: one for kernel, (one, *more) in found.items() if not more}

    def leaves(self) -> Iterator[_Leaf]:
        """The step in order."""
        for kernel in self._step.kernels:
            for run in self._silent.get(kernel.index, ()):
                yield _Leaf(self._of_run(run))
            yield self._leaf(kernel)
        for run in self._silent.get(len(self._step.kernels), ()):
            yield _Leaf(self._of_run(run))

    def _leaf(self, kernel: Kernel) -> _Leaf:
        run = self._runs.get(kernel.index)
        own = _Frame(("kernel", kernel.index), operator_name(kernel), "kernel", self._about(kernel))
        if run is not None:
            backward, node = run
            arrow = self._arrows.get((backward.index, node.node))
            first = kernel.index == node.kernels[0]
            ends = [arrow] if first and arrow is not None else []
            return _Leaf([*self._of_run(run), own], ends=ends)
        frames = [self._phase_of(kernel), *_modules(kernel.module)]
        change = self._changes.get(kernel.index)
        if change is not None:
            frames.append(self._of_change(change))
        return _Leaf([*frames, own], self._begins.get(kernel.index, ()))

    def _phase_of(self, kernel: Kernel) -> _Frame:
        if kernel.phase == "backward" and kernel.backward < len(self._step.backwards):
            return self._of_backward(self._step.backwards[kernel.backward])
        return _Frame(("phase", kernel.phase), kernel.phase, "phase")

    def _of_backward(self, backward: Backward) -> _Frame:
        number = f" {backward.index}" if len(self._step.backwards) > 1 else ""
        about = {"line": self._place(backward.source), "kind": backward.kind}
        return _Frame(("backward", backward.index), f"backward{number}", "phase", about)

    def _of_change(self, change: ParameterUpdate | GradChange) -> _Frame:
        target = change.parameter
        kind = "update" if isinstance(change, ParameterUpdate) else "change"
        target = target if kind == "update" else f"{target}.grad"
        about = {
            "expression": change.expression,
            "before": _told(change.before),
            "after": _told(change.after),
        }
        return _Frame((kind, target, change.kernels), f"{kind} {target}", kind, about)

    def _of_run(self, run: Run) -> list[_Frame]:
        """The slices of a node's run: the backward, its modules, the node."""
        backward, node_run = run
        key = backward.index, node_run.order
        if key not in self._frames:
            self._frames[key] = [*self._around(backward, node_run)]
        return self._frames[key]

    def _around(self, backward: Backward, run: NodeRun) -> Iterator[_Frame]:
        yield self._of_backward(backward)
        if backward.graph is None:
            return
        node = backward.graph.nodes[run.node]
        yield from _modules(self._module_of(node))
        name = f"{node.name} {node.variable}" if node.variable else node.name
        about = _about_run(node, run, _write_of(backward, node))
        yield _Frame(("run", backward.index, run.order), name, "node", about)

    def _module_of(self, node: Node) -> str:
        if node.variable is not None:
            return node.variable.rpartition(".")[0]
        made = node.forward_kernel
        return "" if made is None else self._step.kernels[made].module

    def _about(self, kernel: Kernel) -> Mapping[str, object]:
        given = {f"in {one.name}": _argument(one.value) for one in kernel.inputs}
        unset = leaves_unset(kernel)
        made = {
            f"out {at}": "memory that is not set yet" if unset else _use(one)
            for at, one in enumerate(kernel.outputs)
        }
        place = {"line": self._place(kernel.source), "code": self._trace.line(kernel.source)}
        return {"kernel": str(kernel.index), "op": kernel.op} | place | given | made

    def _place(self, source: Source | None) -> str:
        return "" if source is None else f"{PurePath(source.file).name}:{source.line}"


def _modules(path: str) -> list[_Frame]:
    """A slice for each module around a place: ``encoder``, ``encoder.layers``, ..."""
    parts = path.split(".") if path else []
    paths = [".".join(parts[: end + 1]) for end in range(len(parts))]
    return [_Frame(("module", one), one, "module") for one in paths]


def _write_of(backward: Backward, node: Node) -> GradWrite | None:
    """What an ``AccumulateGrad`` wrote."""
    writes = (one for one in backward.grad_writes if one.parameter == node.variable)
    return next(writes, None)


def _about_run(node: Node, run: NodeRun, write: GradWrite | None) -> Mapping[str, object]:
    about = {"node": str(node.index)} | {f"d {name}": text for name, text in node.formula}
    about |= {f"grad_output {at}": _told(one) for at, one in enumerate(run.grad_outputs)}
    about |= {f"grad_input {at}": _told(one) for at, one in enumerate(run.grad_inputs)}
    if write is not None:
        about |= {".grad before": _told(write.before), ".grad after": _told(write.after)}
    return about


def _argument(value: TensorUse | Constant | Sequence[TensorUse | Constant]) -> str:
    if isinstance(value, TensorUse):
        return _use(value)
    if isinstance(value, Constant):
        return str(value.value)
    return ", ".join(map(_argument, value))


def _use(use: TensorUse) -> str:
    return f"{use.spec.name} {_told(use.value)}".strip()


def _told(value: Value | None) -> str:
    return render_value(value).plain
