"""What capture holds in its hands is written down: modes, leaves, inputs, what was handed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import autograd_lens as lens
from autograd_lens.trace.tape import Template, TensorSlot


def template_of(path: Path, step: int = 1) -> Template:
    with lens.open(path) as trace:
        found = trace.encoded(step)
    assert found is not None
    return found.template


def name(template: Template, use: object) -> str:
    assert isinstance(use, TensorSlot)
    return template.tensors[use.tensor].name


def test_kernels_say_whether_gradients_were_switched_on(tmp_path: Path) -> None:
    w = torch.tensor([2.0], requires_grad=True)
    with lens.record(tmp_path / "run.lens", full="all"):
        for _ in range(2):
            with torch.no_grad():
                scale = torch.exp(w)
            (w * scale).sum().backward()
            w.data.sub_(w.grad)
    template = template_of(tmp_path / "run.lens")
    forward = [kernel for kernel in template.kernels if kernel.phase == "forward"]
    modes = {kernel.op.split(".")[1]: kernel.grad_mode for kernel in forward}
    assert (modes["exp"], modes["mul"]) == (False, True)


def test_the_leaves_of_the_graph_are_tensors_of_the_tape(tmp_path: Path) -> None:
    w = torch.tensor([2.0], requires_grad=True)
    with lens.record(tmp_path / "run.lens", full="all"):
        for _ in range(2):
            point = torch.full((1,), 3.0).requires_grad_()
            (w * point).sum().backward()
            w.data.sub_(w.grad)
    template = template_of(tmp_path / "run.lens")
    leaves = [node.leaf for node in template.backwards[0].nodes if node.name == "AccumulateGrad"]
    mul = next(kernel for kernel in template.kernels if kernel.op == "aten.mul.Tensor")
    assert leaves == [use.tensor for use in mul.reads]


def test_a_restricted_backward_says_to_what_and_grad_says_what_it_gave(tmp_path: Path) -> None:
    w = torch.tensor([2.0], requires_grad=True)
    with lens.record(tmp_path / "run.lens", full="all"):
        for _ in range(2):
            x = torch.ones(1, requires_grad=True)
            y = (w * x) ** 2 + x
            (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
            (slope**2).sum().backward(inputs=[w])
            w.data.sub_(w.grad)
    first, second = template_of(tmp_path / "run.lens").backwards
    template = template_of(tmp_path / "run.lens")
    (asked,), (given,) = first.inputs, first.results
    mul = next(kernel for kernel in template.kernels if kernel.op == "aten.mul.Tensor")
    assert isinstance(asked, TensorSlot)
    assert isinstance(given, TensorSlot)
    assert asked.tensor == mul.reads[1].tensor
    square = [k for k in template.kernels if k.op.startswith("aten.pow") and k.phase == "forward"]
    assert given.tensor == square[-1].reads[0].tensor, "the sum of two gradients"
    assert [name(template, one) for one in second.inputs] == ["w"]


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return grads[0] * 3 * x**2


def test_the_node_of_a_function_belongs_to_the_kernel_of_its_result(tmp_path: Path) -> None:
    w = torch.tensor([2.0], requires_grad=True)
    with lens.record(tmp_path / "run.lens", full="all"):
        for _ in range(2):
            Cube.apply(w * 1).sum().backward()
            w.data.sub_(w.grad)
    template = template_of(tmp_path / "run.lens")
    (node,) = [one for one in template.backwards[0].nodes if one.name == "CubeBackward"]
    inside = [
        index
        for index, kernel in enumerate(template.kernels)
        if kernel.phase == "forward" and not kernel.grad_mode
    ]
    assert len(inside) == 2, "x * x, and that times x"
    assert node.kernel == inside[-1]
    assert [template.kernels[index].makes_node for index in inside] == [False, False]


def test_what_backward_gives_back_of_what_was_saved_is_known_as_such(tmp_path: Path) -> None:
    w = torch.tensor([2.0], requires_grad=True)
    with lens.record(tmp_path / "run.lens", full="all"):
        for _ in range(2):
            torch.exp(w).sum().backward()
            w.data.sub_(w.grad)
    template = template_of(tmp_path / "run.lens")
    exp = next(kernel for kernel in template.kernels if kernel.op == "aten.exp.default")
    aliases = [tensor.alias for tensor in template.tensors if tensor.alias is not None]
    assert aliases == [exp.makes[0].tensor]


@pytest.mark.parametrize("evaluates", [False, True])
def test_what_modules_were_handed_is_told_in_the_order_of_the_rows(
    tmp_path: Path, *, evaluates: bool
) -> None:
    torch.manual_seed(0)
    net = nn.Linear(2, 1)
    with lens.record(tmp_path / "run.lens", full="0:2,5"):
        for turn in range(6):
            if evaluates:
                with torch.no_grad():
                    net(torch.full((1, 2), -float(turn)))
            x = torch.full((3, 2), float(turn))
            net(x).sum().backward()
            for p in net.parameters():
                p.data.sub_(0.1 * p.grad)
                p.grad = None
    template = template_of(tmp_path / "run.lens", 5)
    addmm = [kernel for kernel in template.kernels if kernel.op == "aten.addmm.default"]
    assert template.handed[-1] == addmm[-1].reads[1].tensor
    with lens.open(tmp_path / "run.lens") as trace:
        rows = [trace.rows.extras(row) for row in trace.rows.of_step(5)]
    items = [item for row in rows for item in row["inputs"]]
    assert items[-1] == torch.full((3, 2), 5.0).numpy().tobytes()
    assert len(items) == len(template.handed)


def test_a_gradient_that_is_clipped_behind_the_update_has_changed_there(tmp_path: Path) -> None:
    w = nn.Parameter(torch.tensor([3.0]))
    optimizer = torch.optim.SGD([w], lr=0.01)
    seen = []
    with lens.record(tmp_path / "run.lens", full="all"):
        for _ in range(3):
            optimizer.zero_grad()
            (w * 2 - 1).pow(2).sum().backward()
            optimizer.step()
            before = w.grad.item()
            nn.utils.clip_grad_norm_([w], 1.0)
            seen.append((before, w.grad.item()))
    with lens.open(tmp_path / "run.lens") as trace:
        for step, expected in zip(trace.steps, seen, strict=True):
            (change,) = step.grad_changes
            assert change.before is not None
            assert change.after is not None
            assert (change.before.item(), change.after.item()) == expected
            cleared = [one for one in step.zero_grads if one.before is not None]
            assert all(one.before == change.after for one in cleared)


def test_the_forward_of_an_episode_belongs_to_its_own_step(tmp_path: Path) -> None:
    """Forward in one function and backward in another, both called from the loop."""
    torch.manual_seed(0)
    policy = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(policy.parameters(), lr=0.1)
    kept: list[torch.Tensor] = []

    def act(turn: int) -> None:
        kept.append(torch.log_softmax(policy(torch.full((1, 2), float(turn))), dim=1)[0, 0])

    def finish() -> None:
        optimizer.zero_grad()
        (-torch.stack(kept).sum()).backward()
        optimizer.step()
        kept.clear()

    def main() -> None:
        for episode in range(4):
            for turn in range(2):
                act(10 * episode + turn)
            finish()

    with lens.record(tmp_path / "run.lens", full="all"):
        main()
    with lens.open(tmp_path / "run.lens") as trace:
        for episode, step in enumerate(trace.steps):
            states = [k for k in step.kernels if k.op == "aten.full.default"]
            found = [kernel.outputs[0].value.array[0, 0] for kernel in states]  # type: ignore[union-attr]
            expected = [10 * episode + turn for turn in range(2)]
            # Nothing is seen before the first kernel that makes a node.
            assert found == (expected if episode else expected[1:])


def test_an_update_is_what_ran_behind_backward_for_it(tmp_path: Path) -> None:
    w = torch.tensor([2.0], requires_grad=True)
    rate = torch.tensor([0.1], requires_grad=True)
    with lens.record(tmp_path / "run.lens", full="all") as run:
        for _ in run.steps(2, progress=False):
            with torch.no_grad():
                before = w.exp()  # of the forward's region, though the update reads it
            (w * 3).sum().backward()
            learned = rate.sinh()  # of the next graph, though the update reads it
            assert w.grad is not None
            half = w.grad * 0.5
            w.data -= learned.detach() * before * half
            w.grad = None
            learned.sum().backward()
            rate.grad = None
    template = template_of(tmp_path / "run.lens")
    (update,) = template.updates
    ran = [template.kernels[index].op.split(".")[1] for index in update.kernels]
    assert {"sub_", "mul"} <= set(ran)
    assert not {"exp", "sinh"} & set(ran)
    phases = {one.op.split(".")[1]: one.phase for one in template.kernels}
    assert (phases["exp"], phases["sinh"], phases["sub_"]) == ("forward", "forward", "update")


def test_the_loss_of_a_step_is_what_was_trained_and_not_what_was_looked_at(tmp_path: Path) -> None:
    w = torch.ones(2, requires_grad=True)
    losses = []
    with lens.record(tmp_path / "run.lens"):
        for _ in range(3):
            w.grad = None
            loss = (w**3).sum()
            loss.backward()
            losses.append(loss.item())
            with torch.no_grad():
                w -= 0.1 * w.grad
            torch.autograd.grad((w**4).sum(), w)
    with lens.open(tmp_path / "run.lens") as trace:
        assert trace.losses.tolist() == losses
        assert [step.loss for step in trace.steps] == losses
        last = trace.steps[2]
        assert last.backwards[last.main_backward].kind == "backward"
