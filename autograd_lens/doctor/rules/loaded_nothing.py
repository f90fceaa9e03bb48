"""A network that weights were loaded into holds what it was made with.

What it finds:
    ``load_state_dict(..., strict=False)`` of a network whose layers begin the training, or stay,
    with numbers as evenly spread as those that a new layer draws, to the last bound.

Why it is bad:
    No name of what was loaded is a name of the network, as where all begin with ``model.``. With
    ``strict=False`` nobody says so: the network that was to be trained already is not.

Evidence it needs:
    Full steps: the weights; the program's text.

Example:
    encoder.load_state_dict(state, strict=False)

Corrected:
    state = {name.removeprefix("model."): value for name, value in state.items()}
    encoder.load_state_dict(state)

When it is silent:
    Layers of which one holds other numbers, those with an initialization of their own, and small
    ones.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, listed
from autograd_lens.doctor.source import called
from autograd_lens.trace.graph import operator_name, tensors
from autograd_lens.trace.records import Source
from autograd_lens.trace.values import Value

RULE = Rule("AL615", "loaded-nothing", "error", "full")

_LAYERS = frozenset({"addmm", "mm", "convolution", "t", "linear"})
_ENOUGH = 200  # numbers, in all layers together
_FEWEST = 20  # of one layer
_MATRIX = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such network."""
    source = evidence.loop
    for call in ast.walk(evidence.code(source).tree) if source is not None else ():
        if not isinstance(call, ast.Call) or not _lenient(call):
            continue
        owner = ast.unparse(call.func).removesuffix(".load_state_dict").rpartition(".")[2]
        weights = _weights(evidence, "" if owner == "self" else owner)
        if weights and _all_new(list(weights.values())) and source is not None:
            yield RULE.finding(
                title=f"nothing was loaded into {owner}",
                message=f"""`{ast.unparse(call)}` takes only what has the name of a parameter of
                    {owner}. {listed(list(weights))} hold numbers that reach from one bound of what
                    a new layer draws to the other, evenly spread: they are as they were made.""",
                fix=f"print({ast.unparse(call)})  # names that are missing, and that nobody asked",
                events=("the first values of the weights", "the program's text"),
                step=evidence.full[0].index,
                source=Source.at(source.file, call.lineno),
            )
            return


def _lenient(call: ast.Call) -> bool:
    return called(call) == "load_state_dict" and any(
        word.arg == "strict" and ast.unparse(word.value) == "False" for word in call.keywords
    )


def _weights(evidence: Evidence, owner: str) -> dict[str, Value | None]:
    """The matrices of layers of a network as the first full step that uses them found them."""
    found: dict[str, Value | None] = {}
    for step in evidence.full:
        for kernel in step.kernels:
            for use in tensors(kernel.inputs) if operator_name(kernel) in _LAYERS else ():
                name, matrix = use.spec.name, len(use.spec.shape) >= _MATRIX
                own = f".{owner}." in f".{name}" if owner else True
                if use.spec.role == "parameter" and own and matrix:
                    found.setdefault(name, use.value)
    return {name: _first(evidence, name) or value for name, value in found.items()}


def _first(evidence: Evidence, name: str) -> Value | None:
    """What a parameter held when it was first seen, where that is known."""
    known = evidence.names(range(len(evidence.parameters)))
    windows = evidence.gaps(known.index(name)) if name in known else []
    return next((gap.value for gaps in windows[:1] for gap in gaps if gap.value is not None), None)


def _all_new(values: list[Value | None]) -> bool:
    """Whether all hold what ``nn.Linear`` and ``nn.Conv2d`` draw: evenly, by the inputs of each."""
    known = [one for one in values if one is not None and one.complete and one.numel >= _FEWEST]
    many = sum(one.numel for one in known) >= _ENOUGH
    return many and len(known) == len(values) and all(map(_is_new, known))


def _is_new(value: Value) -> bool:
    numbers = np.abs(value.array.astype(np.float64))
    bound = 1 / math.sqrt(math.prod(value.shape[1:]))
    count = numbers.size
    reaches = bound * (1 - 12 / count) <= float(numbers.max()) <= bound * (1 + 1e-6)
    middle = abs(float(numbers.mean()) / bound - 1 / 2) < 2 / math.sqrt(count)
    return reaches and middle
