"""Verbs on files that a stranger made to do harm; ``tests/bench/hostile.py`` tries thousands."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from autograd_lens.cli import app
from tests.support.hostile import AIMED, count_again, edited

VERBS = {
    "info": [],
    "trace": ["--steps", "0,1,last", "--kernels"],
    "export": [],
    "doctor": [],
    "graph": ["--step", "0", "-o", "graph.svg", "-f"],
    "verify": ["--steps", "0:2"],
    "step": ["--screenshot", "step.svg"],
    "handout": ["-o", "handout.md"],
    "path": ["-o", "path.svg"],
    "view": ["--serve"],
}
REFUSED = (
    "a view that never ends in place of a table",
    "a template of open brackets",
    "10^15 steps",
    "a parameter of 1000 axes",
)


def run(verb: str, content: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.chdir(folder)
    Path("run.lens").write_bytes(content)
    return CliRunner().invoke(app, [verb, "run.lens", *VERBS[verb]])


@pytest.mark.parametrize("verb", ["info", "trace", "export", "doctor", "graph"])
def test_control_characters_reach_neither_terminal_nor_file(
    recorded: Path, verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = edited(recorded.read_bytes(), AIMED["escapes in all names"])
    result = run(verb, content, tmp_path, monkeypatch)
    assert result.exit_code == 0, result.output
    made = [path.read_text() for path in tmp_path.glob("graph.*")]
    for text in (result.output, *made):
        assert not set(text) & set("\x1b\x07\x9b\u202e")


@pytest.mark.parametrize(
    ("verb", "attack"),
    [
        *(("trace", attack) for attack in REFUSED),
        ("verify", "optimizers of open brackets"),
        ("step", "an info of open brackets"),
        ("path", "names of 100,000 characters"),
        ("view", "a source text of 1.5 GB"),
    ],
)
def test_an_attack_is_refused_in_one_line(
    recorded: Path, verb: str, attack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = edited(recorded.read_bytes(), AIMED[attack])
    result = run(verb, content, tmp_path, monkeypatch)
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 1
    (line,) = result.output.strip().splitlines()
    assert line.startswith("Error: This trace is damaged: ")


def test_a_handout_of_an_impossible_parameter_has_no_ending(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = edited(recorded.read_bytes(), AIMED["a parameter of no elements"])
    result = run("handout", content, tmp_path, monkeypatch)
    assert result.exit_code == 0, result.output


def test_no_file_starts_more_threads_than_a_process_should_have(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = edited(recorded.read_bytes(), AIMED["a run with 10^30 threads"])
    connected = edited(content, without_threads)
    result = run("verify", connected, tmp_path, monkeypatch)
    assert isinstance(result.exception, SystemExit)
    assert "256 are the most used here" in " ".join(result.output.split())


def without_threads(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM items WHERE kind = 'extra' AND key = 'threads'")
    count_again(connection)
