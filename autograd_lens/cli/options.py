"""Options that verbs share: those that print, those that draw, those that record."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import reduce
from pathlib import Path

import click

__all__ = [
    "Bytes",
    "ScriptCommand",
    "draws",
    "prints",
    "reads",
    "records",
    "speaks",
    "width_option",
]

_PATH = click.Path(path_type=Path)

Decorator = Callable[[Callable[..., object]], Callable[..., object]]


class Bytes(click.ParamType[int]):
    """A size as people write it: ``4096``, ``64KB``, ``256MB``, ``1.5GB``."""

    name = "size"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The number of bytes."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", value.strip(), re.IGNORECASE)
        if match is None:
            self.fail(f"{value!r} is no size; write for example 64KB or 256MB.", param, ctx)
        power = " KMGT".index(match[2].upper() or " ")
        return int(float(match[1]) * 1024**power)


class ScriptCommand(click.Command):
    """A verb that runs a script: behind the script stand its own options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """What is left of the arguments; an option that may be the script's says where to stand."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.possibilities:
                raise
            verb = f"autograd-lens {ctx.info_name} train.py {error.option_name}"
            message = f"{error.message} What belongs to the script stands behind it: {verb}"
            raise click.NoSuchOption(error.option_name, message, ctx=ctx) from None


def reads() -> Decorator:
    """The argument ``FILE``: the trace to read."""
    return click.argument("file", required=False, type=_PATH)


def prints(*, as_json: str = "", width: bool = True, output: str = "") -> Decorator:
    """Options of a verb that reads a trace and prints: ``FILE --json --width -o --force``.

    Args:
        as_json: What ``--json`` does, as its help says; without, there is none.
        width: Whether it fills lines.
        output: What ``-o`` names; without, it always prints to the terminal.
    """
    parts = [reads()]
    if as_json:
        parts.append(click.option("--json", "as_json", is_flag=True, help=as_json))
    if width:
        parts.append(width_option())
    return _together(*parts, *(_writing(output) if output else ()))


def speaks() -> Decorator:
    """The option ``--lang`` of a verb whose words are there in several languages."""
    return click.option(
        "--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Language."
    )


def width_option() -> Decorator:
    """The option ``--width`` of a verb that fills lines."""
    columns = click.IntRange(40)
    return click.option("--width", type=columns, help="Columns.  [default: the terminal's]")


def draws(output: str) -> Decorator:
    """Options of a verb that draws a run into a file: ``FILE -o --force``; ``output`` is help."""
    return _together(reads(), *_writing(output))


def records(output: str = "The trace to write.  [default: SCRIPT.lens]") -> Decorator:
    """Options of a verb that records a script: ``-o --force``.

    Without ``-o`` the name is ours, and what is there is set aside.
    """
    return _together(*_writing(output, "Overwrite the file that -o names."))


def _writing(output: str, force: str = "Overwrite the output file.") -> list[Decorator]:
    return [
        click.option("-o", "--output", type=_PATH, metavar="FILE", help=output),
        click.option("-f", "--force", is_flag=True, help=force),
    ]


def _together(*parts: Decorator) -> Decorator:
    """Several decorators as one, the first outermost."""
    return lambda function: reduce(lambda inner, part: part(inner), reversed(parts), function)
