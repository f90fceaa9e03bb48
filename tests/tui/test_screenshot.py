"""A picture of the screen, without a terminal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograd_lens.cli import app
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.selection import Place
from autograd_lens.tui.app import StepperApp, on_light, screenshot


def words(svg: str) -> str:
    return re.sub(r"<[^>]+>", " ", svg).replace("&#160;", " ")


def test_it_shows_the_place_and_loads_nothing(run: Trace) -> None:
    svg = screenshot(StepperApp(run, place=Place(3, phase="update")), (100, 30), "a title")
    assert "step 3" in words(svg)
    assert "a title" in words(svg)
    assert "Update" in words(svg)
    assert set(re.findall(r"https?://[^\"' )]+", svg)) == {"http://www.w3.org/2000/svg"}


def test_the_command_writes_it(interrupted: Trace, tmp_path: Path) -> None:
    target = tmp_path / "screen.svg"
    call = ["step", str(interrupted.path), "--at", "2", "--no-replay", "--screenshot", str(target)]
    done = CliRunner().invoke(app, [*call, "--size", "90x24"])
    assert done.exit_code == 0, done.output
    assert "step 2" in words(target.read_text(encoding="utf-8"))
    again = CliRunner().invoke(app, call)
    assert again.exit_code == 1  # nothing is overwritten


def test_a_wrong_size_is_refused(interrupted: Trace, tmp_path: Path) -> None:
    call = ["step", str(interrupted.path), "--screenshot", str(tmp_path / "a.svg"), "--size", "big"]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 1
    assert "for example 120x40" in str(done.output)


def test_a_size_without_a_screenshot_is_refused(interrupted: Trace) -> None:
    done = CliRunner().invoke(app, ["step", str(interrupted.path), "--size", "90x24"])
    assert done.exit_code == 1
    assert "Add --screenshot" in done.stderr


@pytest.mark.parametrize(
    ("environment", "light"),
    [
        ({"COLORFGBG": "0;15"}, True),
        ({"COLORFGBG": "0;default;7"}, True),
        ({"COLORFGBG": "15;0"}, False),
        ({"COLORFGBG": "0;15", "TEXTUAL_THEME": "dracula"}, False),
        ({}, False),
    ],
    ids=str,
)
def test_it_is_light_where_the_terminal_is(environment: dict[str, str], *, light: bool) -> None:
    assert on_light(environment) is light
