"""Every operator of PyTorch's own database, recorded and replayed: bit for bit what it was.

One sample of each; ``OPERATOR_SAMPLES=3`` in the environment tries three, as before a release.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import autograd_lens as lens
from tests.support.databases import (
    exceptions,
    operator_cases,
    operator_errors,
    operators,
    sweep,
)

# Many of the samples are of deprecated operators.
pytestmark = pytest.mark.filterwarnings("ignore")

GROUPS = 16
LISTED = 3  # samples with which the exceptions were found
SAMPLES = int(os.environ.get("OPERATOR_SAMPLES", "1"))


@pytest.mark.parametrize("group", range(GROUPS))
def test_recording_changes_nothing_and_replay_is_exact(group: int, tmp_path: Path) -> None:
    chosen = operators()[group::GROUPS]
    cases = [case for op in chosen for case in operator_cases(op, SAMPLES)]
    outcome = sweep(cases, tmp_path / "run.lens")
    assert len(outcome.names) == len(chosen)
    assert not outcome.changed, "\n".join(outcome.changed)
    listed = exceptions("operators").keys() & outcome.names
    new = [line for name in outcome.missed.keys() - listed for line in outcome.missed[name]]
    assert not new, "\n".join(new)
    mended = sorted(listed - outcome.missed.keys()) if SAMPLES >= LISTED else []
    assert not mended, f"replay is exact now: take out of exceptions.toml {', '.join(mended)}"


def raised(call: Callable[[], Any]) -> tuple[str, str]:
    try:
        call()
    except Exception as error:  # noqa: BLE001  whatever it is
        return type(error).__name__, str(error)
    return "nothing", ""


def test_errors_are_the_same(tmp_path: Path) -> None:
    calls = dict(operator_errors())
    bare = {name: raised(call) for name, call in calls.items()}
    with lens.record(tmp_path / "run.lens", full="all") as run:
        for _ in run.steps(1, progress=False):
            recorded = {name: raised(call) for name, call in calls.items()}
    assert {name: recorded[name] for name in bare if recorded[name] != bare[name]} == {}
    assert sum(kind != "nothing" for kind, _ in bare.values()) > 200


def test_at_most_one_in_a_hundred_is_an_exception() -> None:
    names = {".".join(filter(None, (op.name, op.variant_test_name))) for op in operators()}
    assert len(names) >= 500
    assert exceptions("operators").keys() <= names
    assert len(exceptions("operators")) <= len(names) / 100
