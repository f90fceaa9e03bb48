"""The words of each language."""

from __future__ import annotations

import re
from typing import Any

import pytest

from autograd_lens.errors import RenderError
from autograd_lens.render.handout.texts import LANGUAGES, texts

_ANY = {"colon", "comma", "list", "error_x", "error_2"}


def blanks(text: str) -> Any:
    return sorted(set(re.findall(r"{(\w*)}", text)))


def test_each_language_says_everything_with_the_same_blanks() -> None:
    english, chinese = LANGUAGES["en"], LANGUAGES["zh"]
    assert english.keys() == chinese.keys()
    assert [key for key in english if blanks(english[key]) != blanks(chinese[key])] == []


def test_nothing_is_left_in_english_on_a_chinese_page() -> None:
    left = [
        key
        for key, text in LANGUAGES["zh"].items()
        if key not in _ANY and not re.search(r"[\u4e00-\u9fff]", text)
    ]
    assert left == []


def test_another_language_is_refused() -> None:
    with pytest.raises(RenderError, match="'tlh'"):
        texts("tlh")
