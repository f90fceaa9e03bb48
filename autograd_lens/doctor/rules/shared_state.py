"""Parameters share one buffer of an optimizer.

What it finds:
    A buffer that an update writes with the gradient of one parameter, and then with that of
    another: it is kept by shape, or there is one for all.

Why it is bad:
    The momentum of each parameter is a mixture of all gradients that were written there.

Evidence it needs:
    Two full steps: the kernels of the update.

Example:
    buffer = self.buffers.setdefault(p.shape, torch.zeros_like(p))
    buffer.mul_(0.9).add_(p.grad)

Corrected:
    buffer = self.state[p].setdefault("buffer", torch.zeros_like(p))
    buffer.mul_(0.9).add_(p.grad)

When it is silent:
    Buffers of one number, as a count of steps or a norm, and those that hold all parameters.

References:
    https://docs.pytorch.org/docs/stable/optim.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors, writes_in_place
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL518", "shared-state", "error", "full")

_ADDS = frozenset({"add_", "addcmul_", "lerp_"})
_PAIR = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such buffer."""
    yield from told(RULE, evidence, lambda tape: [_case(tape)], fewest=_PAIR)


def _case(tape: TapeIndex) -> Case | None:
    first: dict[int, str] = {}
    for kernel in tape.kernels:
        buffer, name = _written(kernel)
        if buffer is None or not name:
            continue
        before = first.setdefault(buffer.tensor, name)
        if before != name:
            return Case(
                kernel,
                f"{before} and {name} share one buffer of the optimizer",
                f"""the gradient of {name} is added to a buffer to which that of {before} was added
                in the same update""",
                'self.state[p]["buffer"]  # one for each parameter, not for each shape',
            )
    return None


def _written(kernel: Kernel) -> tuple[TensorUse | None, str]:
    """The buffer that a kernel adds a gradient to as it is, and the gradient's name."""
    if operator_name(kernel) not in _ADDS or not writes_in_place(kernel):
        return None, ""
    target, *others = tensors(kernel.inputs)
    names = {one.spec.name for one in others if one.spec.role == "gradient"}
    fits = all(one.spec.shape == target.spec.shape for one in others)
    plain = target.spec.role not in ("parameter", "gradient") and len(target.spec.shape) > 0
    same = fits and plain and len(names) == 1
    return (target, names.pop()) if same else (None, "")
