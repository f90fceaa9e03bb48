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

Where only values of a few elements are written, a larger one is ``{"dtype", "shape", "norm"}``.

Numbers are written with as few digits as give back the same number in the tensor's dtype.
JSON has no words for NaN and the infinities: they are the strings ``"NaN"``, ``"Infinity"``
and ``"-Infinity"``. A complex number is ``{"real", "imag"}``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from autograd_lens.trace.records import (
    Argument,
    Backward,
    Constant,
    Kernel,
    ParameterStep,
    ParameterUpdate,
    SavedTensor,
    Source,
    Step,
    TensorUse,
    ZeroGrad,
)
from autograd_lens.trace.values import Array, Summary, Value

__all__ = ["json_lines", "step_object"]

Json = Any  # null, a boolean, a number, text, a list or an object
Object = dict[str, Json]

# Records whose fields are written under their own names, and which of them.
_FIELDS = {
    ParameterStep: ("before", "grad_before", "grad", "mode", "after", "zeroed"),
    ParameterUpdate: ("parameter", "before", "after", "grad", "expression", "kernels", "source"),
    ZeroGrad: ("parameter", "before", "after", "source"),
    SavedTensor: ("name", "value", "tensor", "changed", "note"),
}


def json_lines(
    steps: Sequence[Step], chosen: Iterable[int] | None = None, *, most: int | None = None
) -> Iterator[str]:
    """The steps of a trace as lines of JSON, without line ends.

    Args:
        steps: All steps of the recorded run.
        chosen: Which of them, in which order; all by default.
        most: Elements of the largest value that is written; all by default.
    """
    for step in range(len(steps)) if chosen is None else chosen:
        told = step_object(steps[step], most=most)
        yield json.dumps(told, ensure_ascii=False, allow_nan=False)


def step_object(step: Step, *, most: int | None = None) -> Object:
    """One step as the module's documentation describes it, values up to ``most`` elements."""
    told: Object = _written(_object(step), most)
    return told


def _written(thing: Json, most: int | None) -> Json:
    """What ``_json`` gives, with its values as JSON can hold them."""
    if isinstance(thing, dict):
        return {name: _written(part, most) for name, part in thing.items()}
    if isinstance(thing, list):
        return [_written(part, most) for part in thing]
    if not isinstance(thing, Value):
        return thing
    named = {"dtype": thing.dtype, "shape": list(thing.shape)}
    if most is not None and thing.numel > most:
        return named | {"norm": _json(thing.norm)}
    return _elements(thing.array) if thing.complete else named | {"summary": _json(thing.summary)}


def _object(step: Step) -> Object:
    exported = {
        "step": step.index,
        "level": step.level,
        "provenance": step.provenance,
        "loss": _loss(step),
        "parameters": {name: _json(one) for name, one in step.parameters.items()},
    }
    return exported | _full(step) if step.level == "full" else exported


def _loss(step: Step) -> Json:
    """The loss with the digits of its own dtype: it is a root of one of the backwards."""
    for backward in reversed(step.backwards):
        for root in backward.roots:
            if root is not None and root.numel == 1 and root.complete and root.item() == step.loss:
                return _elements(root.array.reshape(()))
    return _json(step.loss)


def _full(step: Step) -> Object:
    return {
        "omitted": list(step.omitted),
        "kernels": [_kernel(kernel) for kernel in step.kernels],
        "nodes": [node for backward in step.backwards for node in _nodes(backward)],
        "node_runs": [
            {"backward": backward.index}
            | _fields(run, ("order", "node", "kernels", "grad_outputs", "grad_inputs"))
            for backward in step.backwards
            for run in backward.node_runs
        ],
        "updates": _json(step.updates),
        "zero_grads": _json(step.zero_grads),
    }


def _kernel(kernel: Kernel) -> Object:
    names = ("index", "op", "phase", "module", "backward", "node", "source")
    return _fields(kernel, names) | {
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
        return {"constant": _json(value.value), "kind": value.kind}
    spec = value.spec
    return {
        "tensor": value.tensor,
        "tensor_name": spec.name,
        "role": spec.role,
        "dtype": spec.dtype,
        "shape": list(spec.shape),
        "device": spec.device,
        "value": _json(value.value),
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
        yield (
            {"backward": backward.index}
            | _fields(node, ("index", "name", "forward_kernel", "variable"))
            | {"formula": dict(node.formula), "saved": _json(node.saved)}
            | {"next_functions": nexts.get(node.index, [])}
        )


def _fields(record: object, names: Iterable[str]) -> Object:
    return {name: _json(getattr(record, name)) for name in names}


def _json(thing: Json) -> Json:  # noqa: PLR0911  one line for each sort of thing
    """A record, a number or text, or a tuple of these, as JSON can hold it; values as they are."""
    if type(thing) in _FIELDS:
        return _fields(thing, _FIELDS[type(thing)])
    match thing:
        case Summary() | Source():
            return {name: _json(field) for name, field in asdict(thing).items()}
        case Constant():
            return _json(thing.value)
        case tuple():
            return [_json(part) for part in thing]
        case complex():
            return {"real": _json(thing.real), "imag": _json(thing.imag)}
        case float() if not math.isfinite(thing):
            return "NaN" if math.isnan(thing) else "Infinity" if thing > 0 else "-Infinity"
    return thing


def _elements(array: Array) -> Json:
    if array.ndim:
        return [_elements(part) for part in array]
    if array.dtype.kind == "f" and array.dtype != np.float64:
        return _json(float(str(array[()])))  # NumPy's text is the shortest of this dtype
    return _json(array.item())
