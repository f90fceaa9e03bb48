"""Assertions about training code, for its tests; the pytest plugin records what a test trains.

::

    def test_the_whole_model_learns(lens_run):
        train(model, batches)

        lens.assert_no_findings(lens_run)
        lens.assert_gradients_reach(lens_run, ["encoder.*"])
        lens.assert_updates(lens_run, only=["head.*"])

Parameters are named by patterns as shells have them: ``encoder.*``, ``*.bias``, ``head.weight``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograd_lens.api import Run, trace_of
from autograd_lens.doctor import examine
from autograd_lens.doctor.experiments import SECONDS
from autograd_lens.doctor.finding import Finding, listed, plural
from autograd_lens.errors import NotRecordedError
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Parameter, Step
from autograd_lens.trace.values import Value

if TYPE_CHECKING:
    from autograd_lens.capture import Recording

__all__ = ["LensRun", "assert_gradients_reach", "assert_no_findings", "assert_updates"]

_WIDTH = 90


class LensRun:
    """What a test trains, recorded from its beginning until it is first looked at.

    Args:
        recording: The recording, which has begun.

    Attributes:
        path: The file.
        watch: As that of ``lens.record``.
        steps: As that of ``lens.record``.
        paused: As that of ``lens.record``.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._runs = True
        self.path: Path = recording.path
        self.watch: Callable[..., Any] = recording.watch
        self.steps: Callable[..., Iterator[int]] = recording.steps
        self.paused = recording.paused

    def end(self, error: BaseException | None = None) -> None:
        """End the recording, where that has not happened yet.

        Args:
            error: What ended the training, where it did not end by itself.
        """
        if self._runs:
            self._runs = False
            self._recording.__exit__(None if error is None else type(error), error, None)

    @cached_property
    def trace(self) -> Trace:
        """What was recorded until now; nothing more is."""
        self.end()
        return self._recording.trace

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever a trace offers
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.trace, name)


def assert_no_findings(
    run: Run,
    *,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    seconds: float = SECONDS,
) -> None:
    """Fail where the doctor finds something wrong with a run.

    Args:
        run: The run.
        select: Codes of rules, beginnings of codes (``"AL1"``) or names; none means all.
        ignore: The same, to be left out.
        seconds: How long experiments may take; 0 for none.

    Raises:
        AssertionError: It does; the message shows each finding, with its line and a fix.
    """
    __tracebackhide__ = True
    trace = trace_of(run)
    found = examine(trace, select=select, ignore=ignore, seconds=seconds)
    if found:
        raise AssertionError(_told(trace, f"{plural(len(found), 'finding')}.", found))


def assert_gradients_reach(run: Run, parameters: str | Sequence[str]) -> None:
    """Fail where a parameter never got a gradient other than zero.

    Args:
        run: The run.
        parameters: Patterns of names; each has to match a parameter.

    Raises:
        AssertionError: Some did not, or a pattern matches none.
        NotRecordedError: The recording is incomplete, so that nobody knows.
    """
    __tracebackhide__ = True
    trace = trace_of(run)
    wanted = [one for pattern in _patterns(parameters) for one in _matching(trace, pattern)]
    written = _written(trace)
    cut_off = [one.name for one in wanted if one.name not in written]
    zero = [one.name for one in wanted if not written.get(one.name, True)]
    said = []
    if cut_off:
        said.append(f"No gradient reached {listed(cut_off)} in {_steps(trace)}.")
    if zero:
        said.append(f"The gradient of {listed(zero)} was zero in each of {_steps(trace)}.")
    if said:
        raise AssertionError(_told(trace, " ".join(said), _about(trace, [*cut_off, *zero])))


def assert_updates(run: Run, *, only: str | Sequence[str]) -> None:
    """Fail where another parameter changed than those that should, or one of these did not.

    Args:
        run: The run.
        only: Patterns of the names of all that should change; each has to match a parameter.

    Raises:
        AssertionError: Another one changed, one did not, or a pattern matches none.
        NotRecordedError: The recording is incomplete, so that nobody knows.
    """
    __tracebackhide__ = True
    trace = trace_of(run)
    meant = {one.name for pattern in _patterns(only) for one in _matching(trace, pattern)}
    first: dict[str, int] = {}
    for step in _light_steps(trace):
        for update in step.updates:
            first.setdefault(update.parameter, step.index)
    others = [name for name in first if name not in meant]
    still = [name for name in trace.parameters if name in meant and name not in first]
    said = []
    if others:
        began = min(first[name] for name in others)
        said.append(f"{listed(others)} changed, first in step {began}, and should not.")
    if still:
        said.append(f"{listed(still)} did not change in {_steps(trace)}.")
    if said:
        raise AssertionError(_told(trace, " ".join(said), _about(trace, [*others, *still])))


def _light_steps(trace: Trace) -> Iterator[Step]:
    """All steps as the light level holds them, which is enough for what changed.

    Raises:
        NotRecordedError: Some are missing.
    """
    lost = next((event for event in trace.events if event.kind == "incomplete"), None)
    if lost is not None:
        msg = f"The recording is incomplete: {lost.message}"
        raise NotRecordedError(msg, hint="Train for fewer steps in this test.")
    yield from map(trace.light, range(len(trace.steps)))


def _written(trace: Trace) -> Mapping[str, bool]:
    """The parameters that a backward wrote to: whether it ever wrote more than zeros."""
    found: dict[str, bool] = {}
    for step in _light_steps(trace):
        for write in (write for backward in step.backwards for write in backward.grad_writes):
            zero = _is_zero(write.after) or write.after == write.before
            found[write.parameter] = found.get(write.parameter, False) or not zero
    return found


def _patterns(given: str | Sequence[str]) -> Sequence[str]:
    return [given] if isinstance(given, str) else given


def _matching(trace: Trace, pattern: str) -> list[Parameter]:
    """The parameters that a pattern names, by any of their names.

    Raises:
        AssertionError: There is none.
    """
    __tracebackhide__ = True
    found = [
        one
        for one in trace.parameters.values()
        if any(fnmatchcase(name, pattern) for name in (one.name, *one.aliases))
    ]
    if not found:
        known = listed(list(trace.parameters)) if trace.parameters else "none at all"
        msg = f"The run has no parameter {pattern!r}; it has {known}."
        hint = "A model that no backward reached is known where lens_run.watch(model) names it."
        raise AssertionError(_told(trace, f"{msg} {hint}", ()))
    return found


def _is_zero(value: Value | None) -> bool:
    return value is None or value.norm == 0.0


def _steps(trace: Trace) -> str:
    return plural(len(trace.steps), "step")


def _about(trace: Trace, names: Sequence[str]) -> list[Finding]:
    """What the doctor finds that speaks of some parameters."""
    found = examine(trace, seconds=0)
    return [one for one in found if any(name in f"{one.title} {one.message}" for name in names)]


def _told(trace: Trace, what: str, findings: Sequence[Finding]) -> str:
    """The message of a failed assertion: what is wrong, findings, and where the recording is."""
    from rich.console import Console  # noqa: PLC0415  only a failure waits for it

    from autograd_lens.render.findings import render_findings  # noqa: PLC0415

    text = StringIO()
    if findings:
        name, steps = trace.path.name, len(trace.steps)
        shown = render_findings(findings, file=name, steps=steps, width=_WIDTH)
        console = Console(file=text, width=_WIDTH, highlight=False, markup=False, emoji=False)
        console.print(shown, soft_wrap=True)
    lines = (line.rstrip() for line in text.getvalue().splitlines())
    return "\n".join([what, *lines, f"The recording: {trace.path}"])
