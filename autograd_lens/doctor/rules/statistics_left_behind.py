"""An average of a network follows its weights, and not its statistics.

What it finds:
    Batch normalisation in a network that no backward reaches: its weights move, as an average of
    another network's do, and its running mean and variance stay what they were, while it is used
    in evaluation mode.

Why it is bad:
    Weights that were trained on normalised activations are used with the statistics of the start:
    the network says something else than the one that it is the average of.

Evidence it needs:
    Two full steps: weights and statistics that the layer was given, and another layer whose
    statistics move.

Example:
    for mine, theirs in zip(teacher.parameters(), student.parameters()):
        mine.lerp_(theirs, 0.01)

Corrected:
    for mine, theirs in zip(teacher.parameters(), student.parameters()):
        mine.lerp_(theirs, 0.01)
    for mine, theirs in zip(teacher.buffers(), student.buffers()):
        mine.copy_(theirs)

When it is silent:
    Frozen networks, whose weights stand still as well, and statistics that were not kept.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.optim.swa_utils.update_bn.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from autograd_lens.doctor.evidence import Evidence, same_bytes
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.ledger import ever_reached
from autograd_lens.trace.graph import TapeIndex, argument, operator_name
from autograd_lens.trace.records import Constant, Kernel, Source
from autograd_lens.trace.values import Value

RULE = Rule("AL614", "statistics-left-behind", "warning", "full")


@dataclass(frozen=True, slots=True)
class _Layer:
    """Batch normalisation in one step.

    Attributes:
        step: The step.
        kernel: The kernel.
        trains: Whether it used the batch's own statistics.
        weight: Its weight.
        mean: Its running mean, as the kernel found it.
    """

    step: int
    kernel: Kernel
    trains: bool
    weight: Value | None
    mean: Value | None


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find layers whose weights moved and whose statistics did not."""
    first: dict[str, _Layer] = {}
    both: dict[str, tuple[_Layer, _Layer]] = {}
    for name, layer in (one for tape in evidence.tapes for one in _layers(tape)):
        both[name] = (first.setdefault(name, layer), layer)
    trained = set(evidence.names(sorted(ever_reached(evidence))))
    moves = any(one.trains and _moved(one.mean, other.mean) for one, other in both.values())
    for name, (one, other) in both.items() if moves else ():
        follows = name not in trained and _moved(one.weight, other.weight)
        if follows and not (one.trains or other.trains) and same_bytes(one.mean, other.mean):
            owner = name.rpartition(".")[0]
            yield RULE.finding(
                title=f"{owner} follows in its weights, and its statistics stand still",
                message=f"""{name} moved, though no backward reaches it: it is an average, or a
                    copy. Its running mean is in step {other.step} what it was in step {one.step},
                    and
                    `{evidence.line(other.kernel.source)}` normalises with it; those of the
                    network that trains have moved.""",
                fix="for mine, theirs in zip(average.buffers(), model.buffers()): "
                "mine.copy_(theirs)",
                step=other.step,
                kernel=other.kernel,
                source=_mover(evidence, name) or other.kernel.source,
            )
            return


def _mover(evidence: Evidence, name: str) -> Source | None:
    """The line that moves a parameter."""
    for tape in reversed(evidence.tapes):
        for kernel, written, _ in tape.written:
            if written == name:
                return kernel.source
    return None


def _layers(tape: TapeIndex) -> Iterator[tuple[str, _Layer]]:
    """The batch normalisations of a step, by the names of their weights."""
    for kernel in tape.kernels:
        weight, mean = argument(kernel, "weight"), argument(kernel, "running_mean")
        if "batch_norm" in operator_name(kernel) and kernel.phase == "forward" and weight and mean:
            flags = [one.value.value for one in kernel.inputs if isinstance(one.value, Constant)]
            trains, step = True in flags[:1], tape.step.index
            yield weight.spec.name, _Layer(step, kernel, trains, weight.value, mean.value)


def _moved(one: Value | None, other: Value | None) -> bool:
    return one is not None and other is not None and not same_bytes(one, other)
