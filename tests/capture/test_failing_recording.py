"""Where recording itself fails, the training goes on and one warning says what is missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import autograd_lens as lens
from autograd_lens.capture import full_recorder, inputs, needs, recorder, torchviz_dot
from autograd_lens.errors import RecordingError, SelectionError, TraceExistsError
from autograd_lens.live import backward, frames, mode, stream
from autograd_lens.live.reading import read
from autograd_lens.trace import writer as trace_writer
from tests.capture.programs.shapes import SHAPES
from tests.support.twins import bare, recorded

PROGRAM = SHAPES["zero_grad_at_the_bottom_and_twice"][0]


def fails(*_args: Any, **_kwargs: Any) -> Any:
    msg = "injected"
    raise ValueError(msg)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (recorder.ParameterReader, "before"),
        (recorder.ParameterReader, "after"),
        (recorder.Recorder, "_identify"),
        (full_recorder.FullRecorder, "before_backward"),
        (full_recorder.FullRecorder, "after_backward"),
        (full_recorder.FullRecorder, "_hook"),
        (full_recorder.FullRecorder, "_write"),
        (torchviz_dot, "graph_dot"),
        (full_recorder, "build_template"),
        (needs.Needs, "see"),
        (inputs.InputObserver, "_keep"),
        (backward.BackwardTape, "_hook_nodes"),
        (backward.BackwardTape, "_saved_pattern"),
        (frames.ModulePaths, "path_of"),
        (mode.TapeMode, "_caller"),
        (mode.TapeMode, "_note_writes"),
        (stream.Stream, "use"),
        (stream.Stream, "make"),
        (stream.Stream, "register"),
        (stream.Stream, "pattern"),
    ],
    ids=lambda part: part if isinstance(part, str) else part.__name__.rpartition(".")[2],
)
def test_training_goes_on_with_one_warning(
    owner: Any,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = bare(PROGRAM)
    monkeypatch.setattr(owner, name, fails)

    assert recorded(PROGRAM, tmp_path / "run.lens") == expected

    warning = capsys.readouterr().err
    assert warning.count("autograd-lens:") == warning.count("\n") == 1
    assert "injected" in warning
    assert "the program goes on" in warning
    with lens.open(tmp_path / "run.lens") as trace:
        assert trace.info.status == "finished"
        assert [event.kind for event in trace.events] == ["incomplete"]
        assert [step.index for step in trace.steps] == list(range(len(trace.steps)))


def test_a_failure_on_the_way_costs_only_what_was_being_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = full_recorder.FullRecorder._hook
    calls: list[None] = []

    def fails_once(*args: Any) -> None:
        calls.append(None)
        (fails if len(calls) == 2 else hook)(*args)

    monkeypatch.setattr(full_recorder.FullRecorder, "_hook", fails_once)
    expected = bare(SHAPES["zero_grad_at_the_top"][0])

    assert recorded(SHAPES["zero_grad_at_the_top"][0], tmp_path / "run.lens") == expected

    with lens.open(tmp_path / "run.lens") as trace:
        assert len(trace.steps) == 4
        assert {0, 2, 3} <= set(trace.full_steps)


def test_a_full_disk_ends_the_recording_and_not_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = bare(PROGRAM)

    def full(*_args: Any) -> None:
        msg = "database or disk is full"
        raise OSError(msg)

    monkeypatch.setattr(trace_writer._Drain, "drain", full)

    assert recorded(PROGRAM, tmp_path / "run.lens") == expected

    warning = capsys.readouterr().err
    assert warning.count("autograd-lens:") == 1
    assert "disk is full" in warning


def test_values_over_the_budget_are_summed_up_and_the_step_says_so(tmp_path: Path) -> None:
    def program(see: Callable[..., None]) -> None:
        w = torch.arange(4000.0).requires_grad_()
        (w * 2).sum().backward()
        see(w.grad)

    limits = recorder.Limits(light=1000, value=1000, step=1 << 28)
    recorded(program, tmp_path / "run.lens", limits=limits)

    with lens.open(tmp_path / "run.lens") as trace:
        step = trace.steps[0]
        value = step.parameters["w"].before
        assert "larger than the budget" in step.omitted[0]
    assert value is not None
    assert value.summary == read(torch.arange(4000.0), 1000)
    assert (value.summary.nan_count, value.summary.inf_count) == (0, 0)
    assert value.norm == pytest.approx(sum(i * i for i in range(4000)) ** 0.5)


def test_wrong_use_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match="often"):
        lens.record(tmp_path / "run.lens", full="often")
    with lens.record(tmp_path / "run.lens") as run:
        with pytest.raises(RecordingError, match="cannot follow 3"):
            run.watch(3)
        with pytest.raises(RecordingError, match="has not ended"):
            _ = run.trace
    with pytest.raises(RecordingError, match="already used"), run:
        pass
    with pytest.raises(RecordingError, match="not running"):
        run.watch(torch.nn.Linear(1, 1))
    with pytest.raises(TraceExistsError), lens.record(tmp_path / "run.lens"):
        pass


ENDLESS = """
import itertools, time, torch
import autograd_lens as lens
w = torch.zeros(2, requires_grad=True)
with lens.record("run.lens"):
    for turn in itertools.count():
        (w * 3 + turn).sum().backward()
        w.data -= w.grad
        w.grad = None
        time.sleep(0.0005)
        if turn % 100 == 0:
            print(turn, time.time(), flush=True)
"""


@pytest.mark.parametrize("seconds", [0.15, 1.3])
def test_a_killed_run_misses_at_most_its_last_second(seconds: float, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(lens.__file__).parents[1])},
    )
    assert process.stdout is not None
    said = [process.stdout.readline()]
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    killed = time.time()
    said += process.communicate()[0].splitlines()

    a_second_before = [int(turn) for turn, at in map(str.split, said) if float(at) < killed - 1]
    with lens.open(tmp_path / "run.lens") as trace:
        assert trace.info.status == "killed"
        assert len(trace.steps) >= max(a_second_before, default=0)
        if len(trace.steps):
            assert trace.steps[-1].loss is not None
