"""Intermediate tensors get the names that the program's source gives them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_lens.analysis.names import Names, tensor_names
from autograd_lens.trace.expression import notation
from autograd_lens.trace.records import Source, TensorUse
from tests.support.linear_step import SOURCE, Tape, linear_step

A = np.zeros(2, np.float32)


def names_in(step: Any, text: str | None) -> dict[int, str]:
    return dict(tensor_names(step.kernels, lambda _: text))


def test_the_operand_of_the_loss_is_the_prediction() -> None:
    names = names_in(linear_step(), SOURCE)

    assert names[4] == "y_pred"
    assert {names[0], names[1], names[3], names[5], names[9]} == {"x", "w1", "b1", "y", "loss"}
    assert 2 not in names, "x.mm(self.w1) is given no name by the program"


@pytest.mark.parametrize("text", [None, "", "this is not Python", SOURCE.replace("\n", "\n\n")])
def test_without_matching_source_only_recorded_names_remain(text: str | None) -> None:
    assert set(names_in(linear_step(), text).values()) == {
        *("x", "w1", "b1", "y", "loss", "w1.grad", "b1.grad")
    }


class Program:
    """A program of one-line statements, run by hand."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tape = Tape()

    def run(self, snippet: str, op: str, *inputs: TensorUse) -> TensorUse:
        start = self.text.index(snippet)
        line = self.text.count("\n", 0, start) + 1
        column = start - (self.text.rfind("\n", 0, start) + 1)
        self.tape.source = Source("p.py", line, line, column, column + len(snippet), "f")
        names = ("self", "other")
        return self.tape.run(op, dict(zip(names, inputs, strict=False)), self.tape.tensor(A))

    def names(self) -> dict[int, str]:
        return dict(tensor_names(self.tape.kernels, lambda _: self.text))


def test_an_assigned_result() -> None:
    program = Program("import torch\nh = torch.relu(z)\n")
    z = program.tape.tensor(A)
    h = program.run("torch.relu(z)", "relu.default", z)

    assert program.names() == {h.tensor: "h", z.tensor: "z"}


def test_only_the_last_kernel_of_a_line_is_the_result() -> None:
    program = Program("h = layer(x)\n")
    inner = program.run("layer(x)", "t.default", program.tape.tensor(A))
    outer = program.run("layer(x)", "relu.default", inner)

    assert program.names() == {outer.tensor: "h"}


def test_what_a_function_made_of_several_kernel_outputs() -> None:
    program = Program("h = F.layer_norm(x, n)\nm = x.max(dim=1)\n")
    x, spare = program.tape.tensor(A, "x", "input"), program.tape.tensor(A)
    program.run("F.layer_norm(x, n)", "native_layer_norm.default", x)
    program.run("x.max(dim=1)", "max.dim", x)
    both = [replace(each, outputs=(*each.outputs, spare)) for each in program.tape.kernels]
    program.tape.kernels[:] = both

    assert program.names() == {x.tensor: "x", both[0].outputs[0].tensor: "h"}


def test_a_name_used_again_is_numbered() -> None:
    program = Program("x = x.relu()\nx = x.tanh()\n")
    first = program.run("x.relu()", "relu.default", program.tape.tensor(A, "x", "input"))
    second = program.run("x.tanh()", "tanh.default", first)

    assert program.names() == {0: "x", first.tensor: "x₂", second.tensor: "x₃"}


def test_a_method_call_names_its_receiver_but_a_module_call_does_not() -> None:
    program = Program("loss = (h.exp() + net.body(h)).sum()\n")
    h = program.tape.tensor(A)
    program.run("h.exp()", "exp.default", h)
    inner = program.run("net.body(h)", "relu.default", program.tape.tensor(A))

    assert program.names() == {h.tensor: "h"}
    assert inner.tensor not in program.names()


def test_a_product_with_a_plain_number_says_nothing_about_the_tensor() -> None:
    program = Program("z = rate * x\n")
    x = program.tape.tensor(A)
    z = program.run("rate * x", "mul.Tensor", x)

    assert program.names() == {z.tensor: "z"}
    assert x.tensor not in program.names()


# --- what the program does not name --------------------------------------------------------


def called(program: Program) -> list[str]:
    names = Names(program.tape.kernels, lambda _: program.text)
    return [names(kernel.outputs[0]) for kernel in program.tape.kernels]


def test_a_result_is_called_by_its_expression_or_its_operation() -> None:
    program = Program("loss = ((self.net(x).mm(w) - y) ** 2 * weights_of_all_examples).mean()\n")
    x = program.tape.tensor(A, "x", "input")
    first = program.run("self.net(x)", "relu.default", x)
    second = program.run("self.net(x).mm(w)", "mm.default", first)
    third = program.run("(self.net(x).mm(w) - y) ** 2 * weights_of_all_examples", "mul.Tensor",
                        second)  # fmt: skip
    program.run("(self.net(x).mm(w) - y) ** 2", "mul.Tensor", third)

    assert called(program) == ["net(x)", "net(x).mm(w)", "mul", "mul₂"]


def test_a_turned_tensor_has_one_name_and_an_outside_one_is_an_input() -> None:
    program = Program("net(x)\n")
    w = program.tape.tensor(A, "w", "parameter")
    program.run("net(x)", "t.default", w)
    program.run("net(x)", "t.default", w)
    outside = program.tape.tensor(A, "", "input")
    program.run("net(x)", "addmm.default", outside)

    names = Names(program.tape.kernels, lambda _: program.text)
    assert [names(kernel.outputs[0]) for kernel in program.tape.kernels[:2]] == ["wᵀ", "wᵀ"]
    assert names(outside) == "input"
    assert names.made(program.tape.kernels[0]) == ""


def test_a_module_that_ran_one_kernel_gives_its_path() -> None:
    program = Program("net(x)\nrest()\n")
    program.run("net(x)", "convolution.default", program.tape.tensor(A))
    program.run("net(x)", "relu.default", program.tape.tensor(A))
    kernels = [
        replace(each, module=module)
        for each, module in zip(program.tape.kernels, ("features.0", "3"), strict=True)
    ]
    names = Names(kernels, lambda _: None)
    assert [names(kernel.outputs[0]) for kernel in kernels] == ["features.0", "relu"]


def test_names_are_unique_but_for_views(tmp_path: Path) -> None:
    import torch

    import autograd_lens as lens

    torch.manual_seed(0)
    model = torch.nn.LSTM(3, 4, num_layers=2)
    with lens.record(tmp_path / "run.lens"):
        model(torch.randn(5, 2, 3))[0].sum().backward()
    with lens.open(tmp_path / "run.lens") as trace:
        step = trace.steps[0]
        names = Names(step.kernels, trace.source)
        made = {use.tensor: names(use) for kernel in step.kernels for use in kernel.outputs}
    told = [name for name in made.values() if not name.endswith("ᵀ")]
    assert len(told) == len({*told})
    assert not [name for name in told if name.startswith("t") and name[1:].isdecimal()]


def test_what_a_call_writes_into_is_not_its_result() -> None:
    program = Program("scaled = loss * scale\nscaler.update()\n")
    scale = program.tape.tensor(A)
    program.run("loss * scale", "mul.Tensor", scale)
    program.tape.source = Source("p.py", 2, 2, 0, len("scaler.update()"), "f")
    program.tape.run("add_.Tensor", {"self": scale}, scale)

    assert Names(program.tape.kernels, lambda _: program.text)(scale) == "add"


def test_a_cast_is_called_by_its_method() -> None:
    program = Program("net(x)\n")
    w = program.tape.tensor(A, "w", "parameter")
    half = program.run("net(x)", "_to_copy.default", w)
    kernel = program.tape.kernels[-1]
    cast = replace(half, spec=replace(half.spec, dtype="float16"))
    kernels = [replace(kernel, outputs=(cast,))]
    program.run("net(x)", "t.default", half)
    program.run("net(x)", "relu.default", program.tape.tensor(A))
    kernels += program.tape.kernels[-2:]

    names = Names(kernels, lambda _: program.text)
    assert [names(each.outputs[0]) for each in kernels[:2]] == ["w.half", "w.halfᵀ"]
    assert [names.made(each) for each in kernels[:2]] == ["", ""]
    assert notation(kernels[0], names) == "half(w)"
