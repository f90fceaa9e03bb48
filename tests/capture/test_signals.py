"""A signal that ends the program closes the trace first, and the program sees nothing of it."""

from __future__ import annotations

import _signal
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import autograd_lens as lens
from autograd_lens.capture import full_recorder, inputs, recorder
from autograd_lens.capture.signals import closed_by_signals
from autograd_lens.live import backward, mode, stream

ROOT = Path(__file__).parents[2]
NEVER_BACK = """
import ctypes, torch
w = torch.ones(3, requires_grad=True)
for step in range(5):
    (w * w).sum().backward()
    w.data -= 0.1 * w.grad
    w.grad = None
print("on", flush=True)
lock, c = ctypes.create_string_buffer(64), ctypes.CDLL(None)
c.pthread_mutex_lock(lock)
c.pthread_mutex_lock(lock)
"""
PROGRAM = """
import signal, sys, time, torch
{before}
steps = open("steps", "w")
w = torch.ones(3, requires_grad=True)
for step in range(10**6):
    (w * w).sum().backward()
    with torch.no_grad():
        w -= 0.01 * w.grad
    w.grad = None
    if step == 50:
        print("on", flush=True)
    if step >= 50:
        print(step, file=steps, flush=True)
        time.sleep(0.001)
"""


def ended(folder: Path, number: signal.Signals, before: str = "", *prefix: str) -> tuple[int, int]:
    """Run the program, signal it in the middle; returns its exit status and its last step."""
    code = signalled(folder, number, PROGRAM.format(before=before), *prefix)
    return code, int((folder / "steps").read_text().split("\n")[-2])


def signalled(folder: Path, number: signal.Signals, program: str, *prefix: str) -> int:
    """Run a program that says when it is on, signal it then; returns its exit status."""
    (folder / "train.py").write_text(program)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "AUTOGRAD_LENS_STATE": str(folder)}
    command = [sys.executable, *prefix, "train.py"]
    with subprocess.Popen(
        [sys.executable, "-c", AS_USUAL, *command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        time.sleep(0.3)
        process.send_signal(number)
        try:
            process.communicate(timeout=60)
        finally:
            process.kill()  # else leaving this block waits for it
    return process.returncode


# Whoever runs the tests may ignore SIGHUP, as nohup does, and children inherit that.
AS_USUAL = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""
LOOKS = "assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL"
IGNORES = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
INTERRUPTS = "signal.default_int_handler"
RECORDED = ("-m", "autograd_lens", "run")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_closes_the_trace_and_then_ends_the_program(
    tmp_path: Path, number: signal.Signals
) -> None:
    code, step = ended(tmp_path, number, "", *RECORDED)
    assert code == -number
    assert [path.name for path in tmp_path.glob("train.lens*")] == ["train.lens"]
    with lens.open(tmp_path / "train.lens") as trace:
        assert trace.info.status == "killed"
        assert len(trace.steps) >= step, "no step was lost but the one that was cut"


@pytest.mark.skipif(sys.platform != "linux", reason="its lock is that of Linux")
def test_a_program_that_waits_in_c_ends_at_once(tmp_path: Path) -> None:
    assert signalled(tmp_path, signal.SIGTERM, NEVER_BACK, *RECORDED) == -signal.SIGTERM
    with lens.open(tmp_path / "train.lens") as trace:
        assert (trace.info.status, len(trace.steps)) == ("killed", 5)


LOOPS = """
import asyncio, signal
async def main():
    done, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, done.set)
    assert signal.set_wakeup_fd(-1) != -1
    loop.remove_signal_handler(signal.SIGTERM)
    assert signal.set_wakeup_fd(-1) == -1
    loop.add_signal_handler(signal.SIGTERM, done.set)
    print("on", flush=True)
    await done.wait()
import torch
w = torch.ones(3, requires_grad=True)
for step in range(5):
    (w * w).sum().backward()
asyncio.run(main())
raise SystemExit(7)
"""


def test_an_event_loop_hears_of_signals_as_bare(tmp_path: Path) -> None:
    for prefix in ((), RECORDED):
        assert signalled(tmp_path, signal.SIGTERM, LOOPS, *prefix) == 7


@pytest.mark.parametrize(
    "before",
    [
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))",
        f"{IGNORES}; signal.signal(signal.SIGHUP, lambda *_: sys.exit(9))",
        f"{LOOKS}; assert signal.signal(signal.SIGTERM, {INTERRUPTS}) is signal.SIG_DFL",
    ],
    ids=["exits", "hangup", "interrupt"],
)
def test_a_program_with_a_handler_of_its_own_ends_as_it_wants(tmp_path: Path, before: str) -> None:
    number = signal.SIGHUP if "SIGHUP" in before else signal.SIGTERM
    for name in ("bare", "recorded"):
        (tmp_path / name).mkdir()
    bare, _ = ended(tmp_path / "bare", number, before)
    code, _ = ended(tmp_path / "recorded", number, before, *RECORDED)
    assert code in {bare, 128 - bare}, "-2 of a process is 130 of a shell"
    with lens.open(tmp_path / "recorded" / "train.lens") as trace:
        assert trace.info.status in {"exception", "interrupted"}


def test_handlers_are_as_before_once_the_recording_ended(tmp_path: Path) -> None:
    known = signal.getsignal, signal.signal
    before = signal.getsignal(signal.SIGTERM)
    with lens.record(tmp_path / "run.lens"):
        assert signal.getsignal(signal.SIGTERM) is before
    assert (signal.getsignal, signal.signal) == known
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked only there")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_forked_child_has_the_systems_own_way(number: signal.Signals) -> None:
    # A handler that is called between two instructions is too late for one that waits for a lock.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with closed_by_signals(lambda: None):
            assert _signal.getsignal(number) != _signal.SIG_DFL
            child = os.fork()
            if not child:
                os._exit(0 if _signal.getsignal(number) == _signal.SIG_DFL else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        signal.signal(number, before)


INTERRUPTED = """
def interrupted(*arguments, **named):
    if not calls:
        calls.append(None)
        raise_signal(SIGALRM)
    return original(*arguments, **named)
"""


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (recorder.Recorder, "_before"),
        (recorder.Recorder, "_after"),
        (recorder.ParameterReader, "before"),
        (recorder.ParameterReader, "after"),
        (full_recorder.FullRecorder, "_hook"),
        (full_recorder, "build_template"),
        (inputs.InputObserver, "take"),
        (backward.BackwardTape, "_hook_nodes"),
        (mode.TapeMode, "_caller"),
        (stream.Stream, "make"),
        (recorder.OptimizerHooks, "begins"),
    ],
    ids=lambda part: part if isinstance(part, str) else part.__name__.rpartition(".")[2],
)
def test_what_a_handler_raises_while_we_are_at_work_reaches_the_program(
    owner: Any,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # The signal comes in a function of ours: in a frame of the test it would be the program's.
    calls: list[None] = []
    found = {"calls": calls, "original": getattr(owner, name), "SIGALRM": signal.SIGALRM}
    names = found | {"raise_signal": signal.raise_signal, "__name__": recorder.__name__}
    exec(compile(INTERRUPTED, recorder.__file__, "exec"), names)  # noqa: S102
    monkeypatch.setattr(owner, name, names["interrupted"])

    def late(_number: int, _frame: Any) -> None:
        raise TimeoutError

    late_ones, before = 0, signal.signal(signal.SIGALRM, late)
    try:
        with lens.record(tmp_path / "run.lens", full="all"):
            w = torch.ones(3, requires_grad=True)
            optimizer = torch.optim.SGD([w], lr=0.1)
            for _ in range(4):
                try:
                    (w * torch.ones(3)).sum().backward()
                    optimizer.step()
                except TimeoutError:
                    late_ones += 1
                optimizer.zero_grad()
            assert signal.getsignal(signal.SIGALRM) is late
        assert _signal.getsignal(signal.SIGALRM) is late
    finally:
        signal.signal(signal.SIGALRM, before)
    assert (len(calls), late_ones) == (1, 1)
    assert sys.gettrace() is None
    assert not capsys.readouterr().err
    with lens.open(tmp_path / "run.lens") as trace:
        assert not trace.events
        assert trace.full_steps, "the recording goes on"


ALARMS = """
import random, signal, sys, torch
def late(number, frame):
    raise TimeoutError
signal.signal(signal.SIGALRM, late)
w = torch.ones(3, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.01)
def step():
    (w * w).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
step()  # torch imports some of its parts now, and does not hand on what an import raises
count = 0
for turn in range(40):
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0005, 0.003))
        while True:
            step()
    except TimeoutError:
        count += 1
print("late", count)
"""


def test_no_alarm_is_lost(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(ALARMS)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "AUTOGRAD_LENS_STATE": str(tmp_path)}
    command = [sys.executable, *RECORDED, "--full", "all", "train.py"]
    done = subprocess.run(
        command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.stdout == "late 40\n"
    assert "recording met" not in done.stderr
