"""Formulas written in MathML, typst and LaTeX."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape

from autograd_lens.render.handout.mathematics import (
    Equation,
    Expr,
    Frac,
    Num,
    Op,
    Paren,
    Partial,
    Power,
    Sum,
    Sym,
)

__all__ = ["latex", "mathml", "plain", "typst_math"]


def mathml(equation: Equation, *, block: bool = False) -> str:
    """The equation as MathML, which browsers set by themselves."""
    body = _joined(equation, _mathml, "<mo>=</mo>", "<mo>←</mo>")
    display = ' display="block"' if block else ""
    return f"<math{display}><mrow>{body}</mrow></math>"


def _joined(equation: Equation, write: Callable[[Expr], str], equal: str, arrow: str) -> str:
    first, *rest = (write(side) for side in equation.sides)
    return (equal if equation.first == "=" else arrow).join([first, equal.join(rest)])


def _mathml(expr: Expr) -> str:
    match expr:
        case Sym():
            letter, index = expr.parts
            core = f"<mi>{escape(letter)}</mi>"
            core = f"<mover><mrow>{core}</mrow><mo>^</mo></mover>" if expr.hat else core
            return f"<msub><mrow>{core}</mrow><mi>{index}</mi></msub>" if index else core
        case Num():
            return f"<mn>{expr.text}</mn>"
        case Partial():
            top, bottom = f"<mi>∂</mi><mi>{expr.of}</mi>", f"<mi>∂</mi>{_mathml(Sym(expr.by))}"
            return f"<mfrac><mrow>{top}</mrow><mrow>{bottom}</mrow></mfrac>"
        case Paren():
            return f"<mrow><mo>(</mo>{_mathml(expr.body)}<mo>)</mo></mrow>"
        case Frac():
            top, bottom = _mathml(expr.top), _mathml(expr.bottom)
            return f"<mfrac><mrow>{top}</mrow><mrow>{bottom}</mrow></mfrac>"
        case Power():
            return f"<msup><mrow>{_mathml(expr.base)}</mrow><mn>{expr.exponent}</mn></msup>"
        case Sum():
            under = "<mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow>"
            return f"<munderover><mo>∑</mo>{under}<mi>n</mi></munderover>{_mathml(expr.body)}"
        case Op():
            sign = f"<mo>{expr.sign}</mo>" if expr.sign else "<mspace width='0.15em'/>"
            return f"{_mathml(expr.left)}{sign}{_mathml(expr.right)}"


def typst_math(equation: Equation, *, block: bool = False) -> str:
    """The equation as typst's mathematics, dollar signs included."""
    body = _joined(equation, _typst, " = ", " arrow.l ")
    return f"$ {body} $" if block else f"${body}$"


def _typst(expr: Expr) -> str:
    match expr:
        case Sym():
            letter, index = expr.parts
            core = letter if len(letter) == 1 and letter.isalpha() else json.dumps(letter)
            core = f"hat({core})" if expr.hat else core
            subscript = index.replace(",", " ")
            return f"{core}_({subscript})" if index else core
        case Num():
            return f'"{expr.text}"'
        case Partial():
            return f"frac(partial {expr.of}, partial {_typst(Sym(expr.by))})"
        case Paren():
            return f"({_typst(expr.body)})"
        case Frac():
            return f"frac({_typst(expr.top)}, {_typst(expr.bottom)})"
        case Power():
            return f"{_typst(expr.base)}^{expr.exponent}"
        case Sum():
            return f"sum_(i=1)^n {_typst(expr.body)}"
        case Op():
            sign = {"×": "times", "−": "-"}.get(expr.sign, expr.sign) or "thin"
            return f"{_typst(expr.left)} {sign} {_typst(expr.right)}"


def latex(equation: Equation) -> str:
    """The equation as LaTeX, without dollar signs."""
    return _joined(equation, _latex, " = ", r" \leftarrow ")


def _latex(expr: Expr) -> str:
    match expr:
        case Sym():
            letter, index = expr.parts
            known = len(letter) == 1 and letter.isalpha()
            core = letter if known else rf"\mathrm{{{_latex_text(letter)}}}"
            core = rf"\hat{{{core}}}" if expr.hat else core
            return f"{core}_{{{index}}}" if index else core
        case Num():
            return expr.text.replace("−", "-")
        case Partial():
            return rf"\frac{{\partial {expr.of}}}{{\partial {_latex(Sym(expr.by))}}}"
        case Paren():
            return rf"\left({_latex(expr.body)}\right)"
        case Frac():
            return rf"\frac{{{_latex(expr.top)}}}{{{_latex(expr.bottom)}}}"
        case Power():
            return f"{_latex(expr.base)}^{{{expr.exponent}}}"
        case Sum():
            return rf"\sum_{{i=1}}^{{n}} {_latex(expr.body)}"
        case Op():
            sign = {"×": r"\times", "−": "-"}.get(expr.sign, expr.sign) or r"\,"
            return f"{_latex(expr.left)} {sign} {_latex(expr.right)}"


def _latex_text(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "_%$#&{}" else letter for letter in text)


def plain(equation: Equation) -> str:
    """The equation on one line of plain text, where no formulas can be set."""
    return _joined(equation, _plain, " = ", " ← ")


def _plain(expr: Expr) -> str:
    match expr:
        case Sym():
            return expr.name + (f"_{expr.index}" if expr.index else "")
        case Num():
            return expr.text
        case Partial():
            return f"∂{expr.of}/∂{expr.by}"
        case Paren():
            return f"({_plain(expr.body)})"
        case Frac():
            return f"{_plain(expr.top)} / {_plain(expr.bottom)}"
        case Power():
            return f"{_plain(expr.base)}^{expr.exponent}"
        case Sum():
            return f"∑ {_plain(expr.body)}"
        case Op():
            return f"{_plain(expr.left)} {expr.sign or '·'} {_plain(expr.right)}"
