"""A recording as an event file of TensorBoard.

It is written with TensorBoard's own writer. That of torch needs the same package, and torch.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.text.metadata import create_summary_metadata
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_tensor_proto

__all__ = ["TensorBoard"]


class TensorBoard:
    """Writes one run.

    Args:
        folder: The run's folder, by custom in ``runs/``.
        started: When the run began, seconds since 1970. When a step ran is not recorded: all of
            them have this time.
    """

    def __init__(self, folder: Path, started: float) -> None:
        self._writer = EventFileWriter(str(folder))
        self._started = started

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Add a step's numbers."""
        found = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._add(step, found)

    def text(self, name: str, text: str) -> None:
        """Add a text, in Markdown."""
        tensor = make_tensor_proto(np.array([text.encode()], dtype=object))
        about = create_summary_metadata(display_name=name, description="")
        self._add(0, [Summary.Value(tag=name, metadata=about, tensor=tensor)])

    def picture(self, name: str, png: bytes) -> None:
        """Add a picture."""
        width, height = struct.unpack(">II", png[16:24])
        image = Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=png)
        self._add(0, [Summary.Value(tag=name, image=image)])

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()

    def _add(self, step: int, values: list[Summary.Value]) -> None:
        summary = Summary(value=values)
        self._writer.add_event(Event(wall_time=self._started, step=step, summary=summary))
