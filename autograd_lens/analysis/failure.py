"""Where in the program an exception came from, read off its traceback."""

from __future__ import annotations

import re

from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Source

__all__ = ["raised_at"]

_FRAME = re.compile(r'^ +File "(.+)", line (\d+), in (.+)(?:\n {4}(.*))?$', re.MULTILINE)
_LIBRARIES = ("/torch/", "site-packages")


def raised_at(trace: Trace, traceback: str) -> tuple[Source | None, str]:
    """The program's own line that an exception came from, and its text.

    Args:
        trace: The recording; a file whose text is in it is the program's.
        traceback: What Python printed; ``""`` where nothing was.

    Returns:
        The innermost frame of the program, else that of no library; None where there is none.
    """
    frames = _FRAME.findall(traceback)[::-1]
    known = [each for each in frames if trace.source(each[0]) is not None]
    others = [each for each in frames if not any(part in each[0] for part in _LIBRARIES)]
    for file, line, function, text in (known or others)[:1]:
        place = Source.at(file, int(line), function=function)
        return place, trace.line(place) or text.strip()
    return None, ""
