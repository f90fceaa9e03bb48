"""The loss around a run: computed from its tape, or as it was kept in its file."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import autograd_lens as lens
from autograd_lens.analysis.plane import find_plane, stored_surface
from autograd_lens.analysis.quadratic import quadratic_minimum
from autograd_lens.analysis.rates import find_rates
from autograd_lens.errors import ReplayError
from autograd_lens.landscape import (
    cheap_landscape,
    compute_surface,
    keep_extras,
    measure_curvatures,
)
from autograd_lens.trace.kept import stored_curvatures
from tests.support.linear_records import data


def keep_landscape(path: Path) -> None:
    """Keep what ``run`` measures unasked."""
    with lens.open(path) as trace:
        extras = dict(cheap_landscape(trace))
    keep_extras(path, extras)


class SGD:
    def __init__(self, params: list[torch.Tensor], lr: float) -> None:
        self.params, self.lr = params, lr

    def step(self) -> None:
        for param in self.params:
            assert param.grad is not None
            param.data -= self.lr * param.grad.data
            param.grad.data.zero_()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The linear regression, ten steps of it, with what is cheap to measure."""
    path = tmp_path_factory.mktemp("landscape") / "line.lens"
    x, y = map(torch.from_numpy, data())
    w1, b1 = torch.ones(1, 1, requires_grad=True), torch.ones(1, requires_grad=True)
    optimizer = SGD([w1, b1], 0.01)
    with lens.record(path):
        for _ in range(10):
            torch.mean((x.mm(w1) + b1 - y) ** 2 / 2).backward()
            optimizer.step()
    keep_landscape(path)
    return path


def test_the_first_programs_curvature_and_rate(kept: Path) -> None:
    with lens.open(kept) as trace:
        rates = find_rates(trace)
    assert rates.used == (0.01,)
    assert rates.is_plain
    assert rates.curvature is not None
    assert rates.curvature.step == 5
    assert rates.curvature.largest == pytest.approx(1.2396, abs=5e-5)
    assert rates.curvature.stable_rate == pytest.approx(1.6134, abs=5e-5)


def test_first_and_last_full_step_are_measured(kept: Path) -> None:
    with lens.open(kept) as trace:
        found = stored_curvatures(trace)
        assert found == measure_curvatures(trace)
    assert found is not None
    assert [point.step for point in found.points] == [0, 5]


def test_a_run_of_two_numbers_keeps_its_surface(kept: Path) -> None:
    with lens.open(kept) as trace:
        surface = stored_surface(trace, find_plane(trace))
    assert surface is not None
    rows, columns = surface.loss.shape
    assert rows == columns
    assert 11 <= rows <= 121  # as fine as its seconds allowed on this machine


def test_what_was_kept_is_drawn_and_told_without_torch(kept: Path) -> None:
    program = (
        "import sys, autograd_lens as lens\n"
        f"with lens.open({str(kept)!r}) as trace: trace.plot_path()\n"
        "from autograd_lens.cli import app\n"
        f"app(['info', {str(kept)!r}], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules\n"
    )
    root = str(Path(lens.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=root
    )
    assert done.returncode == 0, done.stderr
    assert "up to lr 1.6134 = 2 / 1.2396" in done.stdout


def test_a_run_that_nothing_can_be_measured_of_says_why(tmp_path: Path) -> None:
    path = tmp_path / "light.lens"
    w = torch.ones(2, requires_grad=True)
    with lens.record(path, full="none"):
        (w**2).sum().backward()
    keep_landscape(path)
    with lens.open(path) as trace:
        assert find_rates(trace).missing == "No step with a backward was recorded in full."


def test_a_gradient_that_is_not_finite_has_no_curvature(tmp_path: Path) -> None:
    path = tmp_path / "nan.lens"
    w = torch.zeros(2, requires_grad=True)
    with lens.record(path):
        torch.sqrt(w).sum().backward()
    with lens.open(path) as trace:
        found = measure_curvatures(trace)
    assert found.missing == "The gradient of step 0 is not finite."


def test_time_that_runs_out_is_told_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "large.lens"
    w = torch.randn(200, requires_grad=True)
    with lens.record(path):
        (w**4).sum().backward()
    with lens.open(path) as trace:
        assert "info --curvature" in measure_curvatures(trace, seconds=0).missing
        assert measure_curvatures(trace).points[0].rounds > 0


def record_line(path: Path, full: str = "default") -> None:
    """The linear regression, ten steps of it."""
    torch.manual_seed(0)
    x, y = map(torch.from_numpy, data())
    w1, b1 = torch.randn(1, 1, requires_grad=True), torch.randn(1, requires_grad=True)
    with lens.record(path, full=full, force=True) as run:
        for _ in run.steps(10, progress=False):
            loss = torch.mean((x.mm(w1) + b1 - y) ** 2 / 2)
            loss.backward()
            with torch.no_grad():
                w1 -= 0.1 * w1.grad
                b1 -= 0.1 * b1.grad
            w1.grad = b1.grad = None


def test_the_optimum_of_the_line_fit_is_in_sight(tmp_path: Path) -> None:
    record_line(tmp_path / "line.lens")
    with lens.open(tmp_path / "line.lens") as trace:
        plane = find_plane(trace, "w1,b1")
        surface = compute_surface(trace, plane, seconds=1.0)  # enough on a busy machine, too
    found = quadratic_minimum(surface)
    assert found is not None
    assert (round(found.u, 5), round(found.v, 5)) == (2.93655, 10.55808)
    assert found.curvatures[0] == pytest.approx(1.2396, abs=5e-5)
    assert surface.u[0] < found.u < surface.u[-1]
    assert surface.v[0] < found.v < surface.v[-1]
    assert surface.step == trace.full_steps[-1]


def test_a_run_without_full_steps_says_what_to_do(tmp_path: Path) -> None:
    record_line(tmp_path / "line.lens", full="none")
    with (
        lens.open(tmp_path / "line.lens") as trace,
        pytest.raises(ReplayError, match=r"recorded in full.*--full 0"),
    ):
        compute_surface(trace, find_plane(trace))


@dataclasses.dataclass
class Stored:
    """A trace that holds these bytes, and what a plane is found from."""

    trace: Any
    data: bytes | None

    def extra(self, key: str) -> bytes | None:
        assert key == "surface"
        return self.data


def test_a_stored_surface_is_used_for_its_own_plane_only(tmp_path: Path) -> None:
    record_line(tmp_path / "line.lens")
    with lens.open(tmp_path / "line.lens") as trace:
        plane = find_plane(trace)
        surface = compute_surface(trace, plane, seconds=0.01)
    kept: Any = Stored(trace, surface.to_bytes())
    again = stored_surface(kept, plane)
    assert again is not None
    np.testing.assert_array_equal(again.loss, surface.loss)
    other = dataclasses.replace(plane, first=plane.second, second=plane.first)
    assert stored_surface(kept, other) is None
    assert stored_surface(Stored(trace, None), plane) is None
    assert stored_surface(Stored(trace, b"something else"), plane) is None


def record_batches(path: Path) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """A line fitted to another batch in each of twelve steps, which are returned."""
    batches = []
    torch.manual_seed(0)
    data = TensorDataset(torch.rand(48, 1), torch.rand(48, 1))
    model = torch.nn.Linear(1, 1)
    loss_fn = torch.nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with lens.record(path) as run:
        run.watch(model, loss_fn, optimizer)
        for x, y in DataLoader(data, 4):
            batches.append((x, y))
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
    return batches


def test_the_surface_is_that_of_any_steps_batch(tmp_path: Path) -> None:
    x, y = record_batches(tmp_path / "run.lens")[7]
    with lens.open(tmp_path / "run.lens") as trace:
        assert 7 not in trace.full_steps
        surface = compute_surface(trace, find_plane(trace, through=7), batch_of=7, seconds=0.01)
    assert surface.step == 7
    weight, bias = np.meshgrid(surface.u, surface.v)
    expected = ((weight * x.numpy()[:, :, None] + bias - y.numpy()[:, :, None]) ** 2).mean(axis=0)
    np.testing.assert_allclose(surface.loss, expected, rtol=1e-6)


def test_a_path_is_drawn_on_the_surface_of_a_chosen_step(tmp_path: Path) -> None:
    record_batches(tmp_path / "run.lens")
    with lens.open(tmp_path / "run.lens") as trace:
        said = [text.get_text() for text in trace.plot_path(step=7).texts]
    assert "at step 7; stable up to lr" in said[1]
    assert said[2].startswith("Surface: the loss of step 7's batch")


def test_a_light_step_that_cannot_be_replayed_says_why(tmp_path: Path) -> None:
    w = torch.ones(2, requires_grad=True)
    with lens.record(tmp_path / "run.lens", full="0") as run:
        for _ in run.steps(60, progress=False):  # more than keep their tape for want of another
            (w * torch.rand(2).numpy().sum()).sum().backward()
    with (
        lens.open(tmp_path / "run.lens") as trace,
        pytest.raises(ReplayError, match=r"loss of step 50 cannot be computed "),
    ):
        trace.plot_path(step=50)


def test_a_step_without_backward_has_no_surface(tmp_path: Path) -> None:
    w = torch.ones(2, requires_grad=True)
    with lens.record(tmp_path / "run.lens", full="all") as run:
        for t in run.steps(2, progress=False):
            if not t:
                (w**2).sum().backward()
    with (
        lens.open(tmp_path / "run.lens") as trace,
        pytest.raises(ReplayError, match=r"The step has no backward"),
    ):
        trace.plot_path(step=1)
