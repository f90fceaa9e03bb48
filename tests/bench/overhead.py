"""What recording costs: ratios to the same loop without it, measured in turn in one process.

    python tests/bench/overhead.py [--steps 2000] [--rounds 7]

Each round runs every variant once, and a variant is compared with the bare loop of its own
round, so that a machine that slows down slows both; medians are shown. ``light`` and ``full``
are the whole recording of the linear regression through ``lens.record``, writer thread and
file included; the time until the file is closed is shown beside the loop's. The others keep
nothing of what they see.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from operator import truediv
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._debug_mode import DebugMode
from torch.utils._python_dispatch import TorchDispatchMode

import autograd_lens as lens

Times = tuple[float, float]  # seconds: the loop, and until everything is written


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(1, 1))
        self.b1 = nn.Parameter(torch.randn(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mm(self.w1) + self.b1


def half_squared_error(y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
    return torch.mean((y_pred - y_true) ** 2 / 2)


class SGD:
    def __init__(self, params: Any, lr: float) -> None:
        self.params = list(params)
        self.lr = lr

    def step(self) -> None:
        for param in self.params:
            param.data -= self.lr * param.grad.data

    def zero_grad(self) -> None:
        for param in self.params:
            if param.grad is not None:
                param.grad.data.zero_()


class NoOpMode(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def data() -> tuple[torch.Tensor, torch.Tensor]:
    np.random.seed(0)
    x = np.random.rand(100, 1)
    y = 3 * x + 10 + np.random.rand(100, 1)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)


def loop(steps: int) -> float:
    torch.manual_seed(0)
    x, y = data()
    model = Line()
    optimizer = SGD(model.parameters(), lr=1e-2)
    start = time.perf_counter()
    for _ in range(steps):
        loss = half_squared_error(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return time.perf_counter() - start


def bare(steps: int) -> Times:
    seconds = loop(steps)
    return seconds, seconds


def inside(context: Callable[[], contextlib.AbstractContextManager[Any]]) -> Callable[..., Times]:
    def variant(steps: int) -> Times:
        start = time.perf_counter()
        with context():
            seconds = loop(steps)
        return seconds, time.perf_counter() - start

    return variant


def recorded(folder: Path, full: str) -> Callable[[int], Times]:
    path = folder / f"{full}.lens"

    def variant(steps: int) -> Times:
        start = time.perf_counter()
        with lens.record(path, full=full, force=True):
            seconds = loop(steps)
        return seconds, time.perf_counter() - start

    return variant


@contextlib.contextmanager
def profiler() -> Iterator[None]:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]):
        yield


def variants(folder: Path) -> dict[str, Callable[[int], Times]]:
    return {
        "bare loop": bare,
        "light (no full steps)": recorded(folder, "none"),
        "light and the default full steps": recorded(folder, "default"),
        "every step opens (--full all)": recorded(folder, "all"),
        "every step full (--full 0:)": recorded(folder, "0:"),
        "no-op dispatch mode": inside(NoOpMode),
        "set_detect_anomaly": inside(lambda: torch.autograd.set_detect_anomaly(True)),
        "torch DebugMode": inside(DebugMode),
        "torch.profiler": inside(profiler),
    }


def measure(steps: int, rounds: int, folder: Path) -> dict[str, list[Times]]:
    named = variants(folder)
    for run in named.values():
        run(min(steps, 100))
    times: dict[str, list[Times]] = {name: [] for name in named}
    for _ in range(rounds):
        for name, run in named.items():
            gc.collect()  # what the variant before left behind is not this one's to clear
            times[name].append(run(steps))
    return times


def print_table(times: dict[str, list[Times]], steps: int) -> None:
    base = [loop_seconds for loop_seconds, _ in times["bare loop"]]
    print(f"linear regression, {steps} steps, one thread, torch {torch.__version__}")
    print(f"{'':36}{'us a step':>10}{'ratio':>8}{'until written':>16}")
    for name, pairs in times.items():
        loops = [loop_seconds for loop_seconds, _ in pairs]
        whole = [whole_seconds for _, whole_seconds in pairs]
        ratios = median(map(truediv, loops, base)), median(map(truediv, whole, base))
        print(f"{name:36}{median(loops) / steps * 1e6:10.1f}{ratios[0]:8.2f}{ratios[1]:16.2f}")


def print_sizes(folder: Path, steps: int) -> None:
    for full, what in (("none", "light"), ("0:", "full")):
        size = (folder / f"{full}.lens").stat().st_size
        print(f"a {what} step on disk: {size / steps:.0f} bytes on average")


def print_reading(folder: Path) -> None:
    command = [sys.executable, "-m", "autograd_lens", "trace", str(folder / "default.lens")]
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([*command, "--steps", "100"], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    print(f"reading a stored step and printing it, whole command: {min(seconds):.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description="What recording costs.")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print_table(measure(arguments.steps, arguments.rounds, folder), arguments.steps)
        print_sizes(folder, arguments.steps)
        print_reading(folder)


if __name__ == "__main__":
    main()
