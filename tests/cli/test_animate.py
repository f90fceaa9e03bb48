"""``autograd-lens animate``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

import autograd_lens as lens_api
from autograd_lens.cli.animate import write_film
from autograd_lens.errors import RenderError
from tests.cli.conftest import Lens


def test_it_writes_a_gif(lens: Lens, recorded: Path, tmp_path: Path) -> None:
    done = lens("animate", recorded)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "train-descent.gif").read_bytes().startswith(b"GIF89a")


def test_another_suffix_is_refused(lens: Lens, recorded: Path) -> None:
    done = lens("animate", recorded, "-o", "a.avi")
    assert done.returncode == 1
    assert "ends in .gif or .mp4" in done.stderr


def test_it_writes_a_film(lens: Lens, recorded: Path, tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    import imageio_ffmpeg

    done = lens("animate", recorded, "-o", "a.mp4")
    assert done.returncode == 0, done.stderr
    film = imageio_ffmpeg.read_frames(str(tmp_path / "a.mp4"))
    about = next(film)
    assert about["size"] == (600, 450)
    assert about["codec"] == "h264"
    assert about["duration"] > 1
    film.close()


def test_without_ffmpeg_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(RenderError, match=r"autograd-lens\[video\]"):
        write_film([Image.new("RGB", (4, 4))], tmp_path / "a.mp4")


def test_the_gradient_goes_back_node_by_node(lens: Lens, recorded: Path, tmp_path: Path) -> None:
    pytest.importorskip("typst")
    done = lens("animate", recorded, "--backward", "-o", "back.gif")
    assert done.returncode == 0, done.stderr
    with lens_api.open(recorded) as trace:
        ran = len(trace.steps[0].backwards[0].node_runs)
    with Image.open(tmp_path / "back.gif") as made:
        assert made.size == (960, 540)
        assert made.n_frames >= ran
