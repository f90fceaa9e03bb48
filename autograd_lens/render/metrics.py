"""How wide text is, so that it stays in its box whatever fonts a viewer has.

The widths are those that Arial, Helvetica and Liberation Sans share. An SVG says of each of its
texts how long it is (``textLength``), so that a viewer with another font squeezes or stretches
the letters a little rather than writing beyond the box.
"""

from __future__ import annotations

import html
import re
import unicodedata

__all__ = ["text_width", "with_lengths"]

# Thousandths of the font's size, of the printable ASCII letters from the blank on.
_REGULAR = (
    *(278, 278, 355, 556, 556, 889, 667, 222, 333, 333, 389, 584, 278, 333, 278, 278),
    *(556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556),
    *(1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778),
    *(667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556),
    *(222, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556),
    *(556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584),
)
_BOLD = (
    *(278, 333, 474, 556, 556, 889, 722, 278, 333, 333, 389, 584, 278, 333, 278, 278),
    *(556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611),
    *(975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833, 722, 778),
    *(667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584, 556),
    *(278, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611),
    *(611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584),
)
_OTHERS = {
    "\N{NO-BREAK SPACE}": 278,
    "·": 333,
    "×": 584,
    "→": 1000,
    "…": 1000,
    "−": 584,
    "∂": 494,
    "’": 222,
    "←": 1000,
    "²": 333,
}
_MONO = 0.6
_TEXT = re.compile(r'<text ([^>]*?font-size="([\d.]+)"[^>]*)>([^<]*)</text>')


def text_width(text: str, size: float, *, bold: bool = False, mono: bool = False) -> float:
    """About how wide a text is, in the unit of its size; Chinese letters fill their square."""
    return size * sum(_em(letter, bold=bold, mono=mono) for letter in text)


def _em(letter: str, *, bold: bool, mono: bool) -> float:
    if mono and unicodedata.east_asian_width(letter) not in "WF":
        return _MONO
    if " " <= letter <= "~":
        return (_BOLD if bold else _REGULAR)[ord(letter) - 32] / 1000
    if letter in _OTHERS:
        return _OTHERS[letter] / 1000
    return 1.0 if unicodedata.east_asian_width(letter) in "WFA" else 0.65


def with_lengths(svg: str) -> str:
    """An SVG that an engine drew, with the length of every text that has letters of Arial."""
    return _TEXT.sub(_with_length, svg)


def _with_length(found: re.Match[str]) -> str:
    attributes, size, inside = found[1], float(found[2]), found[3]
    text = html.unescape(inside)
    if not text.strip() or not all(letter in _OTHERS or " " <= letter <= "~" for letter in text):
        return found[0]
    mono, bold = "Courier" in attributes, 'font-weight="bold"' in attributes
    width = text_width(text, size, bold=bold, mono=mono)
    length = f'textLength="{width:.1f}" lengthAdjust="spacingAndGlyphs"'
    return f"<text {attributes} {length}>{inside}</text>"
