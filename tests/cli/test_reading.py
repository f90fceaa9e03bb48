"""The verbs that look at one recording: ``trace``, ``graph``, ``info``, ``export``, ``path``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

import autograd_lens as lens
from autograd_lens.cli import app
from tests.cli.conftest import ROOT
from tests.support.hostile import AIMED, edited


def invoke(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_trace_prints_the_asked_steps_in_order(recorded: Path) -> None:
    shown = invoke("trace", recorded, "--steps", "2,0")
    assert shown.exit_code == 0
    assert shown.output.index("Step 2 ") < shown.output.index("Step 0 ")
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert "\x1b" not in shown.stdout


def test_trace_without_steps_shows_the_first_and_says_how_to_see_others(recorded: Path) -> None:
    shown = invoke("trace", recorded)
    assert "Step 0 " in shown.stdout
    assert "Step 1 " not in shown.stdout
    assert "step 0 of 12; recorded in full: 0, 1, 2, 5, 10." in shown.stderr


def test_trace_shows_only_the_asked_phases(recorded: Path) -> None:
    shown = invoke("trace", recorded, "--steps", "0", "--phase", "update")
    assert "w1 - 0.01 * w1.grad" in shown.stdout
    assert "Backward" not in shown.stdout
    assert "Forward" not in shown.stdout


def test_trace_writes_a_plain_text_file(recorded: Path, tmp_path: Path) -> None:
    output = tmp_path / "steps.txt"
    shown = invoke("trace", recorded, "--steps", "0:2", "-o", output)
    assert shown.stdout == ""
    assert "Step 1 " in output.read_text(encoding="utf-8")


def test_trace_as_json_is_export(recorded: Path) -> None:
    as_json = invoke("trace", recorded, "--json", "--steps", "0:2").stdout
    assert as_json == invoke("export", recorded, "--steps", "0:2", "--values").stdout
    assert [json.loads(line)["step"] for line in as_json.splitlines()] == [0, 1]


def test_export_writes_every_step_to_the_named_file(recorded: Path, tmp_path: Path) -> None:
    output = tmp_path / "steps.jsonl"
    assert invoke("export", recorded, "-o", output).stdout == ""
    steps = [json.loads(line) for line in output.read_text().splitlines()]
    assert [step["step"] for step in steps] == list(range(12))
    assert {step["step"] for step in steps if step["level"] == "full"} >= {0, 1, 2, 5, 10}
    assert steps[0]["parameters"]["w1"]["after"] == steps[1]["parameters"]["w1"]["before"]


def test_info_tells_what_is_inside(recorded: Path) -> None:
    shown = invoke("info", recorded)
    assert shown.exit_code == 0
    for part in ("train.py", "12", "w1", "b1"):
        assert part in shown.stdout


@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_graph_draws_what_the_suffix_says(
    recorded: Path, tmp_path: Path, suffix: str, start: bytes
) -> None:
    output = tmp_path / f"graph.{suffix}"
    shown = invoke("graph", recorded, "--step", "1", "-o", output)
    assert shown.exit_code == 0, shown.output
    assert output.read_bytes().startswith(start)


def test_the_last_step_is_drawn_that_can_be_opened(tmp_path: Path) -> None:
    layer = torch.nn.Linear(3, 1)
    with lens.record(tmp_path / "run.lens"):
        for turn in range(4):
            loss = layer(torch.ones(2, 3)).sum()
            loss = loss * loss if turn == 3 else loss  # what no other step does
            layer.zero_grad()
            loss.backward()
    shown = invoke("graph", tmp_path / "run.lens", "--step", "last", "-o", tmp_path / "g.svg")
    assert shown.exit_code == 0
    assert "Step 3 was not recorded in full." in shown.stderr
    assert "So step 2 is drawn, the last that can be opened." in shown.stderr
    assert (tmp_path / "g.svg").exists()
    assert invoke("graph", tmp_path / "run.lens", "--step", "3").exit_code == 1


def test_graph_is_named_after_the_trace_and_the_step(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke("graph", recorded, "--step", "10").exit_code == 0
    assert (tmp_path / "train-step10.svg").stat().st_size > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("graph", "--step", "0:2"), "One step is needed here; '0:2' names 2."),
        (("graph", "-o", "graph.gif"), "`.gif`"),
        (("trace", "--steps", "99"), "Step 99 is not in the trace, which has steps 0 to 11."),
        (("trace", "--steps", "first"), "'first' is not a choice of steps."),
        (("trace", "-o", "nowhere/steps.txt"), "There is no directory 'nowhere'"),
        (("export", "-o", "."), "'.' is a directory."),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    recorded: Path, words: tuple[str, ...], message: str
) -> None:
    shown = invoke(words[0], recorded, *words[1:])
    assert shown.exit_code == 1
    assert message in shown.stderr
    assert shown.stderr.count("\n") == 1
    assert shown.stdout == ""


@pytest.mark.parametrize("verb", ["trace", "graph", "export"])
def test_nothing_is_overwritten_without_force(recorded: Path, tmp_path: Path, verb: str) -> None:
    kept = tmp_path / "kept.svg"
    kept.write_text("mine")
    shown = invoke(verb, recorded, "-o", kept)
    assert shown.exit_code == 1
    assert "Add --force to overwrite it" in shown.stderr
    assert kept.read_text() == "mine"
    assert invoke(verb, recorded, "-o", kept, "--force").exit_code == 0
    assert kept.read_text(encoding="utf-8") != "mine"


@pytest.mark.parametrize("verb", ["trace", "graph", "export"])
def test_force_replaces_files_alone_and_no_recording(
    recorded: Path, tmp_path: Path, verb: str
) -> None:
    pipe, other = tmp_path / "pipe.svg", tmp_path / "other.svg"
    os.mkfifo(pipe)
    other.write_bytes(recorded.read_bytes())
    for place, why in ((pipe, "a device or a pipe"), (other, "is a recording")):
        shown = invoke(verb, recorded, "-o", place, "--force")
        assert shown.exit_code == 1
        assert why in shown.stderr
    assert pipe.is_fifo()
    assert other.read_bytes() == recorded.read_bytes()


def test_what_was_refused_on_the_way_leaves_no_file(recorded: Path, tmp_path: Path) -> None:
    damaged, target = tmp_path / "damaged.lens", tmp_path / "steps.jsonl"
    damaged.write_bytes(edited(recorded.read_bytes(), AIMED["a template of open brackets"]))
    assert invoke("export", damaged, "-o", target).exit_code == 1
    assert not target.exists()


def test_a_missing_file_is_answered_with_the_recordings_beside_it(recorded: Path) -> None:
    shown = invoke("info", recorded.with_name("tarin.lens"))
    assert shown.exit_code == 1
    assert shown.stderr.endswith("Recordings there: train.lens.\n")


def test_a_file_that_is_no_trace_is_refused(recorded: Path) -> None:
    shown = invoke("info", recorded.with_name("train.py"))
    assert shown.exit_code == 1
    assert shown.stderr.startswith("Error: ")
    assert shown.stderr.count("\n") == 1


def test_a_reader_that_stops_early_is_no_error(recorded: Path) -> None:
    """As ``autograd-lens export ... | head -1`` does."""
    with subprocess.Popen(
        [sys.executable, "-m", "autograd_lens", "export", str(recorded)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'{"step": 0')
        process.stdout.close()
        assert process.stderr.read() == b""


def test_path_draws_the_loss_of_a_light_step(recorded: Path, tmp_path: Path) -> None:
    output = tmp_path / "path.svg"
    drawn = invoke("path", recorded, "--step", "7", "--axes", "b1,w1", "-o", output)
    assert drawn.exit_code == 0, drawn.output
    assert output.read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--axes", "w2,b1"), "There is no parameter 'w2'. There are w1 [1, 1], b1 [1]."),
        (("--axes", "w1[0,1],b1"), "no element of w1, which has shape (1, 1)"),
        (("--axes", "w1"), "Two numbers span a plane; 'w1' names 1."),
        (("--step", "99"), "Step 99 is not in the trace, which has steps 0 to 11."),
    ],
)
def test_path_says_what_cannot_be_drawn(
    recorded: Path, tmp_path: Path, words: tuple[str, str], said: str
) -> None:
    drawn = invoke("path", recorded, *words, "-o", tmp_path / "path.png")
    assert drawn.exit_code == 1
    assert said in drawn.output
    assert not (tmp_path / "path.png").exists()


def test_info_measures_the_curvature_where_it_is_asked_to(recorded: Path) -> None:
    shown = invoke("info", recorded, "--curvature", "--width", "100").stdout
    assert "lr 0.01" in shown
    assert "in plain gradient descent" in shown
    assert "at most, at step 10 with its batch" in shown
