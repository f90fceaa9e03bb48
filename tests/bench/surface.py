"""How long a loss surface takes, side by side with a Python loop over the model.

    python tests/bench/surface.py [--size 201] [--rounds 5]

Both compute the loss of the linear regression's batch at the same points: the loop by calling
model and loss at each, as one would write it; the surface from the recorded file alone. They
run in turn, so that a machine that slows down slows both; the median of the rounds' ratios
is shown.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
import torch
from overhead import Line, data, half_squared_error, loop

import autograd_lens as lens
from autograd_lens.analysis.plane import Plane, find_plane, grid
from autograd_lens.replay.surface import evaluate_surface
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Step

Floats = npt.NDArray[np.float64]


def by_loop(u: Floats, v: Floats) -> tuple[float, Floats]:
    """Seconds, and the loss at each point, by calling the model."""
    x, y = data()
    model = Line()
    losses = np.empty((len(v), len(u)))
    start = time.perf_counter()
    with torch.no_grad():
        for row, b1 in enumerate(v):
            for column, w1 in enumerate(u):
                model.w1.fill_(w1)
                model.b1.fill_(b1)
                losses[row, column] = half_squared_error(model(x), y).item()
    return time.perf_counter() - start, losses


def by_tape(step: Step, plane: Plane, u: Floats, v: Floats) -> tuple[float, Floats]:
    """Seconds, and the loss at each point, by the recorded tape."""
    start = time.perf_counter()
    surface = evaluate_surface(step, plane, u, v)
    return time.perf_counter() - start, surface.loss


def main() -> None:
    parser = argparse.ArgumentParser(description="How long a loss surface takes.")
    parser.add_argument("--size", type=int, default=201)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "run.lens"
        with lens.record(path, full="0"):
            loop(100)
        with Trace(path) as trace:
            plane = find_plane(trace, None)
            u, v = grid(plane, arguments.size)
            pairs = []
            by_tape(trace.steps[0], plane, u, v)
            for _ in range(arguments.rounds):
                slow, expected = by_loop(u, v)
                quick, losses = by_tape(trace.steps[0], plane, u, v)
                np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=1e-4)
                pairs.append((slow, quick))
    slow, quick = (median(column) for column in zip(*pairs, strict=True))
    ratio = median(loop_seconds / ours for loop_seconds, ours in pairs)
    print(f"linear regression, {len(u)} x {len(v)} points, one thread, torch {torch.__version__}")
    print(f"Python loop over the model: {slow * 1e3:.0f} ms")
    print(f"the recorded tape: {quick * 1e3:.0f} ms, {ratio:.0f} times as fast")
    print(f"the rounds: {', '.join(f'{slow / quick:.0f}' for slow, quick in pairs)}")


if __name__ == "__main__":
    main()
