"""Self-contained pages that play a run: the handout, with its chapters, and the run alone.

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
from autograd_lens.render.handout.blocks import Document
from autograd_lens.render.handout.figures import (
    DARK,
    LIGHT,
    PICTURE_RULES,
    Levels,
    descent,
    loss_curve,
)
from autograd_lens.render.handout.html import blocks_html
from autograd_lens.render.handout.paper import chinese_fonts
from autograd_lens.render.handout.player import Player
from autograd_lens.render.handout.texts import texts

__all__ = ["PageOptions", "page", "subset", "view"]


@dataclass(frozen=True, slots=True)
class PageOptions:
    """What a page needs beside its document.

    Attributes:
        player: What plays the run; None for a page that plays nothing.
        font: A font that holds the page's Chinese letters, as WOFF; None to use the reader's.
        footer: Stands at the end.
        levels: Lines of equal loss, for a run that is no linear regression.
    """

    player: Player | None = None
    font: bytes | None = None
    footer: str = ""
    levels: Levels | None = None


def page(document: Document, lesson: Lesson | None, options: PageOptions) -> str:
    """The whole handout.

    Args:
        document: What it says.
        lesson: The run to play; None for a page that plays nothing.
        options: What else it needs.
    """
    words = texts(document.language)
    section = _player(lesson, words, options) if lesson and options.player else ""
    body = (
        f"<body><main><header><h1>{escape(document.title)}</h1>"
        f'<p class="lead">{escape(document.lead)}</p></header>\n{section}\n'
        f"<article>{blocks_html(document.blocks)}</article>"
        f"<footer>{escape(options.footer)}</footer></main>"
    )
    return _whole(document.title, document.language, body, options)


def view(lesson: Lesson, language: str, options: PageOptions) -> str:
    """A page that is nothing but the run, to explore.

    Args:
        lesson: The run.
        language: The language of its words.
        options: What else it needs.
    """
    words = texts(language)
    title = words["view_title"].format(
        program=lesson.program or words["title_none"], count=f"{lesson.count:,}"
    )
    body = f'<body class="view"><main>{_player(lesson, words, options, title)}</main>'
    return _whole(title, language, body, options)


def _whole(title: str, language: str, body: str, options: PageOptions) -> str:
    style, script = _style(options.font), _asset("player.js") if options.player else ""
    allowed = _hash(script) if script else "'none'"
    policy = (
        f"default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"font-src data:; style-src {_hash(style)}; "
        f"script-src {allowed}"
    )
    data = options.player.data if options.player else ""
    scripts = (
        f'<script type="application/json" id="run">{data}</script><script>{script}</script>'
        if options.player
        else ""
    )
    return (
        f'<!doctype html>\n<html lang="{ {"zh": "zh-CN"}.get(language, language) }">'
        '<head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n"
        f"{body}\n{scripts}</body></html>\n"
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
        f"@media screen and (prefers-color-scheme:dark)"
        f"{{:root:not([data-theme=light]){{{dark}}}}}"
        f"@media screen{{:root[data-theme=dark]{{{dark}color-scheme:dark}}"
        f":root[data-theme=light]{{color-scheme:light}}}}"
        f"{PICTURE_RULES}{_asset('page.css')}"
    )


# --- the player ----------------------------------------------------------------------------


def _player(lesson: Lesson, words: Mapping[str, str], options: PageOptions, title: str = "") -> str:
    """The part of a page that moves; with a title it is the whole page."""
    player = options.player or Player("", "", "", "")
    code = player.code or f'<p class="aside">{escape(words["code_missing"])}</p>'
    tag, pane, hint = ("h1", "h2", "view_hint") if title else ("h2", "h3", "play_hint")
    heads = {
        name: f'<{pane} class="pane-title">{words[name]}</{pane}>'
        for name in ("code", "graph_title", "values", "state", "over_steps")
    }
    missing = f'<p class="aside">{escape(player.missing)}</p>' if player.missing else ""
    return (
        f'<section id="player" aria-label="{escape(words["play"])}">'
        f'<div class="head"><{tag}>{escape(title or words["play"])}</{tag}>'
        f'<p class="hint">{escape(words[hint])}</p>{_tools(words)}</div>'
        f'<noscript><p class="aside">{escape(words["no_script"])}</p></noscript>'
        f"{_controls(lesson, words)}"
        f'<div class="stage"><div class="col pane code-col">{heads["code"]}'
        f'<div class="codes" tabindex="0">{code}</div></div>'
        f'<div class="col pane graph-col">{_colours(words)}{heads["graph_title"]}'
        f'<div id="rooms"></div><div id="sheets" tabindex="0">{player.sheets}</div>{missing}'
        f'<p class="hint">{words["graph_legend"]} {words["graph_size"]}</p></div>'
        f'<div class="col pane values-col">{heads["values"]}'
        f'<div class="scroll" tabindex="0">'
        f'<table id="values"><thead><tr><th scope="col">{words["tensor"]}</th>'
        f'<th scope="col">{words["shape"]}</th><th scope="col">{words["numbers"]}</th></tr></thead>'
        f'<tbody id="event-rows"></tbody></table></div>{heads["state"]}'
        f'<div class="scroll state" tabindex="0"><table id="followed"><thead><tr>'
        f'<th scope="col">{words["parameter"]}</th><th scope="col">{words["value"]}</th>'
        f'<th scope="col">.grad</th></tr></thead>'
        f'<tbody id="followed-rows"></tbody></table></div></div>'
        f'<div class="col pane time-col">{heads["over_steps"]}'
        f'<div class="pictures">{_pictures(lesson, words, options)}</div></div></div>'
        f"{_dialogs(words)}</section>"
    )


def _pictures(lesson: Lesson, words: Mapping[str, str], options: PageOptions) -> str:
    """What can be seen over the steps: the loss, the descent, rates, and maps of all layers."""
    losses = loss_curve(lesson.path.losses, words).replace('id="losses"', 'id="play-losses"')
    lines = options.levels.lines if options.levels else ()
    path = descent(lesson, words, lines).replace('id="descent"', 'id="play-descent"')
    rate = words["learning_rate"]
    rates = (
        f'<figure><figcaption>{rate}</figcaption><svg class="figure" id="rates" '
        f'viewBox="0 0 420 72" role="img" aria-label="{rate}">'
        f'<text class="tick" x="47" y="16" text-anchor="end"></text></svg></figure>'
    )
    rates += _tries("try", words["rate_try"], words["rate_hint"], len(lesson.others))
    path += _tries("begin", words["start_try"], words["start_hint"], len(lesson.starts))
    maps = "".join(
        f'<figure class="map"><figcaption>{words[said]} <output></output></figcaption>'
        '<div class="rows" aria-hidden="true"></div>'
        f'<div class="field"><canvas id="map-{name}" role="img" aria-label="{words[said]}">'
        '</canvas><div class="mark"></div></div><div class="ends" aria-hidden="true"></div>'
        "</figure>"
        for name, said in (("grads", "grad_norm"), ("shares", "update_ratio"))
    )
    return (
        f"<div>{losses}{rates}</div>{f'<div>{path}</div>' if path else ''}"
        f'<div class="maps">{maps}<p class="hint">{words["map_legend"]}</p></div>'
    ).replace("inside", "play-inside")


def _colours(words: Mapping[str, str]) -> str:
    """What the boxes of the graph are coloured by."""
    choices = "".join(
        f'<option value="{name}">{escape(words[f"by_{name}"])}</option>'
        for name in ("gradient", "value", "time")
    )
    return f'<label class="by">{escape(words["by"])} <select id="by">{choices}</select></label>'


def _tries(name: str, label: str, hint: str, count: int) -> str:
    """A slider over what the start of the run was executed again with, if it was."""
    if not count:
        return ""
    return (
        f'<div class="tries"><label for="{name}">{escape(label)}</label>'
        f'<input type="range" id="{name}" min="0" max="{count - 1}" value="{count // 2}" step="1">'
        f'<output id="{name}-said" for="{name}">{escape(hint)}</output></div>'
    )


def _tools(words: Mapping[str, str]) -> str:
    """The search and the switches."""
    switches = "".join(
        f'<button type="button" class="switch" id="{name}" aria-pressed="false">'
        f"{escape(words[name])}</button>"
        for name in ("whole", "present", "hide")
    )
    return (
        f'<div class="tools"><div class="finder"><input type="search" id="search" '
        f'aria-label="{escape(words["search"])}" placeholder="{escape(words["search_hint"])}">'
        f'<ol id="hits" hidden></ol></div>{switches}'
        f'<button type="button" class="switch" id="dark">{escape(words["dark"])}</button>'
        f'<button type="button" class="switch" id="ask">{escape(words["keys"])}</button></div>'
    )


_KEYS = (
    ("← → h l", "key_event"),
    ("p n", "key_step"),
    ("↑ ↓", "key_full"),
    ("f b u z", "key_phase"),
    ("Home End g", "key_ends"),
    ("Space - +", "key_play"),
    ("/ [ ]", "key_search"),
    ("e", "key_wrong"),
    ("⌫", "key_room"),
    ("a P H", "key_all"),
    ("1 2 3 4 m", "key_panes"),
    ("d ?", "key_look"),
)


def _dialogs(words: Mapping[str, str]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{keys}</th><td>{escape(words[said])}</td></tr>'
        for keys, said in _KEYS
    )
    return (
        f'<dialog id="help" aria-label="{escape(words["keys"])}"><form method="dialog">'
        f'<table>{rows}</table><p class="hint">{words["graph_legend"]} {words["graph_size"]}</p>'
        f"<button>{escape(words['close'])}</button></form></dialog>"
        f'<dialog id="goto" aria-label="{escape(words["goto"])}"><form method="dialog">'
        f'<label>{escape(words["goto"])} <input id="goto-step" autocomplete="off"></label> '
        f'<button value="go">{escape(words["go"])}</button></form></dialog>'
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
        '<div id="event" aria-live="polite"><b id="event-title"></b> '
        '<small id="event-module"></small><div id="event-more"></div></div>'
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
    from fontTools import subset as tools

    logging.getLogger("fontTools.subset").setLevel(logging.ERROR)
    options = tools.Options(flavor="woff", layout_features=[], notdef_outline=True)
    options.hinting = False
    options.desubroutinize = True
    cutter = tools.Subsetter(options)
    cutter.populate(text="".join(sorted({letter for letter in text if ord(letter) >= 0x2E80})))
    made = io.BytesIO()
    with tools.load_font(str(folder / _FILE), options) as font:
        cutter.subset(font)
        font.flavor = "woff"
        font.save(made)
    return made.getvalue()
