"""A full step holds what plain torch computes, and what plain hooks see."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import autograd_lens as lens
from autograd_lens.trace.records import Backward, Step, TensorUse
from autograd_lens.trace.values import Value


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w1 = nn.Parameter(torch.tensor([[2.0], [-1.0]]))
        self.b1 = nn.Parameter(torch.tensor([0.5]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x.mm(self.w1) + self.b1)


X = torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.5, 0.25]])


def forward(model: Model) -> torch.Tensor:
    return (model(X) ** 2).mean()


def train(model: Model, turns: int) -> None:
    for _ in range(turns):
        loss = forward(model)
        loss.backward()
        with torch.no_grad():
            for p in model.parameters():
                p.sub_(0.1 * p.grad)
        for p in model.parameters():
            p.grad.zero_()


@pytest.fixture
def trace(tmp_path: Path) -> Iterator[lens.Trace]:
    model = Model()
    with lens.record(tmp_path / "run.lens", full="all"):
        train(model, 3)
    with lens.open(tmp_path / "run.lens") as opened:
        yield opened


@pytest.fixture
def step(trace: lens.Trace) -> Step:
    """The second step: its grads accumulate onto zeros."""
    return trace.steps[1]


@pytest.fixture
def backward(step: Step) -> Backward:
    (only,) = step.backwards
    return only


def twin_before_second_step() -> Model:
    model = Model()
    train(model, 1)
    return model


def same(value: Value | None, tensor: torch.Tensor | None) -> bool:
    if value is None or tensor is None:
        return value is None and tensor is None
    return value.data == tensor.detach().contiguous().numpy().tobytes()


def kernels_of(step: Step, phase: str) -> list[str]:
    return [kernel.op.split(".")[1] for kernel in step.kernels if kernel.phase == phase]


def test_phases_are_what_a_person_would_say(step: Step) -> None:
    # torch keeps tanh's own result for the backward, through a detach.
    assert kernels_of(step, "forward") == ["mm", "add", "tanh", "detach", "pow", "mean"]
    assert kernels_of(step, "update") == ["mul", "sub_", "mul", "sub_"]
    assert kernels_of(step, "zero_grad") == ["zero_", "zero_"]
    assert kernels_of(step, "backward")[0] == "ones_like"


def test_forward_values_are_what_plain_torch_computes(step: Step) -> None:
    model = twin_before_second_step()
    product = X.mm(model.w1)
    hidden = product + model.b1
    out = torch.tanh(hidden)
    expected = [product, hidden, out, out, out**2, (out**2).mean()]

    found = [kernel.outputs[0].value for kernel in step.kernels if kernel.phase == "forward"]

    assert all(same(value, tensor) for value, tensor in zip(found, expected, strict=True))


def test_forward_inputs_are_named_as_the_program_names_them(step: Step) -> None:
    uses = [a.value for k in step.kernels[:2] for a in k.inputs if isinstance(a.value, TensorUse)]

    named = [(use.spec.name, use.spec.role) for use in uses if use.spec.name]
    assert named == [("X", "input"), ("w1", "parameter"), ("b1", "parameter")]


def test_node_runs_are_what_plain_hooks_see_in_the_engines_order(backward: Backward) -> None:
    loss = forward(twin_before_second_step())
    seen: list[tuple[str, tuple[Any, ...], tuple[Any, ...]]] = []

    def hook(node: Any) -> None:
        def ran(grad_inputs: Any, grad_outputs: Any) -> None:
            copies = [
                tuple(None if g is None else g.clone() for g in grads)
                for grads in (grad_outputs, grad_inputs)
            ]
            seen.append((node.name(), copies[0], copies[1]))

        if node.name() != "torch::autograd::AccumulateGrad":
            node.register_hook(ran)

    pending = [loss.grad_fn]
    for node in pending:
        hook(node)
        pending += [n for n, _ in node.next_functions if n is not None and n not in pending]
    loss.backward()

    assert backward.graph is not None
    nodes = backward.graph.nodes
    runs = [run for run in backward.node_runs if nodes[run.node].variable is None]
    assert [nodes[run.node].name for run in runs] == [name for name, _, _ in seen]
    for run, (_, grad_outputs, grad_inputs) in zip(runs, seen, strict=True):
        pairs = [
            *zip(run.grad_outputs, grad_outputs, strict=True),
            *zip(run.grad_inputs, grad_inputs, strict=True),
        ]
        assert all(same(value, tensor) for value, tensor in pairs)


def test_every_kernel_of_backward_belongs_to_the_node_that_ran_it(
    step: Step, backward: Backward
) -> None:
    assert backward.graph is not None
    names = {
        step.kernels[index].op.split(".")[1]: backward.graph.nodes[run.node].name
        for run in backward.node_runs
        for index in run.kernels
    }
    assert names["tanh_backward"] == "TanhBackward0"
    assert names["mm"] == "MmBackward0"
    assert names["sum"] == "AddBackward0"


def test_grads_accumulate_onto_the_zeros_of_the_step_before(backward: Backward) -> None:
    model = twin_before_second_step()
    model.zero_grad()
    forward(model).backward()

    assert {write.parameter for write in backward.grad_writes} == {"w1", "b1"}
    for write in backward.grad_writes:
        grad = getattr(model, write.parameter).grad
        assert write.mode == "accumulate"
        assert same(write.before, torch.zeros_like(grad))
        assert same(write.incoming, grad)
        assert same(write.after, grad)


def test_the_first_grads_are_set(trace: lens.Trace) -> None:
    writes = trace.steps[0].backwards[0].grad_writes

    assert [(w.parameter, w.mode, w.before) for w in sorted(writes, key=lambda w: w.parameter)] == [
        ("b1", "set", None),
        ("w1", "set", None),
    ]


def test_updates_and_zeroing(step: Step) -> None:
    model = twin_before_second_step()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    forward(model).backward()
    grads = {name: p.grad.clone() for name, p in model.named_parameters()}
    train_rest = {name: before[name] - 0.1 * grads[name] for name in before}

    assert [u.expression for u in step.updates] == ["w1 - 0.1 * w1.grad", "b1 - 0.1 * b1.grad"]
    for update in step.updates:
        assert same(update.before, before[update.parameter])
        assert same(update.grad, grads[update.parameter])
        assert same(update.after, train_rest[update.parameter])
    for zero in step.zero_grads:
        assert same(zero.before, grads[zero.parameter])
        assert same(zero.after, torch.zeros_like(grads[zero.parameter]))


def test_saved_tensors_hold_their_values(step: Step, backward: Backward) -> None:
    assert backward.graph is not None
    saved = {n.name: {s.name: s for s in n.saved} for n in backward.graph.nodes}
    out = torch.tanh(X.mm(twin_before_second_step().w1) + twin_before_second_step().b1)

    result = saved["TanhBackward0"]["result"]
    assert isinstance(result.value, Value)
    assert same(result.value, out)
    assert result.tensor == next(
        k.outputs[0].tensor for k in step.kernels if k.op.startswith("aten.tanh.")
    )
    assert not result.changed
    weight = saved["MmBackward0"]["mat2"].value
    assert weight is None or isinstance(weight, Value)
    exponent = saved["PowBackward0"]["exponent"].value
    assert getattr(exponent, "value", None) == 2


def test_formulas_are_pytorchs_own(backward: Backward) -> None:
    assert backward.graph is not None
    formulas = {node.name: node.formula for node in backward.graph.nodes}

    assert formulas["TanhBackward0"] == (("self", "tanh_backward(grad, result)"),)
    assert dict(formulas["PowBackward0"])["self"] == "pow_backward(grad, self, exponent)"


def test_sources_point_to_line_and_columns(trace: lens.Trace, step: Step) -> None:
    lines, first = inspect.getsourcelines(Model.forward)
    text = lines[1]
    sources = {k.op.split(".")[1]: k.source for k in step.kernels if k.phase == "forward"}

    for op, code in (
        ("mm", "x.mm(self.w1)"),
        ("add", "x.mm(self.w1) + self.b1"),
        ("tanh", "torch.tanh(x.mm(self.w1) + self.b1)"),
    ):
        source = sources[op]
        assert source is not None
        assert (source.file, source.line, source.function) == (__file__, first + 1, "forward")
        assert text[source.column : source.end_column] == code
    assert trace.line(step.backwards[0].source) == "loss.backward()"
    assert [trace.line(u.source) for u in step.updates] == ["p.sub_(0.1 * p.grad)"] * 2
    assert [trace.line(z.source) for z in step.zero_grads] == ["p.grad.zero_()"] * 2


def test_edges_lead_where_next_functions_lead(backward: Backward) -> None:
    assert backward.graph is not None
    nodes = backward.graph.nodes
    edges = {(nodes[e.from_node].name, nodes[e.to_node].name) for e in backward.graph.edges}

    assert edges == {
        ("MeanBackward0", "PowBackward0"),
        ("PowBackward0", "TanhBackward0"),
        ("TanhBackward0", "AddBackward0"),
        ("AddBackward0", "MmBackward0"),
        ("AddBackward0", "AccumulateGrad"),
        ("MmBackward0", "AccumulateGrad"),
    }


def test_a_node_for_each_of_two_equal_kernels(tmp_path: Path) -> None:
    w = torch.ones(1, requires_grad=True)
    with lens.record(tmp_path / "run.lens", full="all"):
        ((w + 1) + 1).backward()

    with lens.open(tmp_path / "run.lens") as trace:
        kernels = [k for k in trace.steps[0].kernels if k.op == "aten.add.Tensor"]
    assert [kernel.node for kernel in kernels] == [1, 0]


def test_a_saved_tensor_changed_through_data_is_told(tmp_path: Path) -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    with lens.record(tmp_path / "run.lens", full="all"):
        y = w.exp()
        y.data.mul_(3)  # torch does not notice, and computes a wrong gradient
        y.sum().backward()

    with lens.open(tmp_path / "run.lens") as trace:
        graph = trace.steps[0].backwards[0].graph
    assert graph is not None
    (saved,) = next(n for n in graph.nodes if n.name == "ExpBackward0").saved
    assert saved.changed
    assert same(saved.value, 3 * w.exp())


def raising(_: Any) -> None:
    msg = "from a hook of the program"
    raise ValueError(msg)


def test_a_grad_written_before_a_hook_raised_is_recorded(tmp_path: Path) -> None:
    w, v = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    w.register_post_accumulate_grad_hook(raising)
    v.register_hook(raising)
    with lens.record(tmp_path / "run.lens", full="all"):
        for leaf in (w, w, v):
            with pytest.raises(ValueError, match="from a hook"):
                (leaf * 3).sum().backward()

    with lens.open(tmp_path / "run.lens") as trace:
        backwards = [backward for step in trace.steps for backward in step.backwards]
    writes = [
        [(write.parameter, write.mode, write.after and write.after.array.tolist()) for write in one]
        for one in (backward.grad_writes for backward in backwards)
    ]
    assert writes == [[("w", "set", [3, 3])], [("w", "accumulate", [6, 6])], []]


def test_a_large_tensor_that_a_kernel_changes_is_read_again(tmp_path: Path) -> None:
    w = torch.ones(1, requires_grad=True)
    table = torch.zeros(40_000)  # large values from outside are read once where they stay
    with lens.record(tmp_path / "run.lens", full="all"):
        for _ in range(2):
            table.add_(1)
            (w * table.mean()).sum().backward()
            table.mul_(2)
            w.grad = None
    with lens.open(tmp_path / "run.lens") as trace:
        for kernel in trace.steps[1].kernels:
            if kernel.op in {"aten.add_.Tensor", "aten.mul_.Tensor"}:
                read, made = kernel.inputs[0].value, kernel.outputs[0]
                assert isinstance(read, TensorUse)
                assert read.value is not None
                assert read.value != made.value
