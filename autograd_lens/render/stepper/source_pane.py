"""The program's own code, the current line marked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.text import Text

from autograd_lens.render.layout import QUIET
from autograd_lens.trace.records import Source

__all__ = ["highlighted", "source_lines"]

_TOKENS = re.compile(
    r"""(?P<comment>\#.*)
    | (?P<string>'[^'\n]*'|"[^"\n]*")
    | \b(?P<keyword>False|None|True|and|as|assert|async|await|break|class|continue|def|del|elif
        |else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise
        |return|try|while|with|yield)\b""",
    re.VERBOSE,
)
_STYLES = {"comment": QUIET, "string": "green", "keyword": "blue"}


def highlighted(code: str) -> list[Text]:
    """Lines of Python with comments, strings and keywords told apart."""
    lines = []
    for row in code.expandtabs().splitlines():
        text = Text(row)
        for match in _TOKENS.finditer(row):
            text.stylize(_STYLES[match.lastgroup or "comment"], *match.span())
        lines.append(text)
    return lines


def source_lines(
    code: Sequence[Text], current: Source | None, arrow: str = "▶"
) -> tuple[list[Text], int | None]:
    """Numbered lines, an arrow at the current one and its expression underlined.

    Args:
        code: What ``highlighted`` made of the file.
        current: Where the current event comes from.
        arrow: How it is marked.

    Returns:
        The lines, and which of them is the current one.
    """
    digits = len(str(len(code)))
    lines = [Text.assemble((f"  {n:>{digits}} ", QUIET), row) for n, row in enumerate(code, 1)]
    if current is None or not 0 < current.line <= len(lines):
        return lines, None
    place = current.line - 1
    lines[place] = _marked(code[place].copy(), f"{arrow} {current.line:>{digits}} ", current)
    return lines, place


def _marked(row: Text, gutter: str, current: Source) -> Text:
    row.stylize("bold")
    if current.column >= 0:
        encoded = row.plain.encode()
        start = len(encoded[: current.column].decode("utf-8", "replace"))
        ends_here = current.end_line == current.line
        end = len(encoded[: current.end_column].decode("utf-8", "replace")) if ends_here else None
        row.stylize("underline", start, end)
    return Text.assemble((gutter, "bold magenta"), row)
