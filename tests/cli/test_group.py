"""The command itself: finding verbs, wording errors, starting fast."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import autograd_lens
from autograd_lens.cli import VERBS, LazyGroup, app
from autograd_lens.errors import SelectionError, TraceError


def test_help_lists_every_verb_with_what_it_does() -> None:
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    listed = re.findall(r"^  (\w+)  +\S.*\.$", shown.output, re.MULTILINE)
    assert tuple(listed) == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    shown = CliRunner().invoke(app, [verb, "-h"])
    assert shown.exit_code == 0
    assert shown.output.startswith(f"Usage: app {verb} ")
    assert max(map(len, shown.output.splitlines())) <= 100


def test_version_is_the_packages() -> None:
    shown = CliRunner().invoke(app, ["--version"], prog_name="autograd-lens")
    assert shown.output == f"autograd-lens {autograd_lens.__version__}\n"


def test_a_misspelt_verb_is_answered_with_the_nearest() -> None:
    shown = CliRunner().invoke(app, ["exprot"])
    assert shown.exit_code == 2
    assert "Did you mean 'export'?" in shown.stderr


@pytest.mark.parametrize("arguments", [["--nonsense"], ["trace", "--nonsense"]])
def test_an_unknown_option_is_a_usage_error(arguments: list[str]) -> None:
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 2
    assert "No such option '--nonsense'" in shown.stderr


@pytest.mark.parametrize(
    "error",
    [
        TraceError("There is no file 'a.lens'.", hint="Record one."),
        SelectionError("There is no file 'a.lens'.\n   Record one."),
    ],
)
def test_an_error_of_ours_is_one_line_on_stderr_and_status_1(error: Exception) -> None:
    group = LazyGroup("lens")

    @click.command()
    def failing() -> None:
        raise error

    group.get_command = lambda _ctx, _name: failing  # type: ignore[method-assign]
    shown = CliRunner().invoke(group, ["info"])
    assert shown.exit_code == 1
    assert shown.stdout == ""
    assert shown.stderr == "Error: There is no file 'a.lens'. Record one.\n"


def test_an_error_that_is_not_ours_keeps_its_traceback() -> None:
    group = LazyGroup("lens")

    @click.command()
    def broken() -> None:
        raise ZeroDivisionError

    group.get_command = lambda _ctx, _name: broken  # type: ignore[method-assign]
    assert isinstance(CliRunner().invoke(group, ["info"]).exception, ZeroDivisionError)


def test_python_dash_m_is_the_same_command() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "autograd_lens", "--version"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(autograd_lens.__file__).parents[1],
    )
    assert shown.stdout == f"autograd-lens {autograd_lens.__version__}\n"
