"""Answers about recordings, each what another face of this package says, cut to a bounded size."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from rich.console import Console, RenderableType

from autograd_lens.analysis.conditions import condition_on
from autograd_lens.analysis.explain import explain_gradient, explain_loss
from autograd_lens.analysis.rates import find_rates
from autograd_lens.analysis.story import Check as Compared
from autograd_lens.api import diff as laid_beside
from autograd_lens.doctor import Finding, examine
from autograd_lens.doctor.chain import Link as Cause
from autograd_lens.doctor.chain import chain_behind
from autograd_lens.doctor.experiments import SECONDS
from autograd_lens.doctor.finding import plural
from autograd_lens.errors import (
    NoSuchParameterError,
    NoSuchStepError,
    NotRecordedError,
    ReplayError,
    SelectionError,
)
from autograd_lens.render.chain import link_json
from autograd_lens.render.diff import render_diff, sentence
from autograd_lens.render.explain import render_derivation, render_evaluation
from autograd_lens.render.info import render_info
from autograd_lens.render.step_view import PHASES, StepView, TraceOptions
from autograd_lens.render.trace import render_step
from autograd_lens.render.verify import verdict
from autograd_lens.servers.mcp.reading import Opened
from autograd_lens.servers.mcp.records import (
    Check,
    Descended,
    Diagnosis,
    Diff,
    Explained,
    Found,
    Happening,
    Known,
    Link,
    Loss,
    Named,
    Number,
    Printed,
    Problem,
    Provenance,
    Run,
    Sort,
    Text,
    Verified,
)
from autograd_lens.trace.outcomes import CheckResult, Descent, Verification
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Phase, Step
from autograd_lens.trace.selection import select_step, select_steps
from autograd_lens.trace.values import Floats

__all__ = ["diff", "doctor", "explain", "find", "info", "trace", "verify", "what_if"]

_WIDTH = 100  # columns of text
_PAGE = 10_000  # characters of it
_LISTED = 40  # parameters, full steps
_EVENTS = 10
_PROBLEMS = 12
_LINKS = 12
_NAMED = 8  # differences, reasons
_CURVE = 12  # losses of a stretch
_MOST_STEPS = 1_000  # that one answer executes
_WORDS = 2_000  # characters of a message


def info(opened: Opened) -> Run:
    """What is in a recording."""
    run = opened.trace
    size = run.path.stat().st_size
    text = _page(render_info(run, size=size, width=_WIDTH, rates=find_rates(run)))
    named = [Named(one.name, one.shape, one.dtype) for one in run.parameters.values()]
    events = [Happening(one.kind, one.step, _few(one.message)) for one in run.events[:_EVENTS]]
    return Run(
        known=opened.executed.known(),
        file=opened.name,
        program=run.info.program,
        status=run.info.status,
        steps=len(run.steps),
        full_steps=run.full_steps[:_LISTED],
        losses=_losses(run, _telling(run.losses)),
        parameters=tuple(named[:_LISTED]),
        more_parameters=max(0, len(named) - _LISTED),
        events=tuple(events),
        text=text,
    )


def _telling(losses: Floats) -> Iterable[int]:
    """Steps whose loss says how the run went: first, least, last, the first that is no number."""
    known = np.flatnonzero(np.isfinite(losses))
    broken = np.flatnonzero(~np.isfinite(losses))
    steps = [0, len(losses) - 1] if len(losses) else []
    steps += [int(known[np.argmin(losses[known])])] if len(known) else []
    return sorted({*steps, *map(int, broken[:1])})


def _losses(run: Trace, steps: Iterable[int]) -> tuple[Loss, ...]:
    return tuple(Loss(step, _loss(run.light(step))) for step in steps)


def trace(
    opened: Opened,
    step: str = "0",
    phases: Sequence[Phase] = (),
    *,
    kernels: bool = False,
    first_line: int = 0,
) -> Printed:
    """One step, line by line.

    Raises:
        SelectionError: ``step`` names no step.
    """
    run = opened.trace
    chosen = run.steps[select_step(step, len(run.steps))]
    options = TraceOptions(tuple(phases) or PHASES, kernels, _WIDTH)
    return Printed(
        known=opened.executed.known(),
        step=chosen.index,
        level=chosen.level,
        loss=_loss(chosen),
        text=_page(render_step(chosen, run.source, options), first_line),
    )


def explain(
    opened: Opened, quantity: str = "", step: str = "0", *, first_line: int = 0
) -> Explained:
    """Where a gradient, or the loss, comes from.

    Raises:
        SelectionError: ``step`` names no step, or the quantity is neither.
        NoSuchParameterError: There is no such parameter.
    """
    run = opened.trace
    number = select_step(step, len(run.steps))
    asked = quantity or next((f"{name}.grad" for name in run.parameters), "loss")
    view = StepView(run.steps[number], run.source, TraceOptions(width=_WIDTH))
    told: RenderableType = ""
    checks: Sequence[Compared] = ()
    known = None
    try:
        if asked == "loss":
            told = render_evaluation(view, explain_loss(view.step))
        else:
            derivation = explain_gradient(view.step, _parameter(opened, asked), view.names)
            told, checks = render_derivation(view, derivation), derivation.checks
    except NotRecordedError as error:
        if isinstance(error, NoSuchParameterError | NoSuchStepError):
            raise
        known = Known(_standing(view.step, asked), str(error))
    return Explained(
        known=known or opened.executed.known(),
        quantity=asked,
        step=number,
        checks=tuple(Check(one.what, one.holds, one.found) for one in checks[:_LISTED]),
        text=_page(told, first_line),
    )


def _standing(step: Step, quantity: str) -> Provenance:
    """That nothing reached a parameter is recorded; how something did may not be known."""
    writes = [f"{one.parameter}.grad" for each in step.backwards for one in each.grad_writes]
    ran = bool(step.backwards) if quantity == "loss" else quantity in writes
    return "not known" if ran else "recorded"


def _parameter(opened: Opened, quantity: str) -> str:
    """The parameter whose gradient is asked for.

    Raises:
        SelectionError: It is something else.
        NoSuchParameterError: There is none.
    """
    if not quantity.endswith(".grad"):
        msg = f"{quantity!r} cannot be explained."
        raise SelectionError(msg, hint="Write loss, or a gradient such as w1.grad.")
    return opened.trace.parameter(quantity.removesuffix(".grad")).parameter.name


def find(opened: Opened, condition: str = "not isfinite(loss)") -> Found:
    """Where a condition holds first, and what led to it.

    Raises:
        ConditionError: It cannot be understood.
    """
    run = opened.trace
    steps = np.flatnonzero(condition_on(run, condition).holds(run)).tolist()
    first = steps[0] if steps else None
    links = chain_behind(run, first) if first is not None else ()
    around = range(max(0, first - 2), min(len(run.losses), first + 2)) if first is not None else ()
    return Found(
        known=opened.executed.known("Evaluated on the recorded losses, parameters and gradients."),
        condition=condition,
        steps=len(run.steps),
        holds_in=len(steps),
        first=first,
        losses=_losses(run, around),
        chain=tuple(map(_link, links[:_LINKS])),
    )


def _link(cause: Cause) -> Link:
    told = link_json(cause)
    return Link(told["step"], _few(told["text"]), told["file"], told["line"], _few(told["code"]))


def diff(one: Opened, other: Opened, tolerance: float = 0.0) -> Diff:
    """Two recordings laid beside each other.

    Raises:
        SelectionError: The tolerance is none.
    """
    if not 0 <= tolerance < math.inf:
        msg = f"{tolerance!r} is no tolerance."
        raise SelectionError(msg, hint="Write 0, or a small number such as 1e-6.")
    found = laid_beside(one.trace, other.trace, tolerance=tolerance)
    executed = replace(one.executed, steps={**other.executed.steps, **one.executed.steps})
    known = executed.known("Both recordings were compared value by value.")
    parting = found.parting
    if parting is not None and parting.judgement.rounding is not None:
        known = Known("proved", parting.judgement.why)
    return Diff(
        known=known,
        verdict="equal" if found.equal else "rounding" if found.rounding else "different",
        sentence=sentence(found),
        step=None if parting is None else parting.step,
        text=_page(render_diff(found, (one.name, other.name), width=_WIDTH)),
    )


def doctor(
    opened: Opened,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    *,
    experiments: bool = True,
) -> Diagnosis:
    """What is wrong with a training run.

    Raises:
        SelectionError: A rule is unknown.
    """
    run = opened.trace
    seconds = SECONDS if experiments else 0.0
    found = examine(run, select=select, ignore=ignore, seconds=seconds)
    failures = [event.message for event in run.events if event.kind == "exception"]
    return Diagnosis(
        known=opened.executed.known("Each finding says how it is known."),
        steps=len(run.steps),
        failure=_few(failures[0]) if failures else "",
        problems=tuple(map(_problem, found[:_PROBLEMS])),
        more=max(0, len(found) - _PROBLEMS),
    )


def _problem(finding: Finding) -> Problem:
    source = finding.source
    return Problem(
        provenance="proved" if finding.executed else "recorded",
        code=finding.code,
        name=finding.name,
        severity=finding.severity,
        title=_few(finding.title),
        message=_few(finding.message),
        fix=_few(finding.fix),
        step=finding.step,
        seen=tuple(map(_few, finding.events[:_NAMED])),
        file=None if source is None else source.file,
        line=None if source is None else source.line,
        source=_few(finding.line),
    )


def what_if(
    opened: Opened, changes: Mapping[str, float], step: str = "0", steps: int = 50
) -> Descended:
    """A recorded stretch, executed again with something changed.

    Raises:
        SelectionError: There is nothing to change, or too much to execute.
    """
    from autograd_lens.replay.whatif import what_if as descend  # noqa: PLC0415  imports torch

    run = opened.trace
    first = select_step(step, len(run.steps))
    _bounded(steps)
    if not changes:
        msg = "Nothing is to be changed."
        raise SelectionError(msg, hint='Name what is, for example {"lr": 0.1} or {"w1": -5}.')
    try:
        what = descend(run, first, steps, changes)
    except ReplayError as error:
        named = {name: f"{value:g}" for name, value in changes.items()}
        known = Known("not known", str(error))
        return Descended(known, first, steps, named, {}, (), (), {})
    return Descended(
        known=Known("proved", what.proof),
        first=first,
        steps=len(what.changed.losses),
        changed=dict(what.changes),
        original=dict(what.originals),
        recorded=_curve(what.recorded.losses, first),
        instead=_curve(what.changed.losses, first),
        end=_ends(what.changed),
    )


def _curve(losses: Floats, first: int) -> tuple[Loss, ...]:
    """Some losses at even distances, both ends among them."""
    places = np.unique(
        np.linspace(0, max(len(losses) - 1, 0), min(len(losses), _CURVE)).astype(int)
    )
    return tuple(Loss(first + place, _written(float(losses[place]))) for place in places.tolist())


def _ends(descent: Descent) -> dict[str, Number]:
    single = [name for name, values in descent.values.items() if values[-1].size == 1]
    return {name: _written(float(descent.values[name][-1].item())) for name in single[:_LISTED]}


def verify(opened: Opened, steps: str = "0:100") -> Verified:
    """Whether recorded steps are what their tape gives, bit for bit.

    Raises:
        SelectionError: ``steps`` names none, or too many.
    """
    from autograd_lens.replay.verify import verify as execute  # noqa: PLC0415  imports torch

    run = opened.trace
    count = len(run.steps)
    first, _, last = steps.partition(":")
    if first.isdecimal() and last.isdecimal():  # the default fits short runs, too
        steps = f"{first}:{min(int(last), count)}"
    chosen = select_steps(steps, count)
    _bounded(len(chosen))
    result = execute(run, chosen)
    return Verified(
        known=_verdict(result),
        steps=result.steps,
        checks=tuple(_sort(check) for check in result.checks if check.steps or check.skipped),
    )


def _verdict(result: Verification) -> Known:
    """Proved is what was checked from end to end."""
    if result.differs:
        return Known("differs", verdict(result))
    checked = result.complete and any(check.steps for check in result.checks)
    return Known("proved" if checked else "not known", verdict(result))


def _sort(check: CheckResult) -> Sort:
    differing = [
        f"step {one.step}, {one.name}{f', by {one.by}' if one.by else ''}"
        for one in check.mismatches[:_NAMED]
    ]
    skipped = [f"{plural(len(one.steps), 'step')}: {one.reason}" for one in check.skipped[:_NAMED]]
    return Sort(check.name, check.how, check.steps, tuple(differing), tuple(map(_few, skipped)))


def _bounded(steps: int) -> None:
    """Refuse more steps than one answer executes.

    Raises:
        SelectionError: There are more, or none.
    """
    if not 0 < steps <= _MOST_STEPS:
        msg = f"{steps:,} steps are asked for, and one answer executes 1 to {_MOST_STEPS:,}."
        raise SelectionError(msg, hint="Ask for fewer, such as 0:100, or several times.")


# -- bounded pieces ---------------------------------------------------------------------------


def _page(told: RenderableType, first: int = 0) -> Text:
    """One page of what is printed, beginning with a line; the last one where that is behind it."""
    file = io.StringIO()
    console = Console(
        file=file, width=_WIDTH, highlight=False, markup=False, emoji=False, no_color=True
    )
    console.print(told)
    lines = [line.rstrip() for line in file.getvalue().splitlines()]
    start = min(max(first, 0), max(len(lines) - 1, 0))
    end, size = start, 0
    while end < len(lines) and (end == start or size + len(lines[end]) < _PAGE):
        size += len(lines[end]) + 1
        end += 1
    text = "\n".join(line[:_PAGE] for line in lines[start:end])
    return Text(text, start, len(lines), end if end < len(lines) else None)


def _few(text: str) -> str:
    return text if len(text) <= _WORDS else f"{text[: _WORDS - 1]}…"


def _loss(step: Step) -> Number | None:
    return None if step.loss is None else _written(step.loss)


def _written(number: float) -> Number:
    """A number as JSON can hold it."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
