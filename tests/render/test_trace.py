"""A step, printed."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from autograd_lens.render.trace import TraceOptions, render_step
from autograd_lens.trace.graph import tensors
from autograd_lens.trace.records import (
    Argument,
    Constant,
    Kernel,
    ParameterUpdate,
    Source,
    Step,
)
from tests.support.linear_step import LinearTrace, Tape, light, linear_step, value


def printed(step: Step, trace: Any = None, **options: Any) -> str:
    """The step as a pipe receives it."""
    chosen = TraceOptions(**options)
    console = Console(file=StringIO(), width=chosen.width)
    console.print(render_step(step, (trace or LinearTrace()).source, chosen))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_forward() -> None:
    assert printed(linear_step(), phases=("forward",)) == (
        "Step 0 ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ loss 66.3743\n"
        "\n"
        "Forward ─────────────────────────────────────────────────── linear_regression.py\n"
        "  14 │ return x.mm(self.w1) + self.b1  in model\n"
        "     │ x @ w1                 (100, 1)  █▆▆▆█▇▅▆  0.007236 to 1.523, mean 0.7286\n"
        "     │ x.mm(w1) + b1 → y_pred  (100, 1)  █▆▆▆█▇▅▆  -0.2862 to 1.23, mean 0.4351\n"
        "  18 │ return torch.mean((y_pred - y_true) ** 2 / 2)\n"
        "     │ y_pred - y             (100, 1)  ▄▆█▅▇▆▄▅  -12.45 to -10.5, mean -11.51\n"
        "     │ (y_pred - y_true)² → pow  (100, 1)  ▄▃▅▆▅█▄▃  110.2 to 154.9, mean 132.7\n"
        "     │ pow / 2 → div          (100, 1)  ▄▃▅▆▅█▄▃  55.11 to 77.46, mean 66.37\n"
        "     │ mean(div) → loss       66.3743\n"
    )


def test_the_backward() -> None:
    text = printed(linear_step(), phases=("backward",))

    assert (
        "   3 │ PowBackward0  of (y_pred - y_true)² → pow, line 18\n"
        "     │   in  pow          (100, 1)  all 0.005\n"
        "     │   out (y_pred - y_true)\n"
        "     │                    (100, 1)  ▄▆█▅▇▆▄▅  -0.1245 to -0.105, mean -0.1151\n"
        "     │           to SubBackward0, by pow_backward(grad, self, exponent)\n"
        "     │           where exponent = 2, self = (y_pred - y_true)\n"
    ) in text
    assert text.endswith(
        "   8 │ AccumulateGrad  w1\n"
        "     │   in  w1           [[-5.55848]]\n"
        "     │   kept as w1.grad\n"
        "\n"
        ".grad ──────────────────────────────────────────────────────────────────────────\n"
        "     │ b1.grad  None → [-11.5113]  (set)\n"
        "     │ w1.grad  None → [[-5.55848]]  (set)\n"
    )


def test_nodes_stand_in_the_order_the_engine_ran_them() -> None:
    lines = printed(linear_step(), phases=("backward",)).splitlines()

    nodes = [line.split("│ ")[1].split()[0] for line in lines if "Backward0  of" in line]

    assert nodes == [f"{name}Backward0" for name in ("Mean", "Div", "Pow", "Sub", "Add", "Mm")]
    added = next(number for number, line in enumerate(lines) if "AddBackward0  of" in line)
    assert [line.split("to ")[1].split(",")[0] for line in lines[added:] if " to Mm" in line] == [
        "MmBackward0"
    ]


def test_update_and_zeroing() -> None:
    assert printed(linear_step(), phases=("update", "zero_grad")).split("\n", 2)[2] == (
        "Update ─────────────────────────────────────────────────────────────────────────\n"
        "  28 │ param.data -= self.lr * param.grad.data\n"
        "     │ w1 ← w1 - 0.01 * w1.grad = 1.541 - 0.01 * (-5.55848) = 1.59658\n"
        "     │ b1 ← b1 - 0.01 * b1.grad = -0.293429 - 0.01 * (-11.5113) = -0.178316\n"
        "\n"
        "Zero grad ──────────────────────────────────────────────────────────────────────\n"
        "  33 │ param.grad.data.zero_()\n"
        "     │ w1.grad  [[-5.55848]] → [[0]]\n"
        "     │ b1.grad  [-11.5113] → [0]\n"
    )


def test_a_light_step_shows_what_it_holds_and_how_to_get_more() -> None:
    assert printed(light(linear_step())) == (
        "Step 0 ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ loss 66.3743\n"
        "     │ parameter  before     .grad      after      .grad was\n"
        "     │ w1          1.541      -5.55848   1.59658   set, zeroed\n"
        "     │ b1         -0.293429  -11.5113   -0.178316  set, zeroed\n"
        "     │ Recorded light. For every value and node, record with --full 0.\n"
    )


def test_an_accumulated_grad_is_a_sum() -> None:
    text = printed(linear_step(grad_before=2.0), phases=("backward",))

    assert "│ b1.grad  [2] + [-11.5113] → [-9.51132]  (accumulated)" in text
    assert "added to b1.grad" in text


def test_every_kernel_of_the_tape_is_shown_when_asked() -> None:
    step = linear_step()
    text = printed(step, kernels=True)

    missing = [kernel.index for kernel in step.kernels if f" #{kernel.index} " not in text]

    assert missing == []
    assert "#26  w1.detach - mul₃ → w1.detach" in text
    assert "aten.mm.default" not in printed(step)


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
@pytest.mark.parametrize("kernels", [False, True])
def test_no_line_is_wider_than_asked_and_none_has_control_codes(width: int, kernels: bool) -> None:
    text = printed(linear_step(), width=width, kernels=kernels)

    assert max(map(len, text.splitlines())) == width
    assert text.replace("\n", "").isprintable()


def test_a_long_line_of_code_is_cut() -> None:
    class Wordy(LinearTrace):
        def source(self, file: str) -> str:  # noqa: ARG002
            return "\n".join("y = " + "f(" * 60 for _ in range(60))

    lines = printed(linear_step(), Wordy(), phases=("forward",)).splitlines()

    assert lines[3].endswith("(f(…")
    assert len(lines[3]) == 80


def test_a_kernel_without_a_line_of_the_program() -> None:
    step = linear_step()
    step = replace(step, kernels=tuple(replace(each, source=None) for each in step.kernels))

    assert "     │ (no line of the program)\n" in printed(step, phases=("forward",))


def test_a_matrix_update_shows_the_whole_and_one_element() -> None:
    before, grad = np.arange(12, dtype=np.float32).reshape(4, 3), np.ones((4, 3), np.float32)
    tape = Tape(phase="update")
    weight = tape.tensor(before, "W", "parameter")
    given = {"self": weight, "other": tape.tensor(grad, "W.grad", "gradient"), "alpha": 0.5}
    tape.run("sub_.Tensor", given, weight)
    update = ParameterUpdate(
        "W", value(before), value(before - 0.5), value(grad), "W - 0.5 * W.grad", (0,)
    )
    step = replace(linear_step(), updates=(update,), kernels=tuple(tape.kernels))
    text = printed(step, phases=("update",))

    assert "     │ W ← W - 0.5 * W.grad\n" in text
    assert "     │   before  (4, 3)  █▅█▅▅█▅█  0 to 11, mean 5.5\n" in text
    assert "     │ W[0, 0] ← 0 - 0.5 * 1 = -0.5\n" in text


def test_a_long_expression_is_folded_before_an_operator() -> None:
    terms = " + ".join(f"{number} * momentum_buffer" for number in range(9))
    update = replace(linear_step().updates[0], expression=f"w1 - {terms}", kernels=())
    lines = printed(replace(linear_step(), updates=(update,)), phases=("update",)).splitlines()

    assert lines[4].startswith("     │ w1 ← w1 - 0 * momentum_buffer + 1")
    assert lines[5].startswith("     │      + ")
    assert "momentum_buffer + 8 * momentum_buffer" in " ".join(line[12:] for line in lines)


def test_the_update_of_a_long_name_is_seen_below_it() -> None:
    step = linear_step()
    name = "layers." + "inner." * 2_000 + "weight"
    updates = tuple(replace(one, parameter=name) for one in step.updates)
    text = printed(replace(step, updates=updates), phases=("update",), width=60)
    assert max(map(len, text.splitlines())) <= 60
    assert "w1 - 0.01 * w1.grad" in text


def test_zeroing_first_is_printed_first() -> None:
    step = linear_step()
    first, rest = step.kernels[-4:], step.kernels[:-4]
    kernels = [replace(each, index=number) for number, each in enumerate((*first, *rest))]
    text = printed(replace(step, kernels=tuple(kernels)), phases=("update", "zero_grad"))

    assert text.index("Zero grad") < text.index("Update")


def test_a_loss_that_is_nan_stands_out() -> None:
    console = Console(file=StringIO(), width=80, force_terminal=True, color_system="standard")
    console.print(render_step(replace(linear_step(), loss=float("nan")), LinearTrace().source))

    assert "\x1b[1;31mNaN" in console.file.getvalue()  # type: ignore[attr-defined]


def test_what_was_left_out_and_what_failed_is_said() -> None:
    step = linear_step()
    failed = replace(step.backwards[0], error="RuntimeError: modified by an inplace operation")
    step = replace(
        step,
        backwards=(failed,),
        omitted=("The values of 3 tensors were larger than the budget.",),
        provenance="proved",
        loss=None,
    )
    text = printed(step)

    assert "raised RuntimeError: modified by an inplace operation" in text
    assert "│ The values of 3 tensors were larger than the budget." in text
    assert "no backward  replayed and proved" in text


def test_a_line_of_another_file_is_named_with_its_file() -> None:
    step = linear_step()
    library = Source("/lib/torch/nn/functional.py", 2343, 2343, -1, -1, "mse_loss")
    kernels = tuple(
        replace(kernel, source=library) if kernel.op.startswith("aten.pow") else kernel
        for kernel in step.kernels
    )
    text = printed(replace(step, kernels=kernels), phases=("backward",))

    assert "PowBackward0  of (y_pred - y_true)² → pow, functional.py, line 2343\n" in text
    assert "DivBackward0  of pow / 2 → div, line 18\n" in text


def test_what_changed_a_grad_behind_the_update_is_told_and_is_what_was_cleared() -> None:
    step = linear_step()
    (grad,) = {
        use.tensor: use
        for kernel in step.kernels
        for use in tensors(kernel.inputs)
        if use.spec.name == "w1.grad"
    }.values()
    clipped = replace(grad, value=value(np.full((1, 1), -1.0, np.float32)))
    update = max(step.updates[-1].kernels)
    kernels = [kernel for kernel in step.kernels if kernel.phase != "zero_grad"][: update + 1]
    scale = Kernel(
        index=len(kernels),
        op="aten.mul_.Tensor",
        inputs=(Argument("self", grad), Argument("other", Constant("scalar", 0.18))),
        outputs=(clipped,),
        phase="update",
        node=None,
        backward=0,
        source=step.updates[-1].source,
        module="",
    )
    zeros = tuple(replace(zero, after=None, source=None) for zero in step.zero_grads)
    text = printed(replace(step, kernels=(*kernels, scale), zero_grads=zeros))

    assert "     │ 0.18 * w1.grad → w1.grad  [[-1]]\n" in text
    assert "     │ w1.grad  [[-1]] → None\n" in text
    assert "runs no kernel: the line that did so is not known" in text
