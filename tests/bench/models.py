"""What recording real models costs: time, file and memory, and which steps open afterwards.

    python tests/bench/models.py [lm lstm resnet transformer large] [--steps 200] [--rounds 1]
                                 [--open 8] [--seconds 120] [--max-size 256MB]

Each variant of a program runs in a process of its own, one after the other, so that its memory
is its own. Ratios are to the bare loop of the same round, of the processor's time, which other
programs on the machine disturb less than the clock: that of the loop's thread and, beside it,
that of the whole process, the writer's thread included, until the file is closed. ``full step``
is the median of the recorded steps whose structure was known already, in bare steps. The largest
the recording ever was on the disk is looked at from outside while it is written, the log beside
it included. Then another process opens every step, or ``--open`` of them, evenly spread, from
the file alone, as long as that takes no more than ``--seconds`` of its own time. Of the model of
25 million parameters, a step of which takes a second, 40 steps are run where nothing else is said.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from tests.support.transformer import LanguageModel, Size  # noqa: E402

Turn = Callable[[], Any]  # one step of a training
_KNOWN = 1  # steps, behind which a full step brings no new structure
_STEPS = {"large": 40}  # of a program, where nothing else is said
_LOOK = 0.02  # seconds between two looks at the file


class Block(nn.Module):
    def __init__(self, width: int, length: int) -> None:
        super().__init__()
        self.length = length
        self.n1, self.n2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.drop = nn.Dropout(0.1)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        batch, length, width = h.shape
        parts = self.qkv(self.n1(h)).split(width, 2)
        q, k, v = (s.view(batch, length, 4, width // 4).transpose(1, 2) for s in parts)
        a = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h + self.drop(self.out(a.transpose(1, 2).reshape(batch, length, width)))
        return h + self.drop(self.down(functional.gelu(self.up(self.n2(h)))))


class GPT(nn.Module):
    def __init__(self, words: int, width: int, length: int, blocks: int) -> None:
        super().__init__()
        self.tok, self.pos = nn.Embedding(words, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList([Block(width, length) for _ in range(blocks)])
        self.norm = nn.LayerNorm(width)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        h = self.tok(ids) + self.pos(torch.arange(ids.shape[1]))
        for block in self.blocks:
            h = block(h)
        return self.norm(h) @ self.tok.weight.T


def lm() -> Iterator[None]:
    """A GPT of half a million parameters: AdamW, a warm-up, clipping, batches cut by hand."""
    words, width, length = 256, 128, 64
    net = GPT(words, width, length, 2)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-4, weight_decay=0.1)
    warm = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: min(1.0, (t + 1) / 10))
    data = torch.randint(0, words, (4096,))
    while True:
        at = torch.randint(0, len(data) - length - 1, (16,))
        x = torch.stack([data[i : i + length] for i in at])
        y = torch.stack([data[i + 1 : i + length + 1] for i in at])
        loss = functional.cross_entropy(net(x).view(-1, words), y.view(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        warm.step()
        yield


class Text(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.tok = nn.Embedding(words, width)
        self.lstm = nn.LSTM(width, width, 2, batch_first=True)
        self.head = nn.Linear(width, words)

    def forward(self, ids: torch.Tensor, state: Any) -> Any:
        h, state = self.lstm(self.tok(ids), state)
        return self.head(h), state


def lstm() -> Iterator[None]:
    """A two-layer LSTM whose state is carried from batch to batch, detached."""
    words, width, length, batch = 128, 128, 32, 16
    net = Text(words, width)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    text = torch.randint(0, words, (batch, 100 * length + 1))
    state, at = None, 0
    while True:
        if at + length + 1 > text.shape[1]:
            state, at = None, 0
        x, y = text[:, at : at + length], text[:, at + 1 : at + length + 1]
        at += length
        if state is not None:
            state = tuple(part.detach() for part in state)
        scores, state = net(x, state)
        loss = functional.cross_entropy(scores.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimizer.step()
        yield


class Residual(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.short = nn.Sequential()
        if stride != 1 or inside != outside:
            conv = nn.Conv2d(inside, outside, 1, stride, bias=False)
            self.short = nn.Sequential(conv, nn.BatchNorm2d(outside))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(h)) + self.short(x))


def resnet() -> Iterator[None]:
    """A ResNet-18 of width 32 with a shuffling loader, momentum and a cosine schedule."""
    layers: list[nn.Module] = [nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU()]
    inside = 32
    for outside, stride in ((32, 1), (64, 2), (128, 2), (256, 2)):
        layers += [Residual(inside, outside, stride), Residual(outside, outside, 1)]
        inside = outside
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 200)
    data = TensorDataset(torch.randn(512, 3, 32, 32), torch.randint(0, 10, (512,)))
    loader = DataLoader(data, batch_size=16, shuffle=True)
    loss_fn = nn.CrossEntropyLoss()
    while True:
        for images, labels in loader:
            optimizer.zero_grad()
            loss = loss_fn(net(images), labels)
            loss.backward()
            optimizer.step()
            schedule.step()
            yield


def encoder(size: Size) -> Callable[[], Iterator[None]]:
    def train() -> Iterator[None]:
        net, loss_fn = LanguageModel(size), nn.CrossEntropyLoss()
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        while True:
            text = torch.randint(size.words, (size.batch, size.length + 1))
            loss = loss_fn(net(text[:, :-1]).flatten(0, 1), text[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield

    return train


PROGRAMS: dict[str, Callable[[], Iterator[None]]] = {
    "lm": lm,
    "lstm": lstm,
    "resnet": resnet,
    "transformer": encoder(Size()),
    "large": encoder(Size(layers=8, width=512)),
}


# -- in a process of its own -----------------------------------------------------------------


def train(name: str, steps: int) -> list[float]:
    """Seconds of each step."""
    torch.manual_seed(0)
    seconds, turn = [], PROGRAMS[name]()
    for _ in range(steps):
        begin = time.thread_time()
        next(turn)
        seconds.append(time.thread_time() - begin)
    return seconds


def child(options: argparse.Namespace) -> dict[str, Any]:
    """One variant: seconds of the loop, of each step, until written; memory; sizes."""
    torch.set_num_threads(1)
    if options.child == "open":
        return opened(options)
    full: list[int] = []
    if options.child == "bare":
        begin = time.process_time()
        seconds = train(options.programs[0], options.steps)
        whole, largest = time.process_time() - begin, 0
    else:
        import autograd_lens as lens

        limits = {}
        if options.max_size:
            from autograd_lens.capture.recorder import Limits

            limits = {"limits": Limits(size=options.max_size)}
        with watched(options.file) as sizes:
            begin = time.process_time()
            with lens.record(options.file, full=options.child, force=True, **limits):
                seconds = train(options.programs[0], options.steps)
            whole = time.process_time() - begin
        largest = max(sizes)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if options.child != "bare":
        with lens.open(options.file) as trace:
            full = list(trace.full_steps)
    told = {"seconds": seconds, "whole": whole, "memory": memory}
    return {**told, "largest": largest, "full": full}


class watched:  # noqa: N801  a context manager
    """Looks at the size of a recording, its log included, from another thread."""

    def __init__(self, path: str) -> None:
        self._paths = [Path(path + suffix) for suffix in ("", "-wal", "-journal")]
        self._sizes: list[int] = [0]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> list[int]:
        self._thread.start()
        return self._sizes

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(_LOOK):
            total = 0
            for path in self._paths:
                try:
                    total += path.stat().st_size
                except OSError:
                    continue
            self._sizes.append(total)


def opened(options: argparse.Namespace) -> dict[str, Any]:
    """Open steps from the file alone; tells how many are proved."""
    from autograd_lens.errors import ReplayError
    from autograd_lens.replay.replayer import Replayer
    from autograd_lens.trace.reader import Trace

    reasons: dict[str, int] = {}
    seconds, proved = [], 0
    with Trace(options.file) as trace:
        count = len(trace.steps)
        some = min(count, options.open or count)
        chosen = sorted({round(i * (count - 1) / max(1, some - 1)) for i in range(some)})
        replayer = Replayer(trace)
        for step in chosen:
            begin = time.thread_time()
            if sum(seconds) > options.seconds:
                break
            try:
                replayed = replayer.step(step)
                proved += replayed.step.provenance == "proved" and not replayed.updates
                wrong = [*replayed.differences, *replayed.updates]
                if wrong:
                    reason = "differs: " + str(wrong[0])[:60]
                    reasons[reason] = reasons.get(reason, 0) + 1
            except ReplayError as error:
                reason = str(error)[:100]
                reasons[reason] = reasons.get(reason, 0) + 1
            seconds.append(time.thread_time() - begin)
        full, lean = list(trace.full_steps), len(trace.lean_steps)
    told = {"proved": proved, "seconds": seconds, "why": reasons, "full": full, "lean": lean}
    return {"tried": len(seconds), "asked": len(chosen), **told}


# -- the table -------------------------------------------------------------------------------


def variant(name: str, what: str, file: Path, options: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, name, "--child", what, "--file", str(file)]
    command += ["--steps", str(options.steps or _STEPS.get(name, 200))]
    command += ["--open", str(options.open), "--seconds", str(options.seconds)]
    if options.max_size:
        command += ["--max-size", str(options.max_size)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(name: str, options: argparse.Namespace, folder: Path) -> None:
    rows: dict[str, list[tuple[float, ...]]] = {}
    for _ in range(options.rounds):
        bare = variant(name, "bare", folder / "bare", options)
        step = median(bare["seconds"])
        for what in ("none", "default"):
            file = folder / f"{name}.{what}.lens"
            done = variant(name, what, file, options)
            known = [k for k in done["full"] if k >= _KNOWN]
            fulls = [done["seconds"][k] for k in known] or [math.nan]
            rows.setdefault(what, []).append(
                (
                    sum(done["seconds"]) / sum(bare["seconds"]),
                    done["whole"] / bare["whole"],
                    median(done["seconds"]) / step,
                    median(fulls) / step,
                    file.stat().st_size / 1e6,
                    done["largest"] / 1e6,
                    done["memory"] - bare["memory"],
                )
            )
    steps = len(bare["seconds"])
    print(f"\n{name}, {steps} steps, {step * 1e3:.1f} ms a bare step", flush=True)
    print(f"{'':10}{'loop':>7}{'written':>9}{'median':>8}{'full step':>11}"
          f"{'file MB':>9}{'largest':>9}{'memory':>8}")  # fmt: skip
    for what, found in rows.items():
        loop, whole, usual, full, size, largest, memory = map(median, zip(*found, strict=True))
        label = "light" if what == "none" else what
        print(f"{label:10}{loop:7.2f}{whole:9.2f}{usual:8.2f}{full:11.2f}"
              f"{size:9.1f}{largest:9.1f}{memory:+8.0f}", flush=True)  # fmt: skip
    done = variant(name, "open", folder / f"{name}.default.lens", options)
    longest = max(done["seconds"]) / step
    print(
        f"opened and proved {done['proved']} of {done['tried']} ({done['asked']} asked for); "
        f"{median(done['seconds']) / step:.1f} bare steps each, {longest:.1f} at most; "
        f"full: {done['full']}, lean: {done['lean']}; {done['why'] or ''}",
        flush=True,
    )


def megabytes(text: str) -> int:
    return int(float(text.removesuffix("MB")) * (1e6 if text.endswith("MB") else 1))


def main() -> None:
    parser = argparse.ArgumentParser(description="What recording real models costs.")
    parser.add_argument("programs", nargs="*", default=["lm", "lstm", "resnet", "transformer"])
    parser.add_argument("--steps", type=int, default=0, help="200, of the largest model 40")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--open", type=int, default=8, help="steps to open; 0 for all")
    parser.add_argument("--seconds", type=float, default=120, help="that opening may take")
    parser.add_argument("--max-size", type=megabytes, default=0)
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    parser.add_argument("--file", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options)))
        return
    with tempfile.TemporaryDirectory() as name:
        for program in options.programs:
            measure(program, options, Path(name))


if __name__ == "__main__":
    main()
