"""What trackers are told of a run, and in which order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import autograd_lens as lens
from autograd_lens.api import Trace
from autograd_lens.errors import LensError
from autograd_lens.trackers.send import open_tracker, send
from autograd_lens.trackers.series import (
    about,
    findings_text,
    rate_groups,
    step_numbers,
    steps_as_they_come,
)
from tests.support.small_training import train


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trace]:
    path = tmp_path_factory.mktemp("series") / "small.lens"
    with lens.record(path, full="0"):
        train(steps=4, cut_off=True)
    with lens.open(path) as trace:
        yield trace


def test_a_steps_numbers_are_those_of_the_run(recorded: Trace) -> None:
    numbers = step_numbers(recorded, 1, rate_groups(recorded))
    assert numbers.keys() == {"loss", "lr", "gradient_norm/head", "update_ratio/head"} | {
        "update_ratio/encoder"
    }
    assert (numbers["loss"], numbers["lr"]) == (recorded.losses[1], 0.1)
    assert numbers["update_ratio/encoder"] == 0.0  # cut off: it has no gradient, and stays
    head = [recorded.parameter(f"head.{name}") for name in ("weight", "bias")]
    norm = math.hypot(*(np.linalg.norm(one.grads[1]) for one in head))
    there = math.hypot(*(np.linalg.norm(one.values[1]) for one in head))
    assert numbers["gradient_norm/head"] == pytest.approx(norm)
    assert numbers["update_ratio/head"] == pytest.approx(0.1 * norm / there, rel=1e-5)


def test_what_light_steps_do_not_hold_is_left_out(tmp_path: Path) -> None:
    large = nn.Parameter(torch.ones(200, 100))  # more than a light row keeps of one value
    optimizer = torch.optim.SGD([{"params": [large], "lr": 0.1}])
    with lens.record(tmp_path / "large.lens", full="none") as run:
        for _ in range(2):
            large.sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    numbers = step_numbers(run.trace, 0, ())
    assert numbers.keys() == {"loss", "gradient_norm/large"}
    assert numbers["gradient_norm/large"] == pytest.approx(math.sqrt(20_000))
    run.trace.close()


def test_rates_of_several_groups_are_told_apart(tmp_path: Path) -> None:
    one, other = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    groups = [{"params": [one], "lr": 0.5}, {"params": [other], "lr": 0.25}]
    optimizer = torch.optim.SGD(groups)
    with lens.record(tmp_path / "two.lens", full="0") as run:
        (one * other).sum().backward()
        optimizer.step()
    numbers = step_numbers(run.trace, 0, rate_groups(run.trace))
    assert (numbers["lr/0"], numbers["lr/1"]) == (0.5, 0.25)
    run.trace.close()


def test_a_running_recording_is_followed_to_its_end(tmp_path: Path) -> None:
    with lens.record(tmp_path / "live.lens", full="none"):
        train(steps=3)
        with lens.open(tmp_path / "live.lens") as trace:
            assert [*steps_as_they_come(trace, follow=False)] != []
            coming = steps_as_they_come(trace, follow=True, wait=0.02)
            first = next(chunk for chunk in coming if chunk)
            assert 0 < len(first) < 3  # the last one may still be updated
    with lens.open(tmp_path / "live.lens") as trace:
        assert [step for chunk in steps_as_they_come(trace, follow=True) for step in chunk] == [
            0,
            1,
            2,
        ]


class Notes:
    """A tracker that only writes down what it is told."""

    def __init__(self, *, fails: bool = False) -> None:
        self.told: list[tuple[Any, ...]] = []
        self._fails = fails

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        if self._fails:
            msg = "no connection"
            raise OSError(msg)
        self.told.append((step, values["loss"]))

    def text(self, name: str, text: str) -> None:
        self.told.append((name, text))

    def picture(self, name: str, png: bytes) -> None:
        self.told.append((name, png[:4]))

    def close(self) -> None:
        self.told.append(("close",))


def test_numbers_come_first_then_findings_and_pictures(recorded: Trace) -> None:
    notes, said = Notes(), list[str]()
    assert send(recorded, notes, chosen={1, 3}, say=said.append) == 2  # type: ignore[arg-type]
    assert notes.told == [
        (1, recorded.losses[1]),
        (3, recorded.losses[3]),
        ("findings", findings_text(recorded)),
        ("path", b"\x89PNG"),
        ("graph", b"\x89PNG"),
        ("close",),
    ]
    assert said == []
    assert findings_text(recorded).startswith("**AL209 partly-detached: ")


def test_a_tracker_is_closed_whatever_happens(recorded: Trace) -> None:
    notes = Notes(fails=True)
    with pytest.raises(OSError, match="no connection"):
        send(recorded, notes, say=print)  # type: ignore[arg-type]
    assert notes.told == [("close",)]


def test_a_run_without_full_steps_says_which_picture_is_missing(tmp_path: Path) -> None:
    with lens.record(tmp_path / "light.lens", full="none") as run:
        train(steps=2)
    notes, said = Notes(), list[str]()
    send(run.trace, notes, say=said.append)  # type: ignore[arg-type]
    assert said == ["The graph was not drawn: no step was recorded in full."]
    run.trace.close()


def test_what_is_known_of_a_run(recorded: Trace) -> None:
    facts = about(recorded)
    assert (facts["status"], facts["steps"], facts["seed"]) == ("finished", "4", "0")
    assert all(facts.values())


def test_a_package_that_is_missing_is_named(
    recorded: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(LensError, match=r"pip install 'autograd-lens\[wandb\]'"):
        open_tracker("wandb", recorded, None)
