"""Reading a trace; works while its run still goes on.

::

    with Trace("train.lens") as trace:
        trace.steps[-1].loss
        trace.parameter("w1").values
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from autograd_lens.errors import NoSuchParameterError
from autograd_lens.trace.expression import update_expression
from autograd_lens.trace.fulls import Fulls
from autograd_lens.trace.history import ParameterHistory, read_losses
from autograd_lens.trace.info import Ending, Owner, RunInfo
from autograd_lens.trace.outcomes import Laboratory
from autograd_lens.trace.records import Event, Parameter, Source, Step
from autograd_lens.trace.rows import END, LightGraph, Rows
from autograd_lens.trace.schema import LONGEST_NAME, damaged, visible
from autograd_lens.trace.step import LightStep, merge
from autograd_lens.trace.steps import Steps
from autograd_lens.trace.store import BlobReader, Database, Items, parsing
from autograd_lens.trace.tape import Template, check_slots, checked, records_of
from autograd_lens.trace.values import MOST_AXES, Entry, Floats, Summary
from autograd_lens.trace.window import Window

__all__ = ["EncodedStep", "Trace"]

_STEPS_WITHOUT_ROWS = 1 << 22  # and more than this is a claim, not a recording
_MOST_LINES = 100
_MOST_CODE = 2_000  # characters of one expression
_CHANGING = (
    "info",
    "parameters",
    "steps",
    "full_steps",
    "lean_steps",
    "keyframes",
    "losses",
    "events",
    "window",
    "_names",
)


@dataclass(frozen=True, slots=True)
class EncodedStep:
    """A full step as it was written, for replay.

    Attributes:
        number: Id of the template.
        template: The structure.
        slots: What it refers to by position.
        dots: Drawing of each backward that has one, by index.
    """

    number: int
    template: Template
    slots: Sequence[Entry]
    dots: Mapping[int, str]


class Trace:
    """An open trace. Close it, or use it as a context manager.

    Args:
        path: The file.

    Attributes:
        path: The file.
        rows: The light rows as they were written.
        items: What the trace defines once, as it was written.
        laboratory: What can be tried by executing steps again; None where nothing can.
        replayer: Opens a light step in full where it can, else returns None; ``steps`` asks
            it for each light step.
        completer: Gives the slots of a full step of which large values were kept as digests,
            as many of them whole as it can.

    Raises:
        NotATraceError: It is no trace, or is damaged.
        NewerFormatError: A newer version wrote it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self.replayer: Callable[[int], Step | None] | None = None
        self.laboratory: Laboratory | None = None
        self.completer: Callable[[int], Sequence[Entry]] | None = None
        self._database = Database(self.path)
        try:
            self._blobs = BlobReader(self._database)
            self.rows = Rows(self._database, self._blobs.fetch)
            self.items = Items(self._database)
            self._fulls = Fulls(self._database, self._blobs.fetch, window=self.window is not None)
            self._lines: dict[str, list[str]] = {}
            self._graphs: dict[int, LightGraph] = {}
            self._templates: dict[int, tuple[Template, Mapping[int, str]]] = {}
            self._check()
        except BaseException:
            self._database.close()
            raise

    def _check(self) -> None:
        """Refuse a file that lost rows since it was finished."""
        if not self._complete():
            self.refresh()  # it may have been finished while it was opened
            if not self._complete():
                damaged("parts of it are missing")

    def _complete(self) -> bool:
        """Whether it holds what was counted at its end; the count is empty while it grows."""
        if "counts" not in self.items.keys("about"):
            return "end" not in self.items.keys("about")
        counts = self.items.record("about", "counts", dict[str, int])
        return counts in ({}, self._listed())

    def _listed(self) -> dict[str, int]:
        blocks = len(self.rows.block_rows())
        return {"items": len(self.items), "blocks": blocks, "fulls": len(self._fulls)}

    @cached_property
    def info(self) -> RunInfo:
        """What is known of the run as a whole."""
        info = self.items.record("about", "info", RunInfo)
        if info is None:
            damaged("it does not say what was recorded")
        end = self.items.record("about", "end", Ending)
        if end is None:
            return replace(info, status="running" if self._writer_lives() else "killed")
        return replace(info, status=end.status, ended=end.ended)

    def _writer_lives(self) -> bool:
        owner = self.items.record("about", "owner", Owner)
        beat = self.items.record("about", "heartbeat", float) or 0.0
        return owner is not None and owner.lives(beat)

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        """All parameters of the run by name."""
        found = self.items.numbered("parameter", Parameter)
        names = {parameter.name: parameter for parameter in found}
        if len(names) != len(found) or self.items.numbers("parameter") != list(range(len(found))):
            damaged("its parameters are not numbered one by one, each with its own name")
        if any(len(name) > LONGEST_NAME for one in found for name in (one.name, *one.aliases)):
            damaged(f"the name of a parameter has more than {LONGEST_NAME:,} characters")
        shapes = [parameter.shape for parameter in found]
        if any(len(shape) > MOST_AXES or min(shape, default=0) < 0 for shape in shapes):
            damaged("the shape of a parameter is impossible")
        return MappingProxyType(names)

    @cached_property
    def steps(self) -> Steps:
        """All steps, each put together when it is asked for."""
        last_full = self.full_steps[-1] + 1 if self.full_steps else 0
        count = max(self.rows.step_count, last_full)
        told = len(self.rows) + len(self.full_steps)
        if count > _STEPS_WITHOUT_ROWS + 4 * told or (self.full_steps and self.full_steps[0] < 0):
            damaged(f"it claims {count:,} steps and tells of {told:,}")
        return Steps(count, self._step)

    @cached_property
    def full_steps(self) -> tuple[int, ...]:
        """The steps recorded at full level, in order."""
        return self._fulls.steps()

    @cached_property
    def lean_steps(self) -> tuple[int, ...]:
        """The steps whose tape is there without what it computes, in order."""
        return self._fulls.lean()

    @cached_property
    def window(self) -> Window | None:
        """Which steps were kept, where the last ones alone were to be."""
        return self.items.record("extra", "window", Window)

    @property
    def first_kept(self) -> int:
        """The first step of which more than its loss was kept."""
        return 0 if self.window is None else self.window.first

    @property
    def taped(self) -> int:
        """How many steps have a tape: one of their own, or that of a full step alike."""
        structures: dict[int, tuple[str, ...]] = {}
        for step, graph in zip(self.rows.steps.tolist(), self.rows.graphs.tolist(), strict=True):
            if graph != END:
                known = structures.get(step, ())
                structures[step] = (*known, self.graph(graph).fingerprint)
        own = {*self.full_steps, *self.lean_steps}
        alike = {structures.get(step) for step in self.full_steps}
        return len(own | {step for step, one in structures.items() if one in alike})

    @cached_property
    def keyframes(self) -> tuple[int, ...]:
        """The steps at which large parameters and optimizer state were kept whole, in order."""
        with parsing("the list of keyframes"):
            steps = json.loads(self.extra("keyframes") or b"[]")
            return tuple(sorted(int(step) for step in steps))

    @cached_property
    def losses(self) -> Floats:
        """The loss of each step, NaN where it has none: (steps,)."""
        with parsing("the losses"):
            losses = read_losses(self.rows, self.graph, len(self.steps))
        losses.flags.writeable = False
        return losses

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """What happened to the run as a whole, in order."""
        return tuple(self.items.numbered("event", Event))

    def parameter(self, name: str) -> ParameterHistory:
        """One parameter over the run; also found under its other names.

        Raises:
            NoSuchParameterError: There is none.
        """
        index = self._names.get(name)
        if index is None:
            raise _no_such_parameter(name, self.parameters)
        known = list(self.parameters.values())[index]
        return ParameterHistory(self.rows, index, known, len(self.steps), self.graph)

    @cached_property
    def _names(self) -> Mapping[str, int]:
        known = list(enumerate(self.parameters.values()))
        aliases = {alias: index for index, one in reversed(known) for alias in one.aliases}
        return aliases | {one.name: index for index, one in known}

    def source(self, file: str) -> str | None:
        """The text of a source file as it was when the program ran, or None.

        Control characters in it are shown as such (``visible``), form feeds apart.
        """
        data = self.items.get("source", file)
        if data is None:
            return None
        text = data.decode("utf-8", "replace").replace("\r\n", "\n")
        return "\f".join(map(visible, text.split("\f")))

    def line(self, source: Source | None) -> str:
        """The code at a source, stripped, its lines joined; ``""`` where it is not known."""
        if source is None:
            return ""
        if source.file not in self._lines:
            self._lines[source.file] = (self.source(source.file) or "").splitlines()
        lines = self._lines[source.file][max(0, source.line - 1) : source.end_line]
        joined = visible(" ".join(line.strip() for line in lines[:_MOST_LINES]).strip())
        return joined if len(joined) <= _MOST_CODE else f"{joined[: _MOST_CODE - 1]}…"

    def extra(self, key: str) -> bytes | None:
        """The bytes kept under a name, or None."""
        return self.items.get("extra", key)

    def whole(self, entry: Entry) -> Entry:
        """The bytes of a summary, where any step of the run kept them; else what is given."""
        if not isinstance(entry, Summary):
            return entry
        found = self._blobs.find(entry.digest)
        return entry if found is None else found

    def light(self, step: int) -> Step:
        """A step as the light level holds it, whatever else is known of it."""
        with parsing("a step"):
            return self.light_step(step).step(step)

    def encoded(self, step: int) -> EncodedStep | None:
        """A full or lean step as it was written; None for a light one."""
        if step not in self._fulls:
            return None
        with parsing("a step"):
            number, slots = self._fulls.slots(step)
            template, dots = self._template(number)
            check_slots(template, slots)
            return EncodedStep(number, template, slots, dots)

    def refresh(self) -> None:
        """Notice what was written since the trace was opened or last refreshed."""
        self.rows.refresh()
        self._fulls.refresh()
        self.items.refresh()
        self._templates.clear()
        self._lines.clear()
        for name in _CHANGING:
            self.__dict__.pop(name, None)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def graph(self, number: int) -> LightGraph:
        """What the rows of one graph have in common, by the number that rows give.

        Raises:
            NotATraceError: The trace lacks it.
        """
        if number not in self._graphs:
            graph = self.items.record("graph", str(number), LightGraph)
            if graph is None or not all(index < len(self.parameters) for index in graph.reached):
                damaged("the description of a graph, or of a parameter of it, is missing")
            self._graphs[number] = graph
        return self._graphs[number]

    def _template(self, number: int) -> tuple[Template, Mapping[int, str]]:
        """A template and the drawings of its backwards."""
        if number not in self._templates:
            found = self.items.record("template", str(number), Template)
            if found is None:
                damaged("the structure of a full step is missing")
            template = checked(found)
            drawings = {
                backward: visible(dot.decode("utf-8", "replace"))
                for backward in range(len(template.backwards))
                if (dot := self.items.get("dot", f"{number}.{backward}")) is not None
            }
            self._templates[number] = template, drawings
        return self._templates[number]

    def _step(self, step: int) -> Step:
        full = step in self._fulls and not self._fulls.is_lean(step)
        if not full and self.replayer is not None:
            replayed = self.replayer(step)
            if replayed is not None:
                return replayed
        if full:
            return self._full(step, self.completer)
        return self.light(step)

    def written(self, step: int) -> Step | None:
        """A full step as it was written, of large values their digests; None for other steps."""
        if step not in self._fulls or self._fulls.is_lean(step):
            return None
        return self._full(step, None)

    def _full(self, step: int, completer: Callable[[int], Sequence[Entry]] | None) -> Step:
        with parsing("a step"):
            number, slots = self._fulls.slots(step)
            if completer is not None and any(isinstance(one, Summary) for one in slots):
                slots = [*completer(step)]
            template, drawings = self._template(number)
            tape = records_of(template, slots, drawings)
            return merge(step, tape, self.light_step(step), update_expression)

    def light_step(self, step: int) -> LightStep:
        """The light rows of a step, with what they refer to."""
        places = self.rows.of_step(step)
        rows = [self.rows.row(place) for place in places]
        graphs = [self.graph(row.graph) for row in rows]
        if step < self.first_kept:  # that parameters are not there would say that they were None
            return LightStep(rows, None, [replace(graph, reached=()) for graph in graphs], ())
        return LightStep(
            rows=rows,
            behind=self.rows.row(places.stop) if places.stop < len(self.rows) else None,
            graphs=graphs,
            known=tuple(self.parameters.values()),
            gone=self._gone(places.stop),
        )

    def _gone(self, place: int) -> frozenset[int]:
        """The parameters that had ceased to exist at a row; only the run's last one tells."""
        if place != len(self.rows) - 1:
            return frozenset()
        gone = self.rows.extras(place).get("gone") or ()
        with parsing("the list of parameters that are gone"):
            return frozenset(map(int, gone))


def _no_such_parameter(name: str, known: Mapping[str, Parameter]) -> NoSuchParameterError:
    names = [*known, *(alias for one in known.values() for alias in one.aliases)]
    close: Sequence[str] = difflib.get_close_matches(name, names) or list(known)[:8]
    hint = f"Did you mean {' or '.join(close)}?" if close else "The trace has none at all."
    return NoSuchParameterError(f"The trace has no parameter {name!r}.", hint=hint)
