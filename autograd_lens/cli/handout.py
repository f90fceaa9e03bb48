"""``autograd-lens handout``: a run as a lesson, to hand out on paper or as a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autograd_lens.cli.files import explained, named_after, open_trace, say, shown, writable
from autograd_lens.cli.options import draws, speaks
from autograd_lens.errors import LensError, RenderError
from autograd_lens.pages import drawn, levels_of
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.selection import select_steps

if TYPE_CHECKING:
    from autograd_lens.analysis.lesson import Lesson, TriedRate
    from autograd_lens.render.handout import Document
    from autograd_lens.render.handout.figures import Levels
    from autograd_lens.render.handout.worksheet import SheetOptions

__all__ = ["command", "write_handout", "write_worksheet"]

_FOOTER = "autograd_lens"
_STEPS = 20  # of a run with another rate: enough to tell slow from wild, and made in seconds
_MOST_KERNELS = 400  # of a step that is made again, some hundred times in all
_FACTORS = (0.1, 10.0)


@click.command("handout", short_help="Make a lesson of a run, as page, PDF or Markdown.")
@click.option("--steps", metavar="STEPS", help="Steps to show.  [default: 0,1,-1]")
@speaks()
@click.option("--title", default="", help="Title of the handout.")
@click.option("--worksheet", is_flag=True, help="Make an exercise and, beside it, its answers.")
@click.option(
    "--slides",
    is_flag=True,
    help="A slide for each event of a step, or each part of a long one: .pdf or .png.",
)
@click.option("--seed", default=0, show_default=True, help="Which points the exercise uses.")
@click.option(
    "--points", default=5, show_default=True, type=click.IntRange(2, 12), help="How many points."
)
@click.option(
    "--blanks",
    metavar="PARTS",
    help="What the exercise asks for, of forward,loss,gradients,update.  [default: all]",
)
@draws("The handout: .html, .pdf, .md or .ipynb.  [default: NAME-handout.html]")
def command(
    file: Path | None,
    output: Path | None,
    force: bool,
    steps: str | None,
    lang: str,
    title: str,
    worksheet: bool,
    slides: bool,
    seed: int,
    points: int,
    blanks: str | None,
) -> None:
    """Make a lesson of a run: data, model, loss, gradients, update, with all its numbers.

    \b
    autograd-lens handout train.lens -o lesson.html
    autograd-lens handout train.lens -o lesson.pdf --lang zh
    autograd-lens handout train.lens --worksheet -o exercise.pdf --seed 7
    autograd-lens handout train.lens --slides --steps 0 -o lecture.pdf
    """
    from autograd_lens.render.handout.worksheet import SheetOptions

    with open_trace(file, replay=True) as trace:
        what = "slides.pdf" if slides else "worksheet.html" if worksheet else "handout.html"
        target = writable(output or named_after(trace.path, what), force=force)
        if not slides:
            _known(target)
        chosen = select_steps(steps or "0,1,-1" if len(trace.steps) > 1 else "0", len(trace.steps))
        if slides:
            write_slides(trace, target, chosen[0], lang, force=force)
        elif worksheet:
            key = writable(target.with_stem(f"{target.stem}-answers"), force=force)
            options = SheetOptions(seed, points, _parts(blanks), title)
            write_worksheet(trace, target, key, chosen, lang, options)
        else:
            write_handout(trace, target, chosen, language=lang, title=title)


def write_handout(
    trace: Trace, output: Path, steps: Sequence[int], *, language: str = "en", title: str = ""
) -> None:
    """Write the handout of a run, and say so; the suffix of ``output`` chooses the format."""
    from autograd_lens.analysis.lesson import lesson
    from autograd_lens.render.handout import HandoutOptions, document

    _known(output)
    found = lesson(trace, steps)
    graph, missing = _graph(trace, found)
    levels = levels_of(trace, found)
    tried = () if found.ending else _tried_rates(trace)
    options = HandoutOptions(language, title, graph, missing, levels, tried)
    written = document(found, options)
    if output.suffix.lower() == ".html":
        _write(output, _html(written, found, trace, levels))
    elif output.suffix.lower() == ".md":
        _write_markdown(output, written)
    else:
        _write(output, _WRITERS[output.suffix.lower()](written, found, trace))


def _write_markdown(output: Path, written: Document) -> None:
    """Markdown, with its pictures in a folder beside it."""
    from autograd_lens.render.handout import markdown
    from autograd_lens.render.handout.markdown import pictures

    folder = output.with_name(f"{output.stem}_files")
    found = pictures(written)
    with explained(folder):
        if found:
            folder.mkdir(exist_ok=True)
        for name, svg in found.items():
            (folder / name).write_text(svg, encoding="utf-8")
    _write(output, markdown(written, folder.name).encode())


def write_worksheet(
    trace: Trace,
    output: Path,
    key: Path,
    steps: Sequence[int],
    language: str,
    options: SheetOptions,
) -> None:
    """Write the exercise and, into a file of its own, its answers."""
    from autograd_lens.analysis.lesson import lesson
    from autograd_lens.render.handout.worksheet import worksheet

    found = lesson(trace, steps)
    for path, answers in ((output, False), (key, True)):
        sheet = worksheet(found, language, options, answers=answers)
        _write(path, _WRITERS[path.suffix.lower()](sheet, None, trace))


def write_slides(
    trace: Trace, output: Path, step: int, language: str, *, force: bool = False
) -> None:
    """Write one slide for each event of a step and, beside them, what a speaker may say.

    Raises:
        RenderError: The suffix is neither .pdf nor .png, or the step has no events to show.
    """
    from autograd_lens.analysis.lesson import step_lesson
    from autograd_lens.render.handout.paper import slides_as
    from autograd_lens.render.handout.slides import slides
    from autograd_lens.render.handout.texts import texts

    kind = output.suffix.lower().removeprefix(".")
    if kind not in {"pdf", "png"}:
        msg = f"Slides cannot be written into {output.name!r}."
        raise RenderError(msg, hint="Choose .pdf, or .png for one picture each.")
    shown = slides(step_lesson(trace.steps[step], trace.source), trace, texts(language), drawn)
    made = slides_as(shown, language, _FOOTER, "png" if kind == "png" else "pdf")
    names = [output.stem] if kind == "pdf" else [f"{output.stem}-{n:02}" for n in _from_1(made)]
    notes = writable(output.with_name(f"{output.stem}-notes.md"), force=force)
    pages = [writable(output.with_stem(name), force=force) for name in names]
    for page, data in zip(pages, made, strict=True):
        _write(page, data)
    said = (f"## {n}  {one.title}\n\n{one.note}\n" for n, one in enumerate(shown, 1))
    _write(notes, "\n".join(said).encode())


def _from_1(items: Sequence[object]) -> range:
    return range(1, len(items) + 1)


def _parts(blanks: str | None) -> Sequence[str]:
    from autograd_lens.render.handout.run_sheet import PARTS

    chosen = PARTS if blanks is None else [part.strip() for part in blanks.split(",")]
    strange = [part for part in chosen if part not in PARTS]
    if strange:
        msg = f"{strange[0]!r} is no part of a worksheet."
        raise RenderError(msg, hint=f"It has {', '.join(PARTS)}.")
    return chosen


def _known(output: Path) -> None:
    if output.suffix.lower() not in _WRITERS:
        msg = f"A handout cannot be written into {output.name!r}."
        raise RenderError(msg, hint=f"Choose one of {', '.join(_WRITERS)}.")


def _write(output: Path, data: bytes) -> None:
    with explained(output):
        output.write_bytes(data)
    say(f"Wrote {shown(output)}")


def _graph(trace: Trace, found: Lesson) -> tuple[str, str]:
    """The graph of the first step for paper, or why there is none."""
    from autograd_lens.render.handout.graph import cleaned, lesson_graph

    if found.first.step.level != "full":
        return "", ""
    try:
        svg = lesson_graph(found.first, trace.source, drawn)
    except RenderError as error:
        return "", str(error)
    return cleaned(svg, "") if svg else "", ""


def _html(
    written: Document, found: Lesson | None, trace: Trace, levels: Levels | None = None
) -> bytes:
    from autograd_lens.render.handout import PageOptions, page, player
    from autograd_lens.render.handout.texts import texts

    words = texts(written.language)
    made = player(found, trace, words, draw=drawn) if found else None
    options = PageOptions(made, None, _FOOTER, levels)
    text = page(written, found, options)
    font = _font(text) if written.language == "zh" else None
    if font is not None:
        text = page(written, found, replace(options, font=font))
    return text.encode()


def _font(text: str) -> bytes | None:
    """The letters of a Chinese page as a font of their own; None where no font is installed."""
    from autograd_lens.render.handout.page import subset

    return subset(text)


def _pdf(written: Document, _found: Lesson | None, _trace: Trace) -> bytes:
    from autograd_lens.render.handout import pdf

    return pdf(written, _FOOTER)


def _markdown(written: Document, _found: Lesson | None, _trace: Trace) -> bytes:
    from autograd_lens.render.handout import markdown

    return markdown(written).encode()


def _notebook(written: Document, _found: Lesson | None, trace: Trace) -> bytes:
    from autograd_lens.render.handout.markdown import notebook

    return notebook(written, str(trace.path)).encode()


_WRITERS: Mapping[str, Callable[[Document, Lesson | None, Trace], bytes]] = {
    ".html": _html,
    ".pdf": _pdf,
    ".md": _markdown,
    ".ipynb": _notebook,
}


def _tried_rates(trace: Trace) -> tuple[TriedRate, ...]:
    """The first steps again with other learning rates, the run's own among them.

    Returns:
        Nothing where the run has no single learning rate, where its updates are not proved to be
        those of its tape, or where making these steps again would keep the reader waiting.
    """
    rate = _rate(trace)
    if rate is None or len(trace.steps) < 2:  # the first loss is that of the start
        return ()
    first = next(iter(trace.full_steps), 0)
    if len(trace.steps[first].kernels) > _MOST_KERNELS:
        return ()
    try:
        return tuple(_tried(trace, rate))
    except (LensError, RuntimeError):
        return ()


def _rate(trace: Trace) -> float | None:
    """The learning rate that all optimizers of the run have, or None."""
    from autograd_lens.analysis.rates import find_rates

    rates = find_rates(trace).used
    return rates[0] if len(rates) == 1 and rates[0] > 0 else None


def _tried(trace: Trace, rate: float) -> Iterator[TriedRate]:
    from autograd_lens.analysis.lesson import TriedRate
    from autograd_lens.replay.whatif import what_if

    steps = min(_STEPS, len(trace.steps))
    yield TriedRate(rate, steps, float(trace.losses[steps - 1]), own=True)
    for other in (float(f"{rate * factor:.6g}") for factor in _FACTORS):
        made = what_if(trace, 0, steps, {"lr": other})
        yield TriedRate(other, steps, float(made.changed.losses[-1]))
