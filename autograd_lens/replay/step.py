"""Any step of a trace in full detail, by executing its tape again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.attempts import Attempts, OnWay
from autograd_lens.replay.check import Check, Difference
from autograd_lens.replay.execution import Execution
from autograd_lens.replay.program import Program
from autograd_lens.replay.sources import Donor, Sources
from autograd_lens.replay.trimming import without_kernels
from autograd_lens.trace.decode import decode
from autograd_lens.trace.expression import update_expression
from autograd_lens.trace.fullstep import merge
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Step

__all__ = ["Replayed", "Replayer", "stay_on_one_thread"]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What one replay gave.

    Attributes:
        step: The step in full; its provenance is ``"proved"`` or ``"differs"``.
        donor: The step whose tape was executed.
        differences: What differs from the light rows, up to the last backward.
        updates: Parameters that the update's kernels did not bring to their recorded value.
        unknown: Parameters whose value behind the step nobody recorded.
    """

    step: Step
    donor: int
    differences: tuple[Difference, ...]
    updates: tuple[Difference, ...]
    unknown: tuple[str, ...]


class Replayer:
    """Replays the steps of one trace.

    Args:
        trace: The trace.
        on_way: Called with each step that is replayed, and with the one it is replayed for.
    """

    def __init__(self, trace: Trace, on_way: OnWay | None = None) -> None:
        self._trace = trace
        self._sources = Sources(trace)
        self._attempts = Attempts(trace, self._sources)
        if on_way is not None:
            self._attempts.on_way = on_way

    def step(self, step: int) -> Replayed:
        """Replay a step.

        Raises:
            ReplayError: It cannot be replayed; the message says why and what to do instead.
        """
        try:
            with recorded_threads(self._trace):
                self._attempts.on_way(step, step)
                return self._replay(step)
        except ReplayError as error:
            raise with_ways_out(error, step) from error
        finally:
            self._attempts.on_way(None, step)

    def _replay(self, step: int) -> Replayed:
        attempt = self._attempts.best(step, observe=True)
        donor, check = attempt.donor, attempt.check
        if check.outputs and self._sources.is_guess(donor, step):
            msg = f"No step with the graph of step {step} was recorded in full."
            raise ReplayError(msg)
        if check.outputs and donor.step != step:
            self._refuse_other_batch(step, donor)
        return Replayed(
            step=self._record(step, donor, attempt.execution, check),
            donor=donor.step,
            differences=tuple(check.outputs),
            updates=tuple(check.updates),
            unknown=tuple(dict.fromkeys(check.unknown)),
        )

    def _record(self, step: int, donor: Donor, execution: Execution, check: Check) -> Step:
        """The step as a full recording would have written it."""
        dropped = set(execution.dropped)
        notes = []
        if execution.dropped:
            notes.append("The kernels that made the inputs are left out; the inputs are there.")
        if check.updates and donor.step != step:
            dropped |= _update_kernels(donor.program)
            names = ", ".join(difference.name for difference in check.updates)
            notes.append(
                f"The kernels of the update are left out: they depend on numbers of this step "
                f"that were not kept ({names}). Before and after are as recorded."
            )
        template = without_kernels(execution.template(), frozenset(dropped))
        light = self._sources.light(step)
        tape = decode(template, execution.slots, donor.encoded.dots)
        full = merge(step, tape, light, update_expression)
        notes += [f"The replay differs from the recording: {one}." for one in check.outputs]
        provenance = "differs" if check.outputs else "proved"
        return replace(full, provenance=provenance, omitted=(*full.omitted, *notes))

    def _refuse_other_batch(self, step: int, donor: Donor) -> None:
        """Where a replay differs because the step's inputs were not kept, say that instead.

        Raises:
            ReplayError: An input that changes from step to step was not kept.
        """
        missing = self._sources.changing_inputs(donor, step)
        if missing:
            msg = f"The inputs of step {step} were not kept: {', '.join(missing)}."
            raise ReplayError(msg)


def with_ways_out(error: ReplayError, step: int) -> ReplayError:
    """The error with what the user can do about it."""
    message = str(error.args[0]) if error.args else str(error)
    if not message.startswith(f"Step {step}"):
        message = f"Step {step} cannot be replayed: {message}"
    hint = f"See it with: autograd-lens rerun FILE --full {step}; or record with --full {step}"
    hint += ", or with a larger --keep-inputs." if "The inputs of" in message else "."
    return ReplayError(message, hint=hint)


@contextlib.contextmanager
def recorded_threads(trace: Trace) -> Iterator[None]:
    """Compute with as many threads as the recorded run: sums depend on it."""
    before, recorded = torch.get_num_threads(), trace.info.threads
    if not recorded or recorded == before:
        yield
        return
    torch.set_num_threads(recorded)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _update_kernels(program: Program) -> set[int]:
    return {one.index for one in program.instructions if one.phase == "update"}


def stay_on_one_thread() -> None:
    """Let nothing in this process start torch's pool of threads; for a child that was forked."""
    torch.set_num_threads(1)
    torch.set_num_threads = _ignore  # steps are replayed on as many threads as they ran on


def _ignore(nthreads: int) -> None:  # noqa: ARG001  the name that torch gives it
    return None
