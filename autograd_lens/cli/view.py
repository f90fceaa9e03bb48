"""``autograd-lens view``: any recording as one page to explore in a browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from autograd_lens.cli.files import explained, named_after, open_trace, say, shown, writable
from autograd_lens.cli.options import draws, speaks
from autograd_lens.errors import RenderError
from autograd_lens.pages import RunPages, run_page
from autograd_lens.trace.selection import select_steps

__all__ = ["command"]


@click.command("view", short_help="Make a page to explore a run in the browser.")
@click.option(
    "--steps", metavar="STEPS", help="Further steps to open in full, by replay where they are not."
)
@speaks()
@click.option(
    "--serve",
    is_flag=True,
    help="Write no file: serve the page to this machine, steps opened on demand.",
)
@click.option("--port", default=0, help="Where to serve.  [default: a free one]")
@click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
@draws("The page, .html.  [default: NAME-view.html]")
def command(
    file: Path | None,
    output: Path | None,
    force: bool,
    steps: str | None,
    lang: str,
    serve: bool,
    port: int,
    show: bool,
) -> None:
    """Make one page of a run: code, graph, values and all steps, linked to each other.

    The page holds all that it shows and asks the network for nothing. Steps that were
    recorded in full open in full.

    \b
    autograd-lens view train.lens -o run.html
    autograd-lens view train.lens --steps 137,2500 --open
    autograd-lens view train.lens --serve --open
    """
    if serve:
        with open_trace(file, replay=True) as trace:
            _serve(RunPages(trace, lang), port, show=show)
        return
    with open_trace(file, replay=True) as trace:
        target = writable(output or named_after(trace.path, "view.html"), force=force)
        chosen = select_steps(steps, len(trace.steps)) if steps else ()
        text = run_page(trace, chosen, lang)
    with explained(target):
        target.write_bytes(text.encode())
    say(f"Wrote {shown(target)}")
    if show:
        webbrowser.open(target.absolute().as_uri())


def _serve(pages: RunPages, port: int, *, show: bool) -> None:
    from autograd_lens.servers.web import server

    try:
        made = server(pages, port)
    except OSError as error:
        msg = f"Port {port} cannot be used: {error.strerror}."
        raise RenderError(msg, hint="Leave --port out to take a free one.") from error
    address = f"http://127.0.0.1:{made.server_address[1]}/"
    say(f"Serving {address}; Ctrl-C ends it.")
    if show:
        webbrowser.open(address)
    try:
        made.serve_forever()
    except KeyboardInterrupt:
        say("Ended.")
    finally:
        made.server_close()
