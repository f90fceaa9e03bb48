"""Traces, steps, graphs and findings as notebooks show them: pieces of HTML.

The text is what the command line prints. It takes the notebook's own colours for letters and
ground, so that it reads on dark pages too.
"""

from __future__ import annotations

import io

from rich.console import Console, RenderableType
from rich.terminal_theme import TerminalTheme

from autograd_lens.analysis.rates import Rates
from autograd_lens.doctor.finding import Finding
from autograd_lens.render.engines import render_dot
from autograd_lens.render.findings import render_findings
from autograd_lens.render.graph import graph_dot
from autograd_lens.render.info import render_info
from autograd_lens.render.trace import TraceOptions, render_step
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Backward, Graph, Step

__all__ = ["finding_html", "graph_html", "step_html", "trace_html"]

_WIDTH = 100
_NODES = 150  # more are no picture any more
_PAGE = (
    "<pre style=\"font-family:Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:12px;"
    'line-height:1.35;overflow-x:auto;white-space:pre">{code}</pre>'
)
_GREY = (128, 128, 128)
_COLOURS = [  # black to white; each reads on a light and on a dark ground
    *(_GREY, (205, 70, 60), (60, 145, 75), (175, 125, 20)),
    *((50, 120, 205), (165, 85, 180), (20, 140, 150), _GREY),
]
_THEME = TerminalTheme((255, 255, 255), (110, 110, 110), _COLOURS, _COLOURS)


def _unread(_: str) -> str | None:
    """Nobody told which trace a step belongs to: no text is known."""
    return None


def step_html(step: Step) -> str:
    """A step as ``autograd-lens trace`` prints it, with places in place of the code."""
    return _page(render_step(step, _unread, TraceOptions(width=_WIDTH)))


def trace_html(trace: Trace, rates: Rates | None = None) -> str:
    """What is in a recording, with what is known of its learning rates."""
    return _page(render_info(trace, width=_WIDTH, rates=rates))


def finding_html(finding: Finding) -> str:
    """A finding with its evidence."""
    lines = render_findings([finding], file="FILE", steps=0, width=_WIDTH)
    return _page(lines, skip=2)


def graph_html(graph: Graph) -> str:
    """A graph's nodes and edges, as torchviz draws them; a large one folded into groups."""
    many = len(graph.nodes) > _NODES
    svg = render_dot(_folded(graph) if many or not graph.dot else graph.dot, "svg").decode()
    picture = svg[svg.index("<svg") :]
    label = f"graph of {len(graph.nodes)} nodes"
    return f'<div role="img" aria-label="{label}" style="overflow-x:auto">{picture}</div>'


def _folded(graph: Graph) -> str:
    bare = Backward(
        index=0,
        kind="backward",
        roots=(),
        retain_graph=False,
        create_graph=False,
        source=None,
        fingerprint="",
        grad_writes=(),
        graph=graph,
    )
    return graph_dot(Step(0, "full", None, {}, (bare,)))


def _page(shown: RenderableType, skip: int = 0) -> str:
    console = Console(
        file=io.StringIO(),
        record=True,
        width=_WIDTH,
        color_system="standard",
        force_terminal=True,
        force_jupyter=False,  # it would show the text a second time, in a cell of its own
    )
    console.print(shown, soft_wrap=True)
    page = console.export_html(theme=_THEME, inline_styles=True, code_format="{code}")
    return _PAGE.replace("{code}", "\n".join(page.rstrip().split("\n")[skip:]))
