"""What the doctor found, and the pages of its rules, for people and for machines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import PurePath
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from autograd_lens.doctor.engine import HEADINGS, KnownRule
from autograd_lens.doctor.finding import Finding
from autograd_lens.render.layout import CODE, NAME, QUIET, folded, heading, line
from autograd_lens.trace.records import Source

__all__ = ["finding_json", "finding_line", "render_findings", "render_page", "render_rules"]

_STYLES = {"error": "bold red", "warning": "bold yellow"}
_CODE_HEADINGS = ("Example", "Corrected")
_BODY = 9  # columns in front of a finding's text


def render_findings(
    findings: Sequence[Finding], *, file: str, steps: int, width: int = 80, failure: str = ""
) -> RenderableType:
    """All findings one below the other, or that there are none.

    Args:
        findings: What was found.
        file: The trace, as the user would type it.
        steps: Steps of the run.
        width: Columns of the terminal.
        failure: The exception that ended the run, else ``""``.
    """
    return Group(*_lines(findings, file, steps, width, failure))


def _lines(
    findings: Sequence[Finding], file: str, steps: int, width: int, failure: str
) -> Iterator[Text]:
    counted = f"{steps:,} step{'' if steps == 1 else 's'} examined"
    yield heading(file, counted, width, "━")
    if failure:
        for part in folded(f"The program ended with an error: {failure}", width - _BODY):
            yield line(part)
    if not findings:
        yield line("Nothing else wrong was found." if failure else "Nothing wrong was found.")
        return
    for finding in findings:
        yield Text()
        yield from _finding(finding, file, width)


def _finding(finding: Finding, file: str, width: int) -> Iterator[Text]:
    where = "" if finding.step is None else f"step {finding.step:,}"
    yield heading(
        f"{finding.code} {finding.name}", Text(finding.severity, _STYLES[finding.severity]), width
    )
    for part in folded(finding.title, width - _BODY):
        yield line(Text(part.plain, style=NAME))
    if finding.line:
        place = f"{_place(finding.source)}  " if finding.source else ""
        for number, part in enumerate(folded(finding.line, width - _BODY - len(place), CODE)):
            before = " " * len(place) if number else place
            yield line(Text(before, style=QUIET).append_text(part))
    yield line("")
    for text in textwrap.wrap(finding.message, width - _BODY, break_on_hyphens=False):
        yield line(text)
    yield line("")
    yield from _labelled("fix", _code(finding.fix, width - _BODY - 6))
    if finding.events:
        evidence = "; ".join(filter(None, [where, *finding.events]))
        yield from _labelled("seen", folded(evidence, width - _BODY - 6))
    if finding.look:
        command = finding.look.replace("{file}", file)
        yield from _labelled("look", folded(command, width - _BODY - 6))


def _place(source: Source) -> str:
    return f"{PurePath(source.file).name}, line {source.line}"


def _code(text: str, width: int) -> Iterator[Text]:
    for part in text.splitlines():
        yield from folded(part, width, CODE)


def _labelled(label: str, lines: Sequence[Text] | Iterator[Text]) -> Iterator[Text]:
    for number, text in enumerate(lines):
        mark = label if number == 0 else ""
        yield line(Text.assemble((f"{mark:<6}", QUIET)).append_text(text))


def finding_line(finding: Finding) -> str:
    """A finding in one line, as the end of ``run`` prints it."""
    where = "" if finding.source is None else f" ({_place(finding.source)})"
    return f"{finding.code} {finding.name}: {finding.title}{where}"


def finding_json(finding: Finding, file: str) -> dict[str, Any]:
    """A finding as a JSON object, with its trace and the command to look at it filled in."""
    return {"file": file, **asdict(finding), "look": finding.look.replace("{file}", file)}


def render_rules(known: Sequence[KnownRule], width: int = 80) -> RenderableType:
    """All rules in a list."""
    wide = max(len(one.rule.name) for one in known)
    rows = [
        Text.assemble(
            (one.rule.code, NAME),
            "  ",
            f"{one.rule.name:<{wide}}",
            "  ",
            (one.page.partition("\n")[0].replace("``", ""), QUIET),
        )
        for one in known
    ]
    for row in rows:
        row.truncate(width, overflow="ellipsis")
    return Group(*rows)


def render_page(known: KnownRule, width: int = 80) -> RenderableType:
    """A rule's page."""
    rule = known.rule
    title = f"{rule.code} {rule.name}"
    return Group(
        heading(title, Text(rule.severity, _STYLES[rule.severity]), width, "━"),
        *_page_lines(known.page, width - _BODY),
        line(Text(f"reads {_LEVELS[rule.level]}", style=QUIET)),
    )


_LEVELS = {
    "light": "light steps: any recording will do",
    "full": "full steps: record with --full to have more of them",
    "event": "the error that ended the run",
}


def _page_lines(page: str, width: int) -> Iterator[Text]:
    for block in page.strip().split("\n\n"):
        title, _, body = block.partition(":\n")
        known = title in HEADINGS
        if known:
            yield line(Text(title, style=NAME))
        text = textwrap.dedent(body if known else block)
        if title in _CODE_HEADINGS:
            yield from (line(Text(f"    {part}", style=CODE)) for part in text.splitlines())
        else:
            indent = "    " if known else ""
            lines = textwrap.wrap(
                text.replace("``", ""),
                width - len(indent),
                break_on_hyphens=False,
                break_long_words=False,
            )
            yield from (line(indent + part) for part in lines)
        yield line("")
