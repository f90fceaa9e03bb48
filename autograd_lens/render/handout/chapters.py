"""The five chapters of a handout, as blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autograd_lens.analysis.lesson import Lesson, TriedRate
from autograd_lens.render.handout import chapter_data, chapter_gradients, chapter_update
from autograd_lens.render.handout.blocks import Block, Document
from autograd_lens.render.handout.naming import Naming
from autograd_lens.render.handout.texts import texts
from autograd_lens.render.handout.values import written

if TYPE_CHECKING:
    from autograd_lens.render.handout.levels import Levels

__all__ = ["HandoutOptions", "document"]


def _no_source(_: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class HandoutOptions:
    """What a handout looks like.

    Attributes:
        language: ``"en"`` or ``"zh"``.
        title: Its title; ``""`` for one made from the program's name.
        graph: The graph of the first step as SVG; ``""`` where it could not be drawn.
        graph_missing: Why there is no graph.
        source: Gives the text of a source file.
        levels: Lines of equal loss, for a run that is no linear regression.
        tried: Learning rates that were tried, for such a run; empty where none was proved.
    """

    language: str = "en"
    title: str = ""
    graph: str = ""
    graph_missing: str = ""
    source: Callable[[str], str | None] = _no_source
    levels: Levels | None = None
    tried: tuple[TriedRate, ...] = ()


def document(lesson: Lesson, options: HandoutOptions) -> Document:
    """The whole handout.

    Args:
        lesson: What it says.
        options: How.
    """
    words = texts(options.language)
    naming = Naming(lesson.first.step, options.source)
    blocks: list[Block] = [
        *chapter_data.data(lesson, words),
        *chapter_data.model(lesson, words),
        *chapter_gradients.loss(lesson, words, naming, options.graph, options.graph_missing),
        *chapter_gradients.gradients(lesson, words, naming),
        *chapter_update.update(lesson, words, options.levels, options.tried),
    ]
    return Document(title(lesson, options), options.language, _lead(lesson, words), tuple(blocks))


def title(lesson: Lesson, options: HandoutOptions) -> str:
    """The title that was given, else one with the program's name."""
    words = texts(options.language)
    made = words["title"].format(program=lesson.program) if lesson.program else words["title_none"]
    return options.title.strip() or made


def _lead(lesson: Lesson, words: Mapping[str, str]) -> str:
    losses = lesson.path.losses
    first, last = (written(float(losses[place])) for place in (0, -1))
    key = "lead_one" if lesson.count == 1 else "lead"
    return words[key].format(count=f"{lesson.count:,}", first=first, last=last)
