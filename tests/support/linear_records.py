"""One step of the linear regression, kernel by kernel, computed with NumPy.

Axis letters: n batch (100), i input (1), o output (1).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from autograd_lens.trace.records import (
    Backward,
    Constant,
    GradWrite,
    Graph,
    Node,
    NodeRun,
    ParameterStep,
    ParameterUpdate,
    SavedTensor,
    Step,
    TensorUse,
    ZeroGrad,
)
from tests.support.linear_graph import (
    ACCUMULATE_B1,
    ACCUMULATE_W1,
    ADD,
    DIV,
    EDGES,
    MEAN,
    MM,
    NODES,
    POW,
    SUB,
)
from tests.support.linear_program import source
from tests.support.tape import Tape, value, written

LEARNING_RATE = 0.01


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
            graph=Graph(self.nodes(), EDGES),
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
            for index, (name, formula, kernel) in enumerate(NODES)
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
