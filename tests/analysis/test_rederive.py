"""The gradient that would have been right, after something changed what backward needs."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_lens.analysis.rederive import rederive
from autograd_lens.capture import run_script
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Step

HONEST = """\
import torch

torch.manual_seed(0)
w = torch.randn(3, 2, requires_grad=True)
b = torch.randn(2, requires_grad=True)
x = torch.rand(10, 3)
for i in range(2):
    h = torch.tanh(x @ w + b)
    loss = (h.exp() ** 2).mean()
    loss.backward()
    w.grad = b.grad = None
"""
CHANGED = HONEST.replace("    loss.backward", "    h.data.mul_(0.5)\n    loss.backward")
BEYOND = CHANGED.replace("torch.tanh(x @ w + b)", "torch.special.i0e(x @ w + b).tanh()")


@pytest.fixture(scope="module")
def first_step(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Step]:
    """Step 0 of three programs."""
    folder = tmp_path_factory.mktemp("rederive")
    found = {}
    for name, text in {"honest": HONEST, "changed": CHANGED, "beyond": BEYOND}.items():
        (folder / f"{name}.py").write_text(text)
        run_script(str(folder / f"{name}.py"), [], folder / f"{name}.lens")
        with Trace(folder / f"{name}.lens") as trace:
            found[name] = trace.steps[0]
    return found


def changed_nodes(step: Step) -> set[int]:
    graph = step.backwards[0].graph
    assert graph is not None
    return {node.index for node in graph.nodes if any(saved.changed for saved in node.saved)}


def test_the_right_gradients_are_those_of_the_program_without_the_change(
    first_step: dict[str, Step],
) -> None:
    step, honest = first_step["changed"], first_step["honest"]
    found = {one.parameter: one for one in rederive(step, step.backwards[0], changed_nodes(step))}
    assert set(found) == {"w", "b"}
    for name, one in found.items():
        recorded, expected = step.parameters[name].grad, honest.parameters[name].grad
        assert recorded is not None
        assert expected is not None
        np.testing.assert_array_equal(one.recorded, recorded.array)
        np.testing.assert_allclose(one.right, expected.array, rtol=1e-5)
        assert one.apart > 0.01


def test_nothing_is_told_where_the_textbook_ends_on_the_way(first_step: dict[str, Step]) -> None:
    step = first_step["beyond"]
    assert changed_nodes(step)
    assert rederive(step, step.backwards[0], changed_nodes(step)) == []


def test_a_node_that_read_what_the_forward_left_keeps_its_gradient(
    first_step: dict[str, Step],
) -> None:
    step = first_step["honest"]
    every = {run.node for run in step.backwards[0].node_runs}
    for one in rederive(step, step.backwards[0], every):
        np.testing.assert_allclose(one.right, one.recorded, rtol=1e-5)
