"""The doctor: rules that read a trace and say what is wrong with the training.

::

    records.py    Finding and Rule: what a rule says, and what it is
    engine.py     finds the rules, runs them, keeps what is the cause and drops what follows
    evidence.py   what rules look at: engine runs at light level, full steps, events
    contents.py   questions to one value: is it zero, finite, the same to the last bit
    warned.py     what torch warned the program of
    tape.py       questions to one step's kernels: who made this tensor, who read it, who wrote it
    source.py     questions to the program's text: what stands in the loop around backward
    words.py      numbers and names in sentences
    rules/        one rule a file, found by itself; its docstring is its page

Codes say what a rule is about: AL1xx gradients and their bookkeeping, AL2xx the graph, AL3xx
numbers, AL4xx the loss, AL5xx the optimizer, AL6xx modes and data.

Nothing here imports torch. A rule speaks only with evidence in the trace. Where a light step
merely hints at something, the trace's replayer opens it, if it was given one; else the finding
names the command that settles it.
"""

from __future__ import annotations

from autograd_lens.doctor.engine import examine, rules
from autograd_lens.doctor.finding import Finding, Rule, Severity

__all__ = ["Finding", "Rule", "Severity", "examine", "rules"]
