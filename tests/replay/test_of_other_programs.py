"""Kinds of programs whose steps were told to differ, or said not to be known, without reason."""

from __future__ import annotations

import sys
from collections.abc import Callable
from copy import deepcopy as copy_of
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

import autograd_lens as lens
from autograd_lens.replay.verify import verify
from autograd_lens.trace.outcomes import CheckResult

STEPS = 8
X = torch.linspace(-1, 1, 32).reshape(8, 4)


def checks(path: Path, turn: Callable[[int], object], turns: int = STEPS) -> dict[str, CheckResult]:
    """Record a loop whose body is ``turn``, and execute all its steps again."""
    with lens.record(path):
        for step in range(turns):
            turn(step)
    trace = lens.open(path)
    return {one.name: one for one in verify(trace, range(len(trace.steps))).checks}


def all_proved(found: dict[str, CheckResult]) -> bool:
    return all(not (one.mismatches or one.skipped) and one.steps for one in found.values())


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1))


def test_a_frozen_parameter_has_no_gradient_in_a_lean_step(tmp_path: Path) -> None:
    net = small()
    net[0].requires_grad_(False)
    optimizer = torch.optim.AdamW(net[2].parameters(), lr=0.1)

    def turn(step: int) -> None:
        optimizer.zero_grad()
        (net(X[step % 3 :]) ** 2).mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_an_operator_on_a_list_of_one_tensor_keeps_it(tmp_path: Path) -> None:
    net = small()
    groups = [{"params": [p]} for p in net.parameters()]
    optimizer = torch.optim.AdamW(groups, lr=0.1, fused=True)

    def turn(step: int) -> None:
        optimizer.zero_grad()
        (net(X[step % 3 :]) ** 2).mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_kernels_that_a_checkpoint_runs_again_are_told_from_the_engine_s(tmp_path: Path) -> None:
    net = small()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def turn(_step: int) -> None:
        optimizer.zero_grad()
        (checkpoint(net, X, use_reentrant=False) ** 2).mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_blocks_of_reentrant_checkpoints_run_again_with_the_numbers_they_drew(
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    first = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.2), nn.Tanh())
    second = nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 6), nn.Dropout(0.2))
    head = nn.Linear(6, 1)
    parameters = [p for part in (first, second, head) for p in part.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=0.1)

    def turn(_step: int) -> None:
        x = X[torch.randint(8, (5,))].requires_grad_()
        optimizer.zero_grad()
        hidden = checkpoint(first, x, use_reentrant=True)
        hidden = checkpoint(lambda one, factor: second(one) * factor, hidden, 2, use_reentrant=True)
        (head(hidden) ** 2).mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


class Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, factor: float) -> torch.Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        return -ctx.factor * grad, None


class Quantized(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, book: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        nearest = torch.cdist(x, book).argmin(1)
        ctx.save_for_backward(nearest, book)
        ctx.mark_non_differentiable(nearest)
        return book[nearest], nearest

    @staticmethod
    def backward(
        ctx: Any, grad: torch.Tensor, _nothing: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        nearest, book = ctx.saved_tensors
        return grad, torch.zeros_like(book).index_add_(0, nearest, grad)


class Kernel(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        distance = torch.cdist(x / length, x / length).pow(2)
        covariance = distance.clone().div_(-2.0).exp_()
        ctx.save_for_backward(distance.mul_(covariance).div_(length))  # behind the result
        return covariance

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[None, torch.Tensor]:
        return None, (grad * ctx.saved_tensors[0]).sum().reshape(1)


class Exponential(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        result = x.exp()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad * ctx.saved_tensors[0]


class ProductAndSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        ctx.save_for_backward(x, y)
        return x * y, x + y

    @staticmethod
    def backward(
        ctx: Any, of_product: torch.Tensor, of_sum: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        x, y = ctx.saved_tensors
        return of_product * y + of_sum, of_product * x + of_sum


def exponential(hidden: torch.Tensor) -> torch.Tensor:
    return Exponential.apply(hidden)


def sum_first(hidden: torch.Tensor) -> torch.Tensor:
    product, total = ProductAndSum.apply(hidden, hidden.sin())
    return total.cos() - product.tanh()  # what was returned last is used first


def chained(hidden: torch.Tensor) -> torch.Tensor:
    product, total = ProductAndSum.apply(Exponential.apply(hidden), hidden)
    return Exponential.apply(total * 0.1) + product


@pytest.mark.parametrize("apply", [exponential, sum_first, chained])
def test_functions_are_given_what_they_saved_and_what_follows_their_results(
    tmp_path: Path, apply: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    net = small()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)

    def turn(step: int) -> None:
        optimizer.zero_grad()
        (net[2:](apply(net[:2](X[step % 3 :]))) ** 2).mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_a_function_that_makes_what_it_saves_behind_its_result_is_proved(tmp_path: Path) -> None:
    length = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.Adam([length], lr=0.1)

    def turn(_step: int) -> None:
        optimizer.zero_grad()
        Kernel.apply(X, length).mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_a_function_that_reverses_gradients_by_a_growing_factor_is_proved(tmp_path: Path) -> None:
    net = small()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)

    def turn(step: int) -> None:
        optimizer.zero_grad()
        hidden = Reversed.apply(net[:2](X), 0.1 * step)
        (net[2:](hidden) ** 2).mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_a_function_whose_gradient_meets_another_one_is_proved(tmp_path: Path) -> None:
    net = small()
    book = torch.nn.Parameter(torch.randn(5, 6))
    optimizer = torch.optim.Adam([*net.parameters(), book], lr=0.1)

    def turn(_step: int) -> None:
        optimizer.zero_grad()
        hidden = net[:2](X)
        near, _ = Quantized.apply(hidden, book)
        (net[2:](near + hidden - hidden.detach()) ** 2).mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_a_grad_that_the_program_makes_anew_is_found(tmp_path: Path) -> None:
    net = small()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def turn(step: int) -> None:
        for p in net.parameters():
            if p.grad is not None:
                p.grad = torch.zeros_like(p.grad)
        (net(X[step % 3 :]) ** 2).mean().backward()
        nn.utils.clip_grad_value_(net.parameters(), 0.05)
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_a_line_search_clears_what_the_step_began_with(tmp_path: Path) -> None:
    net = nn.Linear(4, 1)
    search = "strong_wolfe"
    optimizer = torch.optim.LBFGS(net.parameters(), lr=0.5, max_iter=3, line_search_fn=search)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = ((net(X) - 1) ** 2).mean()
        loss.backward()
        return loss

    with lens.record(tmp_path / "run.lens"):
        for _ in range(3):
            optimizer.step(closure)
    trace = lens.open(tmp_path / "run.lens")
    found = verify(trace, range(len(trace.steps))).checks
    assert all(not one.skipped and not one.mismatches for one in found)


def test_what_a_hook_computes_by_numpy_is_not_known_and_never_differs(tmp_path: Path) -> None:
    net = small()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def turn(_step: int) -> None:
        optimizer.zero_grad()
        hidden = net[0](X)
        hidden.register_hook(lambda grad: torch.from_numpy(np.clip(grad.numpy(), -0.01, 0.01)))
        (net[1:](hidden) ** 2).mean().backward()
        optimizer.step()

    found = checks(tmp_path / "run.lens", turn)
    assert not any(one.mismatches for one in found.values())
    (skipped, *_) = found["gradients"].skipped
    assert skipped.reason.startswith("A hook of the program took part in its backward")


def test_a_gradient_that_a_hook_had_is_handed_on_again(tmp_path: Path) -> None:
    net, given = small(), torch.full((8, 6), 0.01)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def turn(step: int) -> None:
        fresh = torch.full((8, 6), 0.02)
        optimizer.zero_grad()
        hidden = net[0](X)
        hidden.register_hook(lambda _gradient: given if step % 2 else fresh)
        (net[1:](hidden) ** 2).mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_an_evaluation_that_writes_into_views_is_left_out_as_a_whole(tmp_path: Path) -> None:
    net = small()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    seen = []

    def turn(_step: int) -> None:
        optimizer.zero_grad()
        (net(X) ** 2).mean().backward()
        optimizer.step()
        with torch.no_grad():
            total, count = torch.zeros(8, 1), torch.zeros(8, 1)
            for at in [*range(4)] * 20:
                total[at : at + 4] += net(X[at : at + 4])
                count[at : at + 4] += 1
            seen.append((total / count).argmax())

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_a_copy_that_follows_in_the_next_turn_is_of_that_turn(tmp_path: Path) -> None:
    net, copy = small(), small()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    def turn(step: int) -> None:
        batch = X[torch.randint(8, (4,))]  # read in front of the copy's update
        with torch.no_grad():
            for ours, theirs in zip(copy.parameters(), net.parameters(), strict=True):
                ours.mul_(0.9).add_(theirs, alpha=0.1)
            target = copy(batch)
        optimizer.zero_grad()
        (net(batch) - target - step).pow(2).mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


@pytest.mark.parametrize("held", [True, False])
def test_a_turn_that_is_a_call_begins_with_its_first_kernel(tmp_path: Path, held: bool) -> None:
    net, copy = small(), small()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    frames = []

    def turn(step: int) -> None:
        if held:  # no other call gets their places
            frames.append(sys._getframe())
        batch = X[torch.randint(8, (4,))]
        with torch.no_grad():
            for ours, theirs in zip(copy.parameters(), net.parameters(), strict=True):
                ours.mul_(0.9).add_(theirs, alpha=0.1)
            target = copy(batch)
        optimizer.zero_grad()
        (net(batch) - target - step).pow(2).mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))
    frames.clear()
    trace = lens.open(tmp_path / "run.lens")
    assert "aten.randint.default" in {kernel.op for kernel in trace.steps[5].kernels[:1]}


def test_a_hook_that_looks_on_changes_no_proof_and_is_told_apart(tmp_path: Path) -> None:
    net = small()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    seen: list[float] = []

    def look(gradient: torch.Tensor) -> None:
        seen.append(gradient.norm().item())

    def turn(_step: int) -> None:
        optimizer.zero_grad()
        hidden = net[0](X)
        hidden.register_hook(look)
        (net[1:](hidden) ** 2).mean().backward()
        optimizer.step()

    found = checks(tmp_path / "run.lens", turn)
    assert len(seen) == STEPS
    assert all_proved(found)
    assert found["stored values"].how.endswith("but of kernels in hooks")


def test_sparse_gradients_are_followed(tmp_path: Path) -> None:
    table = nn.Embedding(10, 3, sparse=True)
    optimizer = torch.optim.SparseAdam(table.parameters())  # counts its steps in Python

    def turn(_step: int) -> None:
        optimizer.zero_grad()
        table(torch.randint(0, 10, (7,))).pow(2).sum().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))
    kernels = lens.open(tmp_path / "run.lens").steps[1].kernels
    backward = {kernel.op for kernel in kernels if kernel.phase == "backward"}
    assert "aten.is_coalesced.default" not in backward  # we looked, the engine did not


def test_every_line_search_has_a_tape_of_its_own(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    x, y = torch.randn(16, 4), torch.randn(16, 1)
    search = "strong_wolfe"
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=5, line_search_fn=search)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (net(x) - y).pow(2).mean()
        loss.backward()
        return loss

    with lens.record(tmp_path / "run.lens"):
        for _ in range(6):
            optimizer.step(closure)
    trace = lens.open(tmp_path / "run.lens")
    assert verify(trace, range(len(trace.steps))).complete


def test_gradients_that_copies_of_the_model_gather_for_it_are_found(tmp_path: Path) -> None:
    net = small()
    meta = torch.optim.Adam(net.parameters(), lr=0.01)

    def turn(_step: int) -> None:
        meta.zero_grad()
        for task in range(3):
            fast = copy_of(net)
            inner = torch.optim.SGD(fast.parameters(), lr=0.05)
            for _ in range(2):
                inner.zero_grad()
                ((fast(X) - task) ** 2).mean().backward()
                inner.step()
            for mine, its in zip(net.parameters(), fast.parameters(), strict=True):
                assert its.grad is not None
                mine.grad = its.grad.clone() if mine.grad is None else mine.grad + its.grad
        meta.step()

    with lens.record(tmp_path / "run.lens"):
        for step in range(STEPS):
            turn(step)
    trace = lens.open(tmp_path / "run.lens")
    assert len(trace.steps) == 6 * STEPS
    assert verify(trace, range(len(trace.steps))).complete


def test_gradients_asked_for_behind_the_training_take_no_proof_away(tmp_path: Path) -> None:
    net = small()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def turn(step: int) -> None:
        optimizer.zero_grad()
        (net(X) ** 2).mean().backward()
        optimizer.step()
        if step == STEPS - 1:
            x = X.clone().requires_grad_()
            torch.autograd.grad(net(x).sum(), x)

    found = checks(tmp_path / "run.lens", turn)
    later = found.pop("what else was differentiated")
    assert all_proved(found)
    assert [skipped.steps for skipped in later.skipped] == [(STEPS - 1,)]
    last = lens.open(tmp_path / "run.lens").steps[-1]
    assert last.provenance == "proved"
    assert [backward.kind for backward in last.backwards] == ["backward"]
    assert "Left out is what was differentiated behind it" in last.omitted[-1]


def chain(count: int) -> torch.Tensor:
    """Neighbours along a line, some named twice, as a graph's edges are held."""
    row = torch.arange(count).repeat(3)
    column = (row + torch.arange(3).repeat_interleave(count)) % count
    edges = torch.stack([row, column])[:, torch.randperm(3 * count)]
    values = torch.rand(3 * count)
    return torch.sparse_coo_tensor(edges, values, (count, count), check_invariants=True)


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")
@pytest.mark.parametrize("held", ["coo", "csr", "uncoalesced"])
def test_a_sparse_matrix_that_the_program_holds_is_held_alike(tmp_path: Path, held: str) -> None:
    net = small()
    neighbours = chain(8)
    if held != "uncoalesced":
        neighbours = neighbours.coalesce()
    if held == "csr":
        neighbours = neighbours.to_sparse_csr()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)

    def turn(_step: int) -> None:
        optimizer.zero_grad()
        hidden = nn.functional.dropout(net[:2](torch.sparse.mm(neighbours, X)), 0.2)
        (torch.sparse.mm(neighbours, net[2:](hidden)) ** 2).mean().backward()
        optimizer.step()

    found = checks(tmp_path / "run.lens", turn)
    assert not any(one.mismatches for one in found.values())
    if held == "uncoalesced":
        assert all("which is sparse" in one.skipped[0].reason for one in found.values())
    if held == "coo":
        assert all_proved(found)


def test_a_program_that_computes_in_double_makes_its_tensors_so(tmp_path: Path) -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        net = small()
        optimizer = torch.optim.Adam(net.parameters(), lr=0.1)

        def turn(_step: int) -> None:
            x = torch.rand(8, 4) + torch.zeros(4)
            optimizer.zero_grad()
            (net(x) ** 2).mean().backward()
            optimizer.step()

        found = checks(tmp_path / "run.lens", turn)
    finally:
        torch.set_default_dtype(before)
    trace = lens.open(tmp_path / "run.lens")
    assert all_proved(found)
    assert verify(trace, range(STEPS)).complete


def test_an_average_of_the_parameters_that_a_loop_makes_belongs_to_its_step(tmp_path: Path) -> None:
    net = small()
    average = [p.detach().clone() for p in net.parameters()]
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with lens.record(tmp_path / "run.lens"):
        for _ in range(3):
            x = torch.randn(8, 4)
            optimizer.zero_grad()
            (net(x) ** 2).mean().backward()
            optimizer.step()
            with torch.no_grad():
                for ours, theirs in zip(average, net.parameters(), strict=True):
                    ours.lerp_(theirs, 0.1)
    with lens.open(tmp_path / "run.lens") as trace:
        ops = [kernel.op for kernel in trace.steps[1].kernels]
    assert ops[0] == "aten.randn.default"
    assert ops.count("aten.lerp_.Scalar") == len(average)


@pytest.mark.parametrize("read", ["never", "as a list", "by a kernel"])
@pytest.mark.parametrize("twice", [False, True])
def test_gradients_that_were_asked_to_stay(tmp_path: Path, read: str, *, twice: bool) -> None:
    net = small()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    seen: list[object] = []

    def turn(_step: int) -> None:
        hidden = net[1](net[0](X))
        hidden.retain_grad()
        optimizer.zero_grad()
        (net[2](hidden) ** 2).mean().backward(retain_graph=twice)
        if read == "by a kernel":
            seen.append(hidden.grad.norm())
        elif read == "as a list":
            seen.append(hidden.grad.tolist())
        if twice:
            (hidden**2).mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_the_rows_of_a_hessian_behind_an_update(tmp_path: Path) -> None:
    w = torch.zeros(4, requires_grad=True)

    def loss(at: torch.Tensor) -> torch.Tensor:
        return (torch.tanh(X @ at) - 0.5).square().mean()

    def turn(_step: int) -> None:
        w.grad = None
        loss(w).backward()
        with torch.no_grad():
            w.sub_(w.grad)
        torch.autograd.functional.hessian(loss, w.detach())

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_gradients_that_the_program_makes_of_others_reach_the_optimizer(tmp_path: Path) -> None:
    net = small()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)

    def turn(_step: int) -> None:
        parameters = list(net.parameters())
        gradients = torch.autograd.grad((net(X) ** 2).mean(), parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient.sign() * gradient.abs().sqrt()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.RMSprop, torch.optim.SGD])
def test_the_first_step_of_a_second_model_begins_without_momentum(
    tmp_path: Path, kind: Callable[..., torch.optim.Optimizer]
) -> None:
    nets = [small(), small()]
    optimizers = [kind(net.parameters(), lr=0.1, **_momentum(kind)) for net in nets]

    def turn(step: int) -> None:
        which = step // 4
        optimizers[which].zero_grad()
        (nets[which](X) ** 2).mean().backward()
        optimizers[which].step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def _momentum(kind: Callable[..., torch.optim.Optimizer]) -> dict[str, float]:
    return {} if kind is torch.optim.Adam else {"momentum": 0.9}


def test_a_program_that_ends_before_its_last_update(tmp_path: Path) -> None:
    net = small()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)

    def turn(step: int) -> None:
        optimizer.zero_grad()
        (net(X) ** 2).mean().backward()
        if step < STEPS - 1:
            optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))
    last = lens.open(tmp_path / "run.lens").steps[-1]
    assert (last.provenance, last.updates, last.omitted) == ("proved", (), ())


def test_backward_under_anomaly_detection(tmp_path: Path) -> None:
    net = small()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def turn(_step: int) -> None:
        optimizer.zero_grad()
        with torch.autograd.set_detect_anomaly(True):
            (net(X) ** 2).nansum().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_models_in_turn_of_which_one_is_met_behind_the_first_full_steps(tmp_path: Path) -> None:
    nets = [small() for _ in range(4)]
    optimizers = [torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.5) for net in nets]
    torch.manual_seed(0)
    with lens.record(tmp_path / "run.lens"):
        for step in range(48):
            net, optimizer = nets[step % 4], optimizers[step % 4]
            optimizer.zero_grad()
            (net(torch.randn(3, 4)) ** 2).mean().backward()
            optimizer.step()
    found = verify(lens.open(tmp_path / "run.lens"), range(48)).checks
    assert all_proved({one.name: one for one in found})


def test_a_module_that_is_handed_a_sparse_matrix(tmp_path: Path) -> None:
    torch.manual_seed(0)
    features, graph = torch.rand(6, 4).to_sparse(), torch.eye(6).to_sparse()

    class Convolution(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = nn.Parameter(torch.rand(4, 2))

        def forward(self, x: torch.Tensor, adjacency: torch.Tensor) -> torch.Tensor:
            return torch.spmm(adjacency, torch.spmm(x, self.kernel))

    net = Convolution()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)

    def turn(_step: int) -> None:
        optimizer.zero_grad()
        net(features, graph).square().mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))
    assert not [one for one in lens.open(tmp_path / "run.lens").events if one.kind == "incomplete"]


class TrainsItself(nn.Linear):
    """A layer of a stack in which each trains alone, with an optimizer that it holds itself."""

    def __init__(self) -> None:
        super().__init__(160, 120)  # too large for every light step
        self.optimizer = torch.optim.Adam(self.parameters(), lr=0.01)

    def train_on(self, x: torch.Tensor) -> None:
        for _ in range(6):
            loss = torch.relu(x @ self.weight.T + self.bias).square().mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()


def test_layers_that_hold_their_optimizers_and_train_one_after_the_other(tmp_path: Path) -> None:
    torch.manual_seed(0)
    with lens.record(tmp_path / "run.lens"):
        for layer in [TrainsItself(), TrainsItself()]:
            layer.train_on(torch.rand(4, 160))
    trace = lens.open(tmp_path / "run.lens")
    found = verify(trace, range(len(trace.steps))).checks
    assert all_proved({one.name: one for one in found})


def test_a_target_that_follows_with_gradients_switched_on_before_the_next_batch(
    tmp_path: Path,
) -> None:
    net, target = small(), copy_of(small())
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)

    def turn(step: int) -> None:
        wanted = target(torch.rand(2 + step % 2, 4)).detach() + 1
        optimizer.zero_grad()
        (net(torch.rand(2 + step % 2, 4)) - wanted).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        (target(X) * net(X)).mean().backward()
        optimizer.step()
        for one, other in zip(target.parameters(), net.parameters(), strict=True):
            one.data.copy_(one.data * 0.9 + other.data * 0.1)

    assert all_proved(checks(tmp_path / "run.lens", turn))


class Adjoint(torch.autograd.Function):
    """Steps of Euler's method that are gone back with another engine run for each."""

    @staticmethod
    def forward(ctx: Any, y: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        found = torch.empty(3, *y.shape)
        found[0] = y
        for step in range(1, 3):
            found[step] = found[step - 1] + 0.1 * torch.tanh(found[step - 1] @ weight)
        ctx.save_for_backward(found, weight)
        return found

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found, weight = ctx.saved_tensors
        (given,) = grads
        of_y, of_weight = given[-1], torch.zeros_like(weight)
        for step in (1, 0):
            with torch.enable_grad():
                y = found[step].detach().requires_grad_()
                inner = weight.detach().requires_grad_()
                change = 0.1 * torch.tanh(y @ inner)
            dy, dw = torch.autograd.grad(change, (y, inner), of_y)
            of_y, of_weight = of_y + dy + given[step], of_weight + dw
        return of_y, of_weight


def test_a_backward_that_runs_the_engine_itself(tmp_path: Path) -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.rand(4, 4))
    optimizer = torch.optim.SGD([weight], lr=0.1)

    def turn(step: int) -> None:
        optimizer.zero_grad()
        start = X[step % 3 :] * weight.sum()
        (Adjoint.apply(start, weight) - 1).square().mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


class Put(torch.autograd.Function):
    """Writes into what it is given, where no version counter sees it, and hands it on."""

    @staticmethod
    def forward(ctx: Any, into: torch.Tensor, value: torch.Tensor, place: int) -> torch.Tensor:
        ctx.place = place
        into.data[place] = value
        return into

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        return grads[0], grads[0][ctx.place], None


def test_a_function_that_writes_into_what_it_hands_on(tmp_path: Path) -> None:
    net = small()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def turn(_step: int) -> None:
        optimizer.zero_grad()
        rows = torch.zeros(3, 8)
        for place in range(3):
            rows = Put.apply(rows, net(X * (place + 1))[:, 0] + rows.sum() * 0.1, place)
        rows.square().mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


class WithLoss(nn.Module):
    """A network that is handed what it shall give, as those of transformers are."""

    def __init__(self) -> None:
        super().__init__()
        self.net = small()

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return nn.functional.mse_loss(self.net(x), y)


def test_a_loader_that_hands_on_two_batches_at_the_start_of_an_epoch(tmp_path: Path) -> None:
    net = WithLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    data = TensorDataset(X, X.sum(1, keepdim=True))
    with lens.record(tmp_path / "run.lens"):
        for _ in range(4):
            batches = iter(DataLoader(data, batch_size=2, shuffle=True))
            ahead = next(batches)
            while ahead is not None:
                (x, y), ahead = ahead, next(batches, None)
                optimizer.zero_grad()
                net(x, y).backward()
                optimizer.step()
    found = verify(lens.open(tmp_path / "run.lens"), range(16)).checks
    assert all_proved({one.name: one for one in found})


def test_episodes_of_other_lengths_are_played_before_each_step(tmp_path: Path) -> None:
    net = small()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)

    def turn(step: int) -> None:
        seen = [torch.full((4,), 0.1 * place) for place in range(3 + step % 4)]
        with torch.no_grad():
            values = [net(one).item() for one in seen]
        optimizer.zero_grad()
        wanted = torch.tensor(values)[:, None] + 1
        (net(torch.stack(seen)) - wanted).square().mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_operators_that_stand_whole_on_a_tape(tmp_path: Path) -> None:
    """In inference mode, and within forward differentiation, nothing takes them apart."""
    net = small()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    target = X[:, :1].clone()

    def turn(_step: int) -> None:
        with torch.inference_mode():
            scale = net(X).abs().max()
        _, slope = torch.func.jvp(lambda x: (x.double() - 1).square().mean(), (X,), (X,))
        optimizer.zero_grad()
        ((net(X) - target).square().mean() / (1 + scale.clone() + slope)).backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


# torch warns once in a process: which test meets the warning is a matter of their order.
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta state")
def test_a_compressed_matrix_that_the_program_holds(tmp_path: Path) -> None:
    net = small()
    held = (torch.eye(8) + torch.eye(8).roll(1, 0)).to_sparse_csr()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def turn(_step: int) -> None:
        optimizer.zero_grad()
        torch.mm(held, net(X)).square().mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_a_closure_in_a_loop_that_looks_at_something_behind_it(tmp_path: Path) -> None:
    net = small()
    optimizer = torch.optim.Rprop(net.parameters())

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (net(X) ** 2).mean()
        loss.backward()
        return loss

    path = tmp_path / "run.lens"
    with lens.record(path):
        for _ in range(STEPS):
            optimizer.step(closure)
            with torch.no_grad():
                net(X).sum()
    assert all_proved({one.name: one for one in verify(lens.open(path), range(STEPS)).checks})


def test_a_critic_that_is_frozen_while_the_other_network_is_trained(tmp_path: Path) -> None:
    maker, critic = small(), nn.Sequential(nn.Linear(1, 5), nn.LeakyReLU(0.2), nn.Linear(5, 1))
    first = torch.optim.SGD(critic.parameters(), lr=0.1)
    second = torch.optim.SGD(maker.parameters(), lr=0.1)

    def turn(_step: int) -> None:
        first.zero_grad()
        (critic(maker(X).detach()) ** 2).mean().backward()
        first.step()
        critic.requires_grad_(False)
        second.zero_grad()
        loss = (critic(maker(X)) - 1).square().mean()
        critic.requires_grad_(True)
        loss.backward()
        second.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_a_frozen_parameter_keeps_the_gradient_that_it_had(tmp_path: Path) -> None:
    net = small()
    (net(X) ** 2).mean().backward()
    net[0].requires_grad_(False)
    optimizer = torch.optim.SGD(net[2].parameters(), lr=0.1)

    def turn(step: int) -> None:
        optimizer.zero_grad()
        (net(X[step % 3 :]) ** 2).mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.Adagrad])
def test_an_optimizer_that_is_replaced(
    tmp_path: Path, kind: Callable[..., torch.optim.Optimizer]
) -> None:
    """Of the same parameters, in the midst of the run, with batches that make lean steps."""
    net = small()
    used: list[torch.optim.Optimizer] = []

    def turn(step: int) -> None:
        if step in (0, 3):
            used[:] = [torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)]
        if step in (2, 5):
            used[:] = [kind(net.parameters(), lr=0.01)]
        used[0].zero_grad()
        (net(X[step % 3 :]) ** 2).mean().backward()
        used[0].step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_a_parameter_group_that_comes_later_begins_its_state_then(tmp_path: Path) -> None:
    net = small()
    optimizer = torch.optim.Adam(net[0].parameters(), lr=0.01)

    def turn(step: int) -> None:
        if step == 4:
            optimizer.add_param_group({"params": net[2].parameters(), "lr": 0.1})
        net.zero_grad()
        (net(X) ** 2).mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_a_model_that_is_given_another_dtype_never_differs(tmp_path: Path) -> None:
    net = small()

    def turn(step: int) -> None:
        if step == 4:
            net.double()
        (net(X.to(net[0].weight.dtype)) ** 2).mean().backward()
        for parameter in net.parameters():
            parameter.data.sub_(0.1 * parameter.grad)
            parameter.grad = None

    found = checks(tmp_path / "run.lens", turn)
    assert not any(one.mismatches for one in found.values())
    assert found["loss"].steps >= STEPS - 1
    names = list(lens.open(tmp_path / "run.lens").parameters)
    assert names[4:] == [f"{name} (2)" for name in names[:4]]


def test_data_that_are_put_in_place_between_a_gradient_and_its_update(tmp_path: Path) -> None:
    """As where the gradient of a neighbouring point is taken: nothing differs."""
    net = small()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    def turn(_step: int) -> None:
        optimizer.zero_grad()
        (net(X) ** 2).mean().backward()
        with torch.no_grad():
            old = [parameter.clone() for parameter in net.parameters()]
            for parameter in net.parameters():
                parameter.add_(0.05 * parameter.grad)
        optimizer.zero_grad()
        (net(X) ** 2).mean().backward()
        for parameter, data in zip(net.parameters(), old, strict=True):
            parameter.data = data
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_parameters_go_back_in_the_step_after_the_one_that_moved_them(tmp_path: Path) -> None:
    net = small()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    old: dict[torch.Tensor, torch.Tensor] = {}

    def turn(step: int) -> None:
        (net(X[step // 2 % 3 :]) ** 2).mean().backward()
        with torch.no_grad():
            for parameter in net.parameters():
                if step % 2:
                    parameter.data = old[parameter]
                else:
                    old[parameter] = parameter.data.clone()
                    parameter.add_(0.05 * parameter.grad)
        if step % 2:
            optimizer.step()
        optimizer.zero_grad()

    assert all_proved(checks(tmp_path / "run.lens", turn))
    last = lens.open(tmp_path / "run.lens").steps[STEPS - 1]
    assert any(one.op == "aten.set_.source_Tensor" for one in last.kernels)


def test_a_buffer_that_grows_in_place(tmp_path: Path) -> None:
    net = small()
    seen = torch.zeros(0)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def turn(_step: int) -> None:
        made = net(X)
        seen.resize_(1).copy_(made.detach().abs().max().reshape(1))
        optimizer.zero_grad()
        (made / seen).square().mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_the_program_moves_parameters_itself_behind_the_optimizer(tmp_path: Path) -> None:
    net = small()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)

    def turn(step: int) -> None:
        optimizer.zero_grad()
        (net(X[step % 3 :]) ** 2).mean().backward()
        optimizer.step()
        if step % 2:
            with torch.no_grad():
                net[0].weight.sub_(0.01 * net[0].weight.sign())

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_tensors_of_a_class_that_computes_itself_are_named_as_the_reason(tmp_path: Path) -> None:
    torch.manual_seed(0)
    table, layer = nn.Embedding(9, 4), nn.Linear(4, 1)
    parameters = [*table.parameters(), *layer.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    words = [torch.arange(3), torch.arange(5)]

    def turn(_step: int) -> None:
        optimizer.zero_grad()
        rows = torch.nested.as_nested_tensor([table(one) for one in words], layout=torch.jagged)
        layer(rows).values().square().mean().backward()
        optimizer.step()

    found = checks(tmp_path / "run.lens", turn)
    assert not any(one.mismatches for one in found.values())
    assert all("NestedTensor" in one.reason for one in found["loss"].skipped)
    assert len(lens.open(tmp_path / "run.lens").steps) == STEPS


def test_data_that_the_program_holds_for_many_steps_and_then_replaces(tmp_path: Path) -> None:
    net = small()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    steps = 3 * 30

    def epoch(number: int) -> None:
        goal = (X[:, :1] + number).clone()
        for _ in range(30):
            optimizer.zero_grad()
            (net(X) - goal).square().mean().backward()
            optimizer.step()

    path = tmp_path / "run.lens"
    with lens.record(path):
        for number in range(3):
            epoch(number)
    found = {one.name: one for one in verify(lens.open(path), range(steps)).checks}
    assert all_proved(found)
    assert found["loss"].steps == steps


def test_gradients_of_tasks_that_are_asked_for_one_by_one_belong_to_one_step(
    tmp_path: Path,
) -> None:
    net, heads = small(), [nn.Linear(6, 1), nn.Linear(6, 1)]
    optimizer = torch.optim.SGD([p for one in (net, *heads) for p in one.parameters()], lr=0.1)
    net[0].register_full_backward_hook(lambda *_: None)

    def turn(_step: int) -> None:
        made = net[:2](X.requires_grad_())
        losses = [
            (head(made) - goal).square().mean() for head, goal in zip(heads, (1, -1), strict=True)
        ]
        asked = []
        for loss in losses:
            optimizer.zero_grad()
            loss.backward(retain_graph=True)
            asked.append(net[0].weight.grad.clone())
        optimizer.zero_grad()
        sum(losses).backward()
        net[0].weight.grad = asked[0] + asked[1]
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))
    assert len(lens.open(tmp_path / "run.lens").steps) == STEPS


class _Tagged(torch.Tensor):
    """Its results are tensors of its class, made of others by no kernel."""


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_an_update_is_proved_where_the_backward_cannot_be(
    tmp_path: Path, kind: Callable[..., torch.optim.Optimizer]
) -> None:
    net = small()
    optimizer = kind(net.parameters(), lr=0.01, **_momentum(kind))

    def turn(step: int) -> None:
        optimizer.zero_grad()
        net(X[step % 3 :].as_subclass(_Tagged)).square().mean().backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.1)
        optimizer.step()

    found = checks(tmp_path / "run.lens", turn)
    assert not any(one.mismatches for one in found.values())
    assert found["loss"].skipped
    assert (found["updates"].steps, found["updates"].skipped) == (STEPS, ())


def test_a_point_between_two_batches_is_a_leaf_of_its_own(tmp_path: Path) -> None:
    """As in a gradient penalty: it is no parameter, and no frozen one."""
    maker, critic = small(), small()
    optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)

    def turn(_step: int) -> None:
        made = maker(X).expand(-1, 4)
        mixed = (0.5 * X + 0.5 * made.detach()).requires_grad_()
        (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
        optimizer.zero_grad()
        (critic(made).mean() + slope.square().mean()).backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_of_the_first_step_s_graph_that_comes_back_late_one_step_is_lost(tmp_path: Path) -> None:
    """What stands before the first forward is on no tape: it is recorded when it comes again."""
    maker, judge = (nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, n)) for n in (4, 1))
    optimizers = [torch.optim.Adam(net.parameters(), lr=0.01) for net in (maker, judge)]
    data = torch.randn(64, 4)

    def turn(kind: str) -> None:
        real, made = data[torch.randint(0, 64, (8,))], maker(torch.randn(8, 4))
        if kind == "alone":
            loss = ((made - real) ** 2).mean()
        else:
            loss = judge(real).mean() - judge(made.detach()).mean()
            loss = loss if kind == "judge" else -judge(made).mean()
        optimizer = optimizers[kind == "judge"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    both = ["judge"] * 5 + ["maker"]
    plan = ["alone", *both * 6, "alone", *both * 3]
    with lens.record(tmp_path / "run.lens"):
        for kind in plan:
            turn(kind)
    found = verify(lens.open(tmp_path / "run.lens"), range(len(plan))).checks
    lost = [{step for each in one.skipped for step in each.steps} for one in found[:3]]
    assert lost == [{37}, {37}, {37}]


def test_an_image_that_is_made_anew_and_then_optimized_for_some_steps(tmp_path: Path) -> None:
    net = small()
    chosen = np.random.default_rng(0)

    def optimized(image: torch.Tensor) -> torch.Tensor:
        image.requires_grad = True
        for _ in range(4):
            (net(image) ** 2).sum().backward()
            assert image.grad is not None
            image.data.sub_(image.grad.data.clamp_(-0.1, 0.1))
            image.grad.zero_()
        return image.detach()

    with lens.record(tmp_path / "run.lens", full="0:6"):
        for _ in range(4):
            rows = torch.stack([X.detach()[int(row)] for row in chosen.integers(0, 8, 2)])
            optimized(torch.cat([rows, torch.rand(2, 4)]))
    found = verify(lens.open(tmp_path / "run.lens"), range(16)).checks
    assert all_proved({one.name: one for one in found})


def test_a_temperature_that_is_made_for_the_next_turn_s_loss(tmp_path: Path) -> None:
    """Its node was made behind the update, and that graph goes through it."""
    net = small()
    exponent = torch.zeros(1, requires_grad=True)
    optimizers = [torch.optim.Adam(each, lr=0.1) for each in (net.parameters(), [exponent])]
    scale = torch.ones(1)
    average = [one.detach().clone() for one in net.parameters()]

    def turn(_step: int) -> None:
        nonlocal scale
        out = net(X.detach()[torch.randint(0, 8, (4,))])
        optimizers[0].zero_grad()
        (scale * out**2).mean().backward()
        optimizers[0].step()
        optimizers[1].zero_grad()
        (exponent * (out.detach() - 1)).mean().backward()
        optimizers[1].step()
        scale = exponent.exp()
        for mean, one in zip(average, net.parameters(), strict=True):
            mean.lerp_(one.detach(), 0.1)

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_gradients_that_grad_returned_and_that_are_put_in_place(tmp_path: Path) -> None:
    net = small()
    parameters = list(net.parameters())
    optimizer = torch.optim.Adam(parameters, lr=0.05)

    def turn(step: int) -> None:
        loss = (net(X[step % 3 :]) ** 2).mean()
        for parameter, grad in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = grad
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_parameters_that_become_parts_of_a_vector(tmp_path: Path) -> None:
    net = small()
    parameters = list(net.parameters())

    def turn(step: int) -> None:
        net.zero_grad()
        (net(X[step % 3 :]) ** 2).mean().backward()
        grad = torch.cat([one.grad.reshape(-1) for one in parameters if one.grad is not None])
        vector = nn.utils.parameters_to_vector(parameters) - 0.1 * grad
        nn.utils.vector_to_parameters(vector, parameters)
        with torch.no_grad():
            net(X)

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_a_layer_that_reads_a_frozen_leaf_through_a_view_makes_no_node(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, actor = nn.GRUCell(3, 4), nn.Linear(4, 3)
    optimizers = [torch.optim.Adam(one.parameters(), lr=0.05) for one in (model, actor)]

    def turn(step: int) -> None:
        hidden = model(X[step % 3 :, :3], torch.zeros(len(X) - step % 3, 4))
        optimizers[0].zero_grad()
        (hidden - 1).square().mean().backward()
        optimizers[0].step()
        model.requires_grad_(requires_grad=False)
        start = hidden.detach()
        optimizers[1].zero_grad()
        model(actor(start), start).mean().backward()
        optimizers[1].step()
        model.requires_grad_()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_hooks_that_hold_gradients_and_read_what_was_put_aside(tmp_path: Path) -> None:
    net, kept = small(), []
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net[2].register_full_backward_pre_hook(lambda _module, grads: (grads[0].clamp(-0.1, 0.1),))

    def turn(step: int) -> None:
        optimizer.zero_grad()
        out = net(X[step % 3 :])
        out.retain_grad()
        put_aside = out.detach()
        out.register_hook(lambda grad: grad + 0.1 * put_aside)
        last = list(net[2].parameters())
        torch.autograd.graph.register_multi_grad_hook(last, lambda grads: kept.append(grads[0]))
        out.square().mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


class TiedWords(nn.Module):
    """A language model whose first and last layer share their weight."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.norm = nn.Embedding(16, 16), nn.LayerNorm(16)
        self.block = nn.TransformerEncoderLayer(16, 4, 64, batch_first=True, norm_first=True)
        self.head = nn.Linear(16, 16, bias=False)
        self.head.weight = self.words.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.head(self.norm(self.block(self.words(tokens))))
        return result


def test_a_batch_cut_by_hand_where_the_graph_is_met_in_two_orders(tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = torch.randint(0, 16, (400,))
    net = TiedWords()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-4)

    def turn(_step: int) -> None:
        cuts = torch.randint(0, 390, (2,))
        tokens = torch.stack([data[cut : cut + 8] for cut in cuts])
        wanted = torch.stack([data[cut + 1 : cut + 9] for cut in cuts])
        loss = nn.functional.cross_entropy(net(tokens).view(-1, 16), wanted.view(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))


def test_a_hook_that_looks_at_all_gradients_and_runs_no_kernel(tmp_path: Path) -> None:
    net = small()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    seen: list[int] = []

    def turn(step: int) -> None:
        optimizer.zero_grad()
        handle = torch.autograd.graph.register_multi_grad_hook(
            tuple(net.parameters()), lambda grads: seen.append(len(grads))
        )
        net(X).square().mean().backward()
        if step % 2:
            handle.remove()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn))
    assert seen


def test_what_a_loop_left_and_a_draw_reads_first_comes_from_outside(tmp_path: Path) -> None:
    """A sampler: where it stands is moved along gradients, with a momentum that is drawn anew."""
    held = [torch.ones(3, requires_grad=True)]

    def energy(place: torch.Tensor) -> torch.Tensor:
        return (place**2).sum() + place.exp().sum()

    def turn(_step: int) -> None:
        (start,) = held
        momentum = torch.randn_like(start)
        before = energy(start) + (momentum**2).sum()
        place = start.detach().clone().requires_grad_()
        for _ in range(5):
            momentum = momentum - 0.1 * torch.autograd.grad(energy(place), place)[0]
            place = (place + 0.1 * momentum).detach().requires_grad_()
        after = energy(place) + (momentum**2).sum()
        if torch.rand(()) < torch.exp(before - after).detach():
            held[0] = place

    found = checks(tmp_path / "run.lens", turn)
    assert all_proved({name: found[name] for name in ("loss", "gradients")})


def test_a_group_that_is_added_later_and_scheduled(tmp_path: Path) -> None:
    net = small()
    optimizer = torch.optim.AdamW(net[2].parameters(), lr=0.05)
    net[0].requires_grad_(requires_grad=False)

    def turn(step: int) -> None:
        if step == 9:
            net[0].requires_grad_()
            optimizer.add_param_group({"params": net[0].parameters(), "lr": 0.01})
        optimizer.param_groups[0]["lr"] = 0.05 / (1 + step)
        optimizer.zero_grad()
        (net(X[step % 2 :: 2]) ** 2).mean().backward()
        optimizer.step()

    assert all_proved(checks(tmp_path / "run.lens", turn, 16))
