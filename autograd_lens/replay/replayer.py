"""Any step of a trace in full detail, by executing a tape again.

NOTE 1 [Equal, or not known]: a light step is executed by the tape of another step. Where that
gives the recorded loss and every recorded ``.grad`` bit for bit, it is proved to be the step's
own. Where it does not, the step ran other kernels, or read something that was not kept, and
nothing is known. Only a step whose own tape is there, and who found all that it read, can
*differ* from its recording.

NOTE 2 [Updates]: they follow by the kernels on the tape, or, where an optimizer of ``torch.optim``
made them, by that optimizer with the numbers of the step. Both are exact where they are right;
which one it was, the next parameters tell.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed

import torch
import xxhash

from autograd_lens.errors import OtherKernelsError, ReplayError
from autograd_lens.live.mode import UNSET
from autograd_lens.live.reading import SMALL
from autograd_lens.replay.check import Check, Difference
from autograd_lens.replay.donors import Carried, Donor, Donors
from autograd_lens.replay.execute import Execution, Situation
from autograd_lens.replay.functions import is_custom
from autograd_lens.replay.generator import moved, steps_between
from autograd_lens.replay.observe import Observed, Observer
from autograd_lens.replay.operators import LAYOUTS
from autograd_lens.replay.optimizer import Optimizers, Settings
from autograd_lens.replay.plan import Plan
from autograd_lens.trace.expression import update_expression
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Step
from autograd_lens.trace.rows import LightGraph
from autograd_lens.trace.step import merge
from autograd_lens.trace.tape import TapeNode, TensorSlot, ValueSlot, records_of
from autograd_lens.trace.values import Entry, Summary

__all__ = [
    "Attempt",
    "OnWay",
    "Provider",
    "Replayed",
    "Replayer",
    "recorded_threads",
    "stay_on_one_thread",
]

OnWay = Callable[[int | None, int], None]
"""Takes a step that is replayed, None behind the last, and the one that was asked for."""

_INPUTS_MADE = "The kernels that made the inputs are left out; the inputs are there."
_LEFT_OUT = (
    "Kernels on which neither a gradient nor an update depends are left out: what they read was "
    "made in the step before, and not kept."
)
_IN_CPP = "CppFunction"
_MOST_THREADS = 256  # each has a stack of 8 MB
_SHOWN = 3  # lines in a message
_TAPES = 6  # of one structure, with other constants, that a light step is executed by


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a step, compared with its light rows.

    Attributes:
        step: The step.
        donor: Where the tape comes from.
        situation: What the step found.
        execution: The execution.
        check: What differs.
        observer: What recorded the execution, where it was observed.
    """

    step: int
    donor: Donor
    situation: Situation
    execution: Execution
    check: Check
    observer: Observer | None

    @property
    def own(self) -> bool:
        """Whether the tape is the step's own."""
        return self.donor.step == self.step

    @property
    def proved(self) -> bool:
        """Whether loss and gradients are those that were recorded."""
        return not self.check.outputs

    @property
    def complete(self) -> bool:
        """Whether the updates are, too."""
        return self.proved and not self.check.updates


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
    """Replays the steps of one trace, and hands on from each to the next what that one finds.

    Args:
        trace: The trace.
        on_way: Called with each step that is replayed, and with the one it is replayed for.

    Attributes:
        donors: Where tapes come from.
        optimizers: What the trace tells of them.
    """

    def __init__(self, trace: Trace, on_way: OnWay | None = None) -> None:
        self.optimizers = Optimizers(trace)
        self.donors = Donors(trace, self.optimizers.beginning)
        self._trace = trace
        self._on_way = on_way or _silent
        self._carried: Carried | None = None
        self._before: Carried | None = None  # what the last replayed step was handed
        self._observers: dict[int, Observer] = {}  # by number of the template
        self._by_optimizer: set[int] = set()  # templates whose updates need their optimizer

    # -- opening a step -------------------------------------------------------------------

    def step(self, step: int) -> Replayed:
        """Replay a step.

        Raises:
            ReplayError: It cannot be replayed; the message says why and what to do instead.
        """
        try:
            with recorded_threads(self._trace):
                self._on_way(step, step)
                attempt = self.known(step, observe=True)
                return Replayed(
                    step=self._record(attempt),
                    donor=attempt.donor.step,
                    differences=tuple(attempt.check.outputs),
                    updates=tuple(attempt.check.updates),
                    unknown=tuple(dict.fromkeys(attempt.check.unknown)),
                )
        except ReplayError as error:
            raise _with_ways_out(error, step) from error
        finally:
            self._on_way(None, step)

    def slots(self, step: int) -> Sequence[Entry]:
        """The values of a full step, whole where a replay makes bytes of the recorded digest."""
        encoded = self._trace.encoded(step)
        if encoded is None:
            return ()
        made: Sequence[Entry] = ()
        self._on_way(step, step)
        with contextlib.suppress(ReplayError), recorded_threads(self._trace):
            attempt = self.best(step, observe=True)
            made = attempt.observer.step().slots if attempt.observer is not None else ()
        self._on_way(None, step)
        large = {id(one): one for one in made if isinstance(one, bytes) and len(one) > SMALL}
        whole = {xxhash.xxh3_128_hexdigest(one): one for one in large.values()}
        return [
            whole.get(one.digest) or self._trace.whole(one) if isinstance(one, Summary) else one
            for one in encoded.slots
        ]

    def _record(self, attempt: Attempt) -> Step:
        """The step as a full recording would have written it."""
        notes = []
        check, situation = attempt.check, attempt.situation
        if check.updates and not attempt.own:
            names = ", ".join(difference.name for difference in check.updates)
            notes.append(
                f"The kernels of the update are left out: they depend on numbers of this step "
                f"that were not kept ({names}). Before and after are as recorded."
            )
            attempt = self._without_update(attempt, observe=True)
        if situation.altered:
            numbers = dict.fromkeys(n for found in situation.altered.values() for n, _ in found)
            names = ", ".join(attempt.donor.plan.describe(number) for number in numbers)
            notes.append(f"Something that is no kernel changed {names}: taken as it was found.")
        if later := self.donors.left_out.get(attempt.step):
            notes.append(left_out(later))
        if self.donors.cut_off(attempt.step, attempt.donor):
            notes.append("The run was stopped before its update.")
        calls = attempt.donor.plan.calls
        if any(calls[index].kernel.phase != "update" for index in situation.dropped):
            notes.append(_LEFT_OUT if attempt.donor.plan.template.lean else _INPUTS_MADE)
        if attempt.observer is None:
            msg = "It was not observed."
            raise ReplayError(msg)
        observed = attempt.observer.step()
        slots = _without_unset(observed)
        tape = records_of(observed.template, slots, attempt.donor.encoded.dots)
        full = merge(attempt.step, tape, self.donors.light(attempt.step), update_expression)
        notes += [f"The replay differs from the recording: {one}." for one in check.outputs]
        provenance = "differs" if check.outputs else "proved"
        return changed(full, provenance=provenance, omitted=(*full.omitted, *notes))

    def _made_none(self, attempt: Attempt) -> bool:
        """Whether a step made no update, where the tape of another has one: it was the last."""
        light, names = self.donors.light(attempt.step), {one.name for one in attempt.check.updates}
        before, behind = light.rows[-1].values, light.behind
        return behind is not None and all(
            index < len(before) and before[index] == behind.values[index]
            for index, known in enumerate(light.known)
            if known.name in names
        )

    def _without_update(self, attempt: Attempt, *, observe: bool) -> Attempt:
        """The same with the kernels of the update left out."""
        plan = attempt.donor.plan
        update = {call.index for call in plan.calls if call.kernel.phase == "update"}
        carried = self._carried_to(attempt.step, attempt.donor)
        situation = self.donors.situation(attempt.step, attempt.donor, carried)
        dropped = situation.dropped | update
        random, redraw = attempt.situation.random, attempt.situation.redraw
        situation = changed(situation, redraw=redraw, random=random, dropped=dropped)
        return self._execute(attempt.step, attempt.donor, situation, observe=observe)

    def known(self, step: int, *, observe: bool) -> Attempt:
        """An execution of a step that tells something (NOTE 1).

        Raises:
            ReplayError: None does; the message says why.
        """
        if not self.donors.light(step).rows:
            msg = "The step has no backward."
            raise ReplayError(msg)
        attempt = self.best(step, observe=observe)
        reason = self.not_known(attempt)
        if reason:
            raise ReplayError(reason)
        return attempt

    def not_known(self, attempt: Attempt) -> str:
        """Why a replay that gives something else shows nothing; ``""`` where it does (NOTE 1)."""
        if attempt.proved:
            return ""
        step, donor = attempt.step, attempt.donor
        name = attempt.check.outputs[0].name
        if name.endswith((".grad", ".grad before")) and (reason := self._of_processes(name)):
            return reason
        if reason := _not_on_the_tape(donor.plan):
            return reason
        if attempt.own:
            return _own_difference(step, donor, name)
        found = self.donors.varying(donor, step)
        if found:
            return f"The inputs of step {step} were not kept: {', '.join(found)}."
        return (
            f"Step {step} was not recorded in full, and the tape of step {donor.step} does not "
            f"give its {name}: it ran other kernels, or read something that was not kept."
        )

    def _of_processes(self, what: str) -> str:
        """Why gradients of a process among several are not its own; ``""`` of a single one."""
        processes = self._trace.extra("processes")
        if processes is None:
            return ""
        return (
            f"Its {what} is no result of this process alone: {processes.decode()} processes "
            "of torch.distributed average their gradients, and what the others computed is "
            "not in this recording. Record the program as one process to have it checked."
        )

    def _obstacle(self, donor: Donor, error: ReplayError) -> ReplayError:
        """What stands in the way of executing a tape: the program's own code, where it has any."""
        foreign = any(call.obstacle for call in donor.plan.calls)
        reason = _own_classes(donor) or ("" if foreign else _own_functions(donor))
        if not reason and isinstance(error, OtherKernelsError):
            reason = self._of_processes("backward") or _not_on_the_tape(donor.plan)
        return ReplayError(reason) if reason else error

    def unknown_update(self, attempt: Attempt) -> str:
        """Why parameters are not what the update's kernels make of them."""
        names = ", ".join(one.name for one in attempt.check.updates)
        if self._trace.extra("elsewhere") is not None:
            return (
                f"Something outside of the recorded thread seems to have changed {names}: another "
                "thread of the program trained as well, and only one is recorded."
            )
        if attempt.own:
            return f"Something that is no kernel changed {names}, as NumPy does."
        return (
            f"The update that step {attempt.donor.step} made does not give {names}: this one "
            "computed with numbers that were not kept, or something else changed them."
        )

    # -- attempts ---------------------------------------------------------------------------

    def best(self, step: int, *, observe: bool) -> Attempt:
        """The first execution that is proved, or else the likeliest.

        Args:
            step: The step.
            observe: Whether to record it again.

        Raises:
            ReplayError: The step cannot be executed at all.
        """
        first: Attempt | None = None
        obstacle: ReplayError | None = None
        for number, donor in enumerate(self.donors.of(step)):
            if number == _TAPES:
                break
            try:
                attempt = self._by(step, donor, observe=observe)
            except ReplayError as error:
                obstacle = obstacle or self._obstacle(donor, error)
                continue
            if first is None or (attempt.proved and not first.proved) or attempt.complete:
                first = attempt
            if attempt.complete or (attempt.own and not donor.plan.template.lean):
                break
        if first is None or (obstacle and step in self.donors.own and not first.proved):
            raise obstacle or ReplayError("No tape is there.")
        self._hand_on(step, first)
        return first

    def found(self, step: int) -> tuple[Donor, Situation]:
        """Which tape a step ran, and what it found when it began, as a replay has proved.

        Raises:
            ReplayError: None has.
        """
        attempt = self.best(step, observe=False)
        if not attempt.proved:
            msg = f"Step {step} executed again is not what was recorded."
            raise ReplayError(msg, hint="autograd-lens verify says where it differs.")
        situation = self.donors.situation(step, attempt.donor, self._carried_before(step))
        return attempt.donor, changed(
            situation,
            redraw=attempt.situation.redraw,
            random=attempt.situation.random,
            settings=attempt.situation.settings,
        )

    def _by(self, step: int, donor: Donor, *, observe: bool) -> Attempt:
        """Execute a step by one tape, in each way in which it may have gone."""
        _refuse_compiled(donor)
        carried = self._carried_to(step, donor)
        random = self.donors.random(step)
        first = self._among(self._ways(step, donor, random), step, donor, carried, observe=observe)
        if first is not None and not first.proved and not first.own and donor.plan.draws:
            later = self._moved_on(step, first)
            if later is not None:
                ways, found = self._ways(step, donor, later), None
                with contextlib.suppress(ReplayError):
                    found = self._among(ways, step, donor, carried, observe=observe)
                first = found if found is not None and found.proved else first
        if first is None:
            msg = "The random numbers that it drew are not known."
            raise ReplayError(msg)
        if first.proved and not (first.complete or first.own) and self._made_none(first):
            return self._without_update(first, observe=observe)
        return first

    def _among(
        self,
        ways: Iterator[_Way],
        step: int,
        donor: Donor,
        carried: Carried | None,
        *,
        observe: bool,
    ) -> Attempt | None:
        """The best of some ways; None where there is none."""
        first: Attempt | None = None
        obstacle: ReplayError | None = None
        for way in ways:
            situation = changed(
                self.donors.situation(step, donor, carried),
                redraw=way.redraw,
                random=way.random,
                settings=way.settings,
            )
            try:
                attempt = self._execute(step, donor, situation, observe=observe)
            except ReplayError as error:
                if not way.settings:
                    raise
                obstacle = error  # the optimizer cannot be built, or runs other kernels
                continue
            if attempt.complete:
                if way.settings:
                    self._by_optimizer.add(donor.encoded.number)
                return attempt
            if first is None or (attempt.proved and not first.proved):
                first = attempt
        if first is None and obstacle is not None:
            raise obstacle
        return first

    def updated(self, step: int) -> Attempt | None:
        """The update of a step made again from the gradients that were recorded, as it was.

        It is proved where the backward is not: compiled code, or several processes, made that.
        None where the next parameters do not follow.
        """
        with contextlib.suppress(ReplayError):
            for donor in itertools.islice(self.donors.of(step), _TAPES):
                carried = self._carried_to(step, donor)
                found = self.donors.situation(step, donor, carried, updates=True)
                for way in self._ways(step, donor, self.donors.random(step)):
                    situation = changed(found, settings=way.settings)
                    with contextlib.suppress(ReplayError):
                        attempt = self._execute(step, donor, situation, observe=False)
                        if attempt.complete and not attempt.check.unknown:
                            self._hand_on(step, attempt)
                            return attempt
        return None

    def _through(self, step: int) -> Attempt:
        """The execution of a step that hands on what it left."""
        try:
            attempt = self.best(step, observe=False)
        except ReplayError:
            updated = self.updated(step)
            if updated is None:
                raise
            return updated
        return attempt if attempt.proved else self.updated(step) or attempt

    def _moved_on(self, step: int, attempt: Attempt) -> bytes | None:
        """The state of the generator where something else drew before the step did."""
        found, behind = attempt.situation.random, self.donors.random_behind(step)
        if found is None or behind is None or attempt.execution.drawn is None:
            return None
        drawn = steps_between(found, attempt.execution.drawn)
        total = steps_between(found, behind)
        if drawn is None or total is None or total <= drawn:
            return None
        return moved(found, total - drawn)

    def _ways(self, step: int, donor: Donor, random: bytes | None) -> Iterator[_Way]:
        """Numbers drawn again or as recorded, updates by the tape or by an optimizer (NOTE 2)."""
        unseen = donor.unseen if donor.step == step else frozenset[str]()
        by: list[Sequence[Settings]] = []
        if donor.step != step or unseen:
            known = ([o for o in one if o.is_known] for one in self.optimizers.choices(step))
            if unseen:  # others are made by their kernels
                known = ([o for o in one if unseen & o.parameters] for one in known)
            by = [one for one in known if one]
        if unseen and not by:
            msg = f"What the optimizer of step {step} computed with was not kept."
            raise ReplayError(msg)
        by = by if unseen else [(), *by]
        if donor.encoded.number in self._by_optimizer:
            by.reverse()
        draws = bool(donor.plan.draws)
        if not draws or random is not None or donor.step == step:  # any other state tells nothing
            yield from (_Way(random, tuple(one), redraw=True) for one in by)
        if draws:
            yield from (_Way(random, tuple(one), redraw=False) for one in by)

    def _execute(self, step: int, donor: Donor, situation: Situation, *, observe: bool) -> Attempt:
        check = Check(self.donors.light(step))
        observer = self._observer(donor) if observe else None
        execution = Execution(donor.plan, situation, check, observer)
        execution.run()
        check.end(execution.ends, donor.plan.updated_behind)
        return Attempt(step, donor, situation, execution, check, observer)

    def _observer(self, donor: Donor) -> Observer:
        if donor.encoded.template.lean:
            return Observer(donor.plan)
        number = donor.encoded.number
        if number not in self._observers:
            self._observers[number] = Observer(donor.plan)
        return self._observers[number]

    # -- carrying -----------------------------------------------------------------------------

    def _carried_to(self, step: int, donor: Donor) -> Carried | None:
        """What the steps before hand on to a step, where it needs any of that."""
        if not self.donors.needs_carried(step, donor):
            return None
        start = next(filter(self.donors.starts, range(step - 1, -1, -1)), -1)
        if start < 0:
            raise ReplayError(self._nothing_before(step))
        carried = self._carried
        if carried is None or carried.step > step or carried.since < start:
            self._carried = None
            self._on_way(start, step)
            self._through(start)
        while self._carried is not None and self._carried.step < step:
            before = self._carried.step
            self._on_way(before, step)
            attempt = self._through(before)
            if not attempt.proved:
                msg = f"Step {before}, of which it needs what it left, is not known: "
                raise ReplayError(msg + self.not_known(attempt))
        return self._carried

    def _carried_before(self, step: int) -> Carried | None:
        """What was handed on to the step that was replayed last."""
        return self._before if self._before is not None and self._before.step == step else None

    def _nothing_before(self, step: int) -> str:
        light = self.donors.light(step)
        pairs = zip(light.known, light.rows[0].values, strict=False)
        names = ", ".join(known.name for known, value in pairs if isinstance(value, Summary))
        if names and any(full < step for full in self.donors.own):
            return f"{names} was too large to be kept whole, in step {step} and in all before it."
        return f"What step {step} finds was changed before anything was recorded in full."

    def _hand_on(self, step: int, attempt: Attempt) -> None:
        """Keep what a step leaves, for the next one."""
        self._before = self._carried
        before = self._carried if self._carried and self._carried.step == step else None
        begins = attempt.own and not self.donors.needs_carried(step, attempt.donor)
        if before is None and not begins:
            return
        plan, registers = attempt.donor.plan, attempt.execution.registers
        tensors = dict(before.tensors) if before is not None else {}
        for number, key in plan.state_keys.items():
            if attempt.situation.given and plan.specs[number].role != "state":
                tensors.pop(key, None)  # its forward was not executed
            elif registers[number] is not None:
                tensors[key] = registers[number].detach().clone()
        wrong = {difference.name for difference in attempt.check.updates}
        for name, leaf in attempt.execution.ends.items():
            kind = str(leaf.dtype).removeprefix("torch."), tuple(leaf.shape)
            tensors.pop((name, *kind), None)
            tensors.pop((f"{name}.grad", *kind), None)
            if name not in wrong:
                tensors[name, *kind] = leaf.detach().clone()
            if leaf.is_leaf and leaf.grad is not None:
                tensors[f"{name}.grad", *kind] = leaf.grad.detach().clone()
        since = step if before is None or begins else before.since
        self._carried = Carried(step + 1, since, tensors)


@dataclass(frozen=True, slots=True)
class _Way:
    """How a step may have gone.

    Attributes:
        random: State of the generator with which it began.
        settings: The optimizers that made its updates, where not its kernels as they stand.
        redraw: Whether its random numbers are drawn again.
    """

    random: bytes | None
    settings: tuple[Settings, ...]
    redraw: bool


def _without_unset(observed: Observed) -> list[Entry]:
    """The values that were made, without what memory held that nothing had filled.

    Here it holds something else than in the program, and nothing proves it.
    """
    slots = list(observed.slots)
    for kernel in observed.template.kernels:
        if kernel.op.startswith(UNSET):
            for out in kernel.outs:
                if isinstance(out, TensorSlot | ValueSlot):
                    slots[out.slot] = None
    return slots


def _silent(_step: int | None, _target: int) -> None:
    """Tell nobody."""


def _with_ways_out(error: ReplayError, step: int) -> ReplayError:
    """The error with what the user can do about it."""
    message = str(error.args[0]) if error.args else str(error)
    if not message.startswith(f"Step {step}"):
        message = f"Step {step} cannot be replayed: {message}"
    if "--last" in message:
        return ReplayError(message, hint="Record with a larger --last, or without.")
    hint = f"See it with: autograd-lens rerun FILE --full {step}; or record with --full {step}"
    hint += ", or with a larger --keep-inputs." if "The inputs of" in message else "."
    return ReplayError(message, hint=hint)


@contextlib.contextmanager
def recorded_threads(trace: Trace) -> Iterator[None]:
    """Compute with as many threads as the recorded run: sums depend on it.

    Raises:
        ReplayError: These are more than a process should start.
    """
    before, kept = torch.get_num_threads(), trace.extra("threads")
    told = kept is not None and kept.isdigit() and len(kept) < len(str(1 << 62))
    recorded = int(kept) if kept is not None and told else trace.info.threads
    if not recorded or recorded == before:
        yield
        return
    if not 0 < recorded <= _MOST_THREADS:
        msg = f"It was computed with {recorded:,} threads; {_MOST_THREADS} are the most used here."
        raise ReplayError(msg, hint="Record it with fewer: torch.set_num_threads.")
    torch.set_num_threads(recorded)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Provider:
    """Light steps opened in full whenever somebody looks at them: ``Trace.replayer`` calls it.

    Args:
        trace: The trace.
        on_way: Called with each step that is replayed, and with the one it is replayed for.
    """

    def __init__(self, trace: Trace, on_way: OnWay | None = None) -> None:
        self._trace = trace
        self._replayer = Replayer(trace, on_way)

    def __call__(self, step: int) -> Step:
        """The step in full; where it cannot be replayed, the light step, which says why."""
        try:
            return self._replayer.step(step).step
        except ReplayError as error:
            light = self._trace.light(step)
            return changed(light, omitted=(*light.omitted, str(error)))

    def slots(self, step: int) -> Sequence[Entry]:
        """The values of a full step, as many of them whole as replay gives."""
        return self._replayer.slots(step)


def _refuse_compiled(donor: Donor) -> None:
    """Say of a compiled step that it is one, before anything fails over what it lacks."""
    nodes = (node for one in donor.plan.backwards for node in one.nodes)
    node = next(filter(_compiled, nodes), None)
    if node is not None:
        msg = (
            f"A part of it was compiled by torch.compile, and ran as one node, {node.name}, whose "
            "kernels no tape shows. To have them, set TORCH_COMPILE_DISABLE=1 and record it again."
        )
        raise ReplayError(msg)


def _compiled(node: TapeNode) -> bool:
    return node.name.startswith("CompiledFunction")


def _not_on_the_tape(plan: Plan) -> str:
    """Why a step may give something else although its kernels are known; ``""`` where not."""
    if plan.hooks:
        return _hooked(plan.hooks)
    if plan.sparse:
        names = ", ".join(plan.describe(number) for number in plan.sparse)
        return (
            f"It reads {names}, which is sparse: its elements are recorded, and not in which "
            "order they were held, on which sums depend."
        )
    if device := _draws_on(plan):
        return (
            f"It draws random numbers on {device}, and recorded is the state of the CPU's "
            "generator alone. Record it with dropout switched off."
        )
    return ""


def _draws_on(plan: Plan) -> str:
    """The device other than the CPU on which a step draws random numbers, ``""`` for none."""
    template = plan.template
    outs = [out for call in plan.draws for out in call.kernel.outs]
    specs = [template.tensors[out.tensor].spec for out in outs if isinstance(out, TensorSlot)]
    specs += [out.spec for out in outs if isinstance(out, ValueSlot)]
    return next((template.specs[one][2] for one in specs if template.specs[one][2] != "cpu"), "")


def _hooked(places: Sequence[str]) -> str:
    """Why a step in whose backward a hook changed something cannot be executed again."""
    return (
        f"A hook of the program took part in its backward ({', '.join(places[:_SHOWN])}): that is "
        "the program's own code, and what it made of the gradients does not follow from them. A "
        "step that was recorded in full shows it."
    )


def left_out(graphs: Sequence[LightGraph]) -> str:
    """What to say of a step behind whose training gradients were asked for."""
    nodes = sum(graph.nodes for graph in graphs)
    lines = dict.fromkeys(str(one.source.line) for one in graphs if one.source is not None)
    where = f" (line {', '.join(lines)})" if lines else ""
    return (
        f"Left out is what was differentiated behind it{where}, {nodes} nodes: no step that was "
        "recorded in full did the same."
    )


def _own_difference(step: int, donor: Donor, name: str) -> str:
    """Why a step's own tape may give something else; ``""`` where it may not."""
    functions = _own_functions(donor)
    if donor.plan.template.lean and not functions:
        return (
            f"The kernels of step {step} do not give its {name}: something changed it that is "
            "no kernel, as a hook does, or NumPy."
        )
    first = next((call.kernel.generator for call in donor.plan.draws), None)
    drawn = None if first is None else donor.slots[first]
    if not (donor.plan.template.lean or first is None or isinstance(drawn, bytes)):
        return "The random numbers that it drew were not kept."
    return functions


def _own_functions(donor: Donor) -> str:
    """Why a full step with custom Functions may give something else; ``""`` where it has none.

    What is executed in their place is put together from the kernels that they ran: what they
    did beside these (handing an argument on as it is, writing into one) is the program's code.
    """
    nodes = (node for backward in donor.plan.template.backwards for node in backward.nodes)
    names = dict.fromkeys(one.name for one in nodes if is_custom(one.name) and not _compiled(one))
    if not names:
        return ""
    if _IN_CPP in names:
        return (
            f"A part of its graph is code in C++ ({_IN_CPP}), as torch.jit makes of a script, and "
            "no tape shows its kernels. To have them, set PYTORCH_JIT=0 and record it again."
        )
    return (
        f"{', '.join(names)} is a custom autograd.Function: its backward is the program's own "
        "code, and what the recorded kernels tell of it does not give what it gave."
    )


def _own_classes(donor: Donor) -> str:
    """Why a step cannot be executed that computes with tensors of a class that answers for them."""
    held = {tensor.layout for tensor in donor.plan.template.tensors} - {"", *LAYOUTS}
    if not held:
        return ""
    return (
        f"It computes with tensors that are {', '.join(sorted(held))}: what they hold, and the "
        "kernels that run within them, no tape shows."
    )


def stay_on_one_thread() -> None:
    """Let nothing in this process start torch's pool of threads; for a child that was forked."""
    torch.set_num_threads(1)
    torch.set_num_threads = _ignore  # steps are replayed on as many threads as they ran on


def _ignore(nthreads: int) -> None:  # noqa: ARG001  the name that torch gives it
    return None
