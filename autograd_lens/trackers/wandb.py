"""A recording as a run of Weights & Biases."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb
from PIL import Image

__all__ = ["WeightsAndBiases"]


class WeightsAndBiases:
    """Writes one run, in the project ``autograd-lens``.

    Args:
        name: What the run is called.
        folder: Where an offline run is written; by default it goes where wandb is set up to
            send runs, and offline where ``WANDB_MODE`` says so.
        about: What is known of the run.
    """

    def __init__(self, name: str, folder: Path | None, about: Mapping[str, str]) -> None:
        offline: dict[str, Any] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            offline = {"dir": str(folder), "mode": "offline"}
        # what wandb would note of its own is of the process that exports, not of the training
        quiet = wandb.Settings(
            console="off",
            silent=True,
            disable_git=True,
            save_code=False,
            x_disable_stats=True,
            x_disable_meta=True,
        )
        config = dict(about)
        self._run: Any = wandb.init(
            project="autograd-lens", name=name, config=config, settings=quiet, **offline
        )

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Add a step's numbers."""
        self._run.log({**values}, step=step)

    def text(self, name: str, text: str) -> None:
        """Add a text to the run's summary."""
        self._run.summary[name] = text

    def picture(self, name: str, png: bytes) -> None:
        """Add a picture; wandb gives it to the last step."""
        self._run.log({name: wandb.Image(Image.open(io.BytesIO(png)))})

    def close(self) -> None:
        """Write what is left."""
        self._run.finish()
