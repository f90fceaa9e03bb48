"""Pictures in other languages."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from autograd_lens.render.plots.language import spoken, translate


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("loss", "损失"),
        ("after 5,000 steps (3.051, 10.5)", "5,000 步之后 (3.051, 10.5)"),
        ("start ", "起点"),
        ("train.py: 12 steps, loss 1 → 0.5", "train.py\uff1a12 步\uff0c损失 1 → 0.5"),
        ("layer.weight", "layer.weight"),
        ("lr 0.1, SGD with momentum 0.9", "学习率 0.1, SGD\uff0c动量 0.9"),
        ("lr scheduled 0 .. 0.1", "学习率\uff08随步变化\uff090 .. 0.1"),
        ("no finite loss at step 7", "第 7 步的损失不是有限数"),
    ],
)
def test_phrases_are_said_and_names_stay(text: str, said: str) -> None:
    assert translate(text, "zh") == said
    assert translate(text, "en") == text


def test_a_figure_keeps_its_sizes() -> None:
    pytest.importorskip("pylopdf_fonts_zh_cn")
    figure = Figure()
    axes = figure.add_subplot()
    axes.set_xlabel("step", fontsize=13)
    axes.set_ylabel("w1")
    spoken(figure, "zh")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("步", "w1")
    assert axes.xaxis.label.get_fontsize() == 13
    assert axes.xaxis.label.get_fontproperties().get_file()
