"""The steps whose tapes others are replayed with.

The *donor* of a step is a step of the same structure that was recorded in full.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.inputs import (
    Given,
    find_given,
)
from autograd_lens.replay.instructions import Spec
from autograd_lens.replay.program import Program
from autograd_lens.replay.values import Entry, laid_out, to_tensor
from autograd_lens.trace.reader import EncodedStep, Trace
from autograd_lens.trace.step import LightStep
from autograd_lens.trace.values import Summary, Value

__all__ = ["Donor", "Donors", "as_recorded", "as_tensor"]


@dataclass(frozen=True)
class Donor:
    """A step that was recorded in full.

    Attributes:
        step: Its number.
        encoded: The step as it was written.
        program: Its tape.
        items: What capture kept beside it.
        whole: Gives the bytes of a summary, where any step kept them.
    """

    step: int
    encoded: EncodedStep
    program: Program
    items: Sequence[Entry]
    whole: Callable[[Entry], Entry] = field(repr=False)

    @property
    def slots(self) -> Sequence[Entry]:
        """What the tape's slots hold."""
        return self.encoded.slots

    @cached_property
    def given(self) -> Sequence[Given]:
        """The tensors on the tape that are its items."""
        return find_given(self.program, self.encoded.slots, self.items)

    def tensor(self, number: int, slot: int) -> torch.Tensor | None:
        """The recorded value of a tensor; None where it was not kept."""
        entry, spec = self.whole(self.encoded.slots[slot]), self.program.specs[number]
        return as_recorded(entry, spec)

    @cached_property
    def self_contained(self) -> bool:
        """Whether all that the step found when it began was kept whole."""
        found = (
            self.whole(self.encoded.slots[slot])
            for number, slot in self.program.outside.items()
            if self.program.specs[number].role != "gradient"
        )
        return not any(isinstance(entry, Summary) for entry in found)


class Donors:
    """Finds the full steps of a trace that light ones are replayed with.

    Args:
        trace: The trace.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._programs: dict[int, Program] = {}
        self._donors: dict[int, Donor] = {}
        self._outlines: dict[int, tuple[Any, int]] = {}

    def donor(self, step: int) -> Donor:
        """The step whose tape is used for a step: itself where it was recorded in full.

        Raises:
            ReplayError: No step of its structure was recorded in full.
        """
        if step in self.full:
            return self._donor(step)
        candidates = self._structures.get(self._structure(step), ()) or self._alike(step)
        if not candidates:
            fingerprint = ", ".join(self._structure(step)) or "without backward"
            msg = f"No step with the graph of step {step} ({fingerprint}) was recorded in full."
            raise ReplayError(msg)
        cleared, handed = self._outline(step)

        def fitness(other: int) -> tuple[bool, bool, bool, int]:
            its_cleared, its_handed = self._outlines[other]
            unlike = its_cleared != cleared
            return unlike, handed not in (0, its_handed), other > step, abs(other - step)

        return self._donor(min(candidates, key=fitness))

    def _outline(self, step: int) -> tuple[Any, int]:
        """What makes steps of one structure run other kernels: see ``_cleared``, and inputs."""
        return self._cleared(step), len(self.items(step))

    def _donor(self, step: int) -> Donor:
        if step not in self._donors:
            encoded = self._trace.encoded(step)
            if encoded is None:
                msg = f"Step {step} was not recorded in full."
                raise ReplayError(msg)
            program = self._programs.get(encoded.number)
            if program is None:
                program = self._programs[encoded.number] = Program.of(encoded.template)
            whole = self._trace.whole
            self._donors[step] = Donor(step, encoded, program, self.items(step), whole)
        return self._donors[step]

    @cached_property
    def full(self) -> frozenset[int]:
        """The steps recorded in full."""
        return frozenset(self._trace.full_steps)

    @cached_property
    def _structures(self) -> Mapping[tuple[str, ...], Sequence[int]]:
        """The full steps of each structure."""
        found: dict[tuple[str, ...], list[int]] = {}
        for step in self._trace.full_steps:
            found.setdefault(self._structure(step), []).append(step)
            self._outlines[step] = self._outline(step)
        return found

    def is_guess(self, donor: Donor, step: int) -> bool:
        """Whether it is not known that a donor has the structure of a step."""
        return self._structure(donor.step) != self._structure(step)

    def _alike(self, step: int) -> Sequence[int]:
        """Full steps whose backwards were called on the same lines and reach the same leaves.

        The same program can make other nodes for the same mathematics while it is recorded in
        full (``reshape`` does); whether it did is for the proof to tell.
        """
        outline = self._reach(step)
        return [full for full in self._trace.full_steps if self._reach(full) == outline]

    def _reach(self, step: int) -> list[Any]:
        return [(one.source, one.reached, one.roots) for one in self.light(step).graphs]

    def _structure(self, step: int) -> tuple[str, ...]:
        return tuple(graph.fingerprint for graph in self.light(step).graphs)

    def _cleared(self, step: int) -> tuple[tuple[bool, ...], ...]:
        """Which ``.grad`` are None before each engine run: it decides which kernels write them."""
        return tuple(
            tuple(row.grads_before[i] is None for i in graph.reached if i < len(row.grads_before))
            for row, graph in zip(self.light(step).rows, self.light(step).graphs, strict=True)
        )

    def light(self, step: int) -> LightStep:
        """The rows of a step."""
        return self._trace.light_step(step)

    def _extras(self, step: int) -> list[Mapping[str, Any]]:
        return [self._trace.rows.extras(row) for row in self._trace.rows.of_step(step)]

    def items(self, step: int) -> list[Entry]:
        """What capture kept of the tensors that a step was handed."""
        return [item for extra in self._extras(step) for item in extra.get("inputs") or ()]

    def starts(self, step: int) -> bool:
        """Whether a step was recorded in full, and all that it found was kept whole."""
        return step in self.full and self._donor(step).self_contained

    def random(self, step: int) -> bytes | None:
        """The state of the random generator before a step's forward, where it drew numbers."""
        states = (extra.get("random") for extra in self._extras(step))
        return next((state for state in states if isinstance(state, bytes)), None)

    def orders(self, donor: Donor) -> list[int]:
        """Tensors from outside that hold an order of the data, as ``torch.randperm`` draws it."""
        found = []
        for number, slot in donor.program.outside.items():
            spec, entry = donor.program.specs[number], donor.slots[slot]
            if spec.role == "input" and spec.dtype == "int64" and len(spec.shape) == 1:
                order = np.frombuffer(entry, np.int64) if isinstance(entry, bytes) else None
                if order is not None and np.array_equal(np.sort(order), np.arange(*spec.shape)):
                    found.append(number)
        return found

    def others(self, donor: Donor) -> list[Donor]:
        """The other full steps of a donor's structure, nearest first."""
        there = self._structures.get(self._structure(donor.step), ())
        near = sorted(there, key=lambda step: abs(step - donor.step))
        return [self._donor(step) for step in near if step != donor.step]


def as_recorded(
    entry: Entry, spec: Spec, shape: tuple[int, ...] | None = None
) -> torch.Tensor | None:
    """A tensor as the program had it, or of the shape of another batch."""
    value = as_tensor(entry, spec.dtype, shape or spec.shape, spec.device)
    same = value is not None and tuple(value.shape) == spec.shape
    return laid_out(value, spec.strides) if value is not None and same else value


def as_tensor(entry: Entry, dtype: str, shape: tuple[int, ...], device: str) -> torch.Tensor | None:
    """A tensor with a recorded value; None where there is none, or none that torch can take."""
    if not isinstance(entry, bytes):
        return None
    try:
        return to_tensor(Value(dtype, shape, entry), device).clone()
    except ReplayError:
        return None
