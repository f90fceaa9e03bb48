"""Proof: every step of a recording executed again and compared bit for bit.

NOTE 1 [Updates]: the update's kernels, executed on the recorded parameters and grads, must give
the next step's parameters. Where they do not, and its constants are known to change from step
to step (a schedule, a correction that an optimizer computes in Python), nothing is proved
either way, and that is said. Where the constants are the same in all steps recorded in full,
it is a difference.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import xxhash

from autograd_lens.errors import ReplayError
from autograd_lens.replay.attempts import Attempt, Attempts
from autograd_lens.replay.check import Difference
from autograd_lens.replay.differences import check_gradients
from autograd_lens.replay.ledger import Ledger
from autograd_lens.replay.sources import Donor, Sources
from autograd_lens.replay.step import Replayer, recorded_threads
from autograd_lens.replay.stretch import Stretches
from autograd_lens.replay.values import Entry
from autograd_lens.trace.outcomes import Verification
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.values import Summary

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
        checks=tuple(ledger.result() for ledger in verifier.ledgers),
        seconds=time.perf_counter() - began,
    )


def _silent(done: int) -> None:
    """Tell nobody of progress."""


class _Verifier:
    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._sources = Sources(trace)
        self._attempts = Attempts(trace, self._sources)
        self._loss = Ledger("loss", "the tape executed again, bit for bit")
        self._gradients = Ledger("gradients", "every .grad behind backward()")
        self._updates = Ledger("updates", "the next parameters, bit for bit")
        self._stored = Ledger("stored values", "every value of the full steps")
        self._numeric: Ledger | None = None

    @property
    def ledgers(self) -> list[Ledger]:
        ledgers = [self._loss, self._gradients, self._updates, self._stored]
        return ledgers if self._numeric is None else [*ledgers, self._numeric]

    def steps(self, steps: Sequence[int], progress: Callable[[int], None]) -> None:
        """Check the steps: plain stretches at once, the others one by one."""
        proved = Stretches(self._trace, self._sources).proved(steps)
        for ledger in (self._loss, self._gradients, self._updates):
            ledger.passed(len(proved))
        progress(len(proved))
        rest = [step for step in steps if step not in proved]
        for done, step in enumerate(rest, len(proved) + 1):
            self._step(step)
            progress(done)

    def _step(self, step: int) -> None:
        full = step in self._sources.full
        if not self._sources.light(step).rows:
            for ledger in (self._loss, self._gradients, self._updates):
                ledger.skip(step, "The step has no backward.")
            return
        try:
            attempt = self._attempts.best(step, observe=full)
        except ReplayError as error:
            reason = str(error.args[0])
            for ledger in (self._loss, self._gradients, self._updates):
                ledger.skip(step, reason)
            if full:
                self._stored.skip(step, reason)
            return
        self._judge(step, attempt)
        if full:
            found = attempt.execution.slots
            self._stored.checked(step, unlike(attempt.donor, found))

    def _judge(self, step: int, attempt: Attempt) -> None:
        check = attempt.check
        if check.outputs and attempt.donor.step != step:
            reason = self._excuse(step, attempt.donor)
            if reason:
                for ledger in (self._loss, self._gradients, self._updates):
                    ledger.skip(step, reason)
                return
        self._loss.checked(step, [one for one in check.outputs if one.name == "loss"])
        self._gradients.checked(step, [one for one in check.outputs if one.name != "loss"])
        if check.updates and check.outputs:
            self._updates.skip(step, "The gradients differ already.")
        elif check.updates and self._sources.update_varies(attempt.donor, step):
            reason = "The update multiplies with numbers of this step that were not kept."
            self._updates.skip(step, reason)
        elif check.unknown and self._sources.light(step).behind is None:
            self._updates.skip(step, "What the parameters were behind it was not recorded.")
        else:
            self._updates.checked(step, check.updates)

    def _excuse(self, step: int, donor: Donor) -> str:
        """Why a replay that differs proves nothing; ``""`` where it does."""
        if self._sources.is_guess(donor, step):
            return "No step with its graph was recorded in full."
        missing = self._sources.changing_inputs(donor, step)
        return f"Its inputs were not kept: {', '.join(missing)}." if missing else ""

    # -- finite differences -------------------------------------------------------------

    def finite_differences(self, steps: Sequence[int]) -> None:
        """Check gradients against central differences, in some of the steps."""
        picks = np.linspace(0, len(steps) - 1, min(_DIFFERENCED_STEPS, len(steps)))
        chosen = [steps[place] for place in dict.fromkeys(picks.astype(int).tolist())]
        how = f"central differences in float64, {len(chosen)} of the steps"
        self._numeric = Ledger("finite differences", how)
        replayer = Replayer(self._trace)
        for step in chosen:
            try:
                self._numeric.checked(step, check_gradients(replayer.step(step).step))
            except ReplayError as error:
                self._numeric.skip(step, str(error.args[0]))


def unlike(donor: Donor, found: Sequence[Entry]) -> list[Difference]:
    """Where the filled slots of a step are not those that were recorded."""
    different = [
        slot
        for slot, (recorded, live) in enumerate(zip(donor.encoded.slots, found, strict=True))
        if recorded is not None
        and live is not None
        and slot not in donor.program.uninitialised
        and not _same(recorded, live)
    ]
    names = donor.program.slot_names
    return [Difference(names.get(slot, "a value"), float("nan"), None) for slot in different]


def _same(recorded: Entry, live: Entry) -> bool:
    if isinstance(recorded, float) and isinstance(live, float):
        return recorded == live or (recorded != recorded and live != live)  # noqa: PLR0124  NaN
    if isinstance(recorded, Summary):
        digest = live.digest if isinstance(live, Summary) else None
        if isinstance(live, bytes):
            digest = xxhash.xxh3_128_hexdigest(live)
        return recorded.digest == digest
    return recorded == live
