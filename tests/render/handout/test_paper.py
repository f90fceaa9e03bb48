"""Paper: the text of the PDF is the run's, in both languages, with its fonts inside."""

from __future__ import annotations

import io
import unicodedata
from typing import Any

import pytest

from autograd_lens.errors import RenderError
from autograd_lens.render.handout import paper, pdf
from autograd_lens.render.numbers import scalar
from tests.support.lesson_run import LessonRun, regression_run

pypdf = pytest.importorskip("pypdf")
pytest.importorskip("typst")

TITLE = """<script>alert('1')</script> 100% a_b "quoted" #set \\ $x$ 中文"""


def read(data: bytes) -> Any:
    return pypdf.PdfReader(io.BytesIO(data))


def text_of(data: bytes) -> str:
    """All text without spaces, which a typesetter is free to place."""
    text = "".join(page.extract_text() for page in read(data).pages)
    return "".join(unicodedata.normalize("NFKC", text).split()).replace("−", "-")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_numbers_in_the_pdf_are_those_of_the_trace(
    run: LessonRun, handout: Any, language: str
) -> None:
    text = text_of(pdf(handout(run, language, steps=(0, 1, 5)), ""))
    for index in (0, 1, 5):
        step = run.steps[index]
        numbers = [step.loss] + [each.grad.item() for each in step.parameters.values()]
        assert [scalar(number) for number in numbers if scalar(number) not in text] == []


def test_chapters_are_in_the_outline(run: LessonRun, handout: Any) -> None:
    outline = [each.title for each in read(pdf(handout(run), "")).outline]
    assert [title[0] for title in outline] == list("12345")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_fonts_are_inside(run: LessonRun, handout: Any, language: str) -> None:
    fonts = [
        font.get_object()
        for page in read(pdf(handout(run, language), "")).pages
        for font in page["/Resources"]["/Font"].values()
    ]
    assert fonts
    for font in fonts:
        inner = font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font
        described = inner["/FontDescriptor"].get_object()
        assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(described)


def test_chinese_words_are_there_letter_by_letter(run: LessonRun, handout: Any) -> None:
    text = text_of(pdf(handout(run, "zh"), ""))
    for word in ("梯度下降", "反向传播", "计算图", "损失函数", "最小二乘解", "学习率"):
        assert word in text


def test_a_title_is_text_and_nothing_else(run: LessonRun, handout: Any) -> None:
    made = pdf(handout(run, "zh", TITLE), "")
    assert "".join(TITLE.split()) in text_of(made)
    assert read(made).metadata.title == TITLE


def test_missing_chinese_fonts_are_told_before_boxes_are_printed(
    run: LessonRun, handout: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper, "chinese_fonts", lambda: None)
    with pytest.raises(RenderError, match=r"autograd-lens\[zh\]"):
        pdf(handout(run, "zh"), "")


def test_one_step_without_source_is_still_a_document(handout: Any) -> None:
    assert read(pdf(handout(regression_run(1, text=None)), "")).pages


def test_chinese_headings_are_bold(run: LessonRun, handout: Any) -> None:
    """Outlined letters have text rendering mode 2: filled and stroked."""
    drawn = {
        language: b"".join(
            page.get_contents().get_data() for page in read(pdf(handout(run, language), "")).pages
        )
        for language in ("en", "zh")
    }
    assert b"2 Tr" in drawn["zh"]
    assert b"2 Tr" not in drawn["en"]
