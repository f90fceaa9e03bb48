"""Graphviz engines: which one is used, what it gives, and what is said where it cannot."""

from __future__ import annotations

import re
import shutil
import sys
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autograd_lens.errors import RenderError
from autograd_lens.render import engines
from autograd_lens.render.engines import (
    Engine,
    find_engines,
    format_of,
    render_dot,
    save_dot,
)
from autograd_lens.render.graph import GraphOptions, graph_dot
from tests.support.linear_step import LinearTrace

DOT = "digraph {\n  a -> b\n}\n"
SYSTEM = shutil.which("dot")
PACKAGED = engines._packaged()
ENGINES = [
    pytest.param(
        Engine(SYSTEM or "dot"),
        id="system",
        marks=pytest.mark.skipif(SYSTEM is None, reason="Graphviz is not installed"),
    ),
    pytest.param(
        Engine(PACKAGED or "", writes_pdf=False),
        id="packaged",
        marks=pytest.mark.skipif(PACKAGED is None, reason="graphviz-pure is not installed"),
    ),
]


def program(folder: Path, name: str, code: str) -> str:
    """A program that runs some Python."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(0o755)
    return str(path)


def linear_dot() -> str:
    trace = LinearTrace()
    return graph_dot(trace.steps[0], options=GraphOptions(source=trace.source))


# --- formats -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("a.svg", "svg"), ("a.PNG", "png"), ("a.pdf", "pdf"), ("a.dot", "dot"), ("a.gv", "dot")],
)
def test_the_suffix_chooses_the_format(name: str, wanted: str) -> None:
    assert format_of(Path(name)) == wanted


@pytest.mark.parametrize("name", ["graph.jpeg", "graph"])
def test_an_unknown_suffix_names_those_there_are(name: str) -> None:
    with pytest.raises(RenderError, match=r"suffix.*Choose one of \.svg, \.png, \.pdf"):
        format_of(Path(name))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("wanted", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")]
)
def test_each_engine_gives_each_format(engine: Engine, wanted: Any, start: bytes) -> None:
    if wanted == "pdf" and not engine.writes_pdf:
        pytest.importorskip("typst")
    assert render_dot(DOT, wanted, [engine]).startswith(start)


def test_dot_needs_no_engine(tmp_path: Path) -> None:
    assert render_dot(DOT, "dot", []) == DOT.encode()
    assert save_dot(DOT, tmp_path / "graph.gv").path.read_text() == DOT


# --- the same look -------------------------------------------------------------------------


def drawn(engine: Engine) -> dict[str, Any]:
    """What an engine drew: its nodes, its arrows and all of its texts."""
    svg = render_dot(linear_dot(), "svg", [engine]).decode()
    return {
        "nodes": sorted(re.findall(r'<g id="(\w+)" class="node"', svg)),
        "arrows": svg.count('class="edge"'),
        "texts": sorted(map(unescape, re.findall(r"<text[^>]*>([^<]*)<", svg))),
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_draws_all_of_the_linear_regression(engine: Engine) -> None:
    picture = drawn(engine)
    assert picture["nodes"] == [*(f"n{i}" for i in range(8)), "p6", "p7", "r0"]
    assert picture["arrows"] == 10
    assert "-5.55848" in " ".join(picture["texts"])


@pytest.mark.skipif(SYSTEM is None or PACKAGED is None, reason="needs both engines")
def test_both_engines_draw_the_same() -> None:
    system, packaged = (drawn(param.values[0]) for param in ENGINES)  # type: ignore[arg-type]
    assert system == packaged


@pytest.mark.parametrize("engine", ENGINES)
def test_a_font_that_is_missing_has_stand_ins(engine: Engine) -> None:
    svg = render_dot(linear_dot(), "svg", [engine]).decode()
    families = set(re.findall(r'font-family="([^"]*)"', svg))
    assert all(family.count(",") >= 3 for family in families), families


# --- which engine --------------------------------------------------------------------------


def test_a_named_program_is_the_only_engine(tmp_path: Path) -> None:
    path = program(tmp_path, "mydot", "")
    assert find_engines(path) == (Engine(path),)


def test_the_environment_names_a_program(tmp_path: Path) -> None:
    path = program(tmp_path, "mydot", "")
    assert find_engines(environment={"AUTOGRAD_LENS_DOT": path}) == (Engine(path),)
    other = program(tmp_path, "other", "")
    assert find_engines(other, {"AUTOGRAD_LENS_DOT": path}) == (Engine(other),)


def test_a_named_graphviz_pure_writes_no_pdf(tmp_path: Path) -> None:
    path = program(tmp_path, "graphviz-pure", "")
    assert find_engines(path) == (Engine(path, writes_pdf=False),)


def test_a_named_program_that_is_missing_is_an_error() -> None:
    with pytest.raises(RenderError, match=r"There is no program `/no/dot` to draw"):
        find_engines("/no/dot")
    with pytest.raises(RenderError, match=r"`/no/dot` \(from AUTOGRAD_LENS_DOT\)"):
        find_engines(environment={"AUTOGRAD_LENS_DOT": "/no/dot"})


@pytest.mark.skipif(PACKAGED is None, reason="graphviz-pure is not installed")
def test_a_system_dot_comes_before_the_package(tmp_path: Path) -> None:
    dot = program(tmp_path, "dot", "")
    found = find_engines(environment={"PATH": str(tmp_path)})
    assert found == (Engine(dot), Engine(str(PACKAGED), writes_pdf=False))
    assert find_engines(environment={"PATH": "/nowhere"}) == found[1:]


def test_where_one_engine_fails_the_next_is_tried(tmp_path: Path) -> None:
    broken = Engine(program(tmp_path, "broken", "raise SystemExit(1)"))
    works = Engine(program(tmp_path, "works", "print('<svg/>')"))
    assert render_dot(DOT, "svg", [broken, works]) == b"<svg/>\n"


# --- what is said --------------------------------------------------------------------------


def test_a_failing_engine_is_quoted(tmp_path: Path) -> None:
    code = "import sys\nsys.exit('syntax error in line 1')"
    engine = Engine(program(tmp_path, "broken", code))
    with pytest.raises(RenderError, match=r"broken` could not draw.*syntax error in line 1.*\.gv"):
        render_dot(DOT, "svg", [engine])


def test_an_engine_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match="gone` could not be started"):
        render_dot(DOT, "svg", [Engine(str(tmp_path / "gone"))])


def test_without_an_engine_the_source_is_written_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "find_engines", lambda _: ())
    drawing = save_dot(DOT, tmp_path / "graph.svg")
    assert drawing.path == tmp_path / "graph.gv"
    assert drawing.path.read_text() == DOT
    assert "pip install graphviz-pure" in drawing.hint
    assert not (tmp_path / "graph.svg").exists()


def test_without_an_engine_no_other_file_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "find_engines", lambda _: ())
    (tmp_path / "graph.gv").write_text("mine")
    with pytest.raises(RenderError, match=r"No Graphviz engine.*graph\.gv is there already"):
        save_dot(DOT, tmp_path / "graph.svg")
    assert (tmp_path / "graph.gv").read_text() == "mine"


def test_without_the_package_nothing_is_packaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_PACKAGE", "a-package-that-nobody-has-installed")
    assert engines._packaged() is None


def test_a_pdf_without_typst_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finder = SimpleNamespace(find_spec=lambda _: None)
    monkeypatch.setattr(engines, "importlib", SimpleNamespace(util=finder))
    engine = Engine(program(tmp_path, "svg-only", "print('<svg/>')"), writes_pdf=False)
    with pytest.raises(RenderError, match=r"PDF needs.*pip install 'autograd-lens\[pdf\]'"):
        render_dot(DOT, "pdf", [engine])


def test_a_picture_is_saved_under_the_given_name(tmp_path: Path) -> None:
    engine = program(tmp_path, "works", "print('<svg/>')")
    drawing = save_dot(DOT, tmp_path / "graph.svg", engine)
    assert (drawing.path, drawing.hint) == (tmp_path / "graph.svg", "")
    assert drawing.path.read_text() == "<svg/>\n"
