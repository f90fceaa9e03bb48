"""Handouts of one small run, made once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_lens.analysis.lesson import Lesson, lesson
from autograd_lens.render.engines import render_dot
from autograd_lens.render.handout import (
    Document,
    HandoutOptions,
    PageOptions,
    Player,
    document,
    page,
    player,
)
from autograd_lens.render.handout.texts import texts
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
        options = PageOptions(played(found, run, language), None, "made by a test")
        return page(made(run, language, title, steps), found, options)

    return build


@pytest.fixture(scope="module")  # while it is open an event loop runs, which others cannot have
def browser() -> Any:
    """A real browser; tests that ask for it are left out where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield made
        made.close()


def opened(browser: Any, html: str, file: Path, **given: Any) -> Any:
    """A page that is open; says nothing on its console while it is used."""
    file.write_text(html, encoding="utf-8")
    screen = {"viewport": {"width": 1280, "height": 900}, "offline": True, **given}
    context = browser.new_context(**screen)
    shown = context.new_page()
    said = []
    shown.on("console", lambda message: said.append(message.text))
    shown.on("pageerror", lambda error: said.append(str(error)))
    shown.goto(file.as_uri())
    yield shown
    assert said == []
    context.close()


def played(found: Lesson, run: Any, language: str = "en", *, whole: bool = False) -> Player:
    """The player of a run."""
    draw = lambda dot: render_dot(dot, "svg").decode()  # noqa: E731  one line, used here
    return player(found, run, texts(language), draw=draw, whole=whole)


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
