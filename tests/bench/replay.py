"""What replay costs: one step opened, all steps verified, and a transformer of realistic size.

    python tests/bench/replay.py [--steps 5000] [--rounds 3] [--no-transformer]

Ratios are to the same loop without recording, run in turn in the same process, so that a
machine that slows down slows both; medians of the rounds are shown.
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from overhead import loop  # noqa: E402

import autograd_lens as lens  # noqa: E402
from autograd_lens.replay.replayer import Replayer  # noqa: E402
from autograd_lens.replay.verify import verify  # noqa: E402
from autograd_lens.trace.reader import Trace  # noqa: E402
from tests.support.transformer import Size, Training  # noqa: E402

_OPENED = (137, 1234, 3333, 4321)
_REPLAYED = (3, 4, 7, 12)
_TRANSFORMER_STEPS = 13
_BLOCK = 12


def command(*arguments: str) -> tuple[float, str]:
    """Seconds that a whole command takes, and what it prints."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "autograd_lens", *arguments],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return time.perf_counter() - start, done.stdout


def medians(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    """The median of each column."""
    first, second = zip(*pairs, strict=True)
    return median(first), median(second)


def record_linear(path: Path, steps: int, full: str) -> float:
    """Record the linear regression; returns the seconds of its loop."""
    with lens.record(path, full=full):
        return loop(steps)


def verified(path: Path) -> float:
    """Seconds in which all steps are proved."""
    with Trace(path) as trace:
        start = time.perf_counter()
        found = verify(trace, range(len(trace.steps)))
        seconds = time.perf_counter() - start
        if any(check.mismatches or check.skipped for check in found.checks):
            message = f"not all of {path} was proved: {found.checks}"
            raise SystemExit(message)
    return seconds


def print_sizes(folder: Path, steps: int) -> None:
    record_linear(folder / "light.lens", steps, "none")
    for name, what in (("light", "light steps alone"), ("run", "with the default full steps")):
        size = (folder / f"{name}.lens").stat().st_size
        print(
            f"file of {steps} steps, {what}: {size / 1024:.0f} KiB, {size / steps:.0f} bytes a step"
        )


def print_opening(path: Path, steps: int) -> None:
    chosen = [step for step in _OPENED if step < steps]
    with Trace(path) as trace:
        start = time.perf_counter()
        replayer = Replayer(trace)
        replayer.step(steps // 2)
        first = time.perf_counter() - start
        seconds = []
        for step in chosen * 5:
            start = time.perf_counter()
            if replayer.step(step).step.provenance != "proved":
                message = f"step {step} is not proved"
                raise SystemExit(message)
            seconds.append(time.perf_counter() - start)
    print(f"a light step opened by replay: the first {first * 1e3:.0f} ms, ", end="")
    print(f"others {median(seconds) * 1e3:.1f} ms")
    whole = [command("trace", str(path), "--steps", str(step))[0] for step in chosen]
    stored = [command("trace", str(path), "--steps", str(step))[0] for step in (0, 100, 500)]
    print(f"trace --steps 137, whole command, torch imported: {median(whole):.2f} s")
    print(f"trace --steps 100, recorded in full, without torch: {median(stored):.2f} s")


def print_verifying(path: Path, steps: int, rounds: int) -> None:
    pairs = []
    for _ in range(rounds):
        gc.collect()
        bare = loop(steps)
        gc.collect()
        pairs.append((bare, verified(path)))
    ratio = median(ours / bare for bare, ours in pairs)
    bare, ours = (median(column) for column in zip(*pairs, strict=True))
    print(
        f"verify, all {steps} steps: {ours:.2f} s, {ratio:.2f} times the bare loop ({bare:.2f} s)"
    )


def print_transformer(folder: Path, rounds: int) -> None:
    size = Size()
    training = Training(size)
    elements = sum(one.numel() for one in training.model.parameters())
    print(f"\ntransformer encoder: {size}, {elements / 1e6:.1f} million parameters, Adam")
    training.run(3)
    ratios, steps = [], []
    for number in range(rounds):
        bare = medians(training.run(_BLOCK))
        with lens.record(folder / f"light{number}.lens", full="none"):
            light = medians(training.run(_BLOCK))
        ratios.append((light[0] / bare[0], light[1] / bare[1]))
        steps.append(bare[0])
    clock, work = medians(ratios)
    print(f"a bare step {median(steps) * 1e3:.0f} ms; recorded light {clock:.3f} times that by the")
    print(f"clock, {work:.3f} times in the loop's own work, which other programs disturb less")
    print(f"the rounds: {', '.join(f'{one:.3f}/{other:.3f}' for one, other in ratios)}")
    path = folder / "transformer.lens"
    training = Training(size)
    with lens.record(path):
        training.run(_TRANSFORMER_STEPS)
    print(f"{_TRANSFORMER_STEPS} steps with the default full steps: ", end="")
    print(f"{path.stat().st_size / 2**20:.0f} MiB")
    seconds, text = command("verify", str(path), "--steps", ",".join(map(str, _REPLAYED)))
    print(f"verify --steps {','.join(map(str, _REPLAYED))} in another process: {seconds:.1f} s")
    print(text.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description="What replay costs.")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--transformer", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "run.lens"
        print(f"linear regression, {arguments.steps} steps, one thread, torch {torch.__version__}")
        record_linear(path, arguments.steps, "default")
        print_sizes(folder, arguments.steps)
        print_opening(path, arguments.steps)
        print_verifying(path, arguments.steps, arguments.rounds)
        if arguments.transformer:
            print_transformer(folder, arguments.rounds)


if __name__ == "__main__":
    main()
