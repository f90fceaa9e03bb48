"""What hooks made of gradients is said where the gradients are shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from rich.console import Console

import autograd_lens as lens
from autograd_lens.analysis.names import Names
from autograd_lens.analysis.story import Stories
from autograd_lens.render.graph import GraphOptions, graph_dot
from autograd_lens.render.graph_words import spoken_dot
from autograd_lens.render.trace import TraceOptions, render_step
from autograd_lens.trace.graph import TapeIndex


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``w``'s gradient is doubled, ``b``'s optimizer works inside of the backward."""
    w, b = torch.tensor([0.5], requires_grad=True), torch.tensor([1.0], requires_grad=True)
    w.register_hook(lambda grad: grad * 2)

    def stepped(parameter: torch.Tensor) -> None:
        with torch.no_grad():
            assert parameter.grad is not None
            parameter -= 0.1 * parameter.grad
        parameter.grad = None

    b.register_post_accumulate_grad_hook(stepped)
    path = tmp_path_factory.mktemp("hooked") / "run.lens"
    with lens.record(path):
        for _ in range(2):
            ((w * 3 + b) ** 2).sum().backward()
            w.grad = None
    return path


def told(path: Path, step: int = 0) -> str:
    with lens.open(path) as trace:
        console = Console(width=100, file=None, highlight=False)
        with console.capture() as capture:
            console.print(render_step(trace.steps[step], trace.source, TraceOptions(width=100)))
    return capture.get()


def test_the_graph_says_on_the_edge_what_a_hook_made_of_it(hooked: Path) -> None:
    with lens.open(hooked) as trace:
        dot = graph_dot(trace.steps[0], options=GraphOptions(trace.source))
    assert re.findall(r"(\S+)\\n  a hook made it (\S+)", dot) == [("15", "30")]
    assert "was None, got [5], then cleared by a hook" in dot
    assert "was None, set to None" not in dot
    assert "钩子改为 30" in spoken_dot(dot, "zh")


def test_the_printed_step_says_so_too(hooked: Path) -> None:
    text = told(hooked)
    assert re.search(r"in  w +\[30\]  \(changed by a hook\)", text)
    assert "b.grad  [5] → None  (set, then cleared by a hook)" in text


def test_only_what_a_hook_changed_is_hooked(hooked: Path) -> None:
    with lens.open(hooked) as trace:
        step = trace.steps[0]
        stories = Stories(TapeIndex(step), Names(step.kernels, trace.source))
        found = [story.node.variable for story in stories if any(i.hooked for i in story.incoming)]
    assert found == ["w"]


def test_a_sum_of_several_gradients_is_no_hook(tmp_path: Path) -> None:
    w = torch.randn(50, requires_grad=True)
    with lens.record(tmp_path / "sum.lens"):
        ((w * 0.1).sum() + (w**2).sum() * 1e3 + w.sin().sum()).backward()
    assert "by a hook" not in told(tmp_path / "sum.lens")
