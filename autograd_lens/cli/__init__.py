"""The command line: one verb, one file; the command itself finds the verb and words its errors.

A verb ``x`` is the click command ``command`` in ``autograd_lens.cli.x``. Nothing here imports
torch at the top of a module, and plots and tables are imported where they are drawn: reading a
trace must not wait for what it does not use.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from autograd_lens import __version__
from autograd_lens.errors import LensError

__all__ = ["VERBS", "LazyGroup", "app", "main"]

VERBS = (
    "run",
    "rerun",
    "verify",
    "diff",
    "find",
    "cure",
    "ranks",
    "whatif",
    "trace",
    "graph",
    "path",
    "view",
    "step",
    "debug",
    "explain",
    "info",
    "runs",
    "doctor",
    "export",
    "handout",
    "animate",
    "dap",
    "mcp",
    "demo",
)


class LazyGroup(click.Group):
    """A group that imports the module of a verb when the verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """All verbs, in the order a newcomer needs them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of a verb, or None."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"{__name__}.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb and what follows it; an unknown verb is answered with the nearest ones."""
        if args[0] not in VERBS and not args[0].startswith("-"):
            raise click.exceptions.NoSuchCommand(args[0], possibilities=VERBS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  click's signature
        """Run the verb; an error of ours becomes one line and exit status 1.

        What is wrong in a program's text keeps its lines and its caret.
        """
        try:
            return super().invoke(ctx)
        except LensError as error:
            words = " ".join(str(error).split())
            if isinstance(error.__cause__, SyntaxError):
                words = f"{str(error.args[0]).rstrip()}\n{error.hint}"
            raise click.ClickException(words) from error


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with:  autograd-lens demo",
)
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
def app() -> None:
    """Record a PyTorch training run and see every step of autograd.

    Record first, with `run`. Then look at the recording as often as you like: commands that
    read take FILE, or the latest recording of this folder where FILE is left out.
    """


def main() -> None:
    """Run the command line with the arguments of this process."""
    app(prog_name="autograd-lens")
