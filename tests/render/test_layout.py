"""Lines of text that fit a width."""

from __future__ import annotations

import pytest
from rich.text import Text

from autograd_lens.render.layout import (
    beside,
    cut,
    folded,
    heading,
    line,
    short,
    short_names,
    table,
)


def plain(texts: object) -> list[str]:
    return [text.plain for text in texts]  # type: ignore[attr-defined]


def test_a_heading_reaches_the_edge() -> None:
    assert heading("Update", "now", 20).plain == "Update ───────── now"


def test_a_heading_without_room_is_cut() -> None:
    assert heading("A long title", "note", 12).plain == "A long titl…"


def test_a_line_has_a_label_and_a_bar() -> None:
    assert line("x = 1", "14").plain == "  14 │ x = 1"


def test_wide_characters_count_twice() -> None:
    assert cut(Text("损失 = 1"), 5).plain == "损失…"


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (30, ["     │ a      1234567890"]),
        (20, ["     │ a  1234567890"]),
        (19, ["     │ a", "     │   1234567890"]),
    ],
)
def test_two_texts_share_a_line_while_they_fit(width: int, lines: list[str]) -> None:
    assert plain(beside(line("a"), Text("1234567890"), width, 14)) == lines


def test_sums_are_folded_between_summands() -> None:
    assert plain(folded("weight - 0.1 * momentum_buffer + 0.2 * other", 32)) == [
        "weight - 0.1 * momentum_buffer",
        "+ 0.2 * other",
    ]


def test_a_word_wider_than_the_room_is_broken() -> None:
    assert plain(folded("a" * 40, 20)) == ["a" * 20, "a" * 20]


def test_nothing_is_lost_in_folding() -> None:
    text = "w - 0.1 * (0.9 * exp_avg + 0.1 * w.grad) / (sqrt(v) + 1e-08)"

    for width in range(16, 80):
        rows = plain(folded(text, width))
        assert "".join(rows).replace(" ", "") == text.replace(" ", "")
        assert max(map(len, rows)) <= width


def test_cells_stand_under_one_another() -> None:
    rows = [[Text("a"), Text("1")], [Text("bcd"), Text("22")]]

    assert plain(table(rows)) == ["a    1", "bcd  22"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("fc.weight", "fc.weight"),
        ("encoder.layers.0.self_attn.in_proj_bias", "0…in_proj_bias"),
        ("encoder.layers.1.self_attn.in_proj_bias", "1…in_proj_bias"),
        ("blocks.3.heads.11.out_projection.weight", "3.11…weight"),
        ("a.very.long.name.without.numbers", "…numbers"),
        ("net.0.weight[5, 1]", "0…weight[5, 1]"),
    ],
)
def test_a_long_name_keeps_what_tells_layers_apart(name: str, shown: str) -> None:
    assert short(name) == shown
    assert len(shown) <= 14


def test_names_that_would_look_alike_begin_where_they_differ() -> None:
    names = ["policy_network.encoder.0.weight", "policy_critic.encoder.0.weight", "head.bias"]

    shown = short_names(names, 20)

    assert shown == ["netw…0.weight", "crit…0.weight", "head.bias"]
    assert all(len(name) <= 20 for name in shown)
