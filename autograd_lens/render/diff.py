"""Two runs laid beside each other: one sentence, a table of what follows, and JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.text import Text

from autograd_lens.analysis.alignment import NOTHING, UNNAMED
from autograd_lens.analysis.comparison import Comparison, Edit, Growth, Kind, Parting, Side
from autograd_lens.render.layout import CODE, NAME, QUIET, folded, table
from autograd_lens.render.numbers import brief_value, scalar
from autograd_lens.trace.expression import spoken_name
from autograd_lens.trace.records import Source
from autograd_lens.trace.values import Value

__all__ = ["diff_json", "growth_rows", "headline", "place", "render_diff", "sentence", "why"]

_NAMES = 6  # parameters that are named
_EDITS = 3  # places of the texts that are shown
_LINES = 4  # lines of one of them
_WHAT: dict[Kind, str] = {
    "start": "{what} begins with other values",
    "input": "{what} came in with other values",
    "draw": "other random numbers were drawn",
    "constant": "a constant is {what} instead of {was}",
    "kernel": "{what} ran instead of {was}",
    "result": "{op} gave another result, given the same",
    "dtype": "{op} is in {what} instead of {was}",
    "order": "the same kernels ran in another order",
    "rows": "the rows of {what} came in another order",
    "graph": "autograd goes another way: {what}, in the first run {was}",
    "mode": "{what}, in the first run {was}",
    "clearing": "backward found another .grad: {what}, in the first run {was}",
    "accumulation": "backward ran {what}, in the first run {was}",
    "update": "{what}, in the first run {was}",
    "unknown": "where in that step is not known",
}


def sentence(found: Comparison) -> str:
    """What a headline says, and where that is."""
    where = place(found.parting) if found.parting is not None else ""
    return f"{headline(found)} {where}".strip()


def headline(found: Comparison) -> str:
    """Whether two runs are the same and, where not, since which step and by what."""
    if found.parting is None:
        if found.equal:
            return f"Equal: {_steps(found.steps[0])}, bit for bit."
        shorter = min(found.steps)
        return (
            f"One run is longer: {found.steps[0]:,} and {_steps(found.steps[1])}; the {shorter:,} "
            "that both have are equal, bit for bit."
        )
    verdict = "Rounding only" if found.rounding else "Different"
    return f"{verdict}, from step {found.parting.step} on: {_what(found.parting)}."


def place(parting: Parting) -> str:
    """Where in its step that is, and how far the values there are apart."""
    sides = parting.one, parting.other
    first = min((s.kernel for s in sides if s.kernel), key=lambda k: k.index, default=None)
    source = next((_place(side.source) for side in sides if side.source), "")
    where = [f"kernel {first.index} ({first.op})" if first is not None else "", source]
    if not math.isnan(parting.apart):
        where.append(f"{parting.apart:.3g} apart")
    if first is None and source:
        where[1] = f"at {source}"
    told = ", ".join(filter(None, where))
    return f"{told[:1].upper()}{told[1:]}." if told else ""


def _what(parting: Parting) -> str:
    kernel = parting.one.kernel
    what, was = _said(parting.other), _said(parting.one)
    op = spoken_name(kernel) if kernel is not None else what
    if parting.kind == "input" and UNNAMED in {what, was}:
        return f"{op} was given other values"
    if parting.kind == "input" and what != was:
        return f"{op} was given {what} instead of {was}"
    if parting.kind == "kernel" and NOTHING in (what, was):
        return f"{was} did not run" if what == NOTHING else f"{what} ran in addition"
    if what == UNNAMED:
        what = f"what {op} was given"
    name, _, said = was.partition(" ")
    if said and what.startswith(f"{name} "):
        was = said.removeprefix("= ") if said.startswith("= ") else f"it {said}"
    return _WHAT[parting.kind].format(what=what, was=was, op=op)


def _said(side: Side) -> str:
    """What differs there; an operator as people call it."""
    kernel = side.kernel
    return spoken_name(kernel) if kernel is not None and side.what == kernel.op else side.what


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count:,} steps"


def render_diff(found: Comparison, names: tuple[str, str], *, width: int = 80) -> Group:
    """The verdict, both sides of the place where the runs part, and how it goes on.

    Args:
        found: The comparison.
        names: What to call the two runs.
        width: Columns.
    """
    style = "bold green" if found.equal else "bold yellow" if found.rounding else "bold red"
    lines = [*folded(headline(found), width, style)]
    parting = found.parting
    if parting is not None:
        lines += folded(place(parting), width) if place(parting) else ()
        lines += [Text(), *_sides(parting, names, width)]
        if told := why(parting):
            lines += [Text(), *folded(told, width)]
    lines += _edits(found, width)
    if parting is not None:
        lines += [Text(), *_growth(found.growth)]
        if parting.reached:
            lines += [Text(), *folded(_reached(parting.reached), width)]
    lines += _unmatched(found, names, width)
    return Group(*lines)


def why(parting: Parting) -> str:
    """How it is known whether two runs part by rounding; ``""`` where nothing is to be said."""
    if parting.rounding_since < 0:
        return parting.judgement.why
    before = f"From step {parting.rounding_since} on they had differed by rounding alone."
    return f"{before} {parting.judgement.why}".strip()


def _edits(found: Comparison, width: int) -> Iterator[Text]:
    """Where the programs' texts differ: first what stands in the lines where they part."""
    edits, parting = found.edits, found.parting
    there = [one for one in edits if parting is not None and _touches(one, parting)]
    shown = [*there, *(one for one in edits if one not in there)][:_EDITS]
    if not shown:
        return
    yield Text()
    where = "without effect" if parting is None else "there" if there else "elsewhere"
    more = f", and in {len(edits) - len(shown)} more places" if len(edits) > len(shown) else ""
    yield from folded(f"The programs' texts differ {where}{more}:", width)
    for one in shown:
        for sign, file, line, texts in zip("-+", one.files, one.lines, one.texts, strict=True):
            name = file.rsplit("/", 1)[-1]
            for number, text in enumerate(texts[:_LINES]):
                words = f"{sign} {name}:{line + number}  {text}"
                yield from (Text("  ").append_text(t) for t in folded(words, width - 2, CODE))


def _touches(edit: Edit, parting: Parting) -> bool:
    """Whether one of the lines where two runs part is among changed ones."""
    sides = zip((parting.one, parting.other), edit.files, edit.lines, edit.texts, strict=True)
    return any(
        side.source is not None
        and side.source.file == file
        and side.source.line < line + len(texts)
        and line <= side.source.end_line
        for side, file, line, texts in sides
    )


def _sides(parting: Parting, names: tuple[str, str], width: int) -> Iterator[Text]:
    sides = parting.one, parting.other
    rows = [
        [
            Text(name, style=NAME),
            Text(_said(side)),
            _value(side.value),
            Text(_place(side.source), QUIET),
        ]
        for name, side in zip(names, sides, strict=True)
    ]
    yield from table(rows)
    lines = dict.fromkeys(side.line for side in sides if side.line)
    for line in lines:
        yield from (Text("  ").append_text(part) for part in folded(line, width - 2, CODE))


def _value(value: Value | None) -> Text:
    return brief_value(value) if value is not None else Text("")


def _place(source: Source | None) -> str:
    return f"{source.file.rsplit('/', 1)[-1]}:{source.line}" if source is not None else ""


def _growth(growth: tuple[Growth, ...]) -> Iterator[Text]:
    head, *rows = growth_rows(growth)
    yield from table([[Text(c, style=QUIET) for c in head], *([Text(c) for c in r] for r in rows)])


def growth_rows(growth: Sequence[Growth]) -> list[tuple[str, ...]]:
    """How far two runs are apart in some steps, as a table; its head is the first row."""
    rows: list[tuple[str, ...]] = [("step", "loss", "", "apart", "parameters apart")]
    for one in growth:
        apart = abs(one.losses[0] - one.losses[1])
        losses = map(scalar, one.losses)
        rows.append((f"{one.step:,}", *losses, _size(apart), _size(one.parameters)))
    return rows


def _size(number: float) -> str:
    return "not known" if math.isnan(number) else f"{number:.2g}"


def _reached(names: tuple[str, ...]) -> str:
    return f"Behind that step it has reached {_few(names)}."


def _few(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


def _unmatched(found: Comparison, names: tuple[str, str], width: int) -> Iterator[Text]:
    for name, unmatched in zip(names, found.unmatched, strict=True):
        if unmatched:
            text = f"Only {name} has {_few(unmatched)}; they were not compared."
            yield from folded(text, width)


def diff_json(found: Comparison) -> dict[str, object]:
    """The comparison as plain data."""
    parting = found.parting
    return {
        "verdict": "equal" if found.equal else "rounding" if found.rounding else "different",
        "sentence": sentence(found),
        "steps": list(found.steps),
        "parting": None
        if parting is None
        else {
            "step": parting.step,
            "kind": parting.kind,
            "sides": [_side_json(parting.one), _side_json(parting.other)],
            "apart": _number(parting.apart),
            "rounding": parting.judgement.rounding,
            "why": parting.judgement.why,
            "rounding_since": None if parting.rounding_since < 0 else parting.rounding_since,
            "reached": list(parting.reached),
        },
        "partners": dict(found.partners),
        "merged": [list(map(list, pair)) for pair in found.merged],
        "unmatched": [list(names) for names in found.unmatched],
        "growth": [
            {
                "step": one.step,
                "losses": [_number(loss) for loss in one.losses],
                "parameters": _number(one.parameters),
            }
            for one in found.growth
        ],
        "edits": [
            {
                "files": list(one.files),
                "lines": list(one.lines),
                "texts": list(map(list, one.texts)),
            }
            for one in found.edits
        ],
    }


def _side_json(side: Side) -> dict[str, object]:
    kernel, source = side.kernel, side.source
    return {
        "kernel": None if kernel is None else kernel.index,
        "op": None if kernel is None else kernel.op,
        "module": None if kernel is None else kernel.module,
        "what": side.what,
        "file": None if source is None else source.file,
        "line": None if source is None else source.line,
        "end_line": None if source is None else source.end_line,
        "code": side.line,
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
