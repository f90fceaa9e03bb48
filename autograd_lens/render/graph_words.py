"""The graph picture in other languages: its phrases said again, names and numbers as they are."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Literal

from autograd_lens.errors import RenderError

__all__ = ["spoken_dot", "with_letters"]

_PHRASES: Mapping[str, Mapping[str, str]] = {
    "zh": {
        r"forward runs down": "前向：自上而下",
        r"gradients flow up": "梯度：自下而上",
        r"kept from forward for backward": "前向为反向保存的值",
        r"long tensors: smallest to largest, mean": "长张量：最小到最大，均值",
        r"Step (\d+)(  ·  loss (\S+))?  ·  backward (\d+) of (\d+)":
            r"第 \1 步  ·  损失 \3  ·  反向 \4（共 \5 次）",
        r"Step (\d+)(  ·  loss (\S+))?(.*)": r"第 \1 步  ·  损失 \3\4",
        r"(.* |)(\S+) to (\S+), mean (\S+)(.*)": r"\1\2 至 \3，均值 \4\5",
        r"(.* |)all (\S+)( *)": r"\1全为 \2\3",
        r"([\d,]+) values were larger than the budget; of these the statistics, a sample and a "
        r"digest were kept\.": r"\1 个值超出预算，只保留了统计量、样本和摘要。",
        r"write \.grad": "写入 .grad",
        r"( *)(.*),  backward (\d+) of (\d+)": r"\1\2，反向第 \3 步，共 \4 步",
        r"was None, set to (.*?)( *)": r"原为 None，设为 \1\2",
        r"was (.*), now (.*) \(accumulated\)( *)": r"原为 \1，累加后为 \2\3",
        r"was (.*), got (.*), then cleared by a hook( *)": r"原为 \1，得到 \2，随后被钩子清空\3",
        r"( *)backward\(\) starts here": r"\1backward() 从这里开始",
        r"starts with( *)": r"起始值\1",
        r"value( *)": r"值\1",
        r"keeps (.*)": r"保存 \1",
        r"out → (.*)": r"传给 \1",
        r"in( \d+)?( *)": r"传入\1\2",
        r"the program's own backward( *)": r"程序自己的反向\1",
        r"and ([\d,]+) more remarks": r"另有 \1 条说明",
        r"again and again, ([\d,]+) times": r"重复 \1 次",
        r"other nodes(.*)": r"其他节点\1",
        r"Replayed, and it differs from what was recorded": "重新执行，与记录不同",
        r"Replayed; whether it is what was recorded is not known": "重新执行，是否相等未知",
        r"The program stopped in this step; its gradients were not computed":
            "程序在这一步停止，没有算出梯度",
        r"This backward stopped: (.*)": r"这次反向停止：\1",
        r"not run( *)": r"未运行\1",
        r"( *)([\d,]+) nodes": r"\1\2 个节点",
        r"([\d,]+) nodes, folded into (\d+) box(?:es)?( of module \S+)? by module and line of code":
            r"\1 个节点，按模块和代码行折叠成 \2 个框",
        r"(\d+) parameters’ \.grad( *)": r"\1 个参数的 .grad\2",
        r"Replayed, and equal bit for bit to what was recorded": "重新执行所得，与记录逐位相等",
        r"The program stopped( *)": r"程序在此停止\1",
    }
}  # fmt: skip
_TEXT = re.compile(r">([^<>]+)<")
_WITHIN: Mapping[str, Mapping[str, str]] = {  # parts of what stands at an arrow or in a card
    "zh": {r"a hook made it ": "钩子改为 ", r"(?<=\)  )norm (?=\d)": "范数 "}
}


def spoken_dot(dot: str, language: str) -> str:
    """DOT with the picture's own phrases in a language; what has no translation stays."""
    if language not in _PHRASES:
        return dot
    dot = _TEXT.sub(lambda found: f">{_said(found[1], language)}<", dot)
    for pattern, said in _WITHIN[language].items():
        dot = re.sub(pattern, said, dot)
    return dot


def _said(text: str, language: str) -> str:
    for pattern, said in _PHRASES[language].items():
        if found := re.fullmatch(pattern, text):
            return found.expand(said).replace("损失 None", "")
    return text


def with_letters(svg: bytes, wanted: Literal["svg", "png", "pdf"]) -> bytes:
    """A drawing with the Chinese letters that it uses inside, so that it shows everywhere.

    Args:
        svg: What an engine drew.
        wanted: Format of the result.

    Raises:
        RenderError: Fonts, or typst, are not installed.
    """
    from autograd_lens.render.handout.page import subset  # noqa: PLC0415  only these need it
    from autograd_lens.render.handout.paper import svg_as  # noqa: PLC0415

    text = svg.decode().replace("sans-serif", "'Noto Sans SC',Handout,sans-serif")
    if wanted != "svg":
        return svg_as(text, "zh", wanted)
    font = subset(text)
    if font is None:
        msg = "Chinese in a picture needs Chinese fonts, which are missing."
        raise RenderError(msg, hint="Run `pip install 'autograd-lens[zh]'`.")
    data = base64.b64encode(font).decode()
    face = (
        f'<style>@font-face{{font-family:"Handout";src:url(data:font/woff;base64,{data})}}</style>'
    )
    return re.sub(r"(<svg[^>]*>)", lambda found: found[1] + face, text, count=1).encode()
