"""The words of a handout, by language."""

from __future__ import annotations

from collections.abc import Mapping

from autograd_lens.errors import RenderError
from autograd_lens.render.handout import texts_en, texts_zh

__all__ = ["LANGUAGES", "texts"]

LANGUAGES: Mapping[str, Mapping[str, str]] = {"en": texts_en.TEXTS, "zh": texts_zh.TEXTS}


def texts(language: str) -> Mapping[str, str]:
    """All words in a language.

    Raises:
        RenderError: There is no such language.
    """
    if language not in LANGUAGES:
        msg = f"Handouts are not written in {language!r}."
        raise RenderError(msg, hint=f"Choose one of {', '.join(LANGUAGES)}.")
    return LANGUAGES[language]
