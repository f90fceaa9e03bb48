"""A recording as a run of MLflow."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from PIL import Image

__all__ = ["MLflow"]

_EXPERIMENT = "autograd-lens"
_LONGEST = 500  # letters of a parameter


class MLflow:
    """Writes one run, in the experiment ``autograd-lens``.

    Args:
        name: What the run is called.
        folder: Where a database ``mlflow.db`` and files are written; by default what
            ``MLFLOW_TRACKING_URI`` names.
        about: What is known of the run.
        started: When the run began, seconds since 1970. When a step ran is not recorded: all of
            them have this time.
    """

    def __init__(
        self, name: str, folder: Path | None, about: Mapping[str, str], started: float
    ) -> None:
        store, files = None, None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            store = f"sqlite:///{folder.absolute() / 'mlflow.db'}"
            files = (folder.absolute() / "files").as_uri()
        self._client: Any = MlflowClient(tracking_uri=store)
        self._time = int(started * 1000)
        known = self._client.get_experiment_by_name(_EXPERIMENT)
        number = (
            known.experiment_id
            if known
            else self._client.create_experiment(_EXPERIMENT, artifact_location=files)
        )
        run = self._client.create_run(number, start_time=self._time, run_name=name)
        self._run = run.info.run_id
        facts = [Param(key, fact[:_LONGEST]) for key, fact in about.items()]
        self._client.log_batch(self._run, params=facts)

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Add a step's numbers."""
        found = [Metric(name, value, self._time, step) for name, value in values.items()]
        self._client.log_batch(self._run, metrics=found)

    def text(self, name: str, text: str) -> None:
        """Add a text, as a file."""
        self._client.log_text(self._run, text, f"{name}.md")

    def picture(self, name: str, png: bytes) -> None:
        """Add a picture, as a file."""
        self._client.log_image(self._run, Image.open(io.BytesIO(png)), f"{name}.png")

    def close(self) -> None:
        """The run has ended."""
        self._client.set_terminated(self._run)
