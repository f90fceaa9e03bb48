"""A trace as JSON lines: one object a step.

Every step has::

    {"step": 137,                  its number, from 0
     "level": "light",             or "full"
     "provenance": "recorded",     or "proved", "differs" where the step was replayed
     "loss": 0.0386663,            null where no backward ran in the step
     "parameters":                 every known parameter by name
        {"w1": {"before":          its value in the forward
                "grad_before":     .grad before the first backward
                "grad":            .grad after the last backward
                "mode":            "set" or "accumulate"; null: no backward reached it
                "after":           its value after the updates; null while that is unknown
                "zeroed":          whether .grad was cleared afterwards; null while unknown
               }, ...}}

A full step has, beyond these::

    "omitted":    sentences: what was left out of the step, and why
    "kernels":    the tape, in order; each
                  {"index", "op", "phase", "module", "backward", "node",
                   "source": SOURCE,
                   "inputs": [{"name", "keyword", ARGUMENT}, ...], "outputs": [ARGUMENT, ...]}
    "nodes":      the autograd nodes of all backwards; each
                  {"backward", "index", "name", "forward_kernel", "variable",
                   "formula": {input: expression}, "saved": [SAVED, ...],
                   "next_functions": [{"input_position", "node", "output_nr"}, ...]}
    "node_runs":  the nodes as the engine ran them; each
                  {"backward", "order", "node", "kernels": [index],
                   "grad_outputs": [VALUE], "grad_inputs": [VALUE]}
    "updates":    {"parameter", "before", "after", "grad", "expression", "kernels", "source"}
    "zero_grads": {"parameter", "before", "after", "source"}

``node`` of a kernel, and ``node`` of a run, are the ``index`` of a node of the same
``backward``. The other names mean what they mean in ``records``.

    VALUE     all elements, nested in lists as the tensor's shape is (a scalar is a number);
              ``{"dtype", "shape", "summary": {...}}`` where only a summary was kept;
              null where there is none
    ARGUMENT  ``"tensor"`` (the same number, the same tensor object), ``"tensor_name"``,
              ``"role"``, ``"dtype"``, ``"shape"``, ``"device"``, ``"value"``: VALUE;
              or ``"constant"`` and its ``"kind"``; or ``"list"``: [ARGUMENT, ...]
    SAVED     ``"name"``; ``"value"``: VALUE, a constant or a list of these; ``"tensor"``,
              ``"changed"``, ``"note"``
    SOURCE    ``{"file", "line", "end_line", "column", "end_column", "function"}`` or null

Numbers are written with as few digits as give back the same number in the tensor's dtype.
JSON has no words for NaN and the infinities: they are the strings ``"NaN"``, ``"Infinity"``
and ``"-Infinity"``. A complex number is ``{"real", "imag"}``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from autograd_lens.trace.records import (
    Argument,
    Backward,
    Constant,
    Kernel,
    Node,
    NodeRun,
    ParameterStep,
    ParameterUpdate,
    SavedTensor,
    Source,
    Step,
    TensorUse,
    ZeroGrad,
)
from autograd_lens.trace.values import Summary, Value

__all__ = ["HasSteps", "json_lines", "step_object"]

Json = Any  # null, a boolean, a number, text, a list or an object
Object = dict[str, Json]


class HasSteps(Protocol):
    """A trace, or whatever else gives steps by number."""

    @property
    def steps(self) -> Sequence[Step]:
        """All steps."""


def json_lines(trace: HasSteps, steps: Iterable[int] | None = None) -> Iterator[str]:
    """The steps of a trace as lines of JSON, without line ends.

    Args:
        trace: The recorded run.
        steps: Which steps, in which order; all by default.
    """
    for step in range(len(trace.steps)) if steps is None else steps:
        yield json.dumps(step_object(trace.steps[step]), ensure_ascii=False, allow_nan=False)


def step_object(step: Step) -> Object:
    """One step as the module's documentation describes it."""
    exported = {
        "step": step.index,
        "level": step.level,
        "provenance": step.provenance,
        "loss": _loss(step),
        "parameters": {name: _parameter(one) for name, one in step.parameters.items()},
    }
    return exported | _full(step) if step.level == "full" else exported


def _loss(step: Step) -> Json:
    """The loss with the digits of its own dtype: it is a root of one of the backwards."""
    for backward in reversed(step.backwards):
        for root in backward.roots:
            if root is not None and root.numel == 1 and root.complete and root.item() == step.loss:
                return _elements(root.array.reshape(()))
    return _number(step.loss)


def _full(step: Step) -> Object:
    return {
        "omitted": list(step.omitted),
        "kernels": [_kernel(kernel) for kernel in step.kernels],
        "nodes": [node for backward in step.backwards for node in _nodes(backward)],
        "node_runs": [
            _node_run(backward.index, run)
            for backward in step.backwards
            for run in backward.node_runs
        ],
        "updates": [_update(update) for update in step.updates],
        "zero_grads": [_zero_grad(zeroed) for zeroed in step.zero_grads],
    }


def _parameter(parameter: ParameterStep) -> Object:
    return {
        "before": _value(parameter.before),
        "grad_before": _value(parameter.grad_before),
        "grad": _value(parameter.grad),
        "mode": parameter.mode,
        "after": _value(parameter.after),
        "zeroed": parameter.zeroed,
    }


def _kernel(kernel: Kernel) -> Object:
    return {
        "index": kernel.index,
        "op": kernel.op,
        "phase": kernel.phase,
        "module": kernel.module,
        "backward": kernel.backward,
        "node": kernel.node,
        "source": _source(kernel.source),
        "inputs": [_named_argument(argument) for argument in kernel.inputs],
        "outputs": [_argument(output) for output in kernel.outputs],
    }


def _named_argument(argument: Argument) -> Object:
    named = {"name": argument.name, "keyword": argument.keyword}
    return named | _argument(argument.value)


def _argument(value: TensorUse | Constant | tuple[TensorUse | Constant, ...]) -> Object:
    if isinstance(value, tuple):
        return {"list": [_argument(part) for part in value]}
    if isinstance(value, Constant):
        return {"constant": _number(value.value), "kind": value.kind}
    spec = value.spec
    return {
        "tensor": value.tensor,
        "tensor_name": spec.name,
        "role": spec.role,
        "dtype": spec.dtype,
        "shape": list(spec.shape),
        "device": spec.device,
        "value": _value(value.value),
    }


def _nodes(backward: Backward) -> Iterator[Object]:
    graph = backward.graph
    if graph is None:
        return
    nexts: dict[int, list[Object]] = {}
    for edge in graph.edges:
        place = {"input_position": edge.input_position, "node": edge.to_node}
        nexts.setdefault(edge.from_node, []).append(place | {"output_nr": edge.output_nr})
    for node in graph.nodes:
        yield _node(backward.index, node) | {"next_functions": nexts.get(node.index, [])}


def _node(backward: int, node: Node) -> Object:
    return {
        "backward": backward,
        "index": node.index,
        "name": node.name,
        "forward_kernel": node.forward_kernel,
        "variable": node.variable,
        "formula": dict(node.formula),
        "saved": [_saved(saved) for saved in node.saved],
    }


def _saved(saved: SavedTensor) -> Object:
    return {
        "name": saved.name,
        "value": _saved_value(saved.value),
        "tensor": saved.tensor,
        "changed": saved.changed,
        "note": saved.note,
    }


def _saved_value(value: Value | Constant | tuple[Value | Constant | None, ...] | None) -> Json:
    if isinstance(value, tuple):
        return [_saved_value(part) for part in value]
    return _number(value.value) if isinstance(value, Constant) else _value(value)


def _node_run(backward: int, run: NodeRun) -> Object:
    return {
        "backward": backward,
        "order": run.order,
        "node": run.node,
        "kernels": list(run.kernels),
        "grad_outputs": [_value(grad) for grad in run.grad_outputs],
        "grad_inputs": [_value(grad) for grad in run.grad_inputs],
    }


def _update(update: ParameterUpdate) -> Object:
    return {
        "parameter": update.parameter,
        "before": _value(update.before),
        "after": _value(update.after),
        "grad": _value(update.grad),
        "expression": update.expression,
        "kernels": list(update.kernels),
        "source": _source(update.source),
    }


def _zero_grad(zeroed: ZeroGrad) -> Object:
    return {
        "parameter": zeroed.parameter,
        "before": _value(zeroed.before),
        "after": _value(zeroed.after),
        "source": _source(zeroed.source),
    }


def _source(source: Source | None) -> Object | None:
    return None if source is None else asdict(source)


def _value(value: Value | None) -> Json:
    if value is None:
        return None
    if not value.complete:
        summary = None if value.summary is None else _summary(value.summary)
        return {"dtype": value.dtype, "shape": list(value.shape), "summary": summary}
    return _elements(value.array)


def _summary(summary: Summary) -> Object:
    plain = asdict(summary)
    return {name: _elements_of(field) for name, field in plain.items()}


def _elements_of(field: Json) -> Json:
    return [_number(part) for part in field] if isinstance(field, tuple) else _number(field)


def _elements(array: npt.NDArray[Any]) -> Json:
    if array.ndim:
        return [_elements(part) for part in array]
    if array.dtype.kind == "f" and array.dtype != np.float64:
        return _number(float(str(array[()])))  # NumPy's text is the shortest of this dtype
    return _number(array.item())


def _number(number: Json) -> Json:
    """A number, or anything else that JSON can hold as it is."""
    if isinstance(number, complex):
        return {"real": _number(number.real), "imag": _number(number.imag)}
    if not isinstance(number, float) or math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
