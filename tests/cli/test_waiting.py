"""The line that is shown while steps are replayed."""

from __future__ import annotations

import io

import pytest

from autograd_lens.cli import files
from autograd_lens.cli.files import ReplayStatus


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the status sees."""
    now = [100.0]
    monkeypatch.setattr(files.time, "monotonic", lambda: now[0])
    return now


def test_quick_replays_say_nothing(clock: list[float]) -> None:
    terminal = Terminal()
    status = ReplayStatus(terminal, between=False)
    status(5, 5)
    clock[0] += 0.5
    status(6, 6)
    status(None, 6)
    assert not terminal.getvalue()


def test_a_long_way_is_told_and_the_line_taken_away_at_its_end(clock: list[float]) -> None:
    terminal = Terminal()
    status = ReplayStatus(terminal, between=False)
    status(499, 499)
    for step in (200, 201):
        clock[0] += 1.5
        status(step, 499)
    assert "Replaying step 201, on the way to step 499 ..." in terminal.getvalue()
    status(None, 499)
    assert terminal.getvalue().endswith("\r\x1b[2K")


def test_between_steps_it_stays_where_results_go_elsewhere(clock: list[float]) -> None:
    terminal = Terminal()
    status = ReplayStatus(terminal, between=True)
    status(1, 1)
    clock[0] += 2
    status(2, 2)
    status(None, 2)
    assert terminal.getvalue().endswith("Replaying step 2 ...")
    status.clear()
    assert terminal.getvalue().endswith("\r\x1b[2K")


def test_a_file_gets_nothing(clock: list[float]) -> None:
    file = io.StringIO()
    status = ReplayStatus(file, between=True)
    status(1, 1)
    clock[0] += 2
    status(2, 2)
    assert not file.getvalue()
