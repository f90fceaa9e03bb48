"""What every tracker is told of a run: numbers of each step, and then texts and pictures.

NOTE 1 [Not known]: a layer's update ratio needs its values before and after the update. Of large
parameters light steps keep digests alone, so that it is known in full steps only. What is not
known is left out of a step's numbers, never made up.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autograd_lens.analysis.rates import RateGroup, find_rates
from autograd_lens.api import Trace
from autograd_lens.doctor import Finding, examine
from autograd_lens.errors import LensError
from autograd_lens.render.findings import finding_line
from autograd_lens.trace.records import ParameterStep, Step
from autograd_lens.trace.values import Value

__all__ = [
    "Pictures",
    "about",
    "findings_text",
    "pictures",
    "rate_groups",
    "step_numbers",
    "steps_as_they_come",
]

_WAIT = 1.0  # seconds between two looks at a recording that goes on


def steps_as_they_come(
    trace: Trace, *, follow: bool, wait: float = _WAIT
) -> Iterator[Sequence[int]]:
    """The steps of a run, some at a time; of one that is being recorded also those to come.

    The last step of a run that goes on has not ended: what it updates is not known yet.

    Args:
        trace: The run; it is refreshed.
        follow: Whether to wait for what is still to be recorded.
        wait: Seconds between two looks.
    """
    done = 0
    while True:
        trace.refresh()
        running = trace.info.status == "running"
        ready = max(done, len(trace.steps) - running)
        yield range(done, ready)
        done = ready
        if not (running and follow):
            return
        time.sleep(wait)


def step_numbers(trace: Trace, step: int, rates: Sequence[RateGroup]) -> Mapping[str, float]:
    """A step's loss, rates, gradient norms and update ratios, by name.

    Names are ``loss``; ``lr``, or ``lr/0``, ``lr/1``, ... for groups that differ;
    ``gradient_norm/LAYER`` and ``update_ratio/LAYER``, the norm of what the update added
    against that of what was there. A layer holds the parameters of a module.
    """
    light = trace.light(step)
    numbers: dict[str, float] = {} if light.loss is None else {"loss": light.loss}
    for place, group in enumerate(rates):
        numbers[f"lr/{place}" if len(rates) > 1 else "lr"] = group.at(step)
    for layer, members in _layers(light).items():
        numbers |= _of_layer(layer, members)
    return numbers


def _layers(step: Step) -> Mapping[str, Sequence[ParameterStep]]:
    found: dict[str, list[ParameterStep]] = {}
    for name, one in step.parameters.items():
        found.setdefault(name.rpartition(".")[0] or name, []).append(one)
    return found


def _of_layer(layer: str, members: Sequence[ParameterStep]) -> Iterator[tuple[str, float]]:
    grads = [one.grad.norm for one in members if one.grad is not None]
    if grads:
        yield f"gradient_norm/{layer}", math.hypot(*grads)
    changes = [_change(one.before, one.after) for one in members]
    sizes = [one.before.norm if one.before is not None else math.nan for one in members]
    moved, there = math.hypot(*changes), math.hypot(*sizes)
    if not math.isnan(moved) and there > 0:
        yield f"update_ratio/{layer}", moved / there


def _change(before: Value | None, after: Value | None) -> float:
    """The norm of what was added to a parameter; NaN where it is not known (NOTE 1)."""
    if before is not None and before == after:
        return 0.0
    if before is None or after is None or not (before.complete and after.complete):
        return math.nan
    if before.shape != after.shape:
        return math.nan
    apart = after.array.astype(np.complex128) - before.array.astype(np.complex128)
    return float(np.linalg.norm(apart.ravel()))


def rate_groups(trace: Trace) -> Sequence[RateGroup]:
    """The groups of parameters that have a learning rate."""
    return find_rates(trace).groups


def about(trace: Trace) -> Mapping[str, str]:
    """What is known of the run as a whole, by name."""
    info = trace.info
    facts = {
        "program": info.program,
        "arguments": " ".join(info.argv),
        "status": info.status,
        "steps": str(len(trace.steps)),
        "torch": info.torch,
        "python": info.python,
        "seed": "" if info.seed is None else str(info.seed),
        "recording": str(trace.path),
    }
    return {name: fact for name, fact in facts.items() if fact}


def findings_text(trace: Trace) -> str:
    """What the doctor finds, as Markdown."""
    found = examine(trace)
    return "\n\n".join(map(_paragraph, found)) or "The doctor found nothing wrong."


def _paragraph(finding: Finding) -> str:
    code = "\n".join(f"    {line}" for line in finding.fix.splitlines())
    return f"**{finding_line(finding)}**\n\n{finding.message}\n\n{code}"


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures of a run.

    Attributes:
        drawn: PNG files by name.
        missing: What could not be drawn and why, a sentence each.
    """

    drawn: Mapping[str, bytes]
    missing: tuple[str, ...]


def pictures(trace: Trace) -> Pictures:
    """The descent path on the loss surface, and the graph of the first step that has one."""
    drawn, missing = {}, []
    for name, draw in (("path", _path), ("graph", _graph)):
        try:
            drawn[name] = draw(trace)
        except LensError as error:
            missing.append(f"The {name} was not drawn: {error}")
    return Pictures(drawn, tuple(missing))


def _path(trace: Trace) -> bytes:
    from autograd_lens.render.plots.style import figure_bytes  # noqa: PLC0415  matplotlib

    return figure_bytes(trace.plot_path(), "png")


def _graph(trace: Trace) -> bytes:
    from autograd_lens.render.engines import render_dot  # noqa: PLC0415  only to draw
    from autograd_lens.render.graph import GraphOptions, graph_dot  # noqa: PLC0415

    step = next((trace.steps[one] for one in trace.full_steps), None)
    if step is None or not step.backwards:
        msg = "no step was recorded in full."
        raise LensError(msg)
    return render_dot(graph_dot(step, -1, GraphOptions(source=trace.source)), "png")
