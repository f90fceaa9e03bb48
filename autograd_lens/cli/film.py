"""Pictures as an MP4 film, by the ffmpeg that the extra ``video`` brings along."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from autograd_lens.errors import RenderError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["write_film"]

_RATE = 16  # pictures a second, as in the GIF
_END = 24  # how often the last one is repeated
_EVEN = 2  # films have even sizes


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
