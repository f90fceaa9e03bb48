"""What is inside a trace, on one screen; and a list of recordings."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePath

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from autograd_lens.analysis.rates import Rates
from autograd_lens.render.layout import NAME, QUIET, cut, folded, heading, line, table
from autograd_lens.render.numbers import brief_value, scalar, shape
from autograd_lens.render.rates import rates_facts
from autograd_lens.trace.info import RunInfo
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.recordings import Recording
from autograd_lens.trace.records import Event, Parameter
from autograd_lens.trace.values import Array, Value

__all__ = ["kept_text", "render_info", "render_recordings", "size_text"]

_FEW = 8  # full steps that are named
_PARAMETERS = 24  # that are listed
_CURVE = 32  # columns of the loss curve
_MARGIN = 18  # columns beside a fact
_BLOCKS = "▁▂▃▄▅▆▇█"
_ENDS: Mapping[str, str] = {
    "exception": "stopped by an exception",
    "interrupted": "interrupted with Ctrl-C",
    "stopped": "stopped by --stop-on",
    "killed": "killed; what was committed is here",
    "running": "still running",
}


def render_info(
    trace: Trace, *, size: int | None = None, width: int = 80, rates: Rates | None = None
) -> RenderableType:
    """Program, versions, steps, losses, parameters and events of a trace.

    Args:
        trace: The trace.
        size: Bytes of its file, where known.
        width: Columns of the terminal.
        rates: What is known of its learning rates.
    """
    return Group(*(cut(text, width) for text in _lines(trace, size, width, rates)))


def render_recordings(found: Sequence[tuple[str, Recording]]) -> RenderableType:
    """A line for each recording: its file, size, steps, when it began, how it ended.

    Args:
        found: The recordings, each with the name to show.
    """
    if not found:
        return Text("No recordings. Make one with: autograd-lens run train.py")
    return Group(*table([_recording(name, one) for name, one in found]))


def _recording(name: str, one: Recording) -> list[Text]:
    steps = f"{one.steps:,} step{'' if one.steps == 1 else 's'}"
    ended = one.problem or _ENDS.get(one.status, one.status)
    return [
        Text(name, style=NAME),
        Text(size_text(one.size).rjust(9)),
        Text("" if one.problem else steps.rjust(12)),
        Text(_moment(one.started), style=QUIET),
        Text(ended, style="bold red" if one.problem else ""),
    ]


def _lines(trace: Trace, size: int | None, width: int, rates: Rates | None) -> Iterator[Text]:
    yield heading(trace.path.name, "" if size is None else size_text(size), width, "━")
    yield from _facts(trace, rates, width)
    if trace.parameters:
        yield Text()
        yield heading("Parameters", f"{len(trace.parameters):,}", width)
        yield from _parameters(trace)
    if trace.events:
        yield Text()
        yield heading("Events", "", width)
        for event in trace.events:
            yield from _event(event, width)


def _facts(trace: Trace, rates: Rates | None, width: int) -> Iterator[Text]:
    info = trace.info
    program = " ".join([PurePath(info.program).name or "(interactive session)", *info.argv])
    facts = {
        "program": Text(program),
        "ran": Text(_ran(info)),
        "with": Text(_versions(info)),
        "steps": Text(_steps(trace)),
        "kept": Text(kept_text(trace)),
        "replay": Text(_reach(trace)),
        "loss": _losses(np.asarray(trace.losses, np.float64)),
        "": _curve(np.asarray(trace.losses, np.float64)),
    }
    rows = [(key, text) for key, text in facts.items() if text.plain or not key]
    if rates is not None:
        for word, text in rates_facts(rates):
            parts = folded(text, width - _MARGIN)
            rows += zip(itertools.chain([word], itertools.repeat("")), parts, strict=False)
    yield from (line(row) for row in table([[Text(key, style=QUIET), text] for key, text in rows]))


def _ran(info: RunInfo) -> str:
    start = _moment(info.started)
    lasted = "" if info.ended is None else f", {_duration(info.ended - info.started)}"
    return f"{start}{lasted}, {_ENDS.get(info.status, info.status)}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:.0f} min {rest:.0f} s" if minutes else f"{seconds:.1f} s"


def _versions(info: RunInfo) -> str:
    parts = [f"torch {info.torch}" if info.torch else "", f"Python {info.python}"]
    parts += [f"{info.threads} thread{'s' * (info.threads > 1)}" if info.threads else ""]
    parts += ["" if info.seed is None else f"seed {info.seed}"]
    return ", ".join(filter(None, parts))


def _steps(trace: Trace) -> str:
    full = trace.full_steps
    named = ", ".join(map(str, full[:_FEW])) + (", …" if len(full) > _FEW else "")
    detail = f"{len(full):,} in full detail ({named})" if full else "none in full detail"
    return f"{len(trace.steps):,}, {detail}"


def kept_text(trace: Trace) -> str:
    """Which steps were kept, where the last ones alone were to be; ``""`` where all were."""
    if trace.window is None:
        return ""
    count, asked = len(trace.steps) - trace.first_kept, trace.window.steps
    if not trace.first_kept:
        return f"all steps (--last {asked:,})"
    why = f"no more fit of --last {asked:,}" if count < asked else f"--last {asked:,}"
    return f"steps from {trace.first_kept:,} on, and the loss of those before ({why})"


def _reach(trace: Trace) -> str:
    """How far replay goes from where large parameters are whole; ``""`` where none are large."""
    if not trace.keyframes:
        return ""
    ends = [*trace.keyframes, len(trace.steps)]
    apart = max(after - before for before, after in itertools.pairwise(ends)) - 1
    return f"any step within {max(apart, 0):,} step{'s' * (apart != 1)} of a keyframe"


def _losses(losses: Array) -> Text:
    """First, last and least loss, and where it stopped being a number."""
    known = np.flatnonzero(np.isfinite(losses))
    if not known.size:
        return Text("no finite loss was recorded")
    least = known[np.argmin(losses[known])]
    text = Text(f"{scalar(losses[known[0]])} → {scalar(losses[known[-1]])}")
    text.append(f", least {scalar(losses[least])} at step {least:,}")
    nans = np.flatnonzero(np.isnan(losses))
    return text.append(f", NaN from step {nans[0]:,}", "bold red") if nans.size else text


def _curve(losses: Array) -> Text:
    """The finite losses as a row of blocks; on a log scale where all are positive."""
    losses = losses[np.isfinite(losses)]
    if losses.size < 2:  # a curve has two ends
        return Text()
    picked = losses[np.linspace(0, len(losses) - 1, min(_CURVE, len(losses))).astype(np.intp)]
    heights = np.log(picked) if picked.min() > 0 else picked
    span = float(np.ptp(heights)) or 1.0
    places = np.round((heights - heights.min()) / span * (len(_BLOCKS) - 1)).astype(np.intp)
    scale = "  on a log scale" if picked.min() > 0 else ""
    return Text("".join(_BLOCKS[place] for place in places)).append(scale, QUIET)


def _parameters(trace: Trace) -> Iterator[Text]:
    steps = trace.steps
    ends = (steps[0].parameters, steps[-1].parameters) if len(steps) else ({}, {})
    rows = []
    for name, parameter in list(trace.parameters.items())[:_PARAMETERS]:
        first, last = (end.get(name) for end in ends)
        start = first.before if first else None
        end = last.after or last.before if last else None
        rows.append(_parameter(parameter, start, end))
    yield from (line(row) for row in table(rows))
    if len(trace.parameters) > _PARAMETERS:
        yield line(f"and {len(trace.parameters) - _PARAMETERS:,} more", style=QUIET)


def _parameter(parameter: Parameter, first: Value | None, last: Value | None) -> list[Text]:
    notes = [] if parameter.dtype == "float32" else [parameter.dtype]
    notes += [] if parameter.device == "cpu" else [parameter.device]
    sizes = Text(" ".join([shape(parameter.shape), *notes]), style=QUIET)
    return [
        Text(parameter.name, style=NAME),
        sizes,
        Text.assemble(_size(first), (" → ", QUIET), _size(last)),
    ]


def _size(value: Value | None) -> Text:
    """A number, or the norm of what is more than one."""
    if value is None:
        return Text("not recorded", style=QUIET)
    if value.numel == 1:
        return brief_value(value)
    norm = value.norm
    return Text(f"norm {scalar(norm, 4)}", style="" if math.isfinite(norm) else "bold red")


def _event(event: Event, width: int) -> Iterator[Text]:
    place = "" if event.step is None else f"step {event.step:,}"
    serious = "bold red" if event.kind == "exception" else NAME
    yield line(Text.assemble((event.kind, serious), f"  {place}"))
    for part in folded(event.message, width - 9):
        yield line(Text("  ").append_text(part))


def size_text(size: int) -> str:
    """Bytes as people read them: ``"81.0 MB"``."""
    number = float(size)
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:  # the step from one unit to the next
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"
