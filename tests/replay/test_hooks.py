"""Programs whose hooks change gradients, parameters or nothing: every step is proved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import autograd_lens as lens
from autograd_lens.replay.verify import verify
from autograd_lens.trace.outcomes import Verification
from autograd_lens.trace.reader import Trace

STEPS = 24  # more than are needed for a graph to be recalled without a walk

Setup = Callable[[nn.Sequential], None]
Forward = Callable[[nn.Sequential, torch.Tensor], torch.Tensor]


def clamp(net: nn.Sequential) -> None:
    for parameter in net.parameters():
        parameter.register_hook(lambda grad: grad.clamp(-0.01, 0.01))


def mask(net: nn.Sequential) -> None:
    kept = (torch.rand(8, 8) > 0.5).float()
    net[2].weight.register_hook(lambda grad: grad * kept)


def in_place(net: nn.Sequential) -> None:
    net[2].weight.register_hook(lambda grad: grad.mul_(0.5))


def noise(net: nn.Sequential) -> None:
    net[2].weight.register_hook(lambda grad: grad + 0.01 * torch.randn_like(grad))


def log(net: nn.Sequential) -> None:
    seen: list[float] = []
    wanted = torch.randn(8, 8)
    net[2].weight.register_hook(lambda grad: seen.append((grad - wanted).norm().item()))


def module_output(net: nn.Sequential) -> None:
    net[3].register_full_backward_pre_hook(lambda _module, grads: (grads[0] * 0.5,))


def module_input(net: nn.Sequential) -> None:
    net[3].register_full_backward_hook(lambda _module, grads, _outputs: (grads[0] * 0.5,))


def module_looks(net: nn.Sequential) -> None:
    seen: list[float] = []
    net[1].register_full_backward_hook(lambda _m, _i, grads: seen.append(grads[0].sum().item()))


def activation(net: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    hidden: torch.Tensor = net[:2](x)
    hidden.register_hook(lambda grad: torch.where(grad.abs() > 0.05, torch.zeros(()), grad))
    out: torch.Tensor = net[2:](hidden)
    return out


def sum_of_two(net: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    hidden: torch.Tensor = net[0](x)
    hidden.register_hook(lambda grad: grad * 0.1)
    out: torch.Tensor = net[1:](hidden)
    return out + hidden.mean(1, keepdim=True)


def plain(net: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    out: torch.Tensor = net(x)
    return out


def made() -> tuple[nn.Sequential, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    return net, torch.randn(64, 4), torch.randn(64, 1)


def checked(path: Path) -> Verification:
    with Trace(path) as trace:
        return verify(trace, range(len(trace.steps)))


@pytest.mark.parametrize(
    ("setup", "forward"),
    [
        *((one, plain) for one in (clamp, mask, in_place, noise, log)),
        *((one, plain) for one in (module_output, module_input, module_looks)),
        (lambda _net: None, activation),
        (lambda _net: None, sum_of_two),
    ],
)
def test_what_hooks_did_is_done_again(tmp_path: Path, setup: Setup, forward: Forward) -> None:
    with lens.record(tmp_path / "run.lens"):
        net, x, y = made()
        setup(net)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        for _ in range(STEPS):
            batch = torch.randint(0, 64, (16,))
            loss = (forward(net, x[batch]) - y[batch]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    result = checked(tmp_path / "run.lens")
    assert not result.differs
    assert result.complete
    assert {one.name: one.steps for one in result.checks}["updates"] == STEPS


def test_an_optimizer_inside_of_the_backward_makes_its_steps_again(tmp_path: Path) -> None:
    weights: list[torch.Tensor] = []
    with lens.record(tmp_path / "run.lens"):
        net, x, y = made()
        optimizers = {p: torch.optim.SGD([p], lr=0.01, momentum=0.9) for p in net.parameters()}

        def update(parameter: torch.Tensor) -> None:
            optimizers[parameter].step()  # type: ignore[index]
            optimizers[parameter].zero_grad()  # type: ignore[index]

        for parameter in net.parameters():
            parameter.register_post_accumulate_grad_hook(update)
        for _ in range(STEPS):
            batch = torch.randint(0, 64, (16,))
            weights.append(net[0].weight.detach().clone())
            (net(x[batch]) - y[batch]).square().mean().backward()
    result = checked(tmp_path / "run.lens")
    assert not result.differs
    assert result.complete
    with lens.open(tmp_path / "run.lens") as trace:
        assert len(trace.steps) == STEPS
        found = trace.parameter("net.0.weight").values[:STEPS]
        assert (found == torch.stack(weights).numpy()).all()


def test_an_adam_inside_of_the_backward_counts_its_steps(tmp_path: Path) -> None:
    with lens.record(tmp_path / "run.lens"):
        net, x, y = made()
        optimizers = {p: torch.optim.Adam([p], lr=0.01) for p in net.parameters()}

        def update(parameter: torch.Tensor) -> None:
            optimizers[parameter].step()  # type: ignore[index]
            optimizers[parameter].zero_grad()  # type: ignore[index]

        for parameter in net.parameters():
            parameter.register_post_accumulate_grad_hook(update)
        for _ in range(8):
            (net(x) - y).square().mean().backward()
    assert checked(tmp_path / "run.lens").complete


@pytest.mark.parametrize("kind", ["saved", "retained"])
def test_a_gradient_of_the_inside_that_is_used_later_is_known(tmp_path: Path, kind: str) -> None:
    with lens.record(tmp_path / "run.lens"):
        net, x, y = made()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(STEPS):
            saved: list[torch.Tensor] = []
            hidden = net[0](x)
            if kind == "saved":
                hidden.register_hook(saved.append)
            else:
                hidden.retain_grad()
            optimizer.zero_grad()
            (net[1:](hidden) - y).square().mean().backward()
            found = saved[0] if kind == "saved" else hidden.grad
            with torch.no_grad():
                net[0].bias.add_(found.mean(0), alpha=1e-3)
            optimizer.step()
    result = checked(tmp_path / "run.lens")
    assert not result.differs
    assert result.complete


def test_a_large_gradient_that_is_clipped_is_observed_as_it_was(tmp_path: Path) -> None:
    with lens.record(tmp_path / "run.lens"):
        torch.manual_seed(0)
        net = nn.Linear(200, 120)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            net(torch.randn(32, 200)).square().sum().backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
    result = checked(tmp_path / "run.lens")
    assert not result.differs
    assert result.complete


def test_a_hook_that_runs_an_engine_is_named_where_it_stands_in_the_way(tmp_path: Path) -> None:
    net, x, _ = made()
    layer = net[0]
    with lens.record(tmp_path / "run.lens"):
        for _ in range(4):
            net.zero_grad()
            start = torch.zeros(len(x), layer.out_features, requires_grad=True)
            again = torch.tanh(0.1 * start + layer(x))
            point = torch.tanh(layer(x))
            point.register_hook(
                lambda grad, again=again, start=start: (
                    grad + torch.autograd.grad(again, start, grad, retain_graph=True)[0]
                )
            )
            net[1:](point).square().mean().backward()
    result = checked(tmp_path / "run.lens")
    assert not result.differs
    reasons = {skipped.reason for check in result.checks for skipped in check.skipped}
    assert reasons
    assert all("hook" in reason for reason in reasons)
