"""``autograd-lens doctor``: what is wrong with a training run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autograd_lens import __version__
from autograd_lens.cli.files import (
    ReplayStatus,
    open_trace,
    printer,
    record_script,
    say,
    shown,
    writable,
    write_lines,
)
from autograd_lens.cli.options import records
from autograd_lens.errors import LensError, SelectionError
from autograd_lens.trace.info import RunInfo
from autograd_lens.trace.reader import Trace

if TYPE_CHECKING:
    from autograd_lens.doctor import Finding

__all__ = ["command", "grave_findings"]

_FILE = click.Path(path_type=Path, dir_okay=False)
_SCRIPT = ".py"
_WORDS = "Only these: codes, their beginnings (AL1), or names; separated by commas."


class _OfTraceOrScript(click.Command):
    """Options may stand behind a trace; what stands behind a script belongs to the script."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line."""
        ctx.allow_interspersed_args = False
        values, _, _ = self.make_parser(ctx).parse_args([*args])
        file = values.get("file")
        ctx.allow_interspersed_args = not (isinstance(file, str) and file.endswith(_SCRIPT))
        return super().parse_args(ctx, args)


@click.command("doctor", cls=_OfTraceOrScript, short_help="Find what is wrong with a training run.")
@click.option("--select", metavar="RULES", default="", help=_WORDS)
@click.option("--ignore", metavar="RULES", default="", help="Leave these out.")
@click.option(
    "--no-experiments",
    "still",
    is_flag=True,
    help="Do not execute steps with something changed to try what a finding says.",
)
@click.option("--explain", metavar="RULE", help="Print the page of a rule.")
@click.option("--rules", "listing", is_flag=True, help="List all rules.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each finding.")
@click.option("--sarif", type=_FILE, metavar="FILE", help="Write findings for code scanning, too.")
@click.option("--junit", type=_FILE, metavar="FILE", help="Write findings as a test report, too.")
@click.option("--width", type=click.IntRange(40), help="Columns.  [default: the terminal's]")
@records("With a script: the trace to write.  [default: SCRIPT.lens]")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[MORE]...")
@click.pass_context
def command(
    ctx: click.Context,
    select: str,
    ignore: str,
    still: bool,
    explain: str | None,
    listing: bool,
    as_json: bool,
    sarif: Path | None,
    junit: Path | None,
    width: int | None,
    output: Path | None,
    force: bool,
    file: Path | None,
    arguments: tuple[str, ...],
) -> None:
    """Examine traces, or record a script and examine that.

    Behind a script stand its own arguments; behind a trace, more traces. A folder stands for
    all traces in it.

    Each finding says what happened, how the trace shows it, and how to correct it. Where a
    finding rests on a step that was not recorded in full, that step is replayed. What can be
    tried is tried, for at most ten seconds: recorded steps are executed again with another rate,
    or with a sample overwritten. The exit status is 1 where a finding of severity error stands.

    --sarif and --junit are for continuous integration: code hosts show what these files hold, at
    the line. Both name files as seen from here, and replace what is there.

    \b
    autograd-lens doctor train.lens
    autograd-lens doctor runs/ --json
    autograd-lens doctor train.py --epochs 2
    autograd-lens doctor runs/ --sarif doctor.sarif --junit doctor.xml
    autograd-lens doctor --explain AL101
    """
    if explain is not None or listing:
        _print_pages(explain, width)
        return
    if file is not None and file.suffix == _SCRIPT:
        files: Sequence[Path | None] = [_record(file, arguments, output, force=force)]
    else:
        if output is not None or force:
            _refuse_what_is_for_scripts(output)
        files = _traces(file, arguments)
    found = []
    for one in files:
        with open_trace(one, replay=True, whole=False) as trace:
            findings = _examine(trace, select, ignore, experiments=not still)
            _print_findings(trace, findings, as_json=as_json, width=width)
            found.append((trace.path, trace.info, findings))
    _write_reports(found, sarif, junit)
    if any(finding.severity == "error" for _, _, findings in found for finding in findings):
        ctx.exit(1)


def _refuse_what_is_for_scripts(output: Path | None) -> None:
    option = "--force" if output is None else "-o"
    msg = f"{option} is for a recording that is made, and no script is named."
    raise SelectionError(msg, hint="Name a script, such as train.py, or leave it out.")


def _traces(file: Path | None, more: tuple[str, ...]) -> list[Path | None]:
    """The traces that were named, those in folders too.

    Raises:
        LensError: A folder holds no trace.
    """
    found: list[Path | None] = []
    for name in (file, *map(Path, more)):
        inside = sorted(name.glob("*.lens")) if name is not None and name.is_dir() else [name]
        if not inside:
            msg = f"The folder {str(name)!r} holds no trace."
            raise LensError(msg, hint="Traces end in .lens; autograd-lens run SCRIPT writes one.")
        found += inside
    return found


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _record(script: Path, arguments: tuple[str, ...], output: Path | None, *, force: bool) -> Path:
    """Record the script as ``run`` does, and return the trace."""
    target, result = record_script(str(script), arguments, output, force=force)
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


def _examine(trace: Trace, select: str, ignore: str, *, experiments: bool) -> tuple[Finding, ...]:
    from autograd_lens.doctor import examine
    from autograd_lens.doctor.experiments import SECONDS

    return examine(
        trace,
        select=_words(select),
        ignore=_words(ignore),
        seconds=SECONDS if experiments else 0.0,
        on_way=ReplayStatus().trying,
    )


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
            errors = [event.message for event in trace.events if event.kind == "exception"]
            shown_findings = render_findings(
                findings,
                file=shown(trace.path),
                steps=len(trace.steps),
                width=console.width,
                failure=errors[0] if errors else "",
            )
            console.print(shown_findings)


def _write_reports(
    found: Sequence[tuple[Path, RunInfo, tuple[Finding, ...]]],
    sarif: Path | None,
    junit: Path | None,
) -> None:
    from autograd_lens.render.code_hosts import Examined, junit_xml, sarif_json

    examined = [
        Examined(
            shown(path), info.program if info.program.endswith(_SCRIPT) else "", info.cwd, findings
        )
        for path, info, findings in found
    ]
    if sarif is not None:
        text = sarif_json(examined, version=__version__, root=Path.cwd())
        write_lines(writable(sarif, force=True), [text])
    if junit is not None:
        write_lines(writable(junit, force=True), [junit_xml(examined, root=Path.cwd())])


def grave_findings(path: Path) -> Iterator[str]:
    """Each finding of severity error in one line; ``run`` ends with these."""
    from autograd_lens.doctor import examine
    from autograd_lens.render.findings import finding_line

    with Trace(path) as trace:
        grave = [one for one in examine(trace) if one.severity == "error"]
    yield from map(finding_line, grave)
    if grave:
        yield f"More: autograd-lens doctor {shown(path)}"
