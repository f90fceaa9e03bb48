"""A document set on paper by typst, as PDF."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from autograd_lens.errors import RenderError
from autograd_lens.render.handout.blocks import Document
from autograd_lens.render.handout.typst_source import paper_source

__all__ = ["chinese_fonts", "pdf"]

_FONTS = "pylopdf_fonts_zh_cn"


def pdf(document: Document, footer: str) -> bytes:
    """The document as PDF; fonts inside, the same on every machine.

    Raises:
        RenderError: typst, or a font, is not installed, or the document could not be set.
    """
    if importlib.util.find_spec("typst") is None:
        msg = "Setting a PDF needs typst, which is not installed."
        raise RenderError(msg, hint="Run `pip install 'autograd-lens[pdf]'`, or choose .html.")
    import typst  # noqa: PLC0415  80 MB that only this needs

    paper = paper_source(document, footer)
    fonts = typst.Fonts(
        include_system_fonts=False, font_paths=list(_font_folders(document.language))
    )
    try:
        made, warnings = typst.compile_with_warnings(
            paper.source.encode(), format="pdf", sys_inputs=dict(paper.inputs), font_paths=fonts
        )
    except RuntimeError as error:
        msg = f"typst could not set the handout: {error}"
        raise RenderError(msg, hint="Choose .html, and report this as a bug.") from error
    missing = [str(each.message) for each in warnings if "unknown font" in str(each.message)]
    if missing:
        msg = f"A font is missing for the PDF: {missing[0]}."
        raise RenderError(msg, hint=_HINT)
    return bytes(made)


_HINT = "Run `pip install 'autograd-lens[zh]'`, or choose .html."


def _font_folders(language: str) -> Sequence[str]:
    if language != "zh":
        return ()
    folder = chinese_fonts()
    if folder is None:
        msg = "Chinese in a PDF needs Chinese fonts, which are missing."
        raise RenderError(msg, hint=_HINT)
    return (str(folder),)


def chinese_fonts() -> Path | None:
    """The folder of the Chinese fonts of the ``zh`` extra, or None."""
    found = importlib.util.find_spec(_FONTS)
    return Path(found.origin).parent if found and found.origin else None
