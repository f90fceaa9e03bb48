"""DOT is read as torchviz writes it, and nothing a program is called can break out of it."""

from __future__ import annotations

import pytest

from autograd_lens.render.dot_source import DotEdge, DotGraph, Markup, markup, parse, quote, write

TORCHVIZ = (
    "digraph {\n"
    '\tgraph [size="12,12"]\n'
    "\tnode [fontname=monospace fontsize=10 shape=box style=filled]\n"
    '\tr0 [label="\n ()" fillcolor=darkolivegreen1]\n'
    "\tn0 [label=MulBackward0]\n"
    "\tn1 -> n0\n"
    "\tn1 -> n0\n"
    '\tp1 [label="a\\"b\\\\c\n (1)" fillcolor=lightblue]\n'
    "\tp1 -> n0 [dir=none]\n"
    "}\n"
)


def test_nodes_edges_and_attributes_are_read() -> None:
    graph = parse(TORCHVIZ)
    assert graph == DotGraph(
        nodes={
            "r0": {"label": "\n ()", "fillcolor": "darkolivegreen1"},
            "n0": {"label": "MulBackward0"},
            "n1": {},
            "p1": {"label": 'a"b\\c\n (1)', "fillcolor": "lightblue"},
        },
        edges=(DotEdge("n1", "n0"), DotEdge("n1", "n0"), DotEdge("p1", "n0", {"dir": "none"})),
        defaults={
            "graph": {"size": "12,12"},
            "node": {"fontname": "monospace", "fontsize": "10", "shape": "box", "style": "filled"},
        },
    )


def test_a_label_that_looks_like_statements_stays_a_label() -> None:
    graph = parse('digraph {\n\tn0 [label="x\n\tn1 -> n2\n"]\n}\n')
    assert graph == DotGraph({"n0": {"label": "x\n\tn1 -> n2\n"}}, ())


@pytest.mark.parametrize("source", ["", "graph {\n}\n", "nonsense"])
def test_what_is_no_digraph_is_not_read(source: str) -> None:
    assert parse(source) is None


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("w1", '"w1"'),
        ('a"b', r'"a\"b"'),
        ("a\\N", r'"a\\N"'),
        ("two\nlines", r'"two\nlines"'),
        ("<b>", '"<b>"'),
        ("bell\x07", '"bell\N{REPLACEMENT CHARACTER}"'),
        ("数据 50%", '"数据 50%"'),
    ],
)
def test_attributes_are_quoted(text: str, quoted: str) -> None:
    assert quote(text) == quoted


def test_html_like_labels_keep_our_tags_and_escape_theirs() -> None:
    label = Markup(f"<B>{markup('<script>&')}</B>")
    assert quote(label) == "<<B>&lt;script&gt;&amp;</B>>"


def test_a_graph_is_written_statement_by_statement() -> None:
    graph = DotGraph({"n0": {"label": "mm"}}, (DotEdge("n0", "n0"),), {"node": {"shape": "box"}})
    assert write(graph) == (
        'digraph {\n  node [shape="box"]\n  n0 [label="mm"]\n  n0 -> n0 []\n}\n'
    )
