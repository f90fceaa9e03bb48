"""Colours of pictures on paper."""

from __future__ import annotations

from autograd_lens.render.handout.figures import graph_on_paper


def test_letters_get_a_colour_where_they_have_none() -> None:
    svg = '<svg><g class="node"><text>a</text><text x="1" fill="#123456">b</text></g></svg>'
    coloured = graph_on_paper(svg, "Mono")
    assert coloured.count("fill=") == 2
    assert '<text x="1" fill="#123456">b' in coloured
