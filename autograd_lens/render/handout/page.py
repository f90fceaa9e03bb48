"""The handout as one self-contained page that plays the run.

The page asks the network for nothing: styles and script are inside and named in its
Content-Security-Policy by their hashes, so that nothing else runs, whatever a run's names hold.
"""

from __future__ import annotations

import base64
import hashlib
import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from autograd_lens.analysis.lesson import Lesson
from autograd_lens.render.handout.blocks import Code, Document
from autograd_lens.render.handout.figures import (
    DARK,
    LIGHT,
    PICTURE_RULES,
    Levels,
    descent,
    loss_curve,
)
from autograd_lens.render.handout.html import blocks_html, listing
from autograd_lens.render.handout.paper import chinese_fonts
from autograd_lens.render.handout.player import player_data
from autograd_lens.render.handout.texts import texts

__all__ = ["PageOptions", "page", "subset"]


@dataclass(frozen=True, slots=True)
class PageOptions:
    """What the page needs beside the document.

    Attributes:
        graph: The graph for the player as SVG, from top to bottom; ``""`` for none.
        font: A font that holds the page's Chinese letters, as WOFF; None to use the reader's.
        footer: Stands at the end.
        levels: Lines of equal loss, for a run that is no linear regression.
    """

    graph: str = ""
    font: bytes | None = None
    footer: str = ""
    levels: Levels | None = None


def page(document: Document, lesson: Lesson | None, options: PageOptions) -> str:
    """The whole page.

    Args:
        document: What it says.
        lesson: The run to play; None for a page that plays nothing.
        options: What else it needs.
    """
    words = texts(document.language)
    style, script = _style(options.font), _asset("player.js") if lesson else ""
    allowed = _hash(script) if script else "'none'"
    policy = (
        f"default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"font-src data:; style-src {_hash(style)}; "
        f"script-src {allowed}"
    )
    language = {"zh": "zh-CN"}.get(document.language, document.language)
    player = _player(lesson, words, options) if lesson else ""
    data = player_data(lesson, words) if lesson else ""
    scripts = (
        f'<script type="application/json" id="run">{data}</script><script>{script}</script>'
        if lesson
        else ""
    )
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(document.title)}</title><style>{style}</style></head>\n<body><main>"
        f'<header><h1>{escape(document.title)}</h1><p class="lead">{escape(document.lead)}</p>'
        f"</header>\n{player}\n<article>{blocks_html(document.blocks)}</article>"
        f"<footer>{escape(options.footer)}</footer></main>\n{scripts}</body></html>\n"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


def _style(font: bytes | None) -> str:
    light, dark = (
        "".join(f"--{name}:{colour};" for name, colour in each.items()) for each in (LIGHT, DARK)
    )
    face = ""
    if font is not None:
        data = base64.b64encode(font).decode()
        face = f'@font-face{{font-family:"Handout";src:url(data:font/woff;base64,{data})}}'
    return (
        f"{face}:root{{{light}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        f"{PICTURE_RULES}{_asset('page.css')}"
    )


def _player(lesson: Lesson, words: Mapping[str, str], options: PageOptions) -> str:
    """The part of the page that moves."""
    codes = (
        "".join(listing(Code(block.lines, block.first), "L") for block in lesson.code)
        or f'<p class="aside">{escape(words["code_missing"])}</p>'
    )
    losses = loss_curve(lesson.path.losses, words).replace('id="losses"', 'id="play-losses"')
    lines = options.levels.lines if options.levels else ()
    pictures = descent(lesson, words, lines).replace('id="descent"', 'id="play-descent"')
    pictures = pictures.replace("inside", "play-inside") + losses
    legend = f'<p class="hint">{words["graph_legend"]}</p>'
    graph = f'<h3>{words["graph_title"]}</h3><div class="wide">{options.graph}</div>{legend}'
    return (
        f'<section id="player" aria-label="{escape(words["play"])}"><h2>{words["play"]}</h2>'
        f'<p class="hint">{escape(words["play_hint"])}</p>'
        f'<noscript><p class="aside">{escape(words["no_script"])}</p></noscript>'
        f"{_controls(lesson, words)}"
        f'<div class="stage"><div class="col"><h3>{words["code"]}</h3>'
        f'<div class="codes">{codes}</div></div>'
        f'<div class="col graph-col">{graph if options.graph else ""}</div>'
        f'<div class="col"><h3>{words["values"]}</h3><div class="scroll" tabindex="0">'
        f'<table id="values"><thead><tr><th scope="col">{words["tensor"]}</th>'
        f'<th scope="col">{words["shape"]}</th><th scope="col">{words["numbers"]}</th></tr></thead>'
        '<tbody id="event-rows"></tbody></table></div>'
        f'<div class="scroll" tabindex="0"><table id="followed"><thead><tr>'
        f'<th scope="col">{words["parameter"]}</th><th scope="col">{words["before"]}</th>'
        f'<th scope="col">.grad</th><th scope="col">{words["after"]}</th></tr></thead>'
        f'<tbody id="followed-rows"></tbody></table></div><div class="pictures">{pictures}</div>'
        "</div></div></section>"
    )


_ICONS = {
    "first": "M4 3v10M13 3 6 8l7 5z",
    "back": "M11 3 5 8l6 5z",
    "play": "M4 3l9 5-9 5z",
    "forth": "M5 3l6 5-6 5z",
    "last": "M12 3v10M3 3l7 5-7 5z",
}


def _controls(lesson: Lesson, words: Mapping[str, str]) -> str:
    names = (
        ("first", "previous_step"),
        ("back", "previous_event"),
        ("play", "run"),
        ("forth", "next_event"),
        ("last", "next_step"),
    )
    buttons = "".join(
        f'<button type="button" id="{key}" aria-label="{escape(words[said])}" '
        f'title="{escape(words[said])}"><svg viewBox="0 0 16 16" aria-hidden="true">'
        f'<path d="{_ICONS[key]}"/></svg></button>'
        for key, said in names
    )
    last = max(lesson.count - 1, 0)
    return (
        f'<div class="controls"><div class="buttons">{buttons}</div>'
        f'<label for="slider">{escape(words["play_steps"])}</label>'
        f'<input type="range" id="slider" aria-label="{escape(words["play_steps"])}" '
        f'min="0" max="{last}" value="0" step="1">'
        '<output id="where" for="slider"></output></div>'
        '<div id="event" aria-live="polite"><b id="event-title"></b>'
        '<span id="event-more"></span></div>'
    )


# --- the letters that a page uses, cut out of a large font ----------------------------------

_FILE = "NotoSansSC-Regular.otf"


def subset(text: str) -> bytes | None:
    """A WOFF font with the Chinese letters of a text; None where there is no font.

    Latin letters stay with the reader's own fonts.
    """
    folder = chinese_fonts()
    if folder is None or not (folder / _FILE).exists():
        return None
    from fontTools import subset as tools  # noqa: PLC0415  slow to import

    logging.getLogger("fontTools.subset").setLevel(logging.ERROR)
    options = tools.Options(flavor="woff", layout_features=[], notdef_outline=True)
    options.hinting = False
    options.desubroutinize = True
    font = tools.load_font(str(folder / _FILE), options)
    cutter = tools.Subsetter(options)
    cutter.populate(text="".join(sorted({letter for letter in text if ord(letter) >= 0x2E80})))  # noqa: PLR2004
    cutter.subset(font)
    made = io.BytesIO()
    font.flavor = "woff"
    font.save(made)
    return made.getvalue()
