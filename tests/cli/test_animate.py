"""``autograd-lens animate``."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Lens


def test_it_writes_a_gif(lens: Lens, recorded: Path, tmp_path: Path) -> None:
    done = lens("animate", recorded)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "train-descent.gif").read_bytes().startswith(b"GIF89a")


def test_another_suffix_is_refused(lens: Lens, recorded: Path) -> None:
    done = lens("animate", recorded, "-o", "a.mp4")
    assert done.returncode == 1
    assert "ends in .gif" in done.stderr
