"""What holds for every test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Several processes with several threads each wait for one another most of the time.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

_LONGEST = ("tests/replay/database", "tests/replay/test_transformer")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: where several workers share the tests, none ends alone."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONGEST))


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings made by tests are not the latest recording of whoever runs them."""
    state: Path = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("AUTOGRAD_LENS_STATE", str(state))


@pytest.fixture(autouse=True)
def _all_default_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine spares no full step that a test counts on."""
    monkeypatch.setattr("autograd_lens.capture.pace._FREE", 60.0)
