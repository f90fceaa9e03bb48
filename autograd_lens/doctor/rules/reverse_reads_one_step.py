"""A part of a recurrent layer is read where it has only begun, or not at all.

What it finds:
    A bidirectional LSTM, GRU or RNN of which ``out[:, -1]`` is used: the recurrent weights of its
    backward direction get a gradient of exactly zero in every step, those of its forward
    direction do not. Several layers on each other of which the state of the first one is used,
    ``state[0]``, so that those of the upper ones get a gradient of exactly zero.

Why it is bad:
    At the last place, the backward direction has read one token. Half of what the next layer gets
    knows nothing of the rest of the sequence.

Evidence it needs:
    Light steps: the gradients of the layer's weights. A full step: where its output is cut.

Example:
    out, (state, _) = self.lstm(x)
    return self.head(out[:, -1])

Corrected:
    out, (state, _) = self.lstm(x)
    return self.head(torch.cat([state[-2], state[-1]], 1))

When it is silent:
    Sequences of one token, and layers of one direction.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, is_zero
from autograd_lens.doctor.finding import Finding, Rule, plural
from autograd_lens.trace.graph import constant, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL411", "reverse-reads-one-step", "error", "light", explains=("AL302",))

_REVERSE = "_reverse"
_RECURRENT = "weight_hh_l"
_PICKS = frozenset({"select", "slice"})
_FEWEST = 3


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find a layer whose backward direction has no past."""
    places = {parameter.name: index for index, parameter in enumerate(evidence.parameters)}
    for name, index in places.items():
        forward = places.get(name.removesuffix(_REVERSE))
        if not name.endswith(_REVERSE) or _RECURRENT not in name or forward is None:
            continue
        ahead, back = _gradients(evidence, forward), _gradients(evidence, index)
        if len(back) >= _FEWEST and all(back) and ahead and not any(ahead):
            yield _finding(evidence, name, len(back))
            return
    yield from _upper(evidence, places)


def _upper(evidence: Evidence, places: dict[str, int]) -> Iterator[Finding]:
    """Layers on top of another that the loss does not depend on."""
    for name, index in places.items():
        layer, _, number = name.rpartition(_RECURRENT)
        lowest = places.get(f"{layer}{_RECURRENT}0")
        if not number.isdigit() or number == "0" or lowest is None:
            continue
        below, above = _gradients(evidence, lowest), _gradients(evidence, index)
        if len(above) >= _FEWEST and all(above) and below and not any(below):
            owner = layer.rstrip(".")
            cut = next(filter(None, (_first(one.kernels, owner) for one in evidence.full)), None)
            yield RULE.finding(
                title=f"the upper layers of {owner or 'the layer'} are not used",
                message=f"""The gradient of {name} was exactly zero in
                    {plural(len(above), "backward")}, that of the first layer was not: what is read
                    is the state of the first layer, and all that is above it computes in vain.""",
                fix="state[-1]  # of the last layer",
                step=0,
                events=(f"gradients of {name}",),
                source=cut.source if cut is not None else None,
            )
            return


def _first(kernels: tuple[Kernel, ...], layer: str) -> Kernel | None:
    """The kernel that picks the first of a layer's states."""
    last = max(
        (one.index for one in kernels if any(_of(use.spec.name, layer) for use in _given(one))),
        default=len(kernels),
    )
    for kernel in kernels[last + 1 :]:
        picks = operator_name(kernel) == "select" and kernel.phase == "forward"
        if picks and constant(kernel, "index") == 0 and constant(kernel, "dim") == 0:
            return kernel
    return None


def _gradients(evidence: Evidence, index: int) -> list[bool]:
    """Whether each gradient of a parameter was zero."""
    return [is_zero(gap.grad) for gaps in evidence.gaps(index) for gap in gaps if gap.written]


def _finding(evidence: Evidence, name: str, times: int) -> Finding:
    layer = name.rpartition(".")[0]
    cut = next(filter(None, (_cut(step.kernels, layer) for step in evidence.full)), None)
    source = cut.source if cut is not None else None
    return RULE.finding(
        title=f"the backward direction of {layer or 'the layer'} is read after one token",
        message=f"""The gradient of {name} was exactly zero in {plural(times, "backward")}, that of
            {name.removesuffix(_REVERSE)} was not: from what is used of the backward direction, no
            way leads through its recurrence. At the last place of the sequence it has read the
            last token and nothing else; it is at its end at the first place.""",
        fix="torch.cat([state[-2], state[-1]], 1)  # the last states of both directions",
        step=0,
        events=(f"gradients of {name}",),
        source=source,
    )


def _cut(kernels: tuple[Kernel, ...], layer: str) -> Kernel | None:
    """The kernel that picks the last place of what a layer returned."""
    last = max(
        (one.index for one in kernels if any(_of(use.spec.name, layer) for use in _given(one))),
        default=None,
    )
    for kernel in kernels[last + 1 :] if last is not None else ():
        picks = kernel.phase == "forward" and kernel.requires_grad
        if picks and operator_name(kernel) in _PICKS and constant(kernel, "index") == -1:
            return kernel
    return None


def _given(kernel: Kernel) -> list[TensorUse]:
    return list(tensors(kernel.inputs)) if kernel.phase == "forward" else []


def _of(name: str, layer: str) -> bool:
    return _RECURRENT in name and name.rpartition(".")[0] == layer
