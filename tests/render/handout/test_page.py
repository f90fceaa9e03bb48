"""The page: complete, self-contained, and safe whatever a run is called."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from autograd_lens.analysis.lesson import lesson
from autograd_lens.render.numbers import scalar
from tests.support.lesson_run import LessonRun, regression_run, renamed
from tests.support.linear_records import linear_step

TITLE = """<script>alert('1')</script> 100% a_b "quoted" 'single' 中文 $x$ #set \\ `code`"""


class Reader(HTMLParser):
    """Texts and tags of a page; refuses tags that do not match."""

    VOID = frozenset({"meta", "input", "link", "br", "mspace"})

    def __init__(self) -> None:
        super().__init__()
        self.texts, self.tags, self.open = [], [], []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: Any) -> None:
        if not self.open or self.open[-1] not in {"script", "style"}:
            self.texts.append(data)


def read(page: Any) -> Any:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader, " ".join(reader.texts)


def test_the_numbers_on_the_page_are_those_of_the_trace(run: LessonRun, html: Any) -> None:
    _, text = read(html(run, steps=(0, 1, 5)))
    for index in (0, 1, 5):
        step = run.steps[index]
        for each in step.parameters.values():
            for value in (each.before, each.grad):
                assert scalar(value.item()).replace("-", "−") in text
        assert scalar(step.loss) in text


def test_the_player_knows_every_step_to_the_last_bit(run: LessonRun, html: Any) -> None:
    import base64

    page = html(run)
    data = json.loads(re.search(r'id="run">(.*?)</script>', page)[1])
    losses = np.frombuffer(base64.b64decode(data["losses"]), "<f8")
    assert np.array_equal(losses, run.losses)
    values = np.frombuffer(base64.b64decode(data["values"]), "<f8").reshape(-1, 2)
    assert np.array_equal(values[:, 0], run.parameter("w1").values.ravel())
    assert list(data["full"]) == ["0", "1", "2", "5"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_it_asks_the_network_for_nothing(run: LessonRun, html: Any, language: str) -> None:
    page = html(run, language)
    tags, _ = read(page)
    named = [
        value
        for _, attributes in tags.tags
        for name, value in attributes.items()
        if name in {"src", "href", "action", "style"} or name.startswith("on")
    ]
    assert named == []
    assert re.findall(r"https?://(?!www\.w3\.org/)", page) == []
    policy = next(a["content"] for tag, a in tags.tags if a.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_a_title_is_text_and_nothing_else(run: LessonRun, html: Any) -> None:
    tags, text = read(html(run, title=TITLE))
    assert TITLE in text
    assert [tag for tag, _ in tags.tags].count("script") == 2


def test_a_program_that_closes_scripts_stays_inside_its_text(html: Any) -> None:
    run = regression_run(2)
    run.text = run.text.replace("Fit a straight", "</script><script>alert(1)</script>")
    run.text = run.text.replace("super().__init__()", "super().__init__()  # </script><b>")
    tags, text = read(html(run))
    assert "# </script><b>" in text
    assert [tag for tag, _ in tags.tags].count("script") == 2


def test_a_step_that_adds_to_what_is_in_grad_says_so(run: LessonRun, html: Any) -> None:
    _, text = read(html(run, steps=(1,)))
    assert " added " in text
    assert "The gradient is added to w1.grad" in html(run, steps=(1,))


def test_ids_are_unique(run: LessonRun, html: Any) -> None:
    tags, _ = read(html(run))
    ids = [attributes["id"] for _, attributes in tags.tags if "id" in attributes]
    assert sorted(ids) == sorted(set(ids))


def test_every_control_and_picture_has_a_name(run: LessonRun, html: Any) -> None:
    tags, _ = read(html(run))
    labels = {a["for"] for tag, a in tags.tags if tag == "label" and "for" in a}
    for tag, attributes in tags.tags:
        if attributes.get("role") == "img" or "title" in attributes:
            assert attributes["aria-label"]
        if tag == "input" and attributes["id"] != "goto-step":  # inside of its label
            assert attributes["id"] in labels or attributes["aria-label"]


# --- unusual runs --------------------------------------------------------------------------


def nan_run() -> Any:
    run = regression_run(3)
    run.steps[2] = replace(run.steps[2], loss=float("nan"))
    return run


def many_parameters() -> Any:
    return LessonRun([renamed(step, "w1", 50) for step in regression_run(2).steps])


UNUSUAL = {
    "one step": (lambda: regression_run(1), "there is no second backward()"),
    "a NaN": (nan_run, "NaN"),
    "no source": (lambda: regression_run(2, text=None), "The recording holds no source text"),
    "light only": (lambda: regression_run(3, light=(0, 1, 2)), "--full 0"),
    "50 parameters": (many_parameters, "and 40 more parameters"),
    "no program": (
        lambda: LessonRun([linear_step()], info=replace(regression_run(1).info, program="")),
        "How gradient descent learned",
    ),
    "killed": (
        lambda: regression_run(2, info=replace(regression_run(1).info, status="killed")),
        "The program was killed",
    ),
}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", UNUSUAL)
def test_unusual_runs_make_whole_pages(kind: str, language: str, html: Any) -> None:
    make, said = UNUSUAL[kind]
    _, text = read(html(make(), language))
    assert language == "zh" or said in text


def test_a_nan_is_told_in_words_when_the_data_give_no_ending() -> None:
    run = nan_run()
    run.steps = [replace(step, backwards=(), kernels=()) for step in run.steps]
    found = lesson(run, [0])
    assert found.ending is None
    assert np.isnan(found.path.losses[2])
