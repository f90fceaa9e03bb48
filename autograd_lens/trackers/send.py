"""Sends a recording to a tracker: the numbers of its steps, then findings and pictures."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from autograd_lens.api import Trace
from autograd_lens.errors import LensError
from autograd_lens.trackers.series import (
    about,
    findings_text,
    pictures,
    rate_groups,
    step_numbers,
    steps_as_they_come,
)

if TYPE_CHECKING:
    from autograd_lens.trackers.mlflow import MLflow
    from autograd_lens.trackers.tensorboard import TensorBoard
    from autograd_lens.trackers.trackio import Trackio
    from autograd_lens.trackers.wandb import WeightsAndBiases

    Tracker = MLflow | TensorBoard | Trackio | WeightsAndBiases

__all__ = ["open_tracker", "send"]


def open_tracker(kind: str, trace: Trace, folder: Path | None) -> Tracker:
    """A tracker's run, to be written.

    Args:
        kind: ``tensorboard``, ``mlflow``, ``wandb`` or ``trackio``: the package that it needs.
        trace: The recording.
        folder: Where the run is written; by default where the tracker is used to.

    Raises:
        LensError: The package is not installed, or it cannot be told where to write.
    """
    if importlib.util.find_spec(kind) is None:
        msg = f"Sending a recording to {kind} needs the package {kind}, which is not installed."
        raise LensError(msg, hint=f"Install it: pip install 'autograd-lens[{kind}]'")
    name, started = trace.path.stem, trace.info.started
    if kind == "tensorboard":
        from autograd_lens.trackers.tensorboard import TensorBoard

        return TensorBoard(folder or Path("runs") / name, started)
    if kind == "mlflow":
        from autograd_lens.trackers.mlflow import MLflow

        return MLflow(name, folder, about(trace), started)
    if kind == "wandb":
        from autograd_lens.trackers.wandb import WeightsAndBiases

        return WeightsAndBiases(name, folder, about(trace))
    if folder is not None:
        msg = "Trackio writes where TRACKIO_DIR says, not where -o does."
        raise LensError(msg, hint=f"Leave -o out, and set TRACKIO_DIR={folder}.")
    from autograd_lens.trackers.trackio import Trackio

    return Trackio(name, about(trace))


def send(
    trace: Trace,
    tracker: Tracker,
    *,
    chosen: Collection[int] | None = None,
    follow: bool = False,
    say: Callable[[str], None],
) -> int:
    """Send a recording.

    Args:
        trace: The recording.
        tracker: The tracker's run; it is closed.
        chosen: Steps to send; by default all.
        follow: Whether to wait for what is still to be recorded.
        say: Called with what is missing, and why.

    Returns:
        How many steps were sent.
    """
    sent = 0
    try:
        for steps in steps_as_they_come(trace, follow=follow):
            rates = rate_groups(trace)
            for step in steps:
                if chosen is None or step in chosen:
                    tracker.numbers(step, step_numbers(trace, step, rates))
                    sent += 1
        tracker.text("findings", findings_text(trace))
        found = pictures(trace)
        for name, png in found.drawn.items():
            tracker.picture(name, png)
        for sentence in found.missing:
            say(sentence)
    finally:
        tracker.close()
    return sent
