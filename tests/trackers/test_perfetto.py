"""A recording as a Chrome trace: slices nest, every kernel is in one, arrows have two ends."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

import autograd_lens as lens
from autograd_lens.api import Trace
from autograd_lens.cli import app
from autograd_lens.trackers.perfetto import perfetto_lines
from tests.support.small_training import train

Event = dict[str, Any]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trace]:
    path = tmp_path_factory.mktemp("perfetto") / "small.lens"
    with lens.record(path, full="0:2"):
        train(steps=4)
    with lens.open(path) as trace:
        yield trace


@pytest.fixture(scope="module")
def events(recorded: Trace) -> list[Event]:
    return read("\n".join(perfetto_lines(recorded, range(4), (0, 1))))


def read(text: str) -> list[Event]:
    found: list[Event] = json.loads(text)["traceEvents"]
    return found


def slices(events: list[Event]) -> Iterator[tuple[tuple[str, ...], float, float, Event]]:
    """(names of the slices around it and its own, begin, end, event) of each slice."""
    stack: list[Event] = []
    for event in events:
        if event["ph"] == "B":
            stack.append(event)
        elif event["ph"] == "E":
            begun = stack[-1]
            yield tuple(one["name"] for one in stack), begun["ts"], event["ts"], begun
            stack.pop()
    assert not stack


def test_slices_nest_and_time_only_grows(events: list[Event]) -> None:
    times = [event["ts"] for event in events if event["ph"] in "BE"]
    assert times == sorted(times)
    assert all(end > begin for _, begin, end, _ in slices(events))
    outermost = [path[0] for path, *_ in slices(events) if len(path) == 1]
    assert outermost == ["step 0", "step 1", "step 2", "step 3"]


def test_every_kernel_of_an_opened_step_is_a_slice_of_its_own(
    recorded: Trace, events: list[Event]
) -> None:
    for number in (0, 1):
        shown = [
            (int(event["args"]["kernel"]), event["args"]["op"], end - begin)
            for path, begin, end, event in slices(events)
            if path[0] == f"step {number}" and event["cat"] == "kernel"
        ]
        kernels = recorded.steps[number].kernels
        assert shown == [(kernel.index, kernel.op, 1.0) for kernel in kernels]
    assert [event["cat"] for path, *_, event in slices(events) if path[0] == "step 3"] == ["step"]


def test_modules_hold_forward_and_backward(events: list[Event]) -> None:
    paths = {path for path, *_ in slices(events)}
    assert ("step 0", "forward", "encoder", "addmm") in paths
    assert ("step 0", "backward", "head", "AddmmBackward0", "mm") in paths
    assert ("step 0", "backward", "head", "AccumulateGrad head.weight", "detach") in paths
    assert ("step 0", "forward", "mse_loss") in paths
    assert any(path[:2] == ("step 0", "update") for path in paths)


def test_values_stand_in_the_arguments(recorded: Trace, events: list[Event]) -> None:
    by_path = {path: event["args"] for path, *_, event in slices(events)}
    step = by_path["step 0",]
    assert step["loss"] == f"{recorded.losses[0]:.6g}"
    assert (step["level"], step["provenance"]) == ("full", "recorded")
    addmm = by_path["step 0", "forward", "encoder", "addmm"]
    assert addmm["in self"].startswith("encoder.bias ")
    assert addmm["code"] == "features = self.encoder(x).tanh()"
    assert addmm["line"].startswith("small_training.py:")
    write = by_path["step 0", "backward", "head", "AccumulateGrad head.bias"]
    assert write[".grad before"] == "None"
    assert write[".grad after"] == write["grad_output 0"]
    node = by_path["step 0", "backward", "Model", "TanhBackward0"]
    assert node["d self"] == "tanh_backward(grad, result)"


def test_arrows_lead_from_the_forward_to_the_backward(events: list[Event]) -> None:
    begins, ends = (Counter(e["id"] for e in events if e["ph"] == phase) for phase in "sf")
    assert begins == ends
    assert set(begins.values()) == {1}
    at = {(event["ph"], event["id"]): event["ts"] for event in events if event["ph"] in "sf"}
    assert all(at["s", one] < at["f", one] for one in begins)
    names = {
        (path[2], path[-1])
        for path, begin, end, event in slices(events)
        for (phase, _), ts in at.items()
        if phase == "f" and begin < ts < end and event["cat"] == "node"
    }
    assert ("Model", "TanhBackward0") in names


def test_a_graph_that_is_run_twice_has_arrows_of_its_own(tmp_path: Path) -> None:
    w = torch.ones(2, requires_grad=True)
    with lens.record(tmp_path / "twice.lens", full="all") as run:
        loss = (w.sin() * 2).sum()
        loss.backward(retain_graph=True)
        loss.backward()
    events = read("\n".join(perfetto_lines(run.trace, (0,), (0,))))
    begins, ends = (Counter(e["id"] for e in events if e["ph"] == phase) for phase in "sf")
    assert begins == ends
    assert set(begins.values()) == {1}
    backwards = {path[1] for path, *_ in slices(events) if len(path) > 2}
    assert {"backward 0", "backward 1"} <= backwards
    run.trace.close()


def test_counters_hold_losses_rates_and_norms(recorded: Trace, events: list[Event]) -> None:
    counted = [(e["name"], e["args"]["value"]) for e in events if e["ph"] == "C"]
    assert [value for name, value in counted if name == "loss"] == recorded.losses.tolist()
    assert [value for name, value in counted if name == "lr 0"] == [0.1] * 4
    assert all(value > 0 for name, value in counted if name == "gradient norm")


def test_a_loss_that_is_no_number_is_no_counter(
    recorded: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = replace(recorded.light(0), loss=float("nan"))
    monkeypatch.setattr(recorded, "light", lambda _: step)
    events = read("\n".join(perfetto_lines(recorded, (0,), ())))
    assert not [event for event in events if event.get("name") == "loss"]
    assert [event["args"]["loss"] for event in events if event["ph"] == "B"] == ["nan"]


def test_the_command_writes_a_file_and_replays_what_is_named(
    recorded: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["export", str(recorded.path), "--to", "perfetto"]
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, done.stderr) == (0, "Wrote small.perfetto.json\n")
    assert "exists" in CliRunner().invoke(app, words).stderr

    done = CliRunner().invoke(app, [*words, "--steps", "3", "-o", "three.json"])
    assert done.exit_code == 0
    (about,) = [
        event["args"]
        for path, *_, event in slices(read((tmp_path / "three.json").read_text()))
        if len(path) == 1
    ]
    assert about["provenance"] == "proved"

    refused = CliRunner().invoke(app, [*words, "--values"])
    assert refused.exit_code == 1
    assert "--values is for json" in refused.stderr
