"""The moving picture of a descent."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from autograd_lens.analysis.lesson import lesson
from autograd_lens.errors import RenderError
from autograd_lens.render.plots.animation import Ground, animation_steps, frames, gif
from autograd_lens.render.plots.field import Field
from autograd_lens.trace.selection import Scalar
from tests.support.lesson_run import regression_run


def test_every_step_of_a_short_run_is_a_frame_and_the_file_is_small() -> None:
    pictures = list(frames(lesson(regression_run(5), [0])))
    data = gif(pictures)
    made = Image.open(io.BytesIO(data))
    assert made.size == (600, 450)
    assert made.n_frames == 6  # type: ignore[attr-defined]
    assert len(data) < 100_000


def test_frames_differ_only_where_something_moves() -> None:
    first, *_, last = (
        np.asarray(each).astype(int) for each in frames(lesson(regression_run(3), [0]))
    )
    changed = np.abs(first - last).max(axis=2) > 0
    assert changed.any()
    assert not changed[:40].any()  # the title


def test_frames_are_chosen_where_the_point_moves() -> None:
    found = lesson(regression_run(3), [0])
    bent = np.concatenate([np.linspace(0, 1, 50), np.ones(4951)])
    values = np.stack([bent, bent], 1)
    path = replace(found.path, values=values, grads=np.zeros((5000, 2)), losses=np.ones(5000))
    steps = animation_steps(replace(found, path=path))
    assert (steps[0], steps[-1]) == (0, 5000)
    assert len(steps) <= 102
    assert sum(step <= 50 for step in steps) > len(steps) / 3


def test_no_letter_leaves_the_picture() -> None:
    found = lesson(regression_run(3), [0])
    weight = Scalar("model.layers.0.weight", (5, 1), (8, 3))
    followed = (weight, Scalar("model.layers.0.bias", (3,), (8,)))
    path = replace(found.path, followed=followed, values=found.path.values - 1e-5)
    long = replace(found, path=path)
    for picture in frames(long):
        assert (np.asarray(picture)[:, -3:] == 255).all()


def test_one_number_alone_is_told() -> None:
    found = lesson(regression_run(2), [0])
    path = replace(found.path, followed=found.path.followed[:1])
    with pytest.raises(RenderError, match="two numbers"):
        list(frames(replace(found, path=path)))


def test_the_point_can_walk_over_a_surface_of_another_plane() -> None:
    found = lesson(regression_run(3), [0])
    path = np.stack([np.linspace(-1, 1, 4), np.linspace(1, 0, 4)], 1)
    side = np.linspace(-2.0, 2.0, 21)
    height = side[None, :] ** 2 + side[:, None] ** 2
    field = Field(side, side, height, np.linspace(0.1, 8, 9), log=False, holes=False)
    plain, lit = (
        list(frames(found, Ground(path, ("first", "second"), ground))) for ground in (None, field)
    )
    assert len(lit) == len(animation_steps(found, Ground(path, ("first", "second"))))
    apart = np.abs(np.asarray(lit[0]).astype(int) - np.asarray(plain[0]).astype(int)).max(axis=2)
    assert (apart[70:380, 90:360] > 0).mean() > 0.5  # the ground of the map is coloured
