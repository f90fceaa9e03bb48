"""Markdown and the notebook."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from autograd_lens.render.handout import Document, markdown
from autograd_lens.render.handout.blocks import Run, Table
from autograd_lens.render.handout.markdown import notebook, pictures
from autograd_lens.render.numbers import scalar
from autograd_lens.trace.expr import Equation, Name
from tests.support.lesson_run import LessonRun

TITLE = "<script> 100% a_b *c* `d` [e](f) $g$ | 中文"


def test_numbers_formulas_and_pictures_are_in_the_markdown(run: LessonRun, handout: Any) -> None:
    text = markdown(handout(run))
    assert scalar(run.steps[0].loss) in text
    assert r"\frac{\partial L}{\partial w_{1}}" in text
    assert text.count("data:image/svg+xml;base64,") == 3


def test_pictures_may_be_files_beside_it(run: LessonRun, handout: Any) -> None:
    text = markdown(handout(run), "my lesson_files")
    found = pictures(handout(run))
    links = re.findall(r"\]\((.*?)\)\n", text)
    assert links == [f"my%20lesson_files/{name}" for name in found]
    assert all(svg.startswith("<svg") for svg in found.values())
    assert "data:" not in text


def test_a_title_keeps_its_letters(run: LessonRun, handout: Any) -> None:
    first = markdown(handout(run, title=TITLE)).splitlines()[0]
    assert first == r"# \<script\> 100% a\_b \*c\* \`d\` \[e\](f) \$g\$ \| 中文"


TEXTS = st.text(st.sampled_from("\\`*_{}[]<>#$|!-+. ab1重\n"), max_size=12)


@given(TEXTS, st.sampled_from(["", "code", "bold"]))
def test_any_text_may_stand_in_a_table(text: str, style: str) -> None:
    cell = (Run(text, style),)
    formula = (Equation((Name(text), Name("x", text))),)
    lines = markdown(Document("t", "en", "", (Table(("a",), ((cell,), (formula,))),))).splitlines()
    for line in lines[-2:]:
        assert re.fullmatch(r"\| (?:[^|\\]|\\.)* \|", line), line
        assert "<b" not in line.replace("\\<", "") or style == "code"


@given(TEXTS)
def test_escaped_text_reads_back(text: str) -> None:
    first = markdown(Document(text, "en", "", ())).splitlines()[0]
    assert re.sub(r"\\([\\`*_{}\[\]<>#$|])", r"\1", first.removeprefix("# ")) == text.replace(
        "\n", " "
    )


def test_a_notebook_is_what_jupyter_expects(run: LessonRun, handout: Any) -> None:
    made = json.loads(notebook(handout(run, "zh", TITLE), "a 'quoted' path.lens"))
    assert (made["nbformat"], made["nbformat_minor"]) == (4, 5)
    assert {cell["cell_type"] for cell in made["cells"]} == {"markdown", "code"}
    ids = [cell["id"] for cell in made["cells"]]
    assert len(ids) == len(set(ids))
    assert made["cells"][0]["source"].startswith("# ")
