"""The JSON-lines export: every number can be read back, by any JSON reader."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_lens.trace.export import json_lines, step_object
from autograd_lens.trace.records import ParameterStep, Step
from autograd_lens.trace.values import Summary, Value
from tests.support.linear_step import light, linear_steps


def refuse(word: str) -> None:
    pytest.fail(f"{word} is no JSON")


def exported(step: Step) -> Any:
    """A step after its way through strict JSON."""
    (line,) = json_lines([step])
    assert "\n" not in line
    return json.loads(line, parse_constant=refuse)


def with_value(value: Value) -> Step:
    one = ParameterStep("w1", value, None, None, None, None, None)
    return Step(0, "light", None, {"w1": one}, ())


def test_a_light_step_has_the_documented_fields() -> None:
    step = linear_steps(2)[1]
    plain = exported(light(step))
    assert list(plain) == ["step", "level", "provenance", "loss", "parameters"]
    assert (plain["step"], plain["level"]) == (1, "light")
    w1 = plain["parameters"]["w1"]
    assert list(w1) == ["before", "grad_before", "grad", "mode", "after", "zeroed"]
    before = step.parameters["w1"].before
    assert before is not None
    assert np.array_equal(np.array(w1["before"], np.float32), before.array)


def test_a_full_step_has_tape_nodes_and_runs_as_well() -> None:
    step = linear_steps(1)[0]
    plain = exported(step)
    assert [kernel["op"] for kernel in plain["kernels"]] == [one.op for one in step.kernels]
    graph = step.backwards[0].graph
    assert graph is not None
    assert [node["name"] for node in plain["nodes"]] == [node.name for node in graph.nodes]
    assert sum(len(node["next_functions"]) for node in plain["nodes"]) == len(graph.edges)
    assert len(plain["node_runs"]) == len(step.backwards[0].node_runs)
    assert plain["updates"][0]["expression"] == step.updates[0].expression
    kernel = plain["kernels"][0]
    assert kernel["source"]["line"] > 0
    assert {"tensor", "tensor_name", "value", "dtype"} <= kernel["outputs"][0].keys()


def test_the_chosen_steps_are_exported_in_their_order() -> None:
    trace = SimpleNamespace(steps=linear_steps(3))
    assert [json.loads(line)["step"] for line in json_lines(trace.steps, (2, 0))] == [2, 0]


@given(st.lists(st.floats(width=32), min_size=1, max_size=5))
def test_float32_is_read_back_as_the_same_float32(numbers: list[float]) -> None:
    array = np.array(numbers, np.float32)
    plain = exported(with_value(Value("float32", array.shape, array.tobytes())))
    read = np.array([float(number) for number in plain["parameters"]["w1"]["before"]], np.float32)
    np.testing.assert_array_equal(read, array)


def test_numbers_take_as_few_digits_as_their_dtype_needs() -> None:
    tenth = Value("float32", (), np.float32(0.1).tobytes())
    assert exported(with_value(tenth))["parameters"]["w1"]["before"] == 0.1


def test_the_loss_takes_the_digits_of_its_root() -> None:
    step = linear_steps(1)[0]
    assert step.loss is not None
    assert step_object(step)["loss"] == float(str(np.float32(step.loss)))


def test_what_json_cannot_say_is_said_in_words() -> None:
    array = np.array([math.nan, math.inf, -math.inf])
    plain = exported(with_value(Value("float64", (3,), array.tobytes())))
    assert plain["parameters"]["w1"]["before"] == ["NaN", "Infinity", "-Infinity"]
    number = Value("complex64", (), np.complex64(1 - 2j).tobytes())
    assert exported(with_value(number))["parameters"]["w1"]["before"] == {"real": 1, "imag": -2}


def test_a_summary_says_that_it_is_one() -> None:
    summary = Summary("ab" * 16, math.nan, sample=(1.0, math.inf))
    plain = exported(with_value(Value("float32", (9, 9), None, summary)))
    before = plain["parameters"]["w1"]["before"]
    assert before["shape"] == [9, 9]
    assert before["summary"]["norm"] == "NaN"
    assert before["summary"]["sample"] == [1.0, "Infinity"]


def test_of_large_values_no_more_than_a_few_words_are_written_where_asked() -> None:
    value = Value("float32", (3,), np.array([0, 3, 4], "<f4").tobytes())
    parameter = ParameterStep("w", value, None, value, "set", None, None)
    step = Step(0, "light", 1.0, {"w": parameter}, (), (), ())
    brief = {"dtype": "float32", "shape": [3], "norm": 5.0}
    assert step_object(step, most=2)["parameters"]["w"]["grad"] == brief
    assert step_object(step, most=3)["parameters"]["w"]["grad"] == [0.0, 3.0, 4.0]
