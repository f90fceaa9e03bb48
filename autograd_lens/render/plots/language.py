"""Pictures in other languages: what matplotlib wrote in English, said again.

A picture is drawn once, in English; its phrases are then put into the reader's language, with
the numbers and names in them as they are. What has no translation stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text

from autograd_lens.errors import RenderError
from autograd_lens.render.handout.paper import chinese_fonts

__all__ = ["say", "spoken", "translate"]

_FACE = "NotoSansSC-Regular.otf"
_PHRASES: Mapping[str, Mapping[str, str]] = {
    "zh": {
        r"loss": "损失",
        r"step": "步",
        r"parameters": "参数",
        r"gradients": "梯度",
        r"logarithmic": "对数刻度",
        r"absolute value, logarithmic": "绝对值，对数刻度",
        r"length of each": "各自的长度",
        r"length of each, logarithmic": "各自的长度，对数刻度",
        r"length, (\d+) of (\d+)": r"长度，\2 个中的 \1 个",
        r"length, (\d+) of (\d+), logarithmic": r"长度，\2 个中的 \1 个，对数刻度",
        r"start( .*)?": r"起点\1",
        r"end( .*)?": r"终点\1",
        r"after ([\d,]+) steps?( .*)?": r"\1 步之后\2",
        r"least squares": "最小二乘解",
        r"least-squares optimum( .*)?": r"最小二乘解\1",
        r"lowest point of this plane( .*)?": r"该平面的最低点\1",
        r"first direction of the path \((.*) of its variance\)": r"路径的第一方向（占方差 \1）",
        r"first direction": "第一方向",
        r"second direction \((.*)\)": r"第二方向（\1）",
        r"second direction": "第二方向",
        r"(.*): ([\d,]+) steps?, loss (.*)": r"\1：\2 步，损失 \3",
        r"(.*): ([\d,]+) steps?": r"\1：\2 步",
        r"lr ([^;]+); curvature (\S+) at most at step (\S+); stable up to lr (.*) "
        r"in plain gradient descent": r"学习率 \1；曲率最大 \2（第 \3 步）；"
        r"普通梯度下降在学习率不超过 \4 时稳定",
        r"lr ([^;]+); curvature (\S+) at most at step (\S+); stable at any lr: .*": r"学习率 \1；"
        r"曲率最大 \2（第 \3 步）；损失不向上弯曲，任何学习率都稳定",
        r"lr ([^;]+); curvature not known: `info --curvature` says why": r"学习率 \1；"
        r"曲率未知，原因见 `info --curvature`",
        r"lr ([^;]+)": r"学习率 \1",
        r"no finite loss at step (\S+)": r"第 \1 步的损失不是有限数",
        r"Surface: the loss of step (\d+)'s batch.*has a hole\..*": r"曲面：第 \1 步那批数据上的"
        r"损失，由记录重新算出；损失不是有限数的地方是空洞。",
        r"Surface: the loss of step (\d+)'s batch.*": r"曲面：第 \1 步那批数据上的损失，"
        r"由记录重新算出。",
        r"The loss surface is not drawn: it was not recorded and could not be computed\.": (
            "没有画损失曲面：没有记录，也无法算出。"
        ),
    }
}
_WITHIN: Mapping[str, Mapping[str, str]] = {  # phrases that are parts of others
    "zh": {
        "学习率 scheduled ": "学习率（随步变化）",
        " with weight decay ": "，权重衰减 ",
        " with momentum ": "，动量 ",
        " and weight decay ": "，权重衰减 ",
    }
}


def translate(text: str, language: str) -> str:
    """A phrase of a picture in another language; itself where nothing is known of it."""
    for pattern, said in _PHRASES.get(language, {}).items():
        if found := re.fullmatch(pattern, text.rstrip(), re.DOTALL):
            words = found.expand(said)
            for english, other in _WITHIN.get(language, {}).items():
                words = words.replace(english, other)
            return words
    return text


def spoken(figure: Figure, language: str) -> Figure:
    """The same figure with its phrases in a language.

    Raises:
        RenderError: The fonts of that language are not installed.
    """
    if language not in _PHRASES:
        return figure
    for each in figure.findobj(Text):
        if isinstance(each, Text):
            say(each, translate(each.get_text(), language), language)
    return figure


def say(text: Text, words: str, language: str) -> None:
    """Put words into a text of a picture, in a font that has their letters.

    Raises:
        RenderError: The fonts of that language are not installed.
    """
    text.set_text(words)
    if language in _PHRASES and not words.isascii():
        folder = chinese_fonts()
        if folder is None or not (folder / _FACE).exists():
            msg = "Chinese in a picture needs Chinese fonts, which are missing."
            raise RenderError(msg, hint="Run `pip install 'autograd-lens[zh]'`.")
        size = text.get_fontsize()
        text.set_fontproperties(FontProperties(fname=str(folder / _FACE), size=size))
