"""What an assistant is answered: typed records, each with how it is known.

A number that JSON cannot write is one of the words ``"NaN"``, ``"Infinity"``, ``"-Infinity"``;
null means that there is none.

NOTE 1 [Slots]: the SDK takes a slot of the record that a tool returns for the default of its
field, so answers have none; what stands inside of them does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "Check",
    "Descended",
    "Diagnosis",
    "Diff",
    "Explained",
    "Found",
    "Happening",
    "Known",
    "Link",
    "Loss",
    "Named",
    "Number",
    "Printed",
    "Problem",
    "Provenance",
    "Run",
    "Sort",
    "Text",
    "Verified",
]

Number = float | Literal["NaN", "Infinity", "-Infinity"]
Provenance = Literal["recorded", "proved", "differs", "not known"]


@dataclass(frozen=True, slots=True)
class Known:
    """How an answer is known.

    Attributes:
        provenance: "recorded": read from the file as the program computed it. "proved": recorded
            steps were executed again and gave what was recorded, bit for bit. "differs": they
            did not. "not known": it was not kept, or cannot be executed again.
        why: What was executed, or why it is not known and what to do about that.
    """

    provenance: Provenance
    why: str


@dataclass(frozen=True, slots=True)
class Text:
    """Text as people read it, a page at a time.

    Attributes:
        text: The lines of this page.
        first_line: Number of the first of them, from 0.
        lines: How many there are in all.
        next_line: Ask with first_line set to this for the next page; null on the last one.
    """

    text: str
    first_line: int
    lines: int
    next_line: int | None


@dataclass(frozen=True, slots=True)
class Loss:
    """The loss of one step.

    Attributes:
        step: The step.
        loss: Its loss; null where it ran no backward.
    """

    step: int
    loss: Number | None


@dataclass(frozen=True, slots=True)
class Named:
    """A parameter of the run.

    Attributes:
        name: Its name.
        shape: Sizes of all axes.
        dtype: Type of its elements.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that befell the run as a whole.

    Attributes:
        kind: "exception", "interrupt", "warning" or "incomplete".
        step: During which step, or null.
        message: One line.
    """

    kind: str
    step: int | None
    message: str


@dataclass(frozen=True)
class Run:
    """What is in a recording.

    Attributes:
        known: How it is known.
        file: The recording.
        program: The script.
        status: "finished", "exception", "interrupted", "stopped", "killed" or "running".
        steps: How many steps it has, numbered from 0.
        full_steps: The first of those that were recorded with every value.
        losses: First, least and last loss, and the first that is not finite, in order.
        parameters: The first parameters.
        more_parameters: How many are not listed.
        events: The first things that befell the run.
        text: All of that and the learning rates, as `autograd-lens info` prints it.
    """

    known: Known
    file: str
    program: str
    status: str
    steps: int
    full_steps: tuple[int, ...]
    losses: tuple[Loss, ...]
    parameters: tuple[Named, ...]
    more_parameters: int
    events: tuple[Happening, ...]
    text: Text


@dataclass(frozen=True)
class Printed:
    """One step, line by line.

    Attributes:
        known: How it is known.
        step: Its number.
        level: "full" where every kernel is there, "light" where only loss, parameters and
            gradients are.
        loss: Its loss; null where it ran no backward.
        text: Forward, backward, gradient writes, update and zeroing, with numbers.
    """

    known: Known
    step: int
    level: str
    loss: Number | None
    text: Text


@dataclass(frozen=True, slots=True)
class Check:
    """A comparison of a derivation with the rest of the record.

    Attributes:
        what: What was compared.
        holds: Whether they agree; null where that is not known.
        found: What was found, in a few words.
    """

    what: str
    holds: bool | None
    found: str


@dataclass(frozen=True)
class Explained:
    """Where a gradient, or the loss, comes from.

    Attributes:
        known: How it is known.
        quantity: "w1.grad", or "loss".
        step: The step.
        checks: Whether the textbook's formulas give the recorded numbers.
        text: The derivation with the run's own numbers, from the loss down (of a gradient) or
            from the inputs up (of the loss).
    """

    known: Known
    quantity: str
    step: int
    checks: tuple[Check, ...]
    text: Text


@dataclass(frozen=True, slots=True)
class Link:
    """One thing that led to what was found.

    Attributes:
        step: In which step.
        text: What happened.
        file: The file of the program, or null.
        line: The line in it, or null.
        code: The code in that line.
    """

    step: int
    text: str
    file: str | None
    line: int | None
    code: str


@dataclass(frozen=True)
class Found:
    """Where a condition holds first.

    Attributes:
        known: How it is known.
        condition: The condition.
        steps: How many steps were looked at.
        holds_in: In how many of them it holds.
        first: The first of them, or null.
        losses: The losses around it.
        chain: What led to it, the latest first.
    """

    known: Known
    condition: str
    steps: int
    holds_in: int
    first: int | None
    losses: tuple[Loss, ...]
    chain: tuple[Link, ...]


@dataclass(frozen=True)
class Diff:
    """Two recordings laid beside each other.

    Attributes:
        known: How it is known.
        verdict: "equal", "rounding" (they differ by rounding alone, shown in float64) or
            "different".
        sentence: Where they first part, and in what.
        step: The step where they part; null where they do not.
        text: Both sides of that place, and how it goes on.
    """

    known: Known
    verdict: Literal["equal", "rounding", "different"]
    sentence: str
    step: int | None
    text: Text


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the training.

    Attributes:
        provenance: "proved" where it rests on steps that were executed again, else "recorded".
        code: Code of the rule.
        name: Its name.
        severity: "error" where the training cannot be right, else "warning".
        title: What happened, one line.
        message: What happened and why it is bad, with the run's own numbers.
        fix: The corrected code.
        step: The step to look at, or null.
        seen: What in that step shows it.
        file: The file of the program, or null.
        line: The line in it, or null.
        source: The code in that line.
    """

    provenance: Provenance
    code: str
    name: str
    severity: str
    title: str
    message: str
    fix: str
    step: int | None
    seen: tuple[str, ...]
    file: str | None
    line: int | None
    source: str


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a training run.

    Attributes:
        known: How it is known.
        steps: How many steps were examined.
        failure: The exception that ended the program, else "".
        problems: What was found, gravest first.
        more: How many findings are not listed.
    """

    known: Known
    steps: int
    failure: str
    problems: tuple[Problem, ...]
    more: int


@dataclass(frozen=True)
class Descended:
    """A recorded stretch, executed again with something changed.

    Attributes:
        known: How it is known.
        first: The step it begins with.
        steps: How many steps it has.
        changed: What was changed, by name: the new value.
        original: What that was in the recording.
        recorded: Some losses of the recording.
        instead: The losses of the same steps with the change.
        end: Values at the end with the change, of parameters of one element.
    """

    known: Known
    first: int
    steps: int
    changed: dict[str, str]
    original: dict[str, str]
    recorded: tuple[Loss, ...]
    instead: tuple[Loss, ...]
    end: dict[str, Number]


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort of check over all steps.

    Attributes:
        name: "loss", "gradients", "updates" or "stored values".
        how: What was compared with what.
        steps: How many steps were checked.
        differing: The first differences.
        skipped: Why others were not checked.
    """

    name: str
    how: str
    steps: int
    differing: tuple[str, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class Verified:
    """Whether recorded steps are what their tape gives, bit for bit.

    Attributes:
        known: How it is known; its provenance is the verdict.
        steps: How many steps were asked for.
        checks: Each sort of check.
    """

    known: Known
    steps: int
    checks: tuple[Sort, ...]
