"""Proof: every step of a recording executed again and compared bit for bit.

NOTE 1 [Three words]: a check of a step says *equal* where the bits are the same. It says *differs*
only of a step that was recorded in full, where the same kernels, given what was recorded, made
something else than was recorded. Everything else is *not checked*, with the reason.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from autograd_lens.errors import ReplayError
from autograd_lens.replay.check import Difference
from autograd_lens.replay.differences import check_gradients
from autograd_lens.replay.replayer import Attempt, Replayer, left_out, recorded_threads
from autograd_lens.replay.stretch import proved_at_once
from autograd_lens.trace.outcomes import CheckResult, Mismatch, Skipped, Verification
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.values import Entry, alike

__all__ = ["unlike", "verify"]

_DIFFERENCED_STEPS = 12


def verify(
    trace: Trace,
    steps: Sequence[int],
    *,
    finite_differences: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Verification:
    """Execute steps again and compare them with the recording.

    Args:
        trace: The recording.
        steps: The steps.
        finite_differences: Whether gradients are checked against central differences, too.
        progress: Called with the number of steps that are done, where given.
    """
    began = time.perf_counter()
    verifier = _Verifier(trace)
    with recorded_threads(trace):
        verifier.steps(steps, progress or _silent)
        if finite_differences:
            verifier.finite_differences(steps)
    return Verification(
        steps=len(steps),
        checks=tuple(ledger.result() for ledger in verifier.finished()),
        seconds=time.perf_counter() - began,
    )


def _silent(done: int) -> None:
    """Tell nobody of progress."""


@dataclass
class _Ledger:
    """One sort of check, while it goes on.

    Attributes:
        name: Its name.
        how: What is compared with what.
    """

    name: str
    how: str
    _steps: int = 0
    _mismatches: list[Mismatch] = field(default_factory=list)
    _skipped: dict[str, list[int]] = field(default_factory=dict)

    def passed(self, steps: int) -> None:
        """So many steps are right."""
        self._steps += steps

    def checked(self, step: int, differences: Iterable[Difference]) -> None:
        """A step was checked."""
        self._steps += 1
        for one in differences:
            text = str(one).removeprefix(one.name).removeprefix(" by ")
            self._mismatches.append(Mismatch(step, one.name, text))

    def skip(self, step: int, reason: str) -> None:
        """A step could not be checked."""
        general = re.sub(rf"\b[Ss]tep {step}\b", "the step", reason)
        if "." not in general.partition(" ")[0]:  # else it is a name
            general = general[:1].upper() + general[1:]
        self._skipped.setdefault(general, []).append(step)

    def result(self) -> CheckResult:
        """The finished check."""
        skipped = (Skipped(reason, tuple(steps)) for reason, steps in self._skipped.items())
        return CheckResult(
            self.name, self.how, self._steps, tuple(self._mismatches), tuple(skipped)
        )


class _Verifier:
    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._replayer = Replayer(trace)
        self._full = frozenset(trace.full_steps)
        self._loss = _Ledger("loss", "the tape executed again, bit for bit")
        self._gradients = _Ledger("gradients", "every .grad behind backward()")
        self._updates = _Ledger("updates", "the next parameters, bit for bit")
        self._stored = _Ledger("stored values", "every value of the full steps")
        self._later = _Ledger("what else was differentiated", "behind the training of a step")
        self._numeric: _Ledger | None = None

    def finished(self) -> list[_Ledger]:
        """What was checked, when all steps were."""
        ledgers = [self._loss, self._gradients, self._updates, self._stored]
        for step, graphs in self._replayer.donors.left_out.items():
            self._later.skip(step, left_out(graphs))
        ledgers += [self._later] if self._replayer.donors.left_out else []
        return ledgers if self._numeric is None else [*ledgers, self._numeric]

    def steps(self, steps: Sequence[int], progress: Callable[[int], None]) -> None:
        """Check the steps: plain stretches at once, the others one by one."""
        proved = proved_at_once(self._trace, self._replayer.donors, steps)
        for ledger in (self._loss, self._gradients, self._updates):
            ledger.passed(len(proved))
        progress(len(proved))
        rest = [step for step in steps if step not in proved]
        for done, step in enumerate(rest, len(proved) + 1):
            self._step(step)
            progress(done)

    def _step(self, step: int) -> None:
        full = step in self._full
        try:
            attempt = self._replayer.known(step, observe=full)
        except ReplayError as error:
            reason = str(error.args[0])
            for ledger in (self._loss, self._gradients):
                ledger.skip(step, reason)
            if self._replayer.updated(step) is None:
                self._updates.skip(step, reason)
            else:
                self._updates.passed(1)
            if full:
                self._stored.skip(step, reason)
            return
        self._judge(step, attempt)

    def _judge(self, step: int, attempt: Attempt) -> None:
        check = attempt.check
        self._loss.checked(step, [one for one in check.outputs if one.name == "loss"])
        self._gradients.checked(step, [one for one in check.outputs if one.name != "loss"])
        wrong = unlike(attempt)
        if step in self._full:
            self._stored.checked(step, wrong)
            if any(call.kernel.hooked for call in attempt.donor.plan.calls):
                self._stored.how = "every value of the full steps, but of kernels in hooks"
        if check.updates and check.outputs:
            self._updates.skip(step, "The gradients differ already.")
        elif check.updates and not wrong:
            self._updates.skip(step, self._replayer.unknown_update(attempt))
        elif check.unknown and self._replayer.donors.light(step).behind is None:
            self._updates.skip(step, "What the parameters were behind it was not recorded.")
        else:
            self._updates.checked(step, check.updates)

    # -- finite differences -------------------------------------------------------------

    def finite_differences(self, steps: Sequence[int]) -> None:
        """Check gradients against central differences, in some of the steps."""
        picks = np.linspace(0, len(steps) - 1, min(_DIFFERENCED_STEPS, len(steps)))
        chosen = [steps[place] for place in dict.fromkeys(picks.astype(int).tolist())]
        how = f"central differences in float64, {len(chosen)} of the steps"
        self._numeric = _Ledger("finite differences", how)
        for step in chosen:
            try:
                self._numeric.checked(step, check_gradients(self._replayer.step(step).step))
            except ReplayError as error:
                self._numeric.skip(step, str(error.args[0]))


def unlike(attempt: Attempt) -> list[Difference]:
    """Where the values of an observed step are not those that were recorded in full."""
    if attempt.observer is None or not attempt.own:
        return []
    observed, plan = attempt.observer.step(), attempt.donor.plan
    different = [
        slot
        for slot, place in sorted(observed.places.items())
        if attempt.donor.slots[slot] is not None
        and observed.slots[place] is not None
        and slot not in plan.uninitialised
        and not _same(attempt.donor.slots[slot], observed.slots[place])
    ]
    names = plan.slot_names
    return [Difference(names.get(slot, "a value"), float("nan"), None) for slot in different]


def _same(recorded: Entry, live: Entry) -> bool:
    nan = [isinstance(one, float) and math.isnan(one) for one in (recorded, live)]
    return all(nan) or alike(recorded, live)
