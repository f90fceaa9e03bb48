"""What holds for every test."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings made by tests are not the latest recording of whoever runs them."""
    state: Path = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("AUTOGRAD_LENS_STATE", str(state))
