"""The result of a verification as a table and one verdict."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group
from rich.text import Text

from autograd_lens.render.layout import NAME, QUIET, folded, table
from autograd_lens.trace.outcomes import CheckResult, Mismatch, Skipped, Verification

__all__ = ["render_verification", "verdict"]

_SHOWN = 5  # mismatches and reasons a check names


def render_verification(result: Verification, *, width: int = 80) -> Group:
    """What was checked, what differs, what could not be checked, and the verdict.

    Args:
        result: The checks.
        width: Columns.
    """
    rows = [[Text(cell, style=QUIET) for cell in ("check", "steps", "", "compared with")]]
    shown = [check for check in result.checks if check.steps or check.skipped]
    digits = max((len(f"{check.steps:,}") for check in shown), default=1)
    rows += [_row(check, max(digits, len("steps"))) for check in shown]
    lines = [*table(rows), Text()]
    for check in result.checks:
        lines += _details(check, width)
    lines += _unchecked(result, width)
    if len(lines) > len(rows) + 1:
        lines.append(Text())
    lines += [Text(part.plain, style=_style(result)) for part in folded(verdict(result), width)]
    return Group(*lines)


def verdict(result: Verification) -> str:
    """One sentence: proved, proved as far as it could be checked, or not."""
    took = f" in {result.seconds:.1f} s" if result.seconds else ""
    if result.differs:
        steps = sorted({one.step for check in result.checks for one in check.mismatches})
        return f"The recording DIFFERS from its replay, first in step {steps[0]}{took}."
    if not any(check.steps for check in result.checks):
        return f"Nothing could be checked{took}."
    what = f"{result.steps:,} steps" if result.steps != 1 else "1 step"
    if result.complete:
        return f"Proved: {what}, bit for bit{took}."
    return f"Nothing differs, but not all of {what} could be checked{took}."


def _style(result: Verification) -> str:
    if result.differs:
        return "bold red"
    return "bold green" if result.complete else "bold yellow"


def _row(check: CheckResult, digits: int) -> list[Text]:
    differing = len({one.step for one in check.mismatches})
    skipped = len({step for one in check.skipped for step in one.steps})
    state = Text(f"{differing:,} differ" if differing else "equal" if check.steps else "")
    state.stylize("bold red" if differing else "green")
    if skipped:
        state.append(f"{', ' if state else ''}{skipped:,} not checked", style="yellow")
    return [
        Text(check.name, style=NAME),
        Text(f"{check.steps:>{digits},}"),
        state,
        Text(check.how, style=QUIET),
    ]


def _details(check: CheckResult, width: int) -> Iterator[Text]:
    for one in check.mismatches[:_SHOWN]:
        yield from folded(f"{check.name}: {_mismatch(one)}", width, "red")
    yield from _more(len(check.mismatches), f"differences in {check.name}")


def _unchecked(result: Verification, width: int) -> Iterator[Text]:
    """What could not be checked, and why; checks that share a reason are named together."""
    groups: dict[Skipped, list[str]] = {}
    for check in result.checks:
        for one in check.skipped:
            groups.setdefault(one, []).append(check.name)
    for one, names in list(groups.items())[:_SHOWN]:
        yield from folded(f"Not checked: {', '.join(names)} {_skipped(one)}", width, "yellow")
    yield from _more(len(groups), "reasons")


def _mismatch(one: Mismatch) -> str:
    return f"step {one.step}, {one.name}{f', by {one.by}' if one.by else ''}"


def _skipped(one: Skipped) -> str:
    first = ", ".join(map(str, one.steps[:_SHOWN]))
    many = f", ... ({len(one.steps):,} steps)" if len(one.steps) > _SHOWN else ""
    word = "steps" if len(one.steps) > 1 else "step"
    return f"of {word} {first}{many}: {one.reason}"


def _more(count: int, what: str) -> Iterator[Text]:
    if count > _SHOWN:
        yield Text(f"... and {count - _SHOWN:,} more {what}.", style=QUIET)
