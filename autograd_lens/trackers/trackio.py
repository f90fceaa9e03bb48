"""A recording as a run of Trackio, which keeps runs on this machine."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import trackio
from PIL import Image

__all__ = ["Trackio"]


class Trackio:
    """Writes one run, in the project ``autograd-lens``.

    It is written where ``TRACKIO_DIR`` says; its texts and pictures belong to the last step.

    Args:
        name: What the run is called.
        about: What is known of the run.
    """

    def __init__(self, name: str, about: Mapping[str, str]) -> None:
        self._run: Any = trackio.init(
            project="autograd-lens",
            name=name,
            config=dict(about),
            auto_log_cpu=False,  # it would be that of this process, not of the training
            auto_log_gpu=False,
        )
        self._step = 0

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Add a step's numbers."""
        self._step = step
        self._run.log({**values}, step=step)

    def text(self, name: str, text: str) -> None:
        """Add a text, in Markdown."""
        self._run.log({name: trackio.Markdown(text)}, step=self._step)

    def picture(self, name: str, png: bytes) -> None:
        """Add a picture."""
        pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
        self._run.log({name: trackio.Image(pixels)}, step=self._step)

    def close(self) -> None:
        """Write what is left."""
        trackio.finish()
