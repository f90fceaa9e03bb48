"""A moving average is pushed away from what it is to follow, or only copies it.

What it finds:
    An average of weights that has a part of its distance to them added instead of taken off, or
    whose two factors are swapped, so that it forgets itself at once. The same of an average
    that is kept apart from any network and made anew each time. A decay that is overwritten with
    1 minus itself.

Why it is bad:
    The distance grows by a factor with every update, while the trained model looks well: the
    copy that is used in the end is worthless. With swapped factors it is the weights of the last
    step, and averages nothing.

Evidence it needs:
    A full step: the kernels that update a parameter from its difference to another.

Example:
    gap = average - weight
    average.add_(gap, alpha=1 - decay)

Corrected:
    gap = average - weight
    average.sub_(gap, alpha=1 - decay)

When it is silent:
    Parameters that an optimizer holds.

References:
    https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, size
from autograd_lens.doctor.source import assignments
from autograd_lens.trace.graph import TapeIndex, constant, operator_name, tensors
from autograd_lens.trace.records import Kernel, Source, TensorUse

RULE = Rule("AL610", "average-runs-away", "error", "full")

_SIGNS = {"add_": 1.0, "sub_": -1.0}
_PAIR = 2
_NEARLY = 0.89  # as a factor of the newest weights
_ROUNDING = 1e-6
_Mixed = tuple[TensorUse, TensorUse, float]  # the average, the weights, their factor


def _flips(evidence: Evidence) -> Iterator[Finding]:
    """``self.decay = 1 - min(self.decay, ...)``: a setting that becomes its own complement."""
    source = evidence.loop
    for node in ast.walk(evidence.code(source).tree) if source is not None else ():
        for target, value in assignments(node):
            name = ast.unparse(target)
            less = isinstance(value, ast.BinOp) and isinstance(value.op, ast.Sub)
            one = less and isinstance(value, ast.BinOp) and ast.unparse(value.left) in ("1", "1.0")
            if not one or not isinstance(target, ast.Attribute) or source is None:
                continue
            if re.search(r"decay|momentum|beta|tau|rate", name) and _within(value, name):
                yield RULE.finding(
                    title=f"{name} is overwritten with 1 minus itself",
                    message=f"""`{ast.unparse(node)}` runs again with what it wrote the last time:
                        {name} turns over in every step, and is never again what was set.""",
                    fix=f"weight = {ast.unparse(value)}  # a name of its own",
                    events=("the program's text",),
                    source=Source.at(source.file, value.lineno),
                )
                return


def _within(value: ast.expr, name: str) -> bool:
    return name in {ast.unparse(one) for one in ast.walk(value) if isinstance(one, ast.Attribute)}


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such update."""
    yield from _flips(evidence)
    trained = set(evidence.names(list(evidence.ledger.holders)))
    for tape in evidence.tapes:
        for kernel in tape.kernels:
            copied = _copied(tape, kernel, trained)
            if copied is not None:
                yield _forgets(evidence, tape.step.index, kernel, copied)
                return
            pair = list(tensors(kernel.inputs)) if operator_name(kernel) in _SIGNS else []
            if len(pair) != _PAIR or kernel.phase == "backward":
                continue
            average = _parameter(tape, pair[0], kernel)
            if average.spec.role != "parameter" or average.spec.name in trained:
                continue
            gap = _gap(tape, average, pair[1], kernel)
            factor = _SIGNS[operator_name(kernel)] * (constant(kernel, "alpha") or 1.0)
            if gap is not None and factor * gap[1] > 0:
                yield _finding(evidence, tape.step.index, kernel, average, gap[0])
                return


def _copied(tape: TapeIndex, kernel: Kernel, trained: set[str]) -> _Mixed | None:
    """An average, the weights it follows and their factor, where that is nearly 1."""
    name, pair = operator_name(kernel), list(tensors(kernel.inputs))
    if len(pair) != _PAIR or kernel.phase == "backward" or not trained:
        return None
    average, weights = (_parameter(tape, use, kernel) for use in pair)
    if name == "add" and kernel.node is None:
        return _kept_apart(tape, kernel, trained)
    if average.spec.role != "parameter" or average.spec.name in trained:
        return None
    if name == "copy_":
        found = _mixed(tape, average, pair[1], kernel)
    elif name in ("add_", "lerp_"):
        factor = constant(kernel, "weight" if name == "lerp_" else "alpha")
        found = (weights, factor) if factor is not None else None
        if name == "add_" and not _shrunk(tape, average, kernel, factor):
            found = None
    else:
        found = None
    if found is None or found[0].spec.name not in trained or not _NEARLY < found[1] < 1:
        return None
    return average, *found


def _kept_apart(tape: TapeIndex, kernel: Kernel, trained: set[str]) -> _Mixed | None:
    """The same of an average that is made anew each time, as in a dictionary of tensors."""
    found: dict[bool, tuple[TensorUse, float]] = {}
    for part in tensors(kernel.inputs):
        made = tape.maker(part.tensor, kernel.index)
        factor = constant(made, "other") if made and operator_name(made) == "mul" else None
        if made is not None and factor is not None:
            base = _parameter(tape, next(tensors(made.inputs)), made)
            found[base.spec.name in trained] = base, factor
    if len(found) < _PAIR or found[False][0].spec.shape != found[True][0].spec.shape:
        return None
    (average, rest), (weights, factor) = found[False], found[True]
    whole = abs(rest + factor - 1) < _ROUNDING and _NEARLY < factor < 1
    return (average, weights, factor) if whole and average.spec.role != "gradient" else None


def _shrunk(tape: TapeIndex, average: TensorUse, kernel: Kernel, factor: float | None) -> bool:
    """Whether what is added was taken off first: ``average.mul_(1 - factor)``."""
    rest = 1 - (factor or 0.0)
    return any(
        operator_name(one) == "mul_" and abs((constant(one, "other") or 0.0) - rest) < _ROUNDING
        for one in tape.writers(average.tensor)
        if one.index < kernel.index
    )


def _mixed(
    tape: TapeIndex, average: TensorUse, use: TensorUse, kernel: Kernel
) -> tuple[TensorUse, float] | None:
    """The weights and their factor in ``a * average + b * weights``."""
    sums = tape.maker(use.tensor, kernel.index)
    parts = list(tensors(sums.inputs)) if sums and operator_name(sums) == "add" else []
    products = [tape.maker(part.tensor, kernel.index) for part in parts]
    found: dict[bool, tuple[TensorUse, float]] = {}
    for made in products:
        factor = constant(made, "other") if made and operator_name(made) == "mul" else None
        if made is not None and factor is not None:
            base = _parameter(tape, next(tensors(made.inputs)), made)
            found[tape.memory(base.tensor) == tape.memory(average.tensor)] = base, factor
    return found[False] if len(found) == _PAIR else None


def _forgets(evidence: Evidence, step: int, kernel: Kernel, mixed: _Mixed) -> Finding:
    average, weights, factor = mixed
    return RULE.finding(
        title=f"{average.spec.name} forgets itself at once: it is {factor:.4g} {weights.spec.name}",
        message=f"""In step {step}, `{evidence.line(kernel.source)}` made {average.spec.name} of
            {factor:.4g} times {weights.spec.name} and {1 - factor:.4g} times what it was: the two
            factors seem to be swapped. It is a copy of the last step, not an average.""",
        fix="average.mul_(decay).add_(weight, alpha=1 - decay)",
        step=step,
        kernel=kernel,
    )


def _parameter(tape: TapeIndex, use: TensorUse, kernel: Kernel) -> TensorUse:
    """The parameter that a ``.data`` is of, else the tensor itself."""
    maker = tape.maker(use.tensor, kernel.index)
    if maker is not None and operator_name(maker) == "detach":
        return next(tensors(maker.inputs), use)
    return use


def _gap(
    tape: TapeIndex, average: TensorUse, change: TensorUse, kernel: Kernel
) -> tuple[TensorUse, float] | None:
    """What an average is compared with, and the sign with which the average enters."""
    sign, maker = 1.0, tape.maker(change.tensor, kernel.index)
    while maker is not None and operator_name(maker) in ("mul", "mul_", "neg", "div"):
        given = list(tensors(maker.inputs))
        by = -1.0 if operator_name(maker) == "neg" else constant(maker, "other")
        if by is None or len(given) != 1:
            return None
        sign, maker = sign * by, tape.maker(given[0].tensor, maker.index)
    sides = list(tensors(maker.inputs)) if maker and operator_name(maker) == "sub" else []
    mine = [tape.memory(side.tensor) == tape.memory(average.tensor) for side in sides]
    if sum(mine) != 1 or len(sides) != _PAIR:
        return None
    other = sides[1] if mine[0] else sides[0]
    return _parameter(tape, other, maker or kernel), sign if mine[0] else -sign


def _finding(
    evidence: Evidence, step: int, kernel: Kernel, average: TensorUse, followed: TensorUse
) -> Finding:
    name, other = average.spec.name, followed.spec.name or "the weights"
    operator, line = operator_name(kernel), evidence.line(kernel.source).strip()
    after = kernel.outputs[0].value
    return RULE.finding(
        title=f"{name} is pushed away from {other}",
        message=f"""In step {step}, {operator} changed {name} from
            {size(average.value)} to {size(after)} by a part of its own distance to {other}, with
            the sign that makes the distance larger. It grows by the same factor in every step.""",
        fix=line.replace(operator, "sub_" if operator == "add_" else "add_", 1),
        step=step,
        kernel=kernel,
    )
