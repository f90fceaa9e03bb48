"""The letters that a page uses, cut out of a large font."""

from __future__ import annotations

import io
import logging

from autograd_lens.render.handout.paper import chinese_fonts

__all__ = ["subset"]

_FILE = "NotoSansSC-Regular.otf"


def subset(text: str) -> bytes | None:
    """A WOFF font with the Chinese letters of a text; None where there is no font.

    Latin letters stay with the reader's own fonts.
    """
    folder = chinese_fonts()
    if folder is None or not (folder / _FILE).exists():
        return None
    from fontTools import subset as tools  # noqa: PLC0415  slow to import

    logging.getLogger("fontTools.subset").setLevel(logging.ERROR)
    options = tools.Options(flavor="woff", layout_features=[], notdef_outline=True)
    options.hinting = False
    options.desubroutinize = True
    font = tools.load_font(str(folder / _FILE), options)
    cutter = tools.Subsetter(options)
    cutter.populate(text="".join(sorted({letter for letter in text if ord(letter) >= 0x2E80})))  # noqa: PLR2004
    cutter.subset(font)
    made = io.BytesIO()
    font.flavor = "woff"
    font.save(made)
    return made.getvalue()
