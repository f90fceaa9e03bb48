"""Every module of PyTorch's own database, recorded and replayed: bit for bit what it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import exceptions, module_cases, sweep

# Many of the samples are of deprecated operators.
pytestmark = pytest.mark.filterwarnings("ignore")

GROUPS = 6
SAMPLES = 1  # in training mode, and one in evaluation mode


@pytest.mark.parametrize("group", range(GROUPS))
def test_recording_changes_nothing_and_replay_is_exact(group: int, tmp_path: Path) -> None:
    cases = module_cases(SAMPLES)
    chosen = [case for name in sorted(cases)[group::GROUPS] for case in cases[name]]
    outcome = sweep(chosen, tmp_path / "run.lens", together=6)
    assert not outcome.changed, "\n".join(outcome.changed)
    listed = exceptions("modules").keys() & outcome.names
    new = [line for name in outcome.missed.keys() - listed for line in outcome.missed[name]]
    assert not new, "\n".join(new)
    mended = sorted(listed - outcome.missed.keys())
    assert not mended, f"replay is exact now: take out of exceptions.toml {', '.join(mended)}"


def test_at_most_one_in_a_hundred_is_an_exception() -> None:
    names = module_cases(1).keys()
    assert len(names) >= 110
    assert exceptions("modules").keys() <= names
    assert len(exceptions("modules")) <= len(names) / 100
