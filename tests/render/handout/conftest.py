"""Handouts of one small run, made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd_lens.analysis.lesson import Lesson, lesson
from autograd_lens.render.engines import find_engines, render_dot
from autograd_lens.render.handout import Document, HandoutOptions, PageOptions, document, page
from autograd_lens.render.handout.graph import cleaned, lesson_dot
from tests.support.lesson_run import LessonRun, regression_run

Made = Callable[..., Document]


@pytest.fixture(scope="session")
def run() -> LessonRun:
    return regression_run(6, light=(3, 4))


@pytest.fixture(scope="session")
def content(run: LessonRun) -> Lesson:
    return lesson(run, [0, 1, 5])


def made(run: LessonRun, language: str = "en", title: str = "", steps: Any = (0,)) -> Document:
    found = lesson(run, steps)
    return document(found, HandoutOptions(language, title))


@pytest.fixture(scope="session")
def handout() -> Made:
    """The document of a run."""
    return made


@pytest.fixture(scope="session")
def html() -> Callable[..., str]:
    """The page of a run."""

    def build(run: LessonRun, language: str = "en", title: str = "", steps: Any = (0,)) -> str:
        found = lesson(run, steps)
        graph = _graph(found, run)
        options = PageOptions(graph, None, "made by a test")
        return page(made(run, language, title, steps), found, options)

    return build


def _graph(found: Lesson, run: LessonRun) -> str:
    if found.first.step.level != "full" or not find_engines():
        return ""
    dot = lesson_dot(found.first, run.source, across=False)
    return cleaned(render_dot(dot, "svg").decode(), "g-")


@pytest.fixture
def partly(monkeypatch: pytest.MonkeyPatch) -> LessonRun:
    """A run of three steps; of the third step's parameters nothing is known."""
    whole = LessonRun.parameter

    def parameter(self: LessonRun, name: str) -> Any:
        history = whole(self, name)
        history.values[2] = np.nan
        history.held["value"][2] = False
        return history

    monkeypatch.setattr(LessonRun, "parameter", parameter)
    return regression_run(3)
