"""Lets notebooks show records as they show pictures and tables.

Records are data and know nothing of drawing. Here, above both, they are given the method that
notebooks look for; what draws is imported when a notebook asks.
"""

from __future__ import annotations

from autograd_lens.doctor.finding import Finding
from autograd_lens.trace.records import Graph, Step

__all__ = ["join"]

_METHOD = "_repr_html_"


def join() -> None:
    """Give steps, graphs and findings their ``_repr_html_``."""
    for kind, show in ((Step, _step), (Graph, _graph), (Finding, _finding)):
        setattr(kind, _METHOD, show)


def _step(step: Step) -> str:
    from autograd_lens.render.repr_html import step_html

    return step_html(step)


def _graph(graph: Graph) -> str:
    from autograd_lens.render.repr_html import graph_html

    return graph_html(graph)


def _finding(finding: Finding) -> str:
    from autograd_lens.render.repr_html import finding_html

    return finding_html(finding)
