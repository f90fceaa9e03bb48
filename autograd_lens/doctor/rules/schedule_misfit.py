"""A schedule and the loop that calls it do not fit.

What it finds:
    A cosine that is over long before the run and comes up again, a scheduler whose first call
    comes before the first update, a rate that jumps back up where training is resumed, a
    LambdaLR whose function returns the rate instead of a factor, a cycle that counts batches and
    is stepped once an epoch, steps that raise the rate.

Why it is bad:
    The run has other learning rates than were planned: an annealed model is shaken up again, or
    the first value of the schedule is never used.

Evidence it needs:
    Light steps: the numbers of the optimizer, noted whenever they change; the program's text for
    the scheduler's class.

Example:
    scheduler = CosineAnnealingLR(optimizer, T_max=epochs)   # called once a batch

Corrected:
    scheduler = CosineAnnealingLR(optimizer, T_max=epochs * len(loader))

When it is silent:
    Schedules that are meant to go up and down (CyclicLR, OneCycleLR, warm restarts), and warm-up;
    a cosine that is made anew in a loop.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.CosineAnnealingLR.html
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number, plural
from autograd_lens.doctor.ledger import Rates
from autograd_lens.doctor.source import loops_around
from autograd_lens.trace.records import Source

RULE = Rule("AL510", "schedule-misfit", "warning", "light")

_TURNS = 2  # times that a cosine comes up again
_JUMP = 2.0  # times the rate before
_DECAYED = 0.5  # of the largest rate: what a jump starts from
_WAVES = frozenset(
    {"CyclicLR", "OneCycleLR", "CosineAnnealingWarmRestarts", "SequentialLR", "ChainedScheduler"}
)
_GENTLE = frozenset({"LinearLR", "ConstantLR", "OneCycleLR", "CyclicLR", "SequentialLR"})
_Case = tuple[str, str, str, int, int]  # title, what happens, fix, step, line


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find schedules that do not fit their loop."""
    source = evidence.loop
    if source is None:
        return
    for rates in (*evidence.ledger.rates, *_resumed(evidence.ledger.rates)):
        lrs = rates.of("lr")
        if len(lrs) != len(rates.steps):
            continue
        for case in (
            _waves(evidence, source, lrs, rates),
            _early(evidence, source, rates),
            _jump(evidence, source, lrs, rates),
            _squared(evidence, source, lrs, rates),
            _slow(evidence, source, lrs, rates),
            _rises(evidence, source, lrs, rates),
        ):
            if case is not None:
                yield _finding(source, case)
                return


def _resumed(known: Sequence[Rates]) -> Iterator[Rates]:
    """Optimizers of which one began after the other had ended, as one."""
    ordered = sorted(known, key=lambda one: one.steps[0])
    for one, other in pairwise(ordered):
        if one.steps[-1] < other.steps[0] and len(one.groups[0]) == len(other.groups[0]):
            yield Rates(one.first, (*one.steps, *other.steps), (*one.groups, *other.groups))


def _waves(evidence: Evidence, source: Source, lrs: list[float], rates: Rates) -> _Case | None:
    code = evidence.code(source)
    made = code.makes({"CosineAnnealingLR"})
    phases = len(made) if code.makes({"SequentialLR"}) else 0  # each of them comes down once
    lows = [
        place
        for place in range(1, len(lrs) - 1)
        if lrs[place] <= lrs[place - 1] and lrs[place] < lrs[place + 1]
    ]
    if not made or code.makes(set(_WAVES - {"SequentialLR"})) or len(lows) < _TURNS + phases:
        return None
    if any(loops_around(code.tree, made[0].lineno)):  # a new one in each turn begins anew
        return None
    return (
        "a cosine schedule goes up and down again and again",
        f"""The rate was {number(lrs[lows[0]])} in step {rates.steps[lows[0]]} and rose to
        {number(max(lrs[lows[0] :]))} again; it turned {plural(len(lows), "time")}. T_max counts
        calls of scheduler.step(), and the run makes many more.""",
        "CosineAnnealingLR(optimizer, T_max=epochs * len(loader))  # or step() once an epoch",
        rates.steps[lows[0]],
        made[0].lineno,
    )


def _early(evidence: Evidence, source: Source, rates: Rates) -> _Case | None:
    """The first update has no longer the rate that the schedule begins with."""
    first, begun = rates.groups[0][0].get("lr"), rates.groups[0][0].get("initial_lr")
    code = evidence.code(source)
    if first is None or begun is None or first == begun or code.makes(set(_GENTLE)):
        return None
    calls = [call for call in code.calls(source.line) if call[1] == "step"]
    holders = {one.name.rpartition(".")[2] for one in evidence.optimizers if one.holds}
    names = [owner.rpartition(".")[2] for owner, _, _ in calls]
    update = next((place for place, name in enumerate(names) if name in holders), None)
    ahead = next((place for place, name in enumerate(names) if "sched" in name.lower()), None)
    if ahead is None or update is None or ahead > update or calls[ahead][2] > source.line:
        return None
    return (
        f"the first update uses {number(first)}, not {number(begun)}",
        f"""`{calls[ahead][0]}.step()` is called before the first update: the schedule begins
        with {number(begun)}, and no update ever uses that.""",
        f"{calls[ahead][0]}.step()  # after {calls[update][0]}.step()",
        rates.steps[0],
        calls[ahead][2],
    )


def _jump(evidence: Evidence, source: Source, lrs: list[float], rates: Rates) -> _Case | None:
    """A decaying rate that is suddenly what it was at the beginning."""
    code = evidence.code(source)
    if code.makes(set(_WAVES)) or len(lrs) < 2 * _TURNS + 1:
        return None
    for place in range(_TURNS + 1, len(lrs)):
        before = lrs[:place]
        falling = all(one >= other for one, other in pairwise(before))
        if falling and before[-1] < _DECAYED * before[0] and lrs[place] > _JUMP * before[-1]:
            loads = [
                node.lineno
                for node in ast.walk(code.tree)
                if isinstance(node, ast.Assign)
                and ast.unparse(node.targets[0]).endswith("epoch")
                and isinstance(node.targets[0], ast.Attribute)
            ]
            loaded = any("load_state_dict" in ast.unparse(one) for one in code.tree.body)
            if not loaded:
                return None
            calls = [one for one in ast.walk(code.tree) if isinstance(one, ast.Call)]
            made = [one.lineno for one in calls if _schedules(one)]
            return (
                f"the rate jumps from {number(before[-1])} back to {number(lrs[place])}",
                f"""It had fallen from {number(before[0])} until step {rates.steps[place]}, where
                training was resumed: the new scheduler began with its first value, whatever the
                loaded optimizer had.""",
                "scheduler.load_state_dict(saved)  # or last_epoch=... when it is made",
                rates.steps[place],
                loads[-1] if loads else made[-1] if made else source.line,
            )
    return None


def _squared(evidence: Evidence, source: Source, lrs: list[float], rates: Rates) -> _Case | None:
    """A factor that begins as the rate itself, and never exceeds it."""
    begun = rates.groups[0][0].get("initial_lr")
    made = evidence.code(source).makes({"LambdaLR"})
    if not made or not begun or begun == 1 or len(set(lrs)) < _TURNS:
        return None
    if not math.isclose(lrs[0], begun * begun, rel_tol=1e-6) or max(lrs) > lrs[0]:
        return None
    return (
        f"the rate begins with {number(lrs[0])}, the square of {number(begun)}",
        f"""The optimizer was made with {number(begun)}, and LambdaLR multiplies that with what
        its function returns, which begins with {number(begun)} as well: a factor was meant, and
        the function returns a rate. No update used more than {number(lrs[0])}.""",
        "LambdaLR(optimizer, lambda epoch: 0.95**epoch)  # the factor alone",
        rates.steps[0],
        made[0].lineno,
    )


def _slow(evidence: Evidence, source: Source, lrs: list[float], rates: Rates) -> _Case | None:
    """A cycle made for every batch of the run, of which only its first steps were taken."""
    code = evidence.code(source)
    made = next(iter(code.makes({"OneCycleLR"})), None)
    words = {word.arg for word in made.keywords} if made is not None else set()
    statement = code.statement(made.lineno) if made is not None else None
    if made is None or "steps_per_epoch" not in words or not isinstance(statement, ast.Assign):
        return None
    name = ast.unparse(statement.targets[0])
    steps = [
        node.lineno
        for node in ast.walk(code.tree)
        if isinstance(node, ast.Call) and ast.unparse(node) == f"{name}.step()"
    ]
    turns = [[loop.lineno for loop in loops_around(code.tree, line)] for line in steps]
    update = [loop.lineno for loop in loops_around(code.tree, source.line)]
    changes = len(dict.fromkeys(lrs))
    outside = len(turns) == 1 and turns[0] == update[1:] and bool(turns[0])
    if not outside or changes * _TURNS > len(evidence.losses):
        return None
    return (
        "a cycle for every batch is stepped once an epoch",
        f"""{name} was made with steps_per_epoch, so that it takes one step() for every batch; it
        got one for every epoch, and {plural(len(evidence.losses), "update")} used
        {plural(changes, "rate")}: from {number(lrs[0])} to {number(lrs[-1])}, the beginning of
        its warm-up.""",
        f"{name}.step()  # after the update of every batch",
        rates.steps[-1],
        steps[0],
    )


def _rises(evidence: Evidence, source: Source, lrs: list[float], rates: Rates) -> _Case | None:
    """A schedule in steps, made to lower the rate, that raises it again and again."""
    code = evidence.code(source)
    made = code.makes({"StepLR", "MultiStepLR"})
    if len(made) != 1 or len(set(lrs)) <= _TURNS or not all(a <= b for a, b in pairwise(lrs)):
        return None
    return (
        f"the rate rises from {number(lrs[0])} to {number(lrs[-1])}",
        f"""`{ast.unparse(made[0])}` multiplies the rate with gamma at each of its steps, and gamma
        is above 1: it grew {plural(len(set(lrs)) - 1, "time")}, and never fell.""",
        "gamma=0.1  # a factor below 1",
        rates.steps[-1],
        made[0].lineno,
    )


def _schedules(node: ast.Call) -> bool:
    return "lr_scheduler" in ast.unparse(node.func) or ast.unparse(node.func).endswith("LR")


def _finding(source: Source, case: _Case) -> Finding:
    title, what, fix, step, line = case
    place = Source.at(source.file, line)
    return RULE.finding(
        title=title,
        message=what,
        fix=fix,
        step=step,
        events=("the optimizer's lr in every step",),
        source=place,
    )
