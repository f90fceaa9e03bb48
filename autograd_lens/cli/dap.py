"""``autograd-lens dap``: recorded runs for editors, by the Debug Adapter Protocol."""

from __future__ import annotations

import socket
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autograd_lens.cli.files import open_trace, say
from autograd_lens.errors import LensError

if TYPE_CHECKING:
    from autograd_lens.servers.dap.requests import Launch
    from autograd_lens.trace.reader import Trace

__all__ = ["command"]

_HERE = "127.0.0.1"


@click.command("dap", short_help="Let an editor step through a recording (DAP).")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Listen on this port of this computer, 0 for any, instead of stdio.",
)
def command(port: int | None) -> None:
    """Serve an editor that steps through a recorded run, forward and back.

    The editor starts this itself; what VS Code, Neovim and Emacs need for that is in the folder
    examples/editors of the sources. It says which recording with the launch attribute "trace".

    \b
    autograd-lens dap
    autograd-lens dap --port 4711
    """
    if port is not None:
        _listen(port)
        return
    from autograd_lens.servers.dap.adapter import talk

    if sys.stdin.isatty():
        say("An editor starts this and speaks to it; Ctrl-C ends it.")
    incoming, outgoing = sys.stdin.buffer, sys.stdout.buffer
    with redirect_stdout(sys.stderr):  # a stray print is no message of the protocol
        talk(incoming, outgoing, _opened)


def _opened(launch: Launch) -> Trace:
    file = Path(launch.trace).expanduser() if launch.trace else None
    return open_trace(file, replay=launch.replay)


def _listen(port: int) -> None:
    """Serve one client after the other, until the user ends it."""
    from autograd_lens.servers.dap.adapter import talk

    try:
        server = socket.create_server((_HERE, port))
    except OSError as error:
        msg = f"Port {port} cannot be listened on: {error.strerror or error}."
        raise LensError(msg, hint="Choose another --port, or 0 for any that is free.") from error
    with server:
        say(f"Listening on {_HERE}:{server.getsockname()[1]}; Ctrl-C ends it.")
        while True:
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as read, connection.makefile("wb") as write:
                try:
                    talk(read, write, _opened)
                except (LensError, OSError) as error:
                    say(f"A client was let go: {error}")
