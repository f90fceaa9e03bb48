"""``autograd-lens animate``: the descent as a moving picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autograd_lens.cli.files import explained, named_after, open_trace, say, shown, writable
from autograd_lens.cli.options import draws, speaks
from autograd_lens.errors import RenderError
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.selection import select_step

if TYPE_CHECKING:
    from PIL import Image

    from autograd_lens.render.plots.animation import Ground

__all__ = ["command", "write_animation", "write_backward", "write_film"]

_RATE = 16  # pictures a second of a film, as in the GIF
_SECONDS = 1.6  # that each node of a backward is shown
_SIZE = (960, 540)
_END = 24  # how often the last one is repeated
_EVEN = 2  # films have even sizes


@click.command("animate", short_help="Show the descent as a moving picture.")
@click.option("--backward", is_flag=True, help="The gradient on its way back through one step.")
@click.option("--step", default="0", show_default=True, help="The step, with --backward.")
@speaks()
@draws("The picture: .gif or .mp4.  [default: NAME-descent.gif]")
def command(
    file: Path | None, output: Path | None, force: bool, backward: bool, step: str, lang: str
) -> None:
    """Let the point walk down: about 100 pictures, chosen where something happens.

    \b
    autograd-lens animate train.lens -o descent.gif
    autograd-lens animate train.lens -o descent.mp4
    autograd-lens animate train.lens --backward --step 0 -o backward.gif
    """
    with open_trace(file, replay=backward) as trace:
        what = "backward.gif" if backward else "descent.gif"
        target = writable(output or named_after(trace.path, what), force=force)
        if backward:
            write_backward(trace, target, select_step(step, len(trace.steps)), lang)
        else:
            write_animation(trace, target, lang)


def write_backward(trace: Trace, output: Path, step: int, language: str = "en") -> None:
    """Write the gradient on its way through one step, node by node, and say so."""
    import io

    from PIL import Image

    from autograd_lens.analysis.lesson import step_lesson
    from autograd_lens.pages import drawn
    from autograd_lens.render.handout.paper import slides_as
    from autograd_lens.render.handout.slides import slides
    from autograd_lens.render.handout.texts import texts

    _known(output)
    shown = step_lesson(trace.steps[step], trace.source)
    found = [one for one in slides(shown, trace, texts(language), drawn) if one.phase == "backward"]
    made = slides_as(found, language, "", "png")
    pictures = [Image.open(io.BytesIO(each)).convert("RGB").resize(_SIZE) for each in made]
    _save(pictures, output, _SECONDS)


def _known(output: Path) -> None:
    if output.suffix.lower() not in {".gif", ".mp4"}:
        msg = f"A moving picture cannot be written into {output.name!r}."
        raise RenderError(msg, hint="Choose a name that ends in .gif or .mp4.")


def _save(pictures: list[Image.Image], output: Path, seconds: float) -> None:
    """Write pictures as the suffix says, each shown so long."""
    from autograd_lens.render.plots.animation import gif

    with explained(output):
        if output.suffix.lower() == ".gif":
            output.write_bytes(gif(pictures, round(1000 * seconds)))
        else:
            times = max(round(_RATE * seconds), 1)
            write_film([each for each in pictures for _ in range(times)], output)
    say(f"Wrote {shown(output)}")


def write_animation(trace: Trace, output: Path, language: str = "en") -> None:
    """Write the moving picture of a run, and say so."""
    from autograd_lens.analysis.lesson import lesson
    from autograd_lens.render.plots.animation import animation_steps, frames

    _known(output)
    found = lesson(trace, [0] if len(trace.steps) else [])
    ground = None if found.regression else _ground(trace)
    expected = len(animation_steps(found, ground))
    pictures = list(_shown(frames(found, ground, language), expected))
    _save(pictures, output, 1 / _RATE)


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
