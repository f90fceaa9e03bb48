"""The loss over a plane, from a recorded tape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from autograd_lens.errors import ReplayError
from autograd_lens.replay import surface as surface_module
from autograd_lens.replay.surface import evaluate_surface
from autograd_lens.trace.records import Step
from tests.support.linear_step import linear_step

RecordStep = Callable[..., Step]


def plane(names: tuple[str, ...], shapes: tuple[tuple[int, ...], ...], u: int, v: int) -> object:
    """The plane of two elements, numbered over all parameters."""
    axes = np.eye(sum(int(np.prod(shape)) for shape in shapes))
    origin = np.zeros(len(axes))
    return SimpleNamespace(origin=origin, first=axes[u], second=axes[v], names=names, shapes=shapes)


LINE = plane(("w1", "b1"), ((1, 1), (1,)), 0, 1)
U, V = np.linspace(-1, 4, 6), np.linspace(8, 12, 5)


def line_loss() -> np.ndarray:
    """Half the mean squared error of the linear regression over (w1, b1), in float64: (m, n)."""
    (x, _), (_, y) = (k.inputs for k in (linear_step().kernels[i] for i in (0, 2)))
    x, y = (argument.value.value.array.astype(float).ravel() for argument in (x, y))
    residual = x * U[None, :, None] + V[:, None, None] - y
    return (residual**2 / 2).mean(-1)


def test_the_line_fits_surface_is_the_formula() -> None:
    surface = evaluate_surface(linear_step(7), LINE, U, V)
    np.testing.assert_allclose(surface.loss, line_loss(), rtol=1e-12)
    assert (surface.step, surface.names) == (7, ("w1", "b1"))
    assert surface.provenance == (
        "The loss of step 7's batch, by its recorded tape, in float64, all points together."
    )


def test_small_chunks_give_the_same() -> None:
    surface = evaluate_surface(linear_step(), LINE, U, V, memory=1)
    np.testing.assert_array_equal(surface.loss, evaluate_surface(linear_step(), LINE, U, V).loss)


def test_vmap_does_not_write_the_plane_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # It names what it maps by its repr where there is no other name, and that takes longer
    # than all of the surface.
    def refuse(_self: object) -> str:
        raise AssertionError

    monkeypatch.setattr(surface_module._LossOnPlane, "__repr__", refuse)
    assert evaluate_surface(linear_step(), LINE, U, V).loss.shape == (5, 6)


def test_operators_without_a_batching_rule_are_run_one_by_one(record_step: RecordStep) -> None:
    torch.manual_seed(0)
    lstm = nn.LSTM(2, 1)
    x = torch.randn(3, 1, 2)
    step = record_step(lambda: lstm(x)[0].square().sum(), lstm)
    names = tuple(step.parameters)
    shapes = tuple(record.before.shape for record in step.parameters.values())
    before = torch._C._functorch._is_vmap_fallback_enabled()
    surface = evaluate_surface(step, plane(names, shapes, 0, 9), U[:3], V[:2])
    assert torch._C._functorch._is_vmap_fallback_enabled() == before
    assert surface.provenance.endswith("in the recorded precision, all points one by one.")
    for i, j in np.ndindex(surface.loss.shape):
        weights = surface.parameters(surface.u[j], surface.v[i])
        given = {n.rpartition(".")[2]: torch.tensor(w).float() for n, w in weights.items()}
        loss = torch.func.functional_call(lstm, given, x)[0].square().sum()
        assert surface.loss[i, j] == pytest.approx(loss.item(), rel=1e-5)


def test_batch_norm_and_dropout_see_the_recorded_draw_at_every_point(
    record_step: RecordStep,
) -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    x = torch.randn(8, 2)
    step = record_step(lambda: layers(x).square().mean(), layers)
    names = tuple(step.parameters)
    values = [record.before for record in step.parameters.values()]
    axes = plane(names, tuple(value.shape for value in values), 0, 1)
    axes.origin = np.concatenate([value.array.ravel() for value in values]).astype(float)
    surface = evaluate_surface(step, axes, np.zeros(1), np.zeros(1))
    assert surface.loss[0, 0] == pytest.approx(step.loss, rel=1e-5)
    assert "all points together. Random numbers" in surface.provenance


def test_points_where_the_loss_is_no_number_stay_what_they_are(record_step: RecordStep) -> None:
    w = torch.tensor([1.0, 1.0], requires_grad=True)
    step = record_step(lambda: torch.square(w[0].log() + w[1]))
    (name,) = step.parameters
    surface = evaluate_surface(step, plane((name,), ((2,),), 0, 1), np.array([-1.0, 0, 1]), V)
    assert np.isnan(surface.loss[:, 0]).all()
    assert np.isposinf(surface.loss[:, 1]).all()
    assert np.isfinite(surface.loss[:, 2]).all()


def test_a_tape_that_gives_another_loss_is_not_believed() -> None:
    step = linear_step()
    last = step.kernels[5]
    wrong = replace(last.outputs[0], value=replace(last.outputs[0].value, data=b"\0\0\x80?"))
    kernels = (*step.kernels[:5], replace(last, outputs=(wrong,)), *step.kernels[6:])
    with pytest.raises(ReplayError, match=r"gives the loss 66\.37\d*, not 1\."):
        evaluate_surface(replace(step, kernels=kernels), LINE, U, V)
