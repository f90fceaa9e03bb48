"""Where an episode ends does not end what is added of the next state's value.

What it finds:
    Zeros and ones that are drawn by the same rows as the rewards and states of a batch and that
    nothing ever reads, while the target of the loss is made of a network's value of the next state.
    Zeros and ones that are added to such a target with the discount, where the value of the next
    state was to be multiplied by both; and ends that let through the values of the last states and
    of no others.

Why it is bad:
    Behind the end of an episode there is no next state. Its value is added all the same, and the
    values of the last states, and of all that lead to them, are what was made up there.

Evidence it needs:
    Two full steps: what was drawn, what read it, and what the target is made of.

Example:
    target = reward[rows] + gamma * value(after[rows]).detach()

Corrected:
    target = reward[rows] + gamma * (1 - done[rows]) * value(after[rows]).detach()

When it is silent:
    Ends that are not drawn at all, or that anything else reads; batches without an end.

References:
    https://arxiv.org/abs/1712.00378
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence, of_a_library
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.source import assignments, called
from autograd_lens.doctor.tape import bootstrapped, made_of
from autograd_lens.doctor.terms import factor
from autograd_lens.trace.graph import TapeIndex, argument, constant, operator_name, tensors
from autograd_lens.trace.records import Kernel, Source, TensorUse
from autograd_lens.trace.values import Value

RULE = Rule("AL424", "end-ignored", "warning", "full")

_ROWS = frozenset({"index", "index_select"})
_STEPS = 2
_PAIR = 2
_FEW = 0.3  # of the steps are ends


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find ends that are drawn and read nowhere, in every full step, or not by a recursion."""
    yield from _recursion(evidence)
    yield from _out_of_time(evidence)
    for look in (_case, _added, _turned):
        cases = [look(tape) for tape in evidence.tapes]
        known = cases[1:] if len(cases) > _STEPS else cases  # who has weights is told by step 0
        always = all(known) or (look is _turned and sum(map(bool, known)) * _PAIR > len(known))
        if len(known) >= _STEPS and always:
            yield from told(RULE, evidence, lambda tape, look=look: [look(tape)])  # type: ignore[misc]
            return


_ENDS = re.compile(r"\b(\w*dones?|\w*mask|\w*terminal\w*|not_done\w*|alive|continues?)\b")


def _recursion(evidence: Evidence) -> Iterator[Finding]:
    """``a = delta + gamma * lam * a`` beside a delta that the ends of episodes are part of."""
    source = evidence.loop
    if source is None or of_a_library(source):
        return
    for loop in ast.walk(evidence.code(source).tree):
        if not isinstance(loop, ast.For):
            continue
        guarded = any(
            isinstance(one, ast.If) and _ENDS.search(ast.unparse(one)) for one in loop.body
        )
        asked = any(_ENDS.search(ast.unparse(one)) for one in loop.body)
        made = {  # keep = 1 - done
            ast.unparse(target)
            for one in loop.body
            for target, value in assignments(one)
            if _ENDS.search(ast.unparse(value)) and not _recurs(one)
        }
        for one in loop.body if asked and not guarded else ():
            name = _recurs(one)
            read = {node.id for node in ast.walk(one) if isinstance(node, ast.Name)}
            if name and not _ENDS.search(ast.unparse(one)) and not read & (made - _deltas(loop)):
                yield RULE.finding(
                    title=f"{name} goes on across the ends of episodes",
                    message=f"""`{ast.unparse(one)}` adds what came of the next step, whether or not
                        an episode ended in between; other lines of the loop ask for the ends. What
                        is earned in one episode is credited to the one before.""",
                    fix=f"{ast.unparse(one)} * (1 - done)",
                    events=("the program's text",),
                    source=Source.at(source.file, one.lineno),
                )
                return


_KEEPS = frozenset({"append", "add", "push", "put", "store", "insert"})


def _out_of_time(evidence: Evidence) -> Iterator[Finding]:
    """``done = terminated or truncated``, kept with what a value of the next state is added to."""
    source = evidence.loop
    if source is None or of_a_library(source):
        return
    tree = evidence.code(source).tree
    kept = {
        node.id
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and called(call) in _KEEPS
        for node in ast.walk(call)
        if isinstance(node, ast.Name)
    }
    targets = any(bootstrapped(tape, one) for tape in evidence.tapes for one in tape.kernels)
    for node in ast.walk(tree) if targets else ():
        for target, value in assignments(node):
            both = isinstance(value, ast.BoolOp) and isinstance(value.op, ast.Or)
            text = ast.unparse(value) if both else ""
            if "termin" in text and "trunc" in text and ast.unparse(target) in kept:
                yield RULE.finding(
                    title="episodes that only ran out of time are kept as ended",
                    message=f"""`{ast.unparse(node)}` is kept with each step, and what comes after
                        it is left out of the target. Where time ran out the state goes on being
                        worth something: values come out too low.""",
                    fix="memory.append((obs, reward, next_obs, terminated))",
                    events=("the program's text",),
                    source=Source.at(source.file, value.lineno),
                )
                return


def _deltas(loop: ast.For) -> set[str]:
    """Names of what a step earned: sums with a reward, of which the ends are a part."""
    return {
        ast.unparse(target)
        for one in loop.body
        for target, value in assignments(one)
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add | ast.Sub)
        if re.search(r"rew|\br\b|\br\[", ast.unparse(value))
    }


def _recurs(statement: ast.stmt) -> str:
    """The name that a statement gives a sum of something and a multiple of itself."""
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    value = statement.value if isinstance(statement, ast.Assign) else None
    if not isinstance(target, ast.Name) or not isinstance(value, ast.BinOp):
        return ""
    factors = [node.id for node in ast.walk(value.right) if isinstance(node, ast.Name)]
    product = isinstance(value.right, ast.BinOp) and isinstance(value.right.op, ast.Mult)
    own = isinstance(value.op, ast.Add) and product and target.id in factors
    discounts = any("gamma" in one.lower() or "lam" in one.lower() for one in factors)
    return target.id if own and discounts else ""


def _case(tape: TapeIndex) -> Case | None:
    """The first such draw of a step."""
    target = next((one for k in tape.kernels if (one := bootstrapped(tape, k))), None)
    if target is None:
        return None
    behind = {one.index for one in tape.ancestors(target.tensor, len(tape.kernels))}
    used = {rows for one in tape.kernels if one.index in behind for rows in _rows(one)}
    for kernel in tape.kernels:
        drawn = kernel.outputs[0] if kernel.outputs else None
        if drawn is None or tape.readers(drawn.tensor) or not used.intersection(_rows(kernel)):
            continue
        if _zeros_and_ones(drawn.value):
            return Case(
                kernel,
                "the ends of episodes are drawn and not used",
                """zeros and ones are drawn by the same rows as what the target is made of, and
                nothing reads them; the target holds a network's value of the next state, also
                where there is none""",
                "target = reward + gamma * (1 - done) * next_value",
            )
    return None


@dataclass(frozen=True, slots=True)
class _Summand:
    """What a target is the sum of: a tensor with its factor, and the kernel that made it."""

    use: TensorUse
    kernel: Kernel | None
    weight: float
    before: int


def _summands(tape: TapeIndex, target: TensorUse, before: int) -> Iterator[_Summand]:
    """The summands of a target without a gradient, factors taken out."""
    waiting = [(target, before, 1.0)]
    while waiting:
        use, end, weight = waiting.pop()
        kernel = tape.through_views(use.tensor, end)
        name = operator_name(kernel).rstrip("_") if kernel is not None else ""
        given = list(tensors(kernel.inputs)) if kernel is not None else []
        number = factor(kernel) if kernel is not None and name in ("mul", "div") else None
        if kernel is not None and name == "add" and len(given) == _PAIR:
            alpha = constant(kernel, "alpha")
            shares = (1.0, 1.0 if alpha is None else alpha)
            waiting += [
                (one, kernel.index, weight * share)
                for one, share in zip(given, shares, strict=True)
            ]
        elif kernel is not None and number is not None:
            waiting.append((given[0], kernel.index, weight * number))
        else:
            yield _Summand(use, kernel, weight, end)


def _target(tape: TapeIndex) -> tuple[TensorUse, list[_Summand]] | None:
    for kernel in tape.kernels:
        use = bootstrapped(tape, kernel)
        if use is not None:
            return use, list(_summands(tape, use, kernel.index))
    return None


def _added(tape: TapeIndex) -> Case | None:
    """``reward + gamma * mask + next_value``."""
    found = _target(tape)
    target, parts = found if found is not None else (None, [])
    masks = [one for one in parts if 0 < one.weight < 1 and _zeros_and_ones(one.use.value)]
    values = [one for one in parts if one.weight == 1 and made_of(tape, one.use.tensor, one.before)]
    adds = tape.through_views(target.tensor, len(tape.kernels)) if target is not None else None
    if len(parts) < _PAIR + 1 or not masks or not values or adds is None:
        return None
    return Case(
        adds,
        "the ends of episodes are added to the target",
        f"""the target of the loss is a sum of the reward, of zeros and ones times
        {masks[0].weight:.4g}, and of a network's value of the next state as it is: that value is
        neither discounted nor left out where an episode ends""",
        "target = reward + gamma * mask * next_value",
    )


def _turned(tape: TapeIndex) -> Case | None:
    """``reward + gamma * done * next_value``."""
    found = _target(tape)
    for part in found[1] if found is not None else ():
        product = part.kernel
        pair = list(tensors(product.inputs)) if product is not None else []
        if product is None or operator_name(product) != "mul" or len(pair) != _PAIR:
            continue
        for ends, value in (pair, pair[::-1]):
            mask = _as_drawn(tape, ends, product)
            if mask is not None and made_of(tape, value.tensor, product.index):
                return Case(
                    product,
                    "values of the next state count at the ends of episodes alone",
                    f"""a network's value of the next state is multiplied by zeros and ones that
                    were drawn as they are, and {mask:.0%} of these are 1: what comes after a step
                    is left out where the episode goes on, and counts where it ends""",
                    "target = reward + gamma * (1 - done) * next_value",
                )
    return None


def _as_drawn(tape: TapeIndex, use: TensorUse, before: Kernel) -> float | None:
    """The share of ones in zeros and ones that were drawn and not computed, where it is small."""
    kernel = tape.through_views(use.tensor, before.index)
    while kernel is not None and operator_name(kernel) in ("_to_copy", "mul", "unsqueeze"):
        if operator_name(kernel) == "mul" and factor(kernel) is None:
            return None
        first = next(tensors(kernel.inputs))
        use, kernel = first, tape.through_views(first.tensor, kernel.index)
    drawn = kernel is None or bool(list(_rows(kernel))) or operator_name(kernel) == "stack"
    if not drawn or not _zeros_and_ones(use.value) or use.value is None:
        return None
    share = float(use.value.array.mean())
    return share if 0 < share <= _FEW else None


def _rows(kernel: Kernel) -> Iterator[int]:
    """The tensor of the rows that a kernel draws; nothing for other kernels."""
    if operator_name(kernel) in _ROWS and kernel.phase == "forward":
        base = argument(kernel, "self")
        yield from (use.tensor for use in tensors(kernel.inputs) if use is not base)


def _zeros_and_ones(value: Value | None) -> bool:
    known = value is not None and value.complete and value.numel > 1
    return known and value is not None and set(value.array.ravel().tolist()) <= {0, 1}
