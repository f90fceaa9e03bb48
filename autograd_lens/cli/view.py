"""``autograd-lens view``: any recording as one page to explore in a browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from autograd_lens.cli.files import explained, named_after, open_trace, say, shown, writable
from autograd_lens.cli.options import draws
from autograd_lens.pages import run_page
from autograd_lens.trace.selection import select_steps

__all__ = ["command"]


@click.command("view", short_help="Make a page to explore a run in the browser.")
@click.option(
    "--steps", metavar="STEPS", help="Further steps to open in full, by replay where they are not."
)
@click.option(
    "--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Language."
)
@click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
@draws("The page, .html.  [default: NAME-view.html]")
def command(
    file: Path | None,
    output: Path | None,
    force: bool,
    steps: str | None,
    lang: str,
    show: bool,
) -> None:
    """Make one page of a run: code, graph, values and all steps, linked to each other.

    The page holds all that it shows and asks the network for nothing. Steps that were
    recorded in full open in full.

    \b
    autograd-lens view train.lens -o run.html
    autograd-lens view train.lens --steps 137,2500 --open
    """
    with open_trace(file, replay=True) as trace:
        target = writable(output or named_after(trace.path, "view.html"), force=force)
        chosen = select_steps(steps, len(trace.steps)) if steps else ()
        text = run_page(trace, chosen, lang)
    with explained(target):
        target.write_bytes(text.encode())
    say(f"Wrote {shown(target)}")
    if show:
        webbrowser.open(target.absolute().as_uri())
