"""Slides: one event each, and nothing on them that has not happened yet."""

from __future__ import annotations

import re

import pytest

from autograd_lens.analysis.lesson import step_lesson
from autograd_lens.errors import RenderError
from autograd_lens.render.engines import render_dot
from autograd_lens.render.handout.slides import Slide, slides
from autograd_lens.render.handout.texts import LANGUAGES, texts
from tests.support.lesson_run import LessonRun, regression_run


def made(run: LessonRun, language: str = "en", step: int = 0) -> tuple[Slide, ...]:
    draw = lambda dot: render_dot(dot, "svg").decode()  # noqa: E731  one line, used here
    shown = step_lesson(run.steps[step], run.source)
    return slides(shown, run, texts(language), draw)  # type: ignore[arg-type]


def gradients(slide: Slide) -> int:
    assert slide.figure is not None
    return len(re.findall("∂ ", slide.figure.svg))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_slide_shows_what_is_known_by_then(language: str) -> None:
    found = made(regression_run(1), language)
    backward = [each for each in found if each.phase == "backward"]
    assert [each for each in found if each.phase == "forward" and gradients(each)] == []
    counts = [gradients(each) for each in backward]
    assert counts == sorted(counts)
    assert counts[-1] == 8
    assert all(each.title and each.note for each in found)


def test_the_node_of_the_event_is_lit() -> None:
    for slide in made(regression_run(1)):
        if slide.phase in {"forward", "update"}:
            assert slide.figure is not None
            assert slide.figure.svg.count("#fdf0cf") == 1


def test_a_light_step_has_no_slides() -> None:
    with pytest.raises(RenderError, match="recorded light"):
        made(regression_run(2, light=(0, 1)))
