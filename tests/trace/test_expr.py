"""One tree: what each notation makes of it, and what it computes."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from autograd_lens.trace import expr
from autograd_lens.trace.expr import (
    CODE,
    LATEX,
    MATHML,
    ONE,
    SQRT,
    TEXT,
    TEXTBOOK,
    TYPST,
    TYPST_LINE,
    ZERO,
    Call,
    Equation,
    Expr,
    Function,
    Item,
    Listed,
    Name,
    Neg,
    Number,
    Op,
    Partial,
    Sum,
    Where,
    Word,
    call,
    difference,
    digits,
    evaluate,
    latex_text,
    negative,
    power,
    product,
    quotient,
    simplified,
    substituted,
    sum_of,
    typst_string,
    write,
)

X, Y, W = Name("x"), Name("y"), Name("w1")
SIDES = (Name("x"), Name("y"), Name("z"))
NOTATIONS = (CODE, TEXT, TEXTBOOK, LATEX, MATHML, TYPST, TYPST_LINE)


# --- brackets: what is written as Python is what is computed -------------------------------

numbers = st.integers(-4, 4).map(lambda value: digits(str(value)))
leaves = numbers | st.sampled_from(SIDES)


def grown(parts: Any) -> Any:
    pairs = st.tuples(parts, parts)
    return (
        st.builds(lambda sign, pair: Op(sign, *pair), st.sampled_from("+-*"), pairs)
        | parts.map(Neg)
        | st.tuples(parts, st.sampled_from([digits("2"), digits("3")])).map(lambda p: p[0] ** p[1])
    )


trees = st.recursive(leaves, grown, max_leaves=12)


@given(trees)
def test_code_computes_what_the_tree_computes(tree: Expr) -> None:
    known = {"x": 3, "y": -2, "z": 5}
    expected = evaluate(tree, {name: np.float64(value) for name, value in known.items()})
    assert eval(write(tree, CODE), {}, known) == pytest.approx(float(expected))  # noqa: S307


@given(trees)
def test_leaving_out_what_is_obvious_changes_no_value(tree: Expr) -> None:
    known = {"x": np.float64(3), "y": np.float64(-2), "z": np.float64(5)}
    assert evaluate(simplified(tree), known) == pytest.approx(evaluate(tree, known))


@given(trees, trees)
def test_building_gives_the_value_of_the_operator(left: Expr, right: Expr) -> None:
    known = {"x": np.float64(3), "y": np.float64(-2), "z": np.float64(5)}
    one, other = evaluate(left, known), evaluate(right, known)
    for build, expected in (
        (sum_of, one + other),
        (difference, one - other),
        (product, one * other),
    ):
        assert evaluate(build(left, right), known) == pytest.approx(expected)
    assert evaluate(negative(left), known) == pytest.approx(-one)


@given(trees)
def test_numbers_put_in_give_the_same_value(tree: Expr) -> None:
    known = {"x": 3, "y": -2, "z": 5}
    filled = substituted(tree, lambda name: digits(str(known[name.text])))
    expected = evaluate(tree, {name: np.float64(value) for name, value in known.items()})
    assert evaluate(filled, {}) == pytest.approx(expected)
    assert eval(write(filled, CODE)) == pytest.approx(float(expected))  # noqa: S307


def test_a_formula_that_is_a_part_of_several_is_changed_by_none() -> None:
    kinds = [one for one in vars(expr).values() if isinstance(one, type)]
    records = [one for one in kinds if dataclasses.is_dataclass(one)]
    assert len(records) > 10
    assert all(one.__dataclass_params__.frozen for one in records)


def test_a_name_is_replaced_as_a_whole() -> None:
    tree = Name("w") - Name("w.grad") * Name("w2")
    filled = substituted(tree, lambda name: digits("3") if name.text == "w" else None)
    assert write(filled, CODE) == "3 - w.grad * w2"


# --- each kind of node in each notation ----------------------------------------------------

HAT = Name("y", "i", hat=True)
CASES: list[tuple[Any, str, str, str]] = [
    (W - digits("0.01") * Name("w1.grad"), "w1 - 0.01 * w1.grad",
     r"w_{1} - 0.01 \, \mathrm{w1.grad}", 'w_(1) - "0.01" thin "w1.grad"'),
    ((X - Y) ** 2, "(x - y)²", r"\left(x - y\right)^{2}", '(x - y)^("2")'),
    (X / (Y * 2), "x / (y * 2)", r"\frac{x}{y \times 2}", 'frac(x, y times "2")'),
    ((X / Y) ** 2, "(x / y)²", r"\left(\frac{x}{y}\right)^{2}", '(frac(x, y))^("2")'),
    (X.T @ Y, "xᵀ @ y", r"x^\top\,y", "x^top thin y"),
    (digits("1e-08"), "1e-08", r"1 \times 10^{-8}", '"1" times 10^("−8")'),
    (digits("-2") * digits("-3"), "-2 * (-3)", r"-2 \times \left(-3\right)",
     '"−2" times ("−3")'),
    (Sum((HAT - Name("y", "i")) ** 2), "∑ (ŷ_i - y_i)²",
     r"\sum_{i=1}^{n} \left(\hat{y}_{i} - y_{i}\right)^{2}",
     'sum_(i=1)^n (hat(y)_(i) - y_(i))^("2")'),
    (Partial(Name("L"), W), "∂L/∂w1", r"\frac{\partial L}{\partial w_{1}}",
     "frac(partial L, partial w_(1))"),
    (Where(X > 0, Y, ZERO), "y where x > 0, else 0",
     r"y\mathrm{\ where\ }x > 0\mathrm{,\ else\ }0", 'y" where "x > "0"", else ""0"'),
    (call("clamp", X, digits("1")), "clamp(x, 1)", r"\mathrm{clamp}\left(x, 1\right)",
     '"clamp"(x, "1")'),
    (Call(SQRT, (X + 1,)), "√(x + 1)", r"\sqrt{x + 1}", 'sqrt(x + "1")'),
    (Item(X, ":, 0"), "x[:, 0]", r"x[\mathrm{:,\ 0}]", 'x[":, 0"]'),
    (Listed((X, Word("True"))), "[x, True]", r"[x, \mathrm{True}]", '[x, "True"]'),
    (Name("δ", "t8"), "δ_t8", r"\delta_{t_{8}}", "δ_(t_(8))"),
    (Name("δ", "t8,2"), "δ_t8,2", r"\delta_{t_{8},2}", 'δ_(t_(8) "," 2)'),
    (Name("δ", "t8") * X, "δ_t8 * x", r"\delta_{t_{8}} \odot x", "δ_(t_(8)) dot.o x"),
    (Op("*", Name("g", "i"), X), "g_i * x", r"g_{i} \, x", "g_(i) thin x"),
    (Equation((W, X, ONE), "←"), "w1 ← x = 1", r"w_{1} \leftarrow x = 1",
     'w_(1) arrow.l x = "1"'),
    (X * Y * (1 - X), "x * y * (1 - x)", r"x \odot y \odot \left(1 - x\right)",
     'x dot.o y dot.o ("1" - x)'),
    (Op("", W, X), "w1 * x", r"w_{1} \, x", "w_(1) thin x"),
    (-(X + Y), "-(x + y)", r"-\left(x + y\right)", "-(x + y)"),
    (X - (Y - X), "x - (y - x)", r"x - \left(y - x\right)", "x - (y - x)"),
    (sum_of(X, negative(Y)), "x - y", "x - y", "x - y"),
]  # fmt: skip


@pytest.mark.parametrize(("tree", "text", "latex", "typst"), CASES, ids=[c[1] for c in CASES])
def test_a_formula_in_each_notation(tree: Any, text: str, latex: str, typst: str) -> None:
    assert (write(tree, TEXT), write(tree, LATEX), write(tree, TYPST)) == (text, latex, typst)
    ET.fromstring(f"<math>{write(tree, MATHML)}</math>")


def test_a_division_on_a_line_keeps_its_brackets() -> None:
    assert write((X + 1) / (1 - Y), TYPST_LINE) == '(x + "1") slash ("1" - y)'
    assert write((X + 1) / (1 - Y), TYPST) == 'frac(x + "1", "1" - y)'


def test_mathml_marks_what_is_what() -> None:
    assert write(W - digits("2"), MATHML) == (
        "<msub><mrow><mi>w</mi></mrow><mi>1</mi></msub><mo>−</mo><mn>2</mn>"
    )
    assert "<munderover><mo>∑</mo>" in write(Sum(X), MATHML)


def test_a_letter_and_its_number_are_told_apart() -> None:
    told = {text: Name(text).parts for text in ("w", "w1", "w_12", "w₁", "w_", "w_a", "ab1")}
    assert told == {
        "w": ("w", ""), "w1": ("w", "1"), "w_12": ("w", "12"), "w₁": ("w", "1"),
        "w_": ("w_", ""), "w_a": ("w_a", ""), "ab1": ("ab1", ""),
    }  # fmt: skip


def test_a_factor_of_one_and_a_settled_condition_are_left_out() -> None:
    assert simplified(X * 1) == simplified(1 * X) == simplified(X / 1) == simplified(X**1) == X
    assert simplified(X ** (digits("3") - 1)) == X**2
    assert simplified(Where(Op("==", ONE, ONE), X, Y)) == X
    assert simplified(Where(Word("None") <= X, Y, ZERO)) == Y
    assert simplified(Where(Word("False"), X, Y)) == Y


def test_powers_and_quotients_by_one_are_not_built() -> None:
    assert power(X, ONE) == quotient(X, ONE) == X


def test_a_bound_that_is_not_set_holds_everywhere() -> None:
    assert evaluate(Word("None") <= X, {"x": np.arange(3)}) is True
    within = Where(Op("and", Op("<=", ONE, X), Op("<=", X, Word("None"))), X, ZERO)
    assert evaluate(within, {"x": np.arange(3)}).tolist() == [0, 1, 2]
    lower = Where(digits("2") <= X, X, ZERO)
    assert evaluate(lower, {"x": np.arange(3)}).tolist() == [0, 0, 2]


def test_what_is_not_known_is_named() -> None:
    with pytest.raises(KeyError, match="x"):
        evaluate(X + 1, {})
    with pytest.raises(KeyError, match="softshrink"):
        evaluate(call("softshrink", X), {"x": 1})
    with pytest.raises(KeyError, match="x"):
        evaluate(Item(X, "0"), {"x": 1})


def test_an_indexed_name_is_an_element_or_all_of_them() -> None:
    known = {"x": np.array([2.0, 3.0]), "y^": np.array([5.0, 7.0])}
    assert evaluate(Name("x", "2"), known) == 3
    assert evaluate(Sum(Op("", Name("x", "i"), HAT)), known) == 31
    assert evaluate(Partial(Name("L"), W), {"∂L/∂w1": 4.0}) == 4


def test_a_function_of_words_is_set_upright_where_it_has_no_notation() -> None:
    words = Call(Function("rows", forms={"text": "sum of {0} over the rows"}), (X,))
    assert write(words, TEXT) == "sum of x over the rows"
    assert write(words, TYPST) == '"sum of "x" over the rows"'
    assert write(words, LATEX) == r"\mathrm{sum\ of\ }x\mathrm{\ over\ the\ rows}"
    assert "<mtext>sum\u00a0of\u00a0</mtext><mi>x</mi>" in write(words, MATHML)


# --- any text may be a name ----------------------------------------------------------------

SPECIAL = st.text(st.sampled_from("\\\"'{}$&#%_^~<>|[]()@*`; ab1é重\n\t\u202e\x07"), max_size=8)
TEXTS = SPECIAL | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def named(text: str) -> list[Expr]:
    """Every place of a formula where text of the program can stand."""
    return [
        Name(text), Name(text, "i", hat=True), Name("x", text), Word(text), Item(X, text),
        call(text, X), Call(Function("f"), (), ((text, X),)),
    ]  # fmt: skip


class Reading(HTMLParser):
    """The text of a page, and the elements it has."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        del attrs
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(TEXTS)
@example("<b>")
@example("a&lt;b")
@example("a <b> &lt; c")
@example('" onclick="')
def test_html_shows_any_text_as_it_is(text: str) -> None:
    for formula in named(text):
        reading = Reading()
        reading.feed(write(formula, MATHML))
        reading.close()
        assert reading.tags <= {"mi", "mn", "mo", "mtext", "msub", "mrow", "mover"}
    reading = Reading()
    reading.feed(write(Word(text), MATHML))
    reading.close()
    if "\0" not in text:
        assert lines(reading.text) == lines(text)


def lines(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\r\n", "\n").replace("\r", "\n")


@given(TEXTS)
def test_a_typst_string_reads_back_as_the_text(text: str) -> None:
    written = typst_string(text)
    assert written[0] == written[-1] == '"'
    inner = written[1:-1]
    assert not re.search(r'(?<!\\)(?:\\\\)*"', inner)
    pieces = re.findall(r'\\u\{([0-9a-f]+)\}|\\([\\"])|([^\\"])', inner, re.DOTALL)
    read = "".join(chr(int(code, 16)) if code else mark or letter for code, mark, letter in pieces)
    assert read == "".join(
        letter if letter.isprintable() or not letter.isspace() else " " for letter in text
    )


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(TEXTS, min_size=4, max_size=12))
def test_typst_sets_any_name_and_reads_the_same_string(texts: list[str]) -> None:
    typst = pytest.importorskip("typst")
    formulas = (f"${write(formula, TYPST)}$" for text in texts for formula in named(text))
    data = f"#metadata(({', '.join(map(typst_string, texts))},)) <said>"
    source = "\n\n".join([*formulas, data])
    found = json.loads(typst.query(source.encode(), "<said>", field="value", one=True))
    assert found == [
        "".join(each if each.isprintable() or not each.isspace() else " " for each in text)
        for text in texts
    ]


@given(TEXTS)
def test_latex_escapes_whatever_has_a_meaning(text: str) -> None:
    escaped = latex_text(text)
    assert not re.search(r"(?<!\\)[$&#%^~]", re.sub(r"\\(?:[$&#%_{}]|[a-z]+\{\}|\\ )", "", escaped))
    for formula in named(text):
        written = write(formula, LATEX)
        bare = re.sub(r"\\[{}]", "", written)
        assert bare.count("{") == bare.count("}")
        assert "\n" not in written


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX on this machine")
def test_latex_compiles_whatever_the_names(tmp_path: Path) -> None:
    names = ["w_1$", "a^b", r"c:\d", "x~y", "50%", "a&b", "#1", "{", "}", "}{", "w'", '"', "<b>",
             "δ₁", "h₂", "layer.0.weight", "a_b_c", "[a, b]", "self", "w1"]  # fmt: skip
    formulas = [write(formula, LATEX) for name in names for formula in named(name)]
    formulas += [write(tree, LATEX) for tree, *_ in CASES]
    body = "\n".join(f"$ {each} $\n" for each in formulas)
    source = tmp_path / "all.tex"
    source.write_text(
        r"\documentclass{article}\usepackage{amsmath}\begin{document}" + f"\n{body}\n"
        r"\end{document}"
    )
    ran = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", source.name],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-1500:]


@given(TEXTS, st.sampled_from(NOTATIONS))
def test_every_notation_writes_every_name(text: str, notation: Any) -> None:
    for formula in named(text):
        assert isinstance(write(formula, notation), str)


def test_a_number_counts_as_what_it_shows() -> None:
    assert digits("1.50").value == 1.5
    assert digits("3") == Number(3, "3")
    assert evaluate(digits("1e-08"), {}) == 1e-8
    assert np.isnan(evaluate(digits("NaN"), {}))


def test_a_name_in_brackets_has_them_only_where_they_are_needed() -> None:
    apart = Name("(guess - prices)")
    assert write(Call(Function("abs"), (apart,)), TEXT) == "abs(guess - prices)"
    assert write(apart**2, TEXT) == "(guess - prices)²"
    assert write(Name("w") * apart, TEXT) == "w * (guess - prices)"
    assert write(Name("(a + b).f(c)"), TEXT) == "(a + b).f(c)"
    assert write(Call(Function("abs"), (Name("(a) + (b)"),)), TEXT) == "abs((a) + (b))"
