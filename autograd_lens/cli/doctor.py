"""``autograd-lens doctor``: what is wrong with a training run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autograd_lens.cli.files import (
    force_option,
    open_trace,
    output_option,
    say,
    shown,
    writable,
)
from autograd_lens.cli.printing import printer
from autograd_lens.trace.reader import Trace

if TYPE_CHECKING:
    from autograd_lens.doctor import Finding

__all__ = ["command", "grave_findings"]

_WORDS = "Only these: codes, their beginnings (AL1), or names; separated by commas."


@click.command(
    "doctor",
    short_help="Find what is wrong with a training run.",
    context_settings={"allow_interspersed_args": False},
)
@click.option("--select", metavar="RULES", default="", help=_WORDS)
@click.option("--ignore", metavar="RULES", default="", help="Leave these out.")
@click.option("--explain", metavar="RULE", help="Print the page of a rule.")
@click.option("--rules", "listing", is_flag=True, help="List all rules.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each finding.")
@click.option("--width", type=click.IntRange(40), help="Columns.  [default: the terminal's]")
@output_option("With a script: the trace to write.  [default: SCRIPT.lens]")
@force_option()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
@click.pass_context
def command(
    ctx: click.Context,
    select: str,
    ignore: str,
    explain: str | None,
    listing: bool,
    as_json: bool,
    width: int | None,
    output: Path | None,
    force: bool,
    file: Path | None,
    arguments: tuple[str, ...],
) -> None:
    """Examine a trace, or record a script and examine that.

    Each finding says what happened, how the trace shows it, and how to correct it. Where a
    finding rests on a step that was not recorded in full, that step is replayed. The exit status
    is 1 where a finding of severity error stands.

    \b
    autograd-lens doctor train.lens
    autograd-lens doctor train.py --epochs 2
    autograd-lens doctor --explain AL101
    """
    if explain is not None or listing:
        _print_pages(explain, width)
        return
    if file is not None and file.suffix == ".py":
        file = _record(file, arguments, output, force=force)
    with open_trace(file, replay=True) as trace:
        findings = _examine(trace, select, ignore)
        _print_findings(trace, findings, as_json=as_json, width=width)
    if any(finding.severity == "error" for finding in findings):
        ctx.exit(1)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _record(script: Path, arguments: tuple[str, ...], output: Path | None, *, force: bool) -> Path:
    """Record the script as ``run`` does, and return the trace."""
    from autograd_lens.capture import run_script
    from autograd_lens.trace.latest import remember

    target = writable(output or Path(f"{script.stem}.lens"), force=force)
    result = run_script(str(script), arguments, target, force=force)
    remember(target)
    say(f"Recorded {result.steps:,} step{'' if result.steps == 1 else 's'} in {shown(target)}.")
    return target


def _print_pages(explain: str | None, width: int | None) -> None:
    from autograd_lens.doctor.engine import find_rule, rules
    from autograd_lens.render.findings import render_page, render_rules

    with printer(None, width) as console:
        if explain is None:
            console.print(render_rules(rules(), console.width))
        else:
            console.print(render_page(find_rule(explain), console.width))


def _examine(trace: Trace, select: str, ignore: str) -> tuple[Finding, ...]:
    from autograd_lens.doctor import examine

    return examine(trace, select=_words(select), ignore=_words(ignore))


def _print_findings(
    trace: Trace, findings: tuple[Finding, ...], *, as_json: bool, width: int | None
) -> None:
    import json

    from autograd_lens.render.findings import finding_json, render_findings

    if as_json:
        for finding in findings:
            click.echo(json.dumps(finding_json(finding, shown(trace.path)), ensure_ascii=False))
    else:
        with printer(None, width) as console:
            steps, file = len(trace.steps), shown(trace.path)
            console.print(render_findings(findings, file=file, steps=steps, width=console.width))


def grave_findings(path: Path) -> Iterator[str]:
    """Each finding of severity error in one line; ``run`` ends with these."""
    from autograd_lens.doctor import examine
    from autograd_lens.render.findings import finding_line

    with Trace(path) as trace:
        grave = [one for one in examine(trace) if one.severity == "error"]
    yield from map(finding_line, grave)
    if grave:
        yield f"More: autograd-lens doctor {shown(path)}"
