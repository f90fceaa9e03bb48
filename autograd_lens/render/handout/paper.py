"""A document set on paper by typst, as PDF.

All text of the run enters typst's source as string literals, so that nothing in it is read as
markup. Pictures are not in the source: they are inputs, named ``svg-NAME``.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from autograd_lens.errors import RenderError
from autograd_lens.render.handout.blocks import (
    Block,
    Cell,
    Code,
    Document,
    Figure,
    Formulas,
    Heading,
    Note,
    Pair,
    Paragraph,
    Run,
    Space,
    Table,
)
from autograd_lens.render.handout.figures import LIGHT, graph_on_paper, on_paper
from autograd_lens.render.handout.slides import Slide
from autograd_lens.trace.expr import TYPST, TYPST_LINE, Equation, Notation, typst_string, write

__all__ = [
    "FACES",
    "PaperSource",
    "chinese_fonts",
    "paper_source",
    "pdf",
    "slides_as",
    "svg_as",
]

_FONTS = "pylopdf_fonts_zh_cn"


def pdf(document: Document, footer: str) -> bytes:
    """The document as PDF; fonts inside, the same on every machine.

    Raises:
        RenderError: typst, or a font, is not installed, or the document could not be set.
    """
    (made,) = _compiled(paper_source(document, footer), document.language, "pdf")
    return made


def slides_as(
    shown: Sequence[Slide], language: str, footer: str, kind: Literal["pdf", "png"]
) -> list[bytes]:
    """Slides of 16 to 9: one PDF, or one PNG each.

    Args:
        shown: The slides.
        language: ``"en"`` or ``"zh"``.
        footer: Stands at the foot of each.
        kind: What to make.

    Raises:
        RenderError: typst, or a font, is not installed, or they could not be set.
    """
    figures = {each.figure.name: each.figure for each in shown if each.figure}
    inputs = {f"svg-{name}": graph_on_paper(each.svg, _MONO) for name, each in figures.items()}
    body = "\n#pagebreak()\n".join(map(_slide, shown))
    plain = Document(shown[0].title if shown else "", language, "", ())
    head = _preamble(plain, footer, _SLIDE)
    return _compiled(PaperSource(f"{head}\n{_ON_SLIDES}\n{body}\n", inputs), language, kind)


def svg_as(svg: str, language: str, kind: Literal["pdf", "png"]) -> bytes:
    """A drawing on a page of its own size, with the fonts of a language."""
    page = (
        "#set page(width: auto, height: auto, margin: 0pt)\n"
        '#image(bytes(sys.inputs.svg), format: "svg")'
    )
    (made,) = _compiled(PaperSource(page, {"svg": svg}), language, kind)
    return made


def _slide(slide: Slide) -> str:
    code = f"#asked({typst_string(slide.code)})" if slide.code else ""
    picture = f'#shown("svg-{slide.figure.name}")' if slide.figure else ""
    blocks = "\n".join(map(_block, slide.blocks))
    return f"#headline[{_literal(slide.title)}]\n{code}\n{picture}\n{blocks}"


def _compiled(paper: PaperSource, language: str, kind: Literal["pdf", "png"]) -> list[bytes]:
    if importlib.util.find_spec("typst") is None:
        msg = "Setting a PDF needs typst, which is not installed."
        raise RenderError(msg, hint="Run `pip install 'autograd-lens[pdf]'`, or choose .html.")
    import typst

    fonts = typst.Fonts(include_system_fonts=False, font_paths=list(_font_folders(language)))
    try:
        made, warnings = typst.compile_with_warnings(
            paper.source.encode(),
            format=kind,
            ppi=144,
            sys_inputs=dict(paper.inputs),
            font_paths=fonts,
        )
    except RuntimeError as error:
        msg = f"typst could not set the handout: {error}"
        raise RenderError(msg, hint="Choose .html, and report this as a bug.") from error
    missing = [str(each.message) for each in warnings if "unknown font" in str(each.message)]
    if missing:
        msg = f"A font is missing for the PDF: {missing[0]}."
        raise RenderError(msg, hint=_HINT)
    # of several pages a picture each, which its stubs do not say
    pages: object = made
    return [bytes(each) for each in pages] if isinstance(pages, list) else [bytes(made)]


_HINT = "Run `pip install 'autograd-lens[zh]'`, or choose .html."


def _font_folders(language: str) -> Sequence[str]:
    if language != "zh":
        return ()
    folder = chinese_fonts()
    if folder is None:
        msg = "Chinese in a PDF needs Chinese fonts, which are missing."
        raise RenderError(msg, hint=_HINT)
    return (str(folder),)


def chinese_fonts() -> Path | None:
    """The folder of the Chinese fonts of the ``zh`` extra, or None."""
    found = importlib.util.find_spec(_FONTS)
    return Path(found.origin).parent if found and found.origin else None


# --- the source ----------------------------------------------------------------------------

FACES: Mapping[str, tuple[str, ...]] = {
    "en": ("Libertinus Serif",),
    "zh": ("Libertinus Serif", "Noto Serif SC"),
}
_MONO = "DejaVu Sans Mono"
_LONG_WORD = re.compile(r"\S{16,}")
_CLOSE = {"size": 9.2, "small": 8.4, "across": 1.3, "down": 0.85, "mono_size": 7.6}
_ROOMY = {"size": 11.5, "small": 11, "across": 3, "down": 2.2, "mono_size": 10}
_SLIDE = {"size": 15, "small": 14, "across": 2.4, "down": 1.6, "mono_size": 13}


@dataclass(frozen=True, slots=True)
class PaperSource:
    """What a compiler needs.

    Attributes:
        source: typst source.
        inputs: Its inputs: pictures by name.
    """

    source: str
    inputs: Mapping[str, str]


def paper_source(document: Document, footer: str) -> PaperSource:
    """The document as typst source.

    Args:
        document: What to set.
        footer: Stands at the foot of each page, beside the page number.
    """
    inputs = {f"svg-{each.name}": _picture(each, document) for each in document.figures()}
    body = "\n".join(_block(block) for block in document.blocks)
    lead = f"#lead[{_literal(document.lead)}]\n" if document.lead else ""
    head = f"#title-line[{_literal(document.title)}]\n{lead}"
    return PaperSource(f"{_preamble(document, footer)}\n{head}\n{body}\n", inputs)


def _picture(figure: Figure, document: Document) -> str:
    if figure.name == "graph":
        return graph_on_paper(figure.svg, _MONO)
    return on_paper(figure.svg, ", ".join(f"'{face}'" for face in FACES[document.language]))


def _literal(text: str) -> str:
    """Any text as an expression of typst's markup."""
    return f"#{typst_string(text)};" if text else ""


def _text(parts: Cell, notation: Notation = TYPST) -> str:
    return "".join(_part(part, notation) for part in parts)


def _cell(parts: Cell) -> str:
    """What stands in a table: formulas on a line, long words with places to break them."""
    narrow = (replace(part, text=_breakable(part.text)) if isinstance(part, Run) else part
              for part in parts)  # fmt: skip
    return _text(tuple(narrow), TYPST_LINE)


def _breakable(text: str) -> str:
    """Names such as ``encoder.layers.0.linear1.weight`` may go on in the next line."""
    return _LONG_WORD.sub(lambda word: re.sub(r"(?<=[._(,])", "\u200b", word[0]), text)


def _part(part: Run | Equation, notation: Notation) -> str:
    if isinstance(part, Equation):
        return f"${write(part, notation)}$"
    if part.style == "code":
        return f"#raw({typst_string(part.text)});"
    return f"#strong[{_literal(part.text)}];" if part.style == "bold" else _literal(part.text)


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f"= {_literal(block.text)}"
        case Paragraph():
            return f"{_text(block.text)}\n"
        case Note():
            return f"#aside[{_text(block.text)}]"
        case Formulas():
            return "\n".join(f"$ {write(each, TYPST)} $" for each in block.equations)
        case Space():
            return "#v(16mm)"
        case Code():
            return f"#listing({_string_lines(block.lines)}, {block.first})"
        case Table():
            return _table(block)
        case Figure():
            return f'#drawing("svg-{block.name}", [{_literal(block.caption)}])'
        case Pair():
            left, right = ("\n".join(map(_block, side)) for side in (block.left, block.right))
            shares = f"({block.share}fr, {1 - block.share}fr)"
            return f"#grid(columns: {shares}, gutter: 5mm, [{left}], [{right}])"


def _string_lines(lines: tuple[str, ...]) -> str:
    kept = [line.expandtabs(4).replace(" ", "\u00a0") for line in lines]
    return f"({', '.join(typst_string(line) for line in kept)},)"


def _table(table: Table) -> str:
    count = len(table.head)
    shares = table.shares or tuple(float(place == table.wide) for place in range(count))
    columns = ", ".join(f"{share}fr" if share else "auto" for share in shares)
    align = ", ".join("right" if place in table.numbers else "left" for place in range(count))
    head = ", ".join(f"[*{_literal(each)}*]" if each else "[]" for each in table.head)
    rows = ",\n".join(", ".join(f"[{_cell(cell)}]" for cell in row) for row in table.rows)
    caption = f"[{_literal(table.caption)}]" if table.caption else "none"
    return f"#data-table({caption}, ({columns},), ({align},), table.header({head}),\n{rows})"


def _preamble(document: Document, footer: str, sizes: Mapping[str, float] | None = None) -> str:
    faces = json.dumps(list(FACES[document.language]), ensure_ascii=False)[1:-1] + ","
    region = ', region: "cn"' if document.language == "zh" else ""
    return _PREAMBLE.format(
        title=typst_string(document.title),
        faces=faces,
        mono=_MONO + '", "' + FACES[document.language][-1],
        language=document.language,
        region=region,
        heavy=_HEAVY if document.language == "zh" else "#let heavy(body) = body",
        footer=_literal(footer),
        rule=LIGHT["rule"],
        **(sizes or (_ROOMY if document.roomy else _CLOSE)),
        quiet=LIGHT["quiet"],
        blue=LIGHT["blue"],
        panel=LIGHT["panel"],
    )


# the Chinese fonts have one weight: an outline of the letters' own colour makes them bold
_HEAVY = """\
#let heavy(body) = {
  show regex("\\p{Han}+"): it => context text(stroke: 0.028em + text.fill, it)
  body
}
#show heading: heavy
#show strong: heavy
"""
_PREAMBLE = """\
#set document(title: {title})
#set page(paper: "a4", margin: (x: 15mm, top: 13mm, bottom: 14mm), footer: context {{
  set text(7.5pt, fill: rgb("{quiet}"))
  [{footer} #h(1fr) #counter(page).display("1 / 1", both: true)]
}})
#set text(font: ({faces}), size: {size}pt, lang: "{language}"{region}, fallback: true)
#set par(justify: true, leading: 0.52em, spacing: 0.62em)
#set math.equation(numbering: none)
#show math.equation: set text(size: {size}pt)
#show math.equation.where(block: true): set block(above: 0.55em, below: 0.55em)
#show raw: set text(font: ("{mono}"), size: {mono_size}pt)
#show heading: set text(12pt, fill: rgb("{blue}"))
#show heading: set block(above: 0.85em, below: 0.5em)
{heavy}
#let title-line(body) = block(below: 0.8em, text(17pt, weight: "bold", heavy(body)))
#let lead(body) = block(below: 0.6em, text(fill: rgb("{quiet}"), body))
#let aside(body) = block(inset: (left: 2.5mm, y: 0.8mm),
  stroke: (left: 1.5pt + rgb("{rule}")), body)
#let words(body) = text(8.4pt, fill: rgb("{quiet}"), body)
#let drawing(name, caption) = block(breakable: false, above: 0.5em, below: 0.6em,
  width: 100%, {{
  set align(center)
  layout(room => {{
    let drawn = image(bytes(sys.inputs.at(name)), format: "svg")
    let natural = measure(drawn)
    let scale = calc.min(1.1, room.width / natural.width, 232mm / natural.height)
    image(bytes(sys.inputs.at(name)), format: "svg", width: natural.width * scale)
  }})
  v(-0.55em)
  words(caption)
}})
#let listing(lines, first) = block(fill: rgb("{panel}"), inset: 1.6mm, radius: 1mm, width: 100%,
  above: 0.4em, below: 0.4em, {{
    set par(justify: false)
    show raw: set text(size: 6.3pt)
    grid(columns: (auto, 1fr), column-gutter: 2mm, row-gutter: 0.42em,
      ..lines.enumerate().map(((at, line)) => (
        align(right, text(5.6pt, fill: rgb("{quiet}"), str(first + at))),
        raw(line, lang: "python"),
      )).flatten())
  }})
#let data-table(caption, columns, aligned, head, ..cells) = block(above: 0.5em, below: 0.6em,
  width: 100%, {{
  if caption != none {{ block(sticky: true, below: 0.35em, words(caption)) }}
  set text({small}pt)
  set par(justify: false)
  show math.equation: set text(size: {small}pt)
  table(columns: columns, align: aligned, inset: (x: {across}mm, y: {down}mm),
    stroke: (x, y) => (bottom: if y == 0 {{ 0.7pt }} else {{ 0.3pt + rgb("{rule}") }}),
    head, ..cells)
}})
"""


# what slides have besides
_ON_SLIDES = """\
#set page(width: 254mm, height: 142.9mm, margin: (x: 13mm, top: 9mm, bottom: 11mm))
#let headline(body) = block(below: 0.5em, text(25pt, weight: "bold", heavy(body)))
#let asked(text) = block(fill: luma(245), inset: 2mm, radius: 1mm, raw(text, lang: "python"))
// where the rest leaves less than usual the drawing is smaller, so that no slide runs over
#let shown(name) = block(width: 100%, height: 1fr, above: 0.6em, below: 0.8em, {
  set align(center)
  layout(room => {
    let drawn = image(bytes(sys.inputs.at(name)), format: "svg")
    let natural = measure(drawn)
    let scale = calc.min(2.4, room.width / natural.width,
      calc.min(room.height, 66mm) / natural.height)
    image(bytes(sys.inputs.at(name)), format: "svg", width: natural.width * scale)
  })
})
"""
