"""The figure of a descent path."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from autograd_lens.analysis.plane import Plane, find_plane, grid
from autograd_lens.render.plots.path import PathOptions, figure_bytes, path_figure
from autograd_lens.trace.kept import Surface
from tests.support.path_run import PathRun

Loss = Callable[[np.ndarray, np.ndarray], np.ndarray]


def bowl(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return 0.04 + (u - 2.9) ** 2 + 0.5 * (v - 10.5) ** 2


def surface(plane: Plane, loss: Loss = bowl, size: int = 31) -> Surface:
    u, v = grid(plane, size)
    losses = np.asarray(loss(*np.meshgrid(u, v)), np.float64)
    directions = (plane.origin, plane.first, plane.second)
    return Surface(u, v, losses, *directions, plane.names, plane.shapes, 3, "By hand.")


def line_fit(steps: int = 40) -> PathRun:
    """Two numbers on their way to (2.9, 10.5)."""
    left = 0.8 ** np.arange(steps + 1)
    w1, b1 = 2.9 - 1.4 * left, 10.5 - 11 * left
    losses = bowl(w1, b1)[:-1]
    return PathRun({"w1": w1.reshape(-1, 1, 1), "b1": b1.reshape(-1, 1)}, losses)


def texts(figure: Figure) -> list[str]:
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_a_diverging_run_shows_where_it_began() -> None:
    run = PathRun({"w": 3.0 * (-2.0) ** np.arange(90).reshape(45, 2)}, 4.0 ** np.arange(44))
    plane = find_plane(run)
    figure = path_figure(run, plane, surface(plane))
    written = texts(figure)
    assert "start (3, −6)" in written
    assert "after 3 steps (192, −384)" in written
    (parameters,) = [axes for axes in figure.axes if axes.get_title("left") == "parameters"]
    low, high = parameters.get_ylim()
    assert -500 < low < high < 500


def test_two_parameters_on_their_surface() -> None:
    run = line_fit()
    plane = find_plane(run)
    figure = path_figure(run, plane, surface(plane))
    written = texts(figure)
    assert any(text.startswith("train.py: 40 steps, loss 62.5") for text in written)
    assert {"start (1.5, −0.5)", "least-squares optimum (2.9, 10.5)"} <= set(written)
    assert any(text.startswith("after 40 steps (2.9, 10.5)") for text in written)
    assert {"loss", "parameters", "gradients", "step", "w1", "b1"} <= set(written)
    assert "Surface: by hand." in written


def test_more_parameters_are_labelled_with_their_share() -> None:
    values = np.cumsum(np.random.RandomState(0).randn(30, 2, 5), axis=0)
    run = PathRun({"layer.weight": values}, np.ones(29))
    plane = find_plane(run)
    written = texts(path_figure(run, plane, surface(plane, lambda u, v: u * u + v * v)))
    assert any("% of its variance" in text for text in written)
    assert "lowest point of this plane " in written
    assert "length of each" in written
    assert "start " in written


def test_without_a_surface_the_path_is_drawn_and_the_reason_given() -> None:
    run = line_fit()
    written = texts(path_figure(run, find_plane(run), None))
    assert any(text.startswith("The loss surface is not drawn") for text in written)
    assert "start (1.5, −0.5)" in written
    given = PathOptions(missing="No step was recorded in full.", title="A title")
    written = texts(path_figure(run, find_plane(run), None, given))
    assert {"No step was recorded in full.", "A title"} <= set(written)


def runs() -> Iterator[tuple[str, PathRun]]:
    """Everything that a run may be."""
    yield "one number", PathRun({"w": line_fit().values["b1"]}, line_fit().losses)
    yield "no step", PathRun({"w": np.ones((1, 2))})
    yield "one step", PathRun({"w": np.array([[1.0, 2.0], [1.5, 2.5]])}, np.ones(1))
    yield "no motion", PathRun({"w": np.ones((9, 4))}, np.zeros(8))
    broken = np.cumsum(np.ones((20, 2)), axis=0)
    broken[12:] = np.nan
    yield "nan", PathRun({"w": broken}, np.where(np.arange(19) < 12, 1.0, np.nan))
    yield "only inf", PathRun({"w": np.full((4, 3), np.inf)}, np.full(3, np.inf))
    yield "diverging", PathRun({"w": 3.0 ** np.arange(60).reshape(30, 2)}, 9.0 ** np.arange(29))
    yield "negative", PathRun({"w": np.cumsum(np.ones((9, 2)), axis=0)}, -np.arange(8.0))
    many = np.cumsum(np.random.RandomState(0).randn(9, 12), axis=0)
    yield (
        "many",
        PathRun({f"a.very.long.name.{i}": many[:, i : i + 1] for i in range(12)}, many[1:, 0]),
    )


@pytest.mark.parametrize(("name", "run"), list(runs()), ids=[name for name, _ in runs()])
@pytest.mark.parametrize("holes", [True, False], ids=["holes", "no surface"])
def test_every_run_can_be_drawn(name: str, run: PathRun, holes: bool) -> None:
    plane = find_plane(run)
    drawn = None
    if holes:
        drawn = surface(plane, lambda u, v: np.where(u > u.mean(), u * u + v * v, np.inf), size=7)
    figure = path_figure(run, plane, drawn, PathOptions(width=6, height=4))
    figure.canvas.draw()
    assert len(figure.axes) >= 5, name


def test_a_surface_that_is_nowhere_finite_is_left_out() -> None:
    run = line_fit()
    plane = find_plane(run)
    nowhere = surface(plane, lambda u, v: np.full_like(u + v, np.nan), size=7)
    assert "start (1.5, −0.5)" in texts(path_figure(run, plane, nowhere))


def test_no_label_leaves_the_page_or_covers_another() -> None:
    """Of the text outside of the relief, whose labels matplotlib places by itself."""
    run = line_fit()
    plane = find_plane(run)
    long = PathOptions(rates="lr scheduled 0.004 .. 0.1 .. 4e-07, SGD with momentum 0.95; " * 3)
    figure = path_figure(run, plane, surface(plane), long)
    figure.canvas.draw()
    flat = [axes for axes in figure.axes if axes.name != "3d"]
    artists = [text for axes in flat for text in axes.findobj(Text)] + figure.texts
    boxes = [
        (text.get_text(), text.get_window_extent())
        for text in artists
        if text.get_text().strip() and text.get_visible()
    ]
    width, height = figure.canvas.get_width_height()
    for words, box in boxes:
        assert 0 <= box.x0 < box.x1 <= width, words
        assert 0 <= box.y0 < box.y1 <= height, words
    inside = [(words, box) for words, box in boxes if box.width > 1]
    overlaps = [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(inside, 2)
        if one != other and a.shrunk(0.9, 0.9).overlaps(b.shrunk(0.9, 0.9))
    ]
    assert overlaps == []


@pytest.mark.parametrize(
    ("kind", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF-")]
)
def test_equal_runs_give_equal_bytes(kind: str, magic: bytes) -> None:
    run = line_fit()
    plane = find_plane(run)
    first, second = (figure_bytes(path_figure(run, plane, surface(plane)), kind) for _ in range(2))
    assert first.startswith(magic)
    assert first == second
    assert b"dc:date" not in first
    assert b"CreationDate" not in first


def test_a_picture_is_of_the_promised_size_and_not_empty() -> None:
    run = line_fit()
    plane = find_plane(run)
    data = figure_bytes(path_figure(run, plane, surface(plane)), "png")
    picture = Image.open(io.BytesIO(data))
    assert abs(picture.width / picture.height - 16 / 9) < 0.01
    assert len(set(picture.convert("L").resize((200, 112)).tobytes())) > 50


def test_nothing_global_changes() -> None:
    before = dict(mpl.rcParams)
    run = line_fit()
    plane = find_plane(run)
    figure_bytes(path_figure(run, plane, surface(plane)), "svg")
    assert dict(mpl.rcParams) == before


def test_drawing_needs_neither_pyplot_nor_torch() -> None:
    code = (
        "import sys, autograd_lens.render.plots.path, autograd_lens.landscape; "
        "print({'torch', 'matplotlib.pyplot'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
