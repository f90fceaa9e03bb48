"""Processes that trained together, side by side: what has to be the same, and who is late.

NOTE 1 [What has to be the same]: where gradients are averaged, every process holds the same
parameters before each step and the same gradients behind backward; where parameters are sharded
each holds its own part, and nothing can be said of them. Batches have to be others on each, and
in another order in each epoch. Collectives have to come in the same order in each group.

NOTE 2 [Who is late]: backward waits for the slowest process. What each one's own work took is
the time from the end of one backward to the beginning of the next.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from autograd_lens.analysis.comparison import settings_in
from autograd_lens.analysis.failure import raised_at
from autograd_lens.trace.graph import operator_name, tensors
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Constant, Kernel, Source, Step
from autograd_lens.trace.rows import LightRow
from autograd_lens.trace.values import Entry, Floats, Value, digest, entry_digest

__all__ = ["Rank", "Ranks", "Remark", "compare_ranks", "is_collective"]

Kind = Literal[
    "start", "update", "setting", "buffer", "gradient", "nan", "batch", "epoch", "empty",
    "unused", "collective", "ending", "length", "missing",
]  # fmt: skip
"""What a remark is about: parameters before the first step, or behind an update; numbers of an
optimizer; buffers; gradients behind the reduction; what is not finite; the same batch on two
ranks, in each epoch, or an empty one; parameters that a rank does not use; the order of
collectives; how the processes ended; how many steps they made; a recording that is not there."""

_NAMES = 4
_OFTEN = 0.5  # of the steps
_WAITED = re.compile(r"timed out|timeout|connection (?:closed|reset|refused)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rank:
    """One process.

    Attributes:
        number: Its number among all.
        steps: How many steps it made.
        status: How its recording ended.
        losses: Its first and last loss.
        own: Median of what its own work took in a step, in seconds; NaN where it is not known.
        slowest: In how many steps it was the slowest.
    """

    number: int
    steps: int
    status: str
    losses: tuple[float, float]
    own: float
    slowest: int


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that is not as it has to be.

    Attributes:
        kind: What it is about.
        step: The first step in which it is so; None where it is of the whole run.
        ranks: The processes that are concerned.
        text: What it is, one or two sentences.
        source: The line of the program, None where none is known.
        line: The code in that line.
    """

    kind: Kind
    step: int | None
    ranks: tuple[int, ...]
    text: str
    source: Source | None = None
    line: str = ""


@dataclass(frozen=True, slots=True)
class Ranks:
    """Processes side by side.

    Attributes:
        size: How many trained together.
        ranks: Those whose recordings were given, by number.
        timed: For how many steps it is known how long each took.
        remarks: What is not as it has to be, the worst first.
        gradients: For each full step the norm of each rank's own gradients, before they were
            averaged, NaN where they are not on the tape.
    """

    size: int
    ranks: tuple[Rank, ...]
    timed: int
    remarks: tuple[Remark, ...]
    gradients: tuple[tuple[int, tuple[float, ...]], ...]

    @property
    def faulty(self) -> bool:
        """Whether something is wrong; a branch that a rank left out may be meant so."""
        finished = all(rank.status == "finished" for rank in self.ranks)
        return any(remark.kind != "unused" or not finished for remark in self.remarks)


def compare_ranks(traces: Sequence[Trace]) -> Ranks:
    """Lay the recordings of processes that trained together beside each other.

    Args:
        traces: One of each, in any order.
    """
    return _Group(traces).told()


def is_collective(kernel: Kernel) -> bool:
    """Whether a kernel is what several processes compute together."""
    return kernel.op.startswith(("c10d.", "_c10d_functional.", "_c10d_functional_autograd."))


class _Process:
    """One process and its recording."""

    def __init__(self, trace: Trace, place: int) -> None:
        self.trace = trace
        self.number = int(trace.extra("rank") or place)
        self.size = int(trace.extra("processes") or 1)
        self.names = list(trace.parameters)

    @cached_property
    def clock(self) -> Floats:
        """When each step's first backward began and its last one ended, NaN: (steps, 2)."""
        found = np.full((len(self.trace.steps), 2), math.nan)
        for step in range(len(found)):
            for row in self.trace.rows.of_step(step):
                began, ended = self.trace.rows.extras(row).get("clock") or (math.nan, math.nan)
                found[step] = (np.fmin(found[step, 0], began), np.fmax(found[step, 1], ended))
        return found

    @property
    def own(self) -> Floats:
        """What its own work took before each step's backward, NaN for the first: (steps,)."""
        took = np.full(len(self.clock), math.nan)
        took[1:] = self.clock[1:, 0] - self.clock[:-1, 1]
        return took

    def entries(self, step: int, *, grads: bool) -> Mapping[str, Entry]:
        """The parameters before a step, or their gradients behind its last backward, by name."""
        row = self.row(step, last=grads)
        if row is None:
            return {}
        held = row.grads_after if grads else row.values
        return dict(zip(self.names, held, strict=False))

    def row(self, step: int, *, last: bool) -> LightRow | None:
        """The first or last light row of a step; behind the last step the state at the end."""
        count = len(self.trace.steps)
        if step >= count:
            return self.trace.light_step(count - 1).behind if count and not last else None
        rows = self.trace.light_step(step).rows
        return rows[-1 if last else 0] if rows else None

    @cached_property
    def reached(self) -> Sequence[frozenset[str]]:
        """The parameters that each step's backwards reach, by name."""
        found = []
        for step in range(len(self.trace.steps)):
            rows = self.trace.light_step(step).rows
            indexes = {i for row in rows for i in self.trace.graph(row.graph).reached}
            found.append(frozenset(self.names[index] for index in indexes))
        return found

    @cached_property
    def batches(self) -> Sequence[Sequence[Entry]]:
        """What each step was handed by loaders and modules."""
        rows = self.trace.rows
        return [
            [item for row in rows.of_step(step) for item in rows.extras(row).get("inputs") or ()]
            for step in range(len(self.trace.steps))
        ]

    @cached_property
    def batch_keys(self) -> Sequence[str]:
        """A digest of each step's batch; ``""`` where none was kept."""
        return [_digest_of(batch) for batch in self.batches]

    @cached_property
    def tapes(self) -> Mapping[int, Step]:
        """The steps that were recorded in full."""
        found = {step: self.trace.written(step) for step in self.trace.full_steps}
        return {step: tape for step, tape in found.items() if tape is not None}

    @cached_property
    def sharded(self) -> bool:
        """Whether each process holds a part of the parameters alone."""
        names = {
            operator_name(k)
            for tape in self.tapes.values()
            for k in tape.kernels
            if is_collective(k)
        }
        return any("reduce_scatter" in name for name in names)

    def failure(self) -> tuple[str, Source | None] | None:
        """The exception that ended the program, and the program's own line that raised it."""
        events = [event for event in self.trace.events if event.kind == "exception"]
        if not events:
            return None
        return events[-1].message, raised_at(self.trace, events[-1].detail)[0]


def _digest_of(batch: Sequence[Entry]) -> str:
    return " ".join(filter(None, map(entry_digest, batch)))


class _Group:
    def __init__(self, traces: Sequence[Trace]) -> None:
        found = [_Process(trace, place) for place, trace in enumerate(traces)]
        self.all = sorted(found, key=lambda one: one.number)
        self.numbers = [one.number for one in self.all]
        self.size = max(len(self.all), *(one.size for one in self.all))
        self.steps = min(len(one.trace.steps) for one in self.all)
        self.failed = any(one.failure() for one in self.all)
        self.whole = self.steps - self.failed  # of the last one only a part was run
        self.sharded = any(one.sharded for one in self.all)
        own = np.array([one.own[: self.steps] for one in self.all])
        known = ~np.isnan(own).any(axis=0)
        self.own = own[:, known]

    def told(self) -> Ranks:
        """Everything there is to say."""
        checks = (
            self._missing, self._endings, self._unused, self._lengths, self._not_finite,
            self._parameters,
            self._settings, self._gradients, self._buffers, self._collectives,
            self._batches, self._epochs, self._empty,
        )  # fmt: skip
        remarks = [remark for check in checks for remark in check()]
        return Ranks(
            self.size, tuple(self._ranks()), self.own.shape[1], tuple(remarks), tuple(self._norms())
        )

    def _ranks(self) -> Iterator[Rank]:
        late = Counter(np.argmax(self.own, axis=0).tolist()) if self.own.size else Counter()
        for place, one in enumerate(self.all):
            losses = one.trace.losses
            ends = (float(losses[0]), float(losses[-1])) if losses.size else (math.nan, math.nan)
            own = float(np.median(self.own[place])) if self.own.size else math.nan
            count, status = len(one.trace.steps), one.trace.info.status
            yield Rank(one.number, count, status, ends, own, late[place])

    # -- how they ended -------------------------------------------------------------------

    def _missing(self) -> Iterator[Remark]:
        absent = tuple(sorted(set(range(self.size)) - set(self.numbers)))
        if absent:
            yield Remark("missing", None, absent, f"The recording of {_who(absent)} was not given.")

    def _endings(self) -> Iterator[Remark]:
        """Who raised what and where; where they waited for each other, in which places."""
        failed = [(one, found) for one in self.all if (found := one.failure()) is not None]
        waited = [one for one, (message, _) in failed if _WAITED.search(message)]
        for one, (message, source) in failed:
            step = len(one.trace.steps) - 1
            line = one.trace.line(source)
            what = "waited for the others until it was too late" if one in waited else "failed"
            text = f"Rank {one.number} {what} in step {step}: {message.splitlines()[0]}"
            if one in waited and line:
                text = f"Rank {one.number} {what} in step {step}, in {line}."
            yield Remark("ending", step, (one.number,), text, source, line)
        places = {(one.trace.line(source), len(one.trace.steps)) for one, (_, source) in failed}
        if len(waited) > 1 and len(places) > 1 and len(waited) == len(failed):
            numbers = tuple(one.number for one in waited)
            text = (
                f"{_they(numbers)} waited in different places: what one calls the others have to."
            )
            yield Remark("collective", None, numbers, text)

    def _lengths(self) -> Iterator[Remark]:
        counts = [len(one.trace.steps) for one in self.all]
        if len(set(counts)) > 1 and not self.failed:
            told = ", ".join(
                f"rank {number}: {count}"
                for number, count in zip(self.numbers, counts, strict=True)
            )
            fewest = tuple(n for n, c in zip(self.numbers, counts, strict=True) if c == min(counts))
            yield Remark(
                "length", min(counts), fewest, f"They made unlike numbers of steps ({told})."
            )

    # -- what has to be the same (NOTE 1) -----------------------------------------------------

    def _apart(self, step: int, *, grads: bool) -> Mapping[str, tuple[int, ...]]:
        """What is not the same on all ranks, with the ranks that are not as most."""
        held = [one.entries(step, grads=grads) for one in self.all]
        found = {}
        for name in held[0]:
            keys = [entry_digest(entries.get(name)) for entries in held]
            if None not in keys and len(set(keys)) > 1:
                found[name] = self._odd(keys)
        return found

    def _odd(self, keys: Sequence[object]) -> tuple[int, ...]:
        """The ranks whose key is not that of most; of two halves those that rank 0 is not in."""
        counts = Counter(keys)
        usual = max(counts, key=lambda key: (counts[key], key == keys[0]))
        return tuple(n for n, key in zip(self.numbers, keys, strict=True) if key != usual)

    def _parameters(self) -> Iterator[Remark]:
        if self.sharded:
            return
        for step in range(self.whole + 1):
            apart = self._apart(step, grads=False)
            if not apart:
                continue
            odd = tuple(sorted({number for numbers in apart.values() for number in numbers}))
            names = _few(list(apart))
            if step == 0:
                text = (
                    f"{names} of {_who(odd)} begins at other values: another seed, or no broadcast."
                )
                yield Remark("start", 0, odd, text)
                return
            grads = self._apart(step - 1, grads=True)
            why = (
                "as their gradients differ"
                if set(apart) & set(grads)
                else ("though their gradients are the same: what updates them is not")
            )
            text = f"Behind the update of step {step - 1} {names} of {_who(odd)} differs, {why}."
            yield Remark(
                "update", step - 1, odd, text, *self._update_line(step - 1, next(iter(apart)))
            )
            return

    def _update_line(self, step: int, name: str) -> tuple[Source | None, str]:
        for one in self.all:
            for update in one.tapes[step].updates if step in one.tapes else ():
                if update.parameter == name and update.source is not None:
                    return update.source, one.trace.line(update.source)
        return None, ""

    def _settings(self) -> Iterator[Remark]:
        if not self.steps:
            return
        told = [settings_in(one.trace, 0) for one in self.all]
        for name in told[0]:
            for key in told[0][name]:
                values = [one.get(name, {}).get(key) for one in told]
                if len(set(values)) > 1:
                    odd = self._odd(values)
                    text = f"{key} is not the same on all ranks: {_each(self.numbers, values)}."
                    yield Remark("setting", 0, odd, text)
                    return

    def _gradients(self) -> Iterator[Remark]:
        """Gradients that are not averaged, from which step on."""
        if self.sharded:
            return
        first: dict[str, int] = {}
        for step in range(self.whole):
            for name in self._apart(step, grads=True):
                first.setdefault(name, step)
        if not first:
            return
        whole = {name for one in self.all for names in one.reached for name in names}
        step = min(first.values())
        names = [name for name, at in first.items() if at == step]
        source = self._backward(step)
        if len(names) == len(whole) and step == 0:
            text = "No gradient is averaged over the ranks: each trains on its own."
        else:
            text = (
                f"The gradient of {_few(names)} is not averaged over the ranks in step {step}, "
                f"those of {len(whole) - len(names)} others are: is it outside of what does that?"
            )
        yield Remark("gradient", step, tuple(self.numbers), text, *source)

    def _backward(self, step: int) -> tuple[Source | None, str]:
        row = self.all[0].row(step, last=True)
        source = self.all[0].trace.graph(row.graph).source if row is not None else None
        return source, self.all[0].trace.line(source)

    def _buffers(self) -> Iterator[Remark]:
        """Buffers that the first forward finds otherwise."""
        tapes = [one.tapes.get(0) for one in self.all]
        held = [_state(tape) for tape in tapes if tape is not None]
        if len(held) != len(self.all):
            return
        for name in held[0]:
            keys = [one.get(name) for one in held]
            if None not in keys and len(set(keys)) > 1:
                odd = self._odd(keys)
                yield Remark("buffer", 0, odd, f"{name} of {_who(odd)} is another one in step 0.")
                return

    def _not_finite(self) -> Iterator[Remark]:
        """The ranks on which something is not finite first, before it reached all."""
        for step in range(self.steps):
            losses = [float(one.trace.losses[step]) for one in self.all]
            bad = tuple(
                n for n, loss in zip(self.numbers, losses, strict=True) if not math.isfinite(loss)
            )
            own = [_own_gradients(one.tapes.get(step)) for one in self.all]
            born = [
                (number, name)
                for number, gradients in zip(self.numbers, own, strict=True)
                for name, value in gradients.items()
                if not math.isfinite(value.norm)
            ]
            if born and len({number for number, _ in born}) < len(self.all):
                numbers = tuple(sorted({number for number, _ in born}))
                text = (
                    f"The own gradient of {born[0][1]} on {_who(numbers)} is not finite in step "
                    f"{step}, before it is averaged."
                )
                yield Remark("nan", step, numbers, text, *self._backward(step))
                return
            if bad:
                others = " The others' is finite." if len(bad) < len(self.all) else ""
                text = f"The loss of {_who(bad)} is not finite in step {step}.{others}"
                yield Remark("nan", step, bad, text, *self._backward(step))
                return

    # -- what they compute together -------------------------------------------------------

    def _collectives(self) -> Iterator[Remark]:
        """The first collective of a full step that is another one on some rank."""
        shared = set.intersection(*(set(one.tapes) for one in self.all))
        for step in sorted(step for step in shared if step < self.whole):
            calls = [[k for k in one.tapes[step].kernels if is_collective(k)] for one in self.all]
            for place in range(max(map(len, calls), default=0)):
                here = [some[place] if place < len(some) else None for some in calls]
                keys = [_collective(kernel) for kernel in here]
                if len(set(keys)) > 1:
                    odd = self._odd(keys)
                    kernel = next((k for k in here if k is not None), None)
                    told = _each(self.numbers, keys)
                    text = f"Collective {place} of step {step} is not the same: {told}."
                    source = kernel.source if kernel is not None else None
                    line = self.all[0].trace.line(source)
                    yield Remark("collective", step, odd, text, source, line)
                    return

    def _unused(self) -> Iterator[Remark]:
        """Parameters that a rank's backward does not reach, in which steps."""
        known = {name for one in self.all for name in one.names}
        told: dict[tuple[tuple[str, ...], tuple[int, ...]], list[int]] = {}
        for step in range(max(len(one.reached) for one in self.all)):
            absent: dict[int, tuple[str, ...]] = {}
            for one in self.all:
                if step < len(one.reached) and one.trace.light_step(step).rows:
                    absent[one.number] = tuple(
                        n for n in one.names if n in known - one.reached[step]
                    )
            for names in dict.fromkeys(absent.values()):
                numbers = tuple(number for number, some in absent.items() if some == names)
                if names and not self.sharded:
                    told.setdefault((names, numbers), []).append(step)
        for (names, numbers), steps in told.items():
            always = len(numbers) == len(self.all) and len(steps) >= self.steps
            where = "on any rank" if len(numbers) == len(self.all) else f"on {_who(numbers)}"
            when = "in any step" if always else f"in step {steps[0]}"
            more = f" and {len(steps) - 1} more" if len(steps) > 1 and not always else ""
            used = "is" if len(names) == 1 else "are"
            text = f"{_few(names)} {used} not used {where} {when}{more}."
            yield Remark("unused", steps[0], numbers, text, *self._backward(steps[0]))

    # -- batches ------------------------------------------------------------------------------

    def _batches(self) -> Iterator[Remark]:
        """Ranks that are handed the same batches."""
        keys = [one.batch_keys for one in self.all]
        for a in range(len(keys)):
            for b in range(a + 1, len(keys)):
                shared = [s for s in range(self.steps) if keys[a][s] and keys[a][s] == keys[b][s]]
                if shared and len(shared) >= _OFTEN * self.steps:
                    pair = self.numbers[a], self.numbers[b]
                    text = (
                        f"{_they(pair)} are handed the same batch in {len(shared)} of {self.steps} "
                        "steps: no sampler divides the data, or both draw with the same seed."
                    )
                    yield Remark("batch", shared[0], pair, text)
                    return

    def _epochs(self) -> Iterator[Remark]:
        """Ranks whose batches come in the same order again."""
        found = [(one.number, *_period(one.batch_keys)) for one in self.all]
        again = [(number, period, step) for number, period, step in found if period]
        if again:
            numbers = tuple(number for number, _, _ in again)
            _, period, step = min(again, key=lambda one: one[2])
            text = (
                f"{_they(numbers)} {'are' if len(numbers) > 1 else 'is'} handed the same {period} "
                f"batches in the same order again from step {step} on: was set_epoch forgotten?"
            )
            yield Remark("epoch", step, numbers, text)

    def _empty(self) -> Iterator[Remark]:
        for one in self.all:
            steps = [s for s, batch in enumerate(one.batches) if any(item == b"" for item in batch)]
            if steps:
                text = f"The batch of rank {one.number} is empty in step {steps[0]}."
                yield Remark("empty", steps[0], (one.number,), text)

    def _norms(self) -> Iterator[tuple[int, tuple[float, ...]]]:
        shared = set.intersection(*(set(one.tapes) for one in self.all))
        for step in sorted(shared):
            own = [_own_gradients(one.tapes[step]) for one in self.all]
            yield step, tuple(_norm(gradients) for gradients in own)


def _norm(gradients: Mapping[str, Value]) -> float:
    return math.hypot(*(value.norm for value in gradients.values())) if gradients else math.nan


def _own_gradients(tape: Step | None) -> Mapping[str, Value]:
    """What a process's own backward brought to each parameter, before any collective."""
    found: dict[str, Value] = {}
    for kernel in tape.kernels if tape is not None else ():
        if is_collective(kernel) and kernel.phase == "backward" and "reduce" in kernel.op:
            break
        for use in kernel.outputs if kernel.phase == "backward" else ():
            if use.spec.role == "gradient" and use.value is not None:
                found.setdefault(use.spec.name.removesuffix(".grad"), use.value)
    return found


def _state(tape: Step) -> Mapping[str, str]:
    """Digests of the named buffers that a forward reads, as it finds them."""
    found: dict[str, str] = {}
    for kernel in tape.kernels:
        for use in tensors(kernel.inputs) if kernel.phase == "forward" else ():
            if use.spec.role == "state" and use.spec.name and use.value is not None:
                found.setdefault(use.spec.name, digest(use.value) or "")
    return found


def _collective(kernel: Kernel | None) -> str:
    """What a collective is: its name, its group and the shapes that it was given."""
    if kernel is None:
        return "none"
    group = next(
        (
            str(argument.value.value)
            for argument in kernel.inputs
            if isinstance(argument.value, Constant) and argument.value.kind == "group"
        ),
        "",
    )
    shapes = ", ".join(str(use.spec.shape) for use in kernel.outputs)
    return " ".join(
        filter(None, (operator_name(kernel).strip("_"), shapes, group and f"({group})"))
    )


def _period(keys: Sequence[str]) -> tuple[int, int]:
    """After how many steps the same batches come in the same order again, and from which step on.

    Returns:
        Both 0 where they do not; half of an epoch has to be seen again.
    """
    first = next((at for at, key in enumerate(keys) if key), len(keys))
    known = keys[first:]
    period = next((at for at in range(1, len(known)) if known[at] == known[0]), 0)
    again = known[period : 2 * period]
    if period <= 1 or 2 * len(again) < period or len(set(known[:period])) < period:
        return 0, 0
    return (period, first + period) if again == known[: len(again)] else (0, 0)


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


def _who(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"rank {numbers[0]}"
    return f"ranks {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _they(numbers: Sequence[int]) -> str:
    """The same at the beginning of a sentence."""
    return _who(numbers).capitalize()


def _each(numbers: Sequence[int], values: Sequence[object]) -> str:
    return ", ".join(f"rank {n}: {value}" for n, value in zip(numbers, values, strict=True))
