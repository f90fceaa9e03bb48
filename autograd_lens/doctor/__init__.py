"""The doctor: rules that read a trace and say what is wrong with the training.

::

    finding.py    Finding and Rule, and how numbers and names stand in sentences
    engine.py     finds the rules, runs them, keeps what is the cause and drops what follows
    evidence.py   what rules look at: engine runs at light level, full steps, events
    ledger.py     who is updated with what: which losses wrote a gradient, who used or cleared it
    tape.py       one full step: the life line of each gradient, modes, what changed under autograd
    axes.py       the batch axis through a step's kernels: where samples meet
    numbers.py    how numbers move, shrink, blow up, get lost in rounding and turn into NaN
    experiments.py a rule's guess tried: recorded steps executed with one thing changed
    source.py     questions to the program's text: what stands in the loop around backward
    rules/        one rule a file, found by itself; its docstring is its page

Codes say what a rule is about: AL1xx gradients and their bookkeeping, AL2xx the graph, AL3xx
numbers, AL4xx the loss, AL5xx the optimizer, AL6xx modes and data.

Nothing here imports torch. A rule speaks only with evidence in the trace. Where a light step
merely hints at something, the trace's replayer opens it, if it was given one; else the finding
names the command that settles it.

The package can be called: ``lens.doctor(trace)`` is ``examine(trace)``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import ModuleType

from autograd_lens.doctor.engine import examine, rules
from autograd_lens.doctor.experiments import SECONDS
from autograd_lens.doctor.finding import Finding, Rule, Severity
from autograd_lens.trace.reader import Trace

__all__ = ["Finding", "Rule", "Severity", "examine", "rules"]


class _Doctor(ModuleType):
    """This package, which is called like the function that it is named after."""

    def __call__(
        self,
        trace: Trace,
        *,
        select: Iterable[str] = (),
        ignore: Iterable[str] = (),
        seconds: float = SECONDS,
    ) -> tuple[Finding, ...]:
        """What is wrong with a recorded run; see ``examine``."""
        return examine(trace, select=select, ignore=ignore, seconds=seconds)


sys.modules[__name__].__class__ = _Doctor
