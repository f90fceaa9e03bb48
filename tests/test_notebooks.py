"""Traces, steps, graphs and findings show themselves in notebooks."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

import autograd_lens as lens
from autograd_lens.api import _show_in_notebooks
from autograd_lens.doctor.finding import Finding


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> lens.Trace:
    import torch

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("run") / "odd <name> & co.lens"
    w = torch.tensor([1.5], requires_grad=True)
    with lens.record(path) as run:
        for _ in run.steps(3, progress=False):
            (w * 2).sum().backward()
            w.data -= 0.25 * w.grad
            w.grad = None
    return lens.open(path)


def shown(thing: object) -> str:
    return str(thing._repr_html_())  # type: ignore[attr-defined]


def text(html: str) -> str:
    return unescape(re.sub("<[^>]+>", "", html))


def test_a_trace_shows_what_is_in_it(trace: lens.Trace) -> None:
    html = shown(trace)
    assert "odd <name> & co.lens" in text(html)
    assert "<name>" not in html
    assert "1.5 → 0" in text(html)


def test_a_step_shows_its_numbers(trace: lens.Trace) -> None:
    printed = text(shown(trace.steps[0]))
    assert "2 * w" in printed
    assert "w - 0.25 * w.grad = 1.5 - 0.25 * 2 = 1" in printed


def test_a_graph_is_drawn(trace: lens.Trace) -> None:
    graph = trace.steps[0].backwards[0].graph
    assert graph is not None
    html = shown(graph)
    assert html.count("<svg") == 1
    assert "MulBackward0" in html
    assert f"graph of {len(graph.nodes)} nodes" in html


def test_a_finding_shows_its_text_and_is_no_markup() -> None:
    _show_in_notebooks()
    finding = Finding("AL101", "stale-gradient", "error", "<b>title</b>", "What & why.", "fix()")
    html = shown(finding)
    assert "<b>title" not in html
    assert all(part in text(html) for part in ("AL101", "<b>title</b>", "What & why.", "fix()"))


def test_jupyter_shows_them(trace: lens.Trace) -> None:
    book = new_notebook(
        cells=[
            new_code_cell(f"import autograd_lens as lens\ntrace = lens.open({str(trace.path)!r})"),
            new_code_cell("trace"),
            new_code_cell("trace.steps[0]"),
            new_code_cell("trace.steps[0].backwards[0].graph"),
        ]
    )
    NotebookClient(book, timeout=120).execute()
    outputs = [cell["outputs"][0]["data"]["text/html"] for cell in book.cells[1:]]
    assert "co.lens" in outputs[0]
    assert "2 * w" in text(outputs[1])
    assert "<svg" in outputs[2]


_CELL = """%%lens -o cell.lens
import torch
w = torch.tensor([1.0, 2.0], requires_grad=True)
for step in range(3):
    loss = (w * w).sum()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        w.grad = None
loss.item()"""


def test_a_cell_is_recorded_and_its_run_shown_below_it(tmp_path: Path) -> None:
    told = "len(lens_trace.steps), w.tolist(), lens_trace.steps[0].kernels[0].source"
    cells = [
        "%load_ext autograd_lens",
        _CELL.replace("%%lens", "%%lens --no-page"),
        _CELL.replace("range(3)", "range(4)"),
        told,
        "%%lens\n1 / 0",
        "%%lens --colour\n1",
    ]
    book = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    place = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(book, timeout=120, allow_errors=True, resources=place).execute()
    outputs = [cell["outputs"] for cell in book.cells]
    assert [out["data"]["text/plain"][:5] for out in outputs[1]] == ["2.047"]
    again = outputs[2]
    assert "1.31" in again[0]["data"]["text/plain"], "the cell's last value"
    page = unescape(again[1]["data"]["text/html"])
    assert page.startswith("<iframe srcdoc=")
    assert "loss = (w * w).sum()" in page, "source lines come from the cell"
    assert "0.40959" in outputs[3][0]["data"]["text/plain"]
    assert "line=4" in outputs[3][0]["data"]["text/plain"]
    assert [each[-1]["ename"] for each in outputs[4:]] == ["ZeroDivisionError", "SelectionError"]
