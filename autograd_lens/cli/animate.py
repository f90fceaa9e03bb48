"""``autograd-lens animate``: the descent as a moving picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autograd_lens.cli.files import explained, named_after, open_trace, say, shown, writable
from autograd_lens.cli.options import draws
from autograd_lens.errors import RenderError
from autograd_lens.trace.reader import Trace

if TYPE_CHECKING:
    from PIL import Image

    from autograd_lens.render.plots.animation import Ground

__all__ = ["command", "write_animation", "write_film"]

_RATE = 16  # pictures a second of a film, as in the GIF
_END = 24  # how often the last one is repeated
_EVEN = 2  # films have even sizes


@click.command("animate", short_help="Show the descent as a moving picture.")
@draws("The picture: .gif or .mp4.  [default: NAME-descent.gif]")
def command(file: Path | None, output: Path | None, force: bool) -> None:
    """Let the point walk down: about 100 pictures, chosen where something happens.

    \b
    autograd-lens animate train.lens -o descent.gif
    autograd-lens animate train.lens -o descent.mp4
    """
    with open_trace(file) as trace:
        target = writable(output or named_after(trace.path, "descent.gif"), force=force)
        write_animation(trace, target)


def write_animation(trace: Trace, output: Path) -> None:
    """Write the moving picture of a run, and say so."""
    from autograd_lens.analysis.lesson import lesson
    from autograd_lens.render.plots.animation import animation_steps, frames, gif

    suffix = output.suffix.lower()
    if suffix not in {".gif", ".mp4"}:
        msg = f"A moving picture cannot be written into {output.name!r}."
        raise RenderError(msg, hint="Choose a name that ends in .gif or .mp4.")
    found = lesson(trace, [0] if len(trace.steps) else [])
    ground = None if found.regression else _ground(trace)
    expected = len(animation_steps(found, ground))
    pictures = list(_shown(frames(found, ground), expected))
    with explained(output):
        if suffix == ".gif":
            output.write_bytes(gif(pictures))
        else:
            write_film(pictures, output)
    say(f"Wrote {shown(output)}")


def _ground(trace: Trace) -> Ground:
    """The plane of the path, with the loss over it where that is kept or can be computed."""
    from autograd_lens.analysis.plane import find_plane
    from autograd_lens.landscape import find_surface
    from autograd_lens.render.plots.animation import Ground
    from autograd_lens.render.plots.field import make_field

    plane = find_plane(trace)
    surface, _ = find_surface(trace, plane)
    return Ground(plane.path, plane.labels, make_field(surface) if surface else None)


def _shown(pictures: Iterator[Image.Image], expected: int) -> Iterator[Image.Image]:
    """The same pictures, with a progress bar on a terminal's stderr."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    quiet = not console.is_terminal
    yield from track(
        pictures, "Drawing", total=expected, console=console, transient=True, disable=quiet
    )


def write_film(pictures: list[Image.Image], output: Path) -> None:
    """Write pictures of one size as H.264, which every browser and player shows.

    Raises:
        RenderError: The extra is not installed.
    """
    try:
        import imageio_ffmpeg
    except ImportError as error:
        msg = "An MP4 film needs ffmpeg, which is not installed."
        hint = 'Install it with: pip install "autograd-lens[video]"; or write a .gif.'
        raise RenderError(msg, hint=hint) from error
    size = pictures[0].size
    film = imageio_ffmpeg.write_frames(
        str(output), size, fps=_RATE, codec="libx264", quality=8, macro_block_size=_EVEN
    )
    film.send(None)
    try:
        for picture in [*pictures, *[pictures[-1]] * _END]:
            film.send(picture.convert("RGB").tobytes())
    finally:
        film.close()
