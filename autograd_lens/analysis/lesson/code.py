"""The parts of a program that a lesson shows: the definitions that ran, and the loop."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Iterable, Iterator

from autograd_lens.analysis.lesson.records import CodeBlock
from autograd_lens.trace.records import Source, Step

__all__ = ["code_blocks"]

_MOST = 40  # lines of one block; a longer definition is shown around its lines
_AROUND = 3

Span = tuple[int, int]


def code_blocks(
    step: Step, source: Callable[[str], str | None], program: str
) -> tuple[CodeBlock, ...]:
    """The program's own code that a step ran, in the order of the file.

    Args:
        step: A step at full level.
        source: Gives the text of a source file.
        program: The program's path; only its own file is shown.
    """
    places = [place for place in _places(step) if place is not None]
    files = list(dict.fromkeys(place.file for place in places))
    own = [file for file in files if file.replace("\\", "/").endswith(program)] if program else []
    chosen = own or files[:1]
    text = source(chosen[0]) if chosen else None
    if text is None:
        return ()
    lines = sorted({place.line for place in places if place.file == chosen[0]})
    spans = _merged(_spans(text, lines))
    return tuple(_block(chosen[0], text, span) for span in spans)


def _places(step: Step) -> Iterator[Source | None]:
    yield from (kernel.source for kernel in step.kernels)
    yield from (backward.source for backward in step.backwards)


def _spans(text: str, lines: list[int]) -> Iterator[Span]:
    total = len(text.splitlines())
    try:
        bodies = [node for node in ast.walk(ast.parse(text)) if isinstance(node, _WHOLE)]
    except (SyntaxError, ValueError):
        bodies = []
    for line in lines:
        around = [(node.lineno, node.end_lineno or node.lineno) for node in bodies]
        inside = [span for span in around if span[0] <= line <= span[1]]
        small = [span for span in inside if span[1] - span[0] < _MOST]
        # the outermost that fits on the sheet: a class rather than its method
        yield min(small) if small else (max(1, line - _AROUND), min(total, line + _AROUND))


_WHOLE = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While)


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(set(spans)):
        if merged and start <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _block(file: str, text: str, span: Span) -> CodeBlock:
    lines = text.splitlines()[span[0] - 1 : span[1]]
    return CodeBlock(file, span[0], tuple(textwrap.dedent("\n".join(lines)).split("\n")))
