"""``autograd-lens runs``: the recordings of a folder, and those that were set aside."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from autograd_lens.cli.files import printer, shown

__all__ = ["command"]


@click.command("runs", short_help="List the recordings of a folder.")
@click.argument(
    "folder", default=".", type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each.")
def command(folder: Path, as_json: bool) -> None:
    """List the recordings of FOLDER, by default this one: size, steps, when, how they ended.

    Behind them stand those that were set aside when a script was recorded again: the last five
    of each name.

    \b
    autograd-lens runs
    autograd-lens info .autograd_lens/train-20260301-100000.lens
    """
    from autograd_lens.render.info import render_recordings
    from autograd_lens.trace.recordings import recordings

    found = [(shown(one.path), one) for one in recordings(folder)]
    if as_json:
        for name, one in found:
            click.echo(json.dumps({**asdict(one), "path": name}, ensure_ascii=False))
        return
    with printer(None) as console:
        console.print(render_recordings(found), soft_wrap=True)
