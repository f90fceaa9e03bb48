"""``autograd-lens mcp``: recordings for assistants, by the Model Context Protocol."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from autograd_lens.cli.files import say
from autograd_lens.errors import LensError

__all__ = ["command"]


@click.command("mcp", short_help="Answer an assistant about recordings (MCP, stdio).")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def command(folder: Path | None) -> None:
    """Serve the recordings in FOLDER, by default this one, to an assistant over stdio.

    It reads recordings below FOLDER and executes their recorded kernels again where that is
    asked for. It runs no program and writes no file.

    \b
    autograd-lens mcp
    autograd-lens mcp runs/
    """
    try:
        from autograd_lens.servers.mcp.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"mcp", "mcp_types", "pydantic"}:
            raise
        msg = "An MCP server needs the package mcp, which is not installed."
        raise LensError(msg, hint='Install it with: pip install "autograd-lens[mcp]"') from error
    from autograd_lens.servers.mcp.reading import Folder

    server = serve(Folder(folder or Path()))
    if sys.stdin.isatty():
        say("An assistant starts this and speaks to it; Ctrl-C ends it.")
    server.run("stdio")
