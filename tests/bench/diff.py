"""How long it takes to find where two runs part: ``python tests/bench/diff.py``.

Two recordings of the linear regression, 1,000 steps, that part in step 900 by another batch, and
two of a small language model, 50 steps, that part in step 40 by a mask that is off by one. The
times are of ``lens.diff`` in this process, beside that of the bare loop. Then how long the commands
``find`` and ``cure`` take on 5,000 steps of a regression whose rate is too large, and on the
language model of ``models.py``, around step 40; processor time beside the clock's.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import autograd_lens as lens  # noqa: E402
from tests.bench.models import PROGRAMS  # noqa: E402

ROUNDS = 3
Loop = Callable[[bool, range], None]


def regression(other: bool, steps: range) -> None:
    torch.manual_seed(0)
    x = torch.rand(100, 1)
    y = 3 * x + 10 + torch.rand(100, 1)
    w, b = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    for t in steps:
        target = y * 1.01 if other and t == 900 else y
        loss = ((x * w + b - target) ** 2).mean() / 2
        loss.backward()
        with torch.no_grad():
            for p in (w, b):
                p.sub_(0.01 * p.grad)
                p.grad.zero_()


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(64, 64)
        layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(64, 64)

    def forward(self, tokens: torch.Tensor, diagonal: int) -> torch.Tensor:
        mask = torch.ones(32, 32, dtype=torch.bool).triu(diagonal)
        result: torch.Tensor = self.head(self.layers(self.embed(tokens), mask=mask))
        return result


def language_model(other: bool, steps: range) -> None:
    torch.manual_seed(0)
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters())
    text = torch.randint(0, 64, (8, 33))
    for t in steps:
        logits = model(text[:, :-1], 2 if other and t == 40 else 1)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), text[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def measure(name: str, loop: Loop, steps: int, at: int) -> None:
    """Print one row."""
    start = time.perf_counter()
    loop(False, range(steps))
    bare = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{other}.lens") for other in (False, True)]
        for other, path in zip((False, True), paths, strict=True):
            with lens.record(path, full=f"0,{at}"):
                loop(other, range(steps))
        times = []
        for _ in range(ROUNDS):
            with lens.open(paths[0]) as one, lens.open(paths[1]) as two:
                start = time.perf_counter()
                found = lens.diff(one, two)
                times.append(time.perf_counter() - start)
    if found.parting is None or found.parting.step != at:
        msg = f"{name}: the runs part in step {at}, and this was found: {found.parting}"
        raise SystemExit(msg)
    took = statistics.median(times)
    print(f"{name:<30}{bare:>10.2f}{took:>10.2f}{took / bare:>8.2f}")


def diverging(steps: int = 5000) -> None:
    torch.manual_seed(0)
    x = torch.rand(100, 1)
    y = 3 * x + 10 + torch.rand(100, 1)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.02)
    for _ in range(steps):
        loss = ((model(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def ordinary(steps: int = 50) -> None:
    torch.manual_seed(0)
    program = PROGRAMS["lm"]()
    for _ in range(steps):
        next(program)


def command(name: str, loop: Callable[[], None], *words: str) -> None:
    """Print how long ``find`` and ``cure`` take as commands; the words are for ``cure``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.lens")
        with lens.record(path):
            loop()
        for verb in ("find", "cure"):
            start, used = time.perf_counter(), _used()
            further = words if verb == "cure" else ()
            line = [sys.executable, "-m", "autograd_lens", verb, str(path), *further]
            subprocess.run(line, cwd=ROOT, capture_output=True, check=False)
            clock, processor = time.perf_counter() - start, _used() - used
            print(f"{f'{verb}, {name}':<40}{clock:>10.2f}{processor:>10.2f}")


def _used() -> float:
    """Processor time of the processes that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print the tables."""
    print(f"{'seconds':<30}{'bare loop':>10}{'diff':>10}{'ratio':>8}")
    measure("linear regression, 1000 steps", regression, 1000, 900)
    measure("language model, 50 steps", language_model, 50, 40)
    print(f"\n{'seconds':<40}{'clock':>10}{'processor':>10}")
    command("regression of 5,000 steps", diverging)
    command("language model, 50 steps", ordinary, "--step", "40")


if __name__ == "__main__":
    main()
