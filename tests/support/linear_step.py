"""Steps of the linear regression as records, built by hand with NumPy.

``linear_steps(3)`` are the first three steps of ``y = 3x + 10 + noise`` fitted by gradient
descent at learning rate 0.01, starting from w1 = 1.541, b1 = -0.2934. The kernels, nodes and
their order are those of torch 2.13 on CPU; the numbers are float32 as NumPy computes them,
so the last bit may differ from torch's. No torch is needed.

Axis letters: n batch (100), i input (1), o output (1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from autograd_lens.trace.records import (
    Argument,
    Backward,
    Constant,
    Edge,
    Event,
    GradWrite,
    Graph,
    Kernel,
    Node,
    NodeRun,
    Parameter,
    ParameterStep,
    ParameterUpdate,
    Phase,
    Role,
    SavedTensor,
    Source,
    Step,
    TensorSpec,
    TensorUse,
    ZeroGrad,
)
from autograd_lens.trace.values import Value

LEARNING_RATE = 0.01
FILE = "linear_regression.py"
SOURCE = '''\
"""Fit a straight line by gradient descent."""

import numpy as np
import torch


class mylinermodel(torch.nn.Module):
    def __init__(self, D_in, D_out):
        super().__init__()
        self.w1 = torch.nn.Parameter(torch.randn(D_in, D_out))
        self.b1 = torch.nn.Parameter(torch.randn(D_out))

    def forward(self, x):
        return x.mm(self.w1) + self.b1


def myloss(y_pred, y_true):
    return torch.mean((y_pred - y_true) ** 2 / 2)


class SGD:
    def __init__(self, params, lr):
        self.params = list(params)
        self.lr = lr

    def step(self):
        for param in self.params:
            param.data -= self.lr * param.grad.data

    def zero_grad(self):
        for param in self.params:
            if param.grad is not None:
                param.grad.data.zero_()


np.random.seed(0)
torch.manual_seed(0)
x = np.random.rand(100, 1)
y = 3 * x + 10 + np.random.rand(100, 1)
x, y = torch.from_numpy(x).float(), torch.from_numpy(y).float()

model = mylinermodel(1, 1)
optimizer = SGD(model.parameters(), lr=1e-2)
for t in range(5000):
    y_pred = model(x)
    loss = myloss(y_pred, y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
'''
_FUNCTIONS = {14: "forward", 18: "myloss", 28: "step", 33: "zero_grad"}

# (name, formulas, forward kernel, variable); indexes are positions.
_NODES = (
    ("MeanBackward0", (("self", "grad.expand_symint(self.sym_sizes()) / self.sym_numel()"),), 5),
    (
        "DivBackward0",
        (
            ("self", "div_tensor_self_backward(grad, other, self.scalar_type())"),
            ("other", "div_tensor_other_backward(grad, self, other)"),
        ),
        4,
    ),
    ("PowBackward0", (("self", "pow_backward(grad, self, exponent)"),), 3),
    (
        "SubBackward0",
        (
            ("self", "handle_r_to_c(self.scalar_type(), grad)"),
            (
                "other",
                "handle_r_to_c(other.scalar_type(), maybe_multiply(-grad, alpha.conj()))",
            ),
        ),
        2,
    ),
    (
        "AddBackward0",
        (
            ("self", "handle_r_to_c(self.scalar_type(), grad)"),
            ("other", "handle_r_to_c(other.scalar_type(), maybe_multiply(grad, alpha.conj()))"),
        ),
        1,
    ),
    (
        "MmBackward0",
        (
            (
                "self",
                "mm_mat1_backward(grad, mat2, self.sym_sizes(), self.sym_strides(), "
                "self.layout(), 1)",
            ),
            (
                "mat2",
                "mm_mat2_backward(grad, self, mat2.sym_sizes(), mat2.sym_strides(), "
                "mat2.layout(), 1)",
            ),
        ),
        0,
    ),
    ("AccumulateGrad", (), None),
    ("AccumulateGrad", (), None),
)
MEAN, DIV, POW, SUB, ADD, MM, ACCUMULATE_B1, ACCUMULATE_W1 = range(8)
_EDGES = (
    Edge(MEAN, 0, DIV, 0),
    Edge(DIV, 0, POW, 0),
    Edge(POW, 0, SUB, 0),
    Edge(SUB, 0, ADD, 0),
    Edge(ADD, 0, MM, 0),
    Edge(ADD, 1, ACCUMULATE_B1, 0),
    Edge(MM, 1, ACCUMULATE_W1, 0),
)


def value(array: Any) -> Value:
    """An array as a recorded value; Python numbers become float32 scalars."""
    array = np.asarray(array, np.float32) if isinstance(array, float) else np.asarray(array)
    return Value(array.dtype.name, array.shape, array.tobytes())


def source(snippet: str) -> Source:
    """The position of a piece of ``SOURCE``, which must occur there."""
    start = SOURCE.index(snippet)
    line = SOURCE.count("\n", 0, start) + 1
    column = start - (SOURCE.rfind("\n", 0, start) + 1)
    function = _FUNCTIONS.get(line, "<module>")
    return Source(FILE, line, line, column, column + len(snippet), function)


@dataclass
class Tape:
    """Collects kernels; hands out tensor and kernel indexes."""

    kernels: list[Kernel] = field(default_factory=list)
    tensors: int = 0
    phase: Phase = "forward"
    node: int | None = None
    source: Source | None = None
    module: str = ""

    def tensor(self, array: Any, name: str = "", role: Role = "intermediate") -> TensorUse:
        """A tensor that the step has not seen before."""
        recorded = value(array)
        spec = TensorSpec(name, recorded.shape, recorded.dtype, "cpu", role)
        self.tensors += 1
        return TensorUse(self.tensors - 1, spec, recorded)

    def run(self, op: str, inputs: Mapping[str, Any], *outputs: TensorUse) -> TensorUse:
        """Append ``aten.<op>`` and return its first output."""
        arguments = tuple(Argument(name, _encoded(given)) for name, given in inputs.items())
        kernel = Kernel(
            index=len(self.kernels),
            op=f"aten.{op}",
            inputs=arguments,
            outputs=outputs,
            phase=self.phase,
            node=self.node,
            backward=0,
            source=self.source,
            module=self.module,
        )
        self.kernels.append(kernel)
        return outputs[0]

    def at(self, snippet: str, node: int | None = None, module: str = "") -> Tape:
        """Say where the next kernels come from."""
        self.source, self.node, self.module = source(snippet), node, module
        return self


def _encoded(given: Any) -> Any:
    if isinstance(given, TensorUse | Constant):
        return given
    if isinstance(given, list | tuple):
        return tuple(_encoded(item) for item in given)
    return Constant("scalar", given)


def written(use: TensorUse, array: Any) -> TensorUse:
    """The same tensor with another value, as an in-place kernel returns it."""
    return replace(use, value=value(array))


def data() -> tuple[np.ndarray, np.ndarray]:
    """x and y, (n, i) and (n, o), float32."""
    random = np.random.RandomState(0)
    x = random.rand(100, 1)
    y = 3 * x + 10 + random.rand(100, 1)
    return x.astype(np.float32), y.astype(np.float32)


def linear_step(
    index: int = 0,
    w1: Any = ((1.5409961,),),
    b1: Any = (-0.2934289,),
    grad_before: Any = None,
) -> Step:
    """One step in full detail.

    Args:
        index: Step number.
        w1: Weight before the step, (i, o).
        b1: Bias before the step, (o,).
        grad_before: What both ``.grad`` hold before the backward, a number; None for None.
    """
    return _LinearStep(index, np.float32(w1), np.float32(b1), grad_before).build()


class _LinearStep:
    """Builds one step, phase by phase, in the order PyTorch runs it."""

    def __init__(self, index: int, w1: Any, b1: Any, grad_before: float | None) -> None:
        self.index = index
        self.tape = Tape()
        self.x, self.y = data()
        self.before = {"w1": w1, "b1": b1}
        self.grad_before = {
            name: None if grad_before is None else np.full_like(array, grad_before)
            for name, array in self.before.items()
        }

    def build(self) -> Step:
        self.forward()
        runs = self.backward()
        updates = tuple(self.update(name) for name in self.before)
        zeroed = tuple(self.zero(name) for name in self.before)
        return Step(
            index=self.index,
            level="full",
            loss=float(self.loss),
            parameters={name: self.parameter_step(name) for name in self.before},
            backwards=(self.backward_record(runs),),
            updates=updates,
            zero_grads=zeroed,
            kernels=tuple(self.tape.kernels),
        )

    def forward(self) -> None:
        tape = self.tape
        x = tape.tensor(self.x, "x", "input")
        self.w1_use = tape.tensor(self.before["w1"], "w1", "parameter")
        tape.at("x.mm(self.w1)", MM, "model")
        product = tape.tensor(self.x @ self.before["w1"])
        tape.run("mm.default", {"self": x, "mat2": self.w1_use}, product)
        self.b1_use = tape.tensor(self.before["b1"], "b1", "parameter")
        tape.at("x.mm(self.w1) + self.b1", ADD, "model")
        predicted = tape.tensor(self.x @ self.before["w1"] + self.before["b1"])
        tape.run("add.Tensor", {"self": product, "other": self.b1_use}, predicted)
        y = tape.tensor(self.y, "y", "input")
        self.residual = predicted.value.array - self.y
        tape.at("y_pred - y_true", SUB)
        self.residual_use = tape.tensor(self.residual)
        tape.run("sub.Tensor", {"self": predicted, "other": y}, self.residual_use)
        tape.at("(y_pred - y_true) ** 2", POW)
        square = tape.tensor(self.residual**2)
        tape.run("pow.Tensor_Scalar", {"self": self.residual_use, "exponent": 2}, square)
        tape.at("(y_pred - y_true) ** 2 / 2", DIV)
        half = tape.tensor(square.value.array / np.float32(2))
        tape.run("div.Tensor", {"self": square, "other": 2}, half)
        tape.at("torch.mean((y_pred - y_true) ** 2 / 2)", MEAN)
        self.loss = half.value.array.mean(dtype=np.float32)
        loss = tape.tensor(self.loss, "loss", "loss")
        tape.run("mean.default", {"self": half}, loss)
        self.x_use, self.loss_use = x, loss

    def backward(self) -> tuple[NodeRun, ...]:
        tape = self.tape
        tape.phase = "backward"
        tape.at("loss.backward()")
        n = np.float32(len(self.x))
        one = np.ones((), np.float32)
        seed = tape.run("ones_like.default", {"self": self.loss_use}, tape.tensor(one))
        seed = tape.run("detach.default", {"self": seed}, tape.tensor(one))
        spread, mean_grad = np.broadcast_to(one, self.y.shape), np.full_like(self.y, 1 / n)
        runs = [((one,), (mean_grad,))]
        tape.node = MEAN
        wide = tape.run(
            "expand.default", {"self": seed, "size": [100, 1]}, tape.tensor(spread.copy())
        )
        grad = tape.run("div.Scalar", {"self": wide, "other": 100}, tape.tensor(mean_grad))
        tape.node = DIV
        half_grad = mean_grad / np.float32(2)
        runs.append(((mean_grad,), (half_grad, None)))
        grad = tape.run("div.Tensor", {"self": grad, "other": 2}, tape.tensor(half_grad))
        tape.node = POW
        power = {"self": self.residual_use, "exponent": 1.0}
        power = tape.run("pow.Tensor_Scalar", power, tape.tensor(self.residual))
        twice = self.residual * np.float32(2)
        local = tape.run("mul.Scalar", {"self": power, "other": 2.0}, tape.tensor(twice))
        pow_grad = half_grad * twice
        grad = tape.run("mul.Tensor", {"self": grad, "other": local}, tape.tensor(pow_grad))
        runs.append(((half_grad,), (pow_grad,)))
        runs.append(((pow_grad,), (pow_grad, None)))
        b1_grad, w1_grad = pow_grad.sum(0, dtype=np.float32), pow_grad.T @ self.x
        tape.node = ADD
        kept = {"self": grad, "dim": [0], "keepdim": True}
        total = tape.run("sum.dim_IntList", kept, tape.tensor(b1_grad[None]))
        total = tape.run("view.default", {"self": total, "size": [1]}, tape.tensor(b1_grad))
        runs.append(((pow_grad,), (pow_grad, b1_grad)))
        self.incoming = {"b1": b1_grad, "w1": w1_grad}
        self.grad_uses = {"b1": self.accumulate("b1", total, ACCUMULATE_B1)}
        runs.append(((b1_grad,), ()))
        tape.node = MM
        turned = tape.run("t.default", {"self": grad}, tape.tensor(pow_grad.T.copy()))
        outer = {"self": turned, "mat2": self.x_use}
        product = tape.run("mm.default", outer, tape.tensor(w1_grad.T.copy()))
        product = tape.run("t.default", {"self": product}, tape.tensor(w1_grad))
        runs.append(((pow_grad,), (None, w1_grad)))
        self.grad_uses["w1"] = self.accumulate("w1", product, ACCUMULATE_W1)
        runs.append(((w1_grad,), ()))
        order = (MEAN, DIV, POW, SUB, ADD, ACCUMULATE_B1, MM, ACCUMULATE_W1)
        return tuple(self.node_run(*item) for item in zip(range(8), order, runs, strict=True))

    def accumulate(self, name: str, incoming: TensorUse, node: int) -> TensorUse:
        """What AccumulateGrad does: keep a copy, or add to the ``.grad`` that is there."""
        tape = self.tape
        tape.node = node
        old = self.grad_before[name]
        if old is not None:
            grad = tape.tensor(old, f"{name}.grad", "gradient")
            after = written(grad, old + incoming.value.array)
            return tape.run("add_.Tensor", {"self": grad, "other": incoming}, after)
        grad = tape.tensor(incoming.value.array, f"{name}.grad", "gradient")
        shape = list(grad.spec.shape)
        empty = {"self": incoming, "size": shape, "stride": [1] * len(shape)}
        tape.run("new_empty_strided.default", empty, replace(grad, value=None))
        return tape.run("copy_.default", {"self": grad, "src": incoming}, grad)

    def node_run(self, order: int, node: int, grads: Any) -> NodeRun:
        outputs, inputs = (
            tuple(None if grad is None else value(grad) for grad in side) for side in grads
        )
        ran = [k.index for k in self.tape.kernels if k.phase == "backward" and k.node == node]
        return NodeRun(order, node, outputs, inputs, tuple(ran))

    def backward_record(self, runs: tuple[NodeRun, ...]) -> Backward:
        return Backward(
            index=0,
            kind="backward",
            roots=(value(self.loss),),
            retain_graph=False,
            create_graph=False,
            source=source("loss.backward()"),
            fingerprint="5d1e0c7a",
            grad_writes=tuple(self.grad_write(name) for name in ("b1", "w1")),
            graph=Graph(self.nodes(), _EDGES),
            node_runs=runs,
        )

    def nodes(self) -> tuple[Node, ...]:
        saved = {
            DIV: (SavedTensor("other", value(np.int64(2))),),
            POW: (
                SavedTensor("exponent", Constant("scalar", 2)),
                SavedTensor("self", value(self.residual), self.residual_use.tensor),
            ),
            SUB: (SavedTensor("alpha", Constant("scalar", 1)),),
            ADD: (SavedTensor("alpha", Constant("scalar", 1)),),
            MM: (SavedTensor("mat2", None), SavedTensor("self", value(self.x), self.x_use.tensor)),
        }
        leaves = {ACCUMULATE_B1: "b1", ACCUMULATE_W1: "w1"}
        return tuple(
            Node(index, name, formula, kernel, saved.get(index, ()), leaves.get(index))
            for index, (name, formula, kernel) in enumerate(_NODES)
        )

    def grad(self, name: str) -> Any:
        """The ``.grad`` after the backward."""
        before = self.grad_before[name]
        return self.incoming[name] if before is None else before + self.incoming[name]

    def grad_write(self, name: str) -> GradWrite:
        before = self.grad_before[name]
        return GradWrite(
            parameter=name,
            before=None if before is None else value(before),
            incoming=value(self.incoming[name]),
            after=value(self.grad(name)),
            mode="set" if before is None else "accumulate",
        )

    def after(self, name: str) -> Any:
        return self.before[name] - np.float32(LEARNING_RATE) * self.grad(name)

    def update(self, name: str) -> ParameterUpdate:
        tape = self.tape
        tape.phase = "update"
        tape.at("param.data -= self.lr * param.grad.data")
        first = len(tape.kernels)
        parameter = {"w1": self.w1_use, "b1": self.b1_use}[name]
        before, grad = self.before[name], self.grad(name)
        data = tape.run("detach.default", {"self": parameter}, tape.tensor(before))
        held = tape.run("detach.default", {"self": self.grad_uses[name]}, tape.tensor(grad))
        scaled = tape.tensor(np.float32(LEARNING_RATE) * grad)
        tape.run("mul.Tensor", {"self": held, "other": LEARNING_RATE}, scaled)
        after = written(data, self.after(name))
        tape.run("sub_.Tensor", {"self": data, "other": scaled}, after)
        return ParameterUpdate(
            parameter=name,
            before=value(before),
            after=value(self.after(name)),
            grad=value(grad),
            expression=f"{name} - {LEARNING_RATE} * {name}.grad",
            kernels=tuple(range(first, len(tape.kernels))),
            source=tape.source,
        )

    def zero(self, name: str) -> ZeroGrad:
        tape = self.tape
        tape.phase = "zero_grad"
        tape.at("param.grad.data.zero_()")
        grad = self.grad(name)
        held = tape.run("detach.default", {"self": self.grad_uses[name]}, tape.tensor(grad))
        tape.run("zero_.default", {"self": held}, written(held, np.zeros_like(grad)))
        return ZeroGrad(name, value(grad), value(np.zeros_like(grad)), tape.source)

    def parameter_step(self, name: str) -> ParameterStep:
        before = self.grad_before[name]
        return ParameterStep(
            name=name,
            before=value(self.before[name]),
            grad_before=None if before is None else value(before),
            grad=value(self.grad(name)),
            mode="set" if before is None else "accumulate",
            after=value(self.after(name)),
            zeroed=True,
        )


def light(step: Step) -> Step:
    """The same step as a light recording holds it."""
    backwards = tuple(
        replace(
            backward,
            graph=None,
            node_runs=(),
            grad_writes=tuple(replace(write, incoming=None) for write in backward.grad_writes),
        )
        for backward in step.backwards
    )
    updates = tuple(replace(u, expression="", kernels=(), source=None) for u in step.updates)
    zeroed = tuple(replace(zero, source=None) for zero in step.zero_grads)
    return replace(
        step, level="light", backwards=backwards, updates=updates, zero_grads=zeroed, kernels=()
    )


def linear_steps(count: int = 3, full: Sequence[int] = (0, 1, 2)) -> tuple[Step, ...]:
    """The first ``count`` steps; those in ``full`` in full detail, the others light."""
    steps: list[Step] = []
    for index in range(count):
        if not steps:
            step = linear_step()
        else:
            w1, b1 = (steps[-1].parameters[name].after.array for name in ("w1", "b1"))
            step = linear_step(index, w1, b1, grad_before=0.0)
        steps.append(step if index in full else light(step))
    return tuple(steps)


@dataclass
class LinearTrace:
    """Stands in for an open trace file: the same attributes, all in memory."""

    steps: tuple[Step, ...] = field(default_factory=linear_steps)
    path: Path = Path("linear.lens")
    events: tuple[Event, ...] = ()
    info: Any = field(
        default_factory=lambda: SimpleNamespace(
            program=FILE,
            argv=(),
            cwd="/home/ada/first-steps",
            torch="2.13.0",
            python="3.11.2",
            started="2026-03-01T10:00:00",
            ended="2026-03-01T10:00:02",
            status="finished",
            threads=1,
            seed=0,
        )
    )

    @property
    def parameters(self) -> dict[str, Parameter]:
        return {
            "w1": Parameter("w1", (1, 1), "float32", "cpu", ("model.w1",)),
            "b1": Parameter("b1", (1,), "float32", "cpu", ("model.b1",)),
        }

    @property
    def full_steps(self) -> tuple[int, ...]:
        return tuple(step.index for step in self.steps if step.level == "full")

    @property
    def losses(self) -> np.ndarray:
        return np.array([step.loss for step in self.steps], np.float64)

    def parameter(self, name: str) -> SimpleNamespace:
        records = [step.parameters[name] for step in self.steps]
        values = [records[0].before, *(record.after for record in records)]
        return SimpleNamespace(
            parameter=self.parameters[name],
            values=np.stack([item.array for item in values]),
            grads=np.stack([record.grad.array for record in records]),
        )

    def source(self, file: str) -> str | None:
        return SOURCE if file == FILE else None

    def line(self, at: Source | None) -> str:
        if at is None or at.file != FILE:
            return ""
        lines = SOURCE.splitlines()[at.line - 1 : at.end_line]
        return " ".join(line.strip() for line in lines)

    def close(self) -> None:
        """Nothing is held open."""
