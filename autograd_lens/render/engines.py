"""Graphviz engines: DOT in, a picture out.

NOTE 1 [Which engine]: an explicit path, else the environment variable ``AUTOGRAD_LENS_DOT``,
else ``dot`` on PATH, else the program of the ``graphviz-pure`` package, which is installed
with this one. A system's own Graphviz comes first because it also writes PDF.

NOTE 2 [PDF]: graphviz-pure writes no PDF. Its SVG is set on a page of its own size by typst
(the ``pdf`` extra).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from graphviz.backend.execute import ExecutableNotFound, run_check

from autograd_lens.errors import RenderError
from autograd_lens.render.metrics import with_lengths

__all__ = [
    "ENVIRONMENT",
    "FORMATS",
    "Drawing",
    "Engine",
    "Format",
    "find_engines",
    "format_of",
    "render_dot",
    "save_dot",
]

Format = Literal["svg", "png", "pdf", "dot"]
FORMATS: Mapping[str, Format] = {
    ".svg": "svg",
    ".png": "png",
    ".pdf": "pdf",
    ".dot": "dot",
    ".gv": "dot",
}
ENVIRONMENT = "AUTOGRAD_LENS_DOT"
_PACKAGE = "graphviz-pure"
_RESOLUTION = 144  # dots per inch of a PNG: sharp when a slide shows it at twice its size
_MONO = "'Courier New','Liberation Mono',Cousine,Courier,'DejaVu Sans Mono',monospace"
_FAMILIES = {
    # One set of measures, and a way out where the first is missing.
    'font-family="Arial"': "font-family=\"Arial,'Liberation Sans',Arimo,Helvetica,sans-serif\"",
    'font-family="Courier New"': f'font-family="{_MONO}"',
}
_INSTALL = (
    "Install one with `pip install graphviz-pure`, or Graphviz itself "
    "(`apt install graphviz`, `brew install graphviz`), then draw again."
)


@dataclass(frozen=True, slots=True)
class Engine:
    """A program that draws DOT.

    Attributes:
        path: The program.
        writes_pdf: Whether it writes PDF by itself.
    """

    path: str
    writes_pdf: bool = True


@dataclass(frozen=True, slots=True)
class Drawing:
    """What came of saving a graph.

    Attributes:
        path: The file that was written.
        hint: What to do to get the asked-for picture, where ``path`` is only its DOT source;
            else ``""``.
    """

    path: Path
    hint: str = ""


def save_dot(dot: str, output: Path, program: str | None = None) -> Drawing:
    """Draw DOT into a file; its suffix chooses the format.

    Where no engine is installed, the DOT source is written beside it as ``.gv``.

    Args:
        dot: DOT source.
        output: The file to write, ``.svg``, ``.png``, ``.pdf``, ``.dot`` or ``.gv``.
        program: The engine to use; else the first that is installed (NOTE 1).

    Raises:
        RenderError: The suffix is unknown, the engine failed, or ``.gv`` would overwrite a file.
    """
    wanted = format_of(output)
    engines = find_engines(program)
    if wanted == "dot" or engines:
        output.write_bytes(render_dot(dot, wanted, engines))
        return Drawing(output)
    hint = f"No Graphviz engine was found to draw {output.name}. {_INSTALL}"
    source = output.with_suffix(".gv")
    try:
        with source.open("x", encoding="utf-8") as file:
            file.write(dot)
    except FileExistsError as error:
        msg = f"{hint} Its source was not written either: {source.name} is there already."
        raise RenderError(msg) from error
    return Drawing(source, hint)


def format_of(output: Path) -> Format:
    """The format that a file's suffix asks for.

    Raises:
        RenderError: The suffix is unknown.
    """
    if output.suffix.lower() in FORMATS:
        return FORMATS[output.suffix.lower()]
    what = f"the suffix `{output.suffix}`" if output.suffix else "a name without a suffix"
    msg = f"A graph cannot be drawn into {what} ({output.name})."
    raise RenderError(msg, hint=f"Choose one of {', '.join(FORMATS)}.")


def find_engines(
    program: str | None = None, environment: Mapping[str, str] = os.environ
) -> tuple[Engine, ...]:
    """The engines to try, in order (NOTE 1). A program that was named is the only one.

    Args:
        program: Path or name of a program.
        environment: Where ``AUTOGRAD_LENS_DOT`` and ``PATH`` are looked up.

    Raises:
        RenderError: A program was named, and it is not there.
    """
    named = program or environment.get(ENVIRONMENT, "")
    if named:
        found = shutil.which(named, path=environment.get("PATH"))
        if found is None:
            origin = "" if program else f" (from {ENVIRONMENT})"
            msg = f"There is no program `{named}`{origin} to draw the graph with."
            raise RenderError(msg, hint="Give the path of Graphviz's `dot`, or leave it out.")
        return (Engine(found, writes_pdf=_PACKAGE not in Path(found).name),)
    system = shutil.which("dot", path=environment.get("PATH"))
    packaged = _packaged()
    return tuple(
        engine
        for engine in (
            Engine(system) if system else None,
            Engine(packaged, writes_pdf=False) if packaged else None,
        )
        if engine is not None
    )


def _packaged() -> str | None:
    """The program of graphviz-pure, which need not be on PATH."""
    try:
        files = importlib.metadata.files(_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    programs = (str(file.locate()) for file in files if file.stem == _PACKAGE)
    return next((program for program in programs if os.access(program, os.X_OK)), None)


def render_dot(dot: str, wanted: Format, engines: Sequence[Engine] | None = None) -> bytes:
    """Draw DOT; where an engine fails, the next one is tried.

    Args:
        dot: DOT source.
        wanted: Format of the result.
        engines: What to draw with; those found on this machine where left out.

    Raises:
        RenderError: There is no engine, or each failed; says what the last one said.
    """
    if wanted == "dot":
        return dot.encode()
    failure = RenderError("No Graphviz engine was found.", hint=_INSTALL)
    for engine in find_engines() if engines is None else engines:
        try:
            return _draw(dot, wanted, engine)
        except RenderError as error:
            failure = error
    raise failure


def _draw(dot: str, wanted: Format, engine: Engine) -> bytes:
    if wanted == "pdf" and not engine.writes_pdf:
        return _pdf(_draw(dot, "svg", engine))
    command = [engine.path, "-Kdot", f"-T{wanted}"]
    if wanted == "png":
        command.append(f"-Gdpi={_RESOLUTION}")
    try:
        # the graphviz package keeps Windows from opening a console
        done = run_check(command, input=dot.encode(), capture_output=True, quiet=True)
    except (ExecutableNotFound, OSError) as error:
        msg = f"The Graphviz engine `{engine.path}` could not be started: {error}."
        raise RenderError(msg, hint=_INSTALL) from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip() or f"exit code {error.returncode}"
        msg = f"The Graphviz engine `{engine.path}` could not draw the graph: {said}"
        hint = "Save it as .gv to look at its source, or name another engine with --dot."
        raise RenderError(msg, hint=hint) from error
    return _with_families(done.stdout) if wanted == "svg" else bytes(done.stdout)


def _with_families(svg: bytes) -> bytes:
    text = with_lengths(svg.decode())
    for family, families in _FAMILIES.items():
        text = text.replace(family, families)
    return text.encode()


def _pdf(svg: bytes) -> bytes:
    """Set an SVG on a page of its own size (NOTE 2)."""
    if importlib.util.find_spec("typst") is None:
        msg = "Drawing a PDF needs Graphviz's own `dot`, or typst beside graphviz-pure."
        hint = "Run `pip install 'autograd-lens[pdf]'`, or choose .svg or .png."
        raise RenderError(msg, hint=hint)
    import typst

    page = (
        "#set page(width: auto, height: auto, margin: 0pt)\n"
        '#image(bytes(sys.inputs.svg), format: "svg")'
    )
    try:
        return bytes(typst.compile(page.encode(), format="pdf", sys_inputs={"svg": svg.decode()}))
    except RuntimeError as error:
        msg = f"typst could not turn the graph into a PDF: {error}"
        raise RenderError(msg, hint="Choose .svg or .png.") from error
