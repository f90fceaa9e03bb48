"""Formulas: one tree, and everything that is done with one as a table over it.

A formula is built once: from the kernels that a program ran, or as a rule of a textbook. It is
then written as code, as text, as LaTeX, MathML or Typst, gets names or numbers put in, and is
evaluated with NumPy. Brackets are no part of a tree: whoever writes it puts them where the
operators of that notation need them.

NOTE [how a notation is a table]
``Notation`` holds, for each kind of node, a template in which ``{0}`` and ``{1}`` stand for the
written parts. A ``Form`` says beside the template how tightly it binds and what its parts need:
a part that binds less tightly than is needed gets brackets. A LaTeX fraction needs nothing of
its parts, the same division written with a slash does. Names, words and numbers enter through
one escaping function for each notation and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from html import escape
from itertools import accumulate
from typing import Any
from unicodedata import normalize

import numpy as np

__all__ = [
    "CODE",
    "LATEX",
    "MATHML",
    "ONE",
    "SQRT",
    "TEXT",
    "TEXTBOOK",
    "TRANSPOSE",
    "TYPST",
    "TYPST_LINE",
    "ZERO",
    "Binding",
    "Call",
    "Equation",
    "Expr",
    "Function",
    "Item",
    "Listed",
    "Name",
    "Neg",
    "Notation",
    "Number",
    "Op",
    "Partial",
    "Sum",
    "Where",
    "Word",
    "call",
    "constant",
    "difference",
    "digits",
    "evaluate",
    "latex_text",
    "literal",
    "negative",
    "power",
    "product",
    "quotient",
    "replaced",
    "simplified",
    "substituted",
    "sum_of",
    "typst_string",
    "visible",
    "walk",
    "write",
]

Known = Mapping[str, Any]
Plain = bool | int | float | complex | str | None
Compute = Callable[..., object]


# --- the tree ------------------------------------------------------------------------------


class Expr:
    """A formula, or a part of one; Python's operators build larger ones."""

    __slots__ = ()

    def __add__(self, other: Given) -> Op:
        return Op("+", self, _given(other))

    def __radd__(self, other: Given) -> Op:
        return Op("+", _given(other), self)

    def __sub__(self, other: Given) -> Op:
        return Op("-", self, _given(other))

    def __rsub__(self, other: Given) -> Op:
        return Op("-", _given(other), self)

    def __mul__(self, other: Given) -> Op:
        return Op("*", self, _given(other))

    def __rmul__(self, other: Given) -> Op:
        return Op("*", _given(other), self)

    def __truediv__(self, other: Given) -> Op:
        return Op("/", self, _given(other))

    def __rtruediv__(self, other: Given) -> Op:
        return Op("/", _given(other), self)

    def __pow__(self, other: Given) -> Op:
        return Op("**", self, _given(other))

    def __matmul__(self, other: Expr) -> Op:
        return Op("@", self, other)

    def __neg__(self) -> Neg:
        return Neg(self)

    def __gt__(self, other: Given) -> Op:
        return Op(">", self, _given(other))

    def __lt__(self, other: Given) -> Op:
        return Op("<", self, _given(other))

    def __le__(self, other: Given) -> Op:
        return Op("<=", self, _given(other))

    @property
    def T(self) -> Call:  # noqa: N802  NumPy's and torch's own name
        """Rows and columns exchanged."""
        return Call(TRANSPOSE, (self,))


Given = Expr | int | float


def _given(item: Given) -> Expr:
    return item if isinstance(item, Expr) else digits(repr(item))


@dataclass(frozen=True, slots=True)
class Name(Expr):
    """What a letter or a name stands for; ``w1`` is set as w with a small 1.

    Attributes:
        text: The name, and its key among the known values.
        index: ``"i"`` for any element of a vector, ``"1"`` for the first, else ``""``.
        hat: Whether it is an estimate.
        tensor: Id of the tensor in its step, where the name stands for one.
    """

    text: str
    index: str = ""
    hat: bool = False
    tensor: int | None = None

    @property
    def parts(self) -> tuple[str, str]:
        """Letter or name, and subscript."""
        match = re.fullmatch(r"([^\W\d_])(?:_?([0-9]+))?", self.text.translate(_LOWERED))
        letter, number = match.groups("") if match else (self.text, "")
        return letter, ",".join(part for part in (number, self.index) if part)

    @property
    def key(self) -> str:
        """What its value is known by."""
        return f"{self.text}^" if self.hat else self.text


@dataclass(frozen=True, slots=True)
class Number(Expr):
    """A number as it is shown; it counts as what it shows.

    Attributes:
        value: Its value.
        text: Its digits.
    """

    value: complex
    text: str


@dataclass(frozen=True, slots=True)
class Word(Expr):
    """A setting that is no number: ``True``, ``None``, ``tanh``, ``[0, 1]``."""

    text: str


@dataclass(frozen=True, slots=True)
class Neg(Expr):
    """The opposite."""

    body: Expr


@dataclass(frozen=True, slots=True)
class Op(Expr):
    """Two operands with a sign between them, as Python writes it.

    Attributes:
        sign: ``"+"``, ``"-"``, ``"*"``, ``"/"``, ``"**"``, ``"@"``, a comparison, ``"and"``, or
            ``""`` for a product of numbers that is written without a sign.
        left: The left operand.
        right: The right operand.
    """

    sign: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Call(Expr):
    """A function of its arguments.

    Attributes:
        function: The function.
        arguments: What it is given.
        settings: What it is given by name.
    """

    function: Function
    arguments: tuple[Expr, ...] = ()
    settings: tuple[tuple[str, Expr], ...] = ()


@dataclass(frozen=True, slots=True)
class Item(Expr):
    """A part of a tensor, ``w[:, 0]``.

    Attributes:
        base: The tensor.
        place: What stands between the square brackets.
    """

    base: Expr
    place: str


@dataclass(frozen=True, slots=True)
class Listed(Expr):
    """Several, between square brackets."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Where(Expr):
    """One thing where a condition holds, another elsewhere."""

    condition: Expr
    then: Expr
    other: Expr


@dataclass(frozen=True, slots=True)
class Sum(Expr):
    """The sum over i from 1 to n."""

    body: Expr


@dataclass(frozen=True, slots=True)
class Partial(Expr):
    """A partial derivative; its value is known as ``∂L/∂w``."""

    of: Name
    by: Name

    @property
    def key(self) -> str:
        """What its value is known by."""
        return f"∂{self.of.key}/∂{self.by.key}"


@dataclass(frozen=True, slots=True)
class Equation:
    """Sides that are equal.

    Attributes:
        sides: The sides.
        first: What stands behind the first side: ``"="``, or ``"←"`` where the first side is
            what the others are assigned to.
    """

    sides: tuple[Expr, ...]
    first: str = "="


class Binding(IntEnum):
    """How tightly the outermost operator of a written formula binds."""

    PROSE = 0
    COMPARISON = 1
    SUM = 2
    NEGATIVE = 3
    PRODUCT = 4
    POWER = 5
    ATOM = 6


@dataclass(frozen=True, slots=True)
class Function:
    """A function by its name, or one that has a notation or an implementation of its own.

    Attributes:
        name: Its name.
        compute: Gives its value: all that is known, then the evaluated arguments; None for one
            that is only written.
        forms: How notations write it where ``name(a, b)`` is not it, by their keys; ``"text"``
            serves all that have none, with its words set upright.
        binding: How tightly these bind.
        needs: What these need of the arguments.
        closed: Whether the forms of mathematics enclose the arguments, and need nothing of them.
        pointwise: Whether an element of the value depends on the same element of the arguments
            alone.
    """

    name: str
    compute: Compute | None = None
    forms: Mapping[str, str] = field(default_factory=dict)
    binding: Binding = Binding.ATOM
    needs: Binding = Binding.ATOM
    closed: bool = False
    pointwise: bool = False


def call(name: str, *arguments: Expr) -> Call:
    """A function that has only a name."""
    return Call(Function(name), arguments)


TRANSPOSE = Function(
    "transpose",
    lambda _, matrix: np.swapaxes(matrix, -1, -2),
    {
        "code": "{0}.T",
        "text": "{0}ᵀ",
        "latex": r"{0}^\top",
        "mathml": "<msup><mrow>{0}</mrow><mo>⊤</mo></msup>",
        "typst": "{0}^top",
    },
    Binding.POWER,
)


_HIDDEN = "{0}"  # the form of a function that is not shown: its argument is
SQRT = Function(
    "sqrt",
    lambda _, number: np.sqrt(number),
    {
        "text": "√{0}",
        "latex": r"\sqrt{{{0}}}",
        "mathml": "<msqrt>{0}</msqrt>",
        "typst": "sqrt({0})",
    },
    closed=True,
    pointwise=True,
)

# --- numbers -------------------------------------------------------------------------------

# Kernels on these compute with constants in double precision, on all others in single.
_DOUBLE = frozenset({"float64", "complex128", "int64"})
_FLOAT32 = np.finfo(np.float32)


def digits(text: str) -> Number:
    """A number from its digits."""
    try:
        return Number(int(text), text)
    except ValueError:
        return Number(complex(text) if text.endswith("j") else float(text), text)


def literal(value: Plain, dtype: str = "float32") -> str:
    """A constant as people write it: the shortest digits that give the same kernel result.

    Args:
        value: The constant as the kernel received it.
        dtype: dtype of the tensor it meets; ``1 - 0.9`` in single precision is ``0.1``.
    """
    if not isinstance(value, float) or dtype in _DOUBLE:
        return repr(value)
    if not _FLOAT32.tiny <= abs(value) <= _FLOAT32.max:
        return repr(value)
    return repr(float(str(np.float32(value))))


def constant(value: Plain, dtype: str = "float32") -> Expr:
    """A constant in a formula."""
    text = literal(value, dtype)
    if isinstance(value, bool | complex | str) or value is None:
        return Word(text)
    return Number(value, text)


ZERO, ONE = constant(0), constant(1)


# --- building with what is obvious left out ------------------------------------------------


def _is(expr: Expr, value: float) -> bool:
    return isinstance(expr, Number) and expr.value == value


def _opposite(expr: Expr) -> Expr | None:
    """The same without the minus that stands before the whole of it, or None."""
    match expr:
        case Number(value=complex()):
            return None
        case Number():
            return digits(expr.text[1:]) if expr.text.startswith("-") else None
        case Neg():
            return expr.body
        case Op(sign="*" | "/" | "@"):
            left = _opposite(expr.left)
            return None if left is None else Op(expr.sign, left, expr.right)
    return None


def negative(expr: Expr) -> Expr:
    """The opposite; of an opposite, the thing itself."""
    found = _opposite(expr)
    if found is not None:
        return found
    return digits(f"-{expr.text}") if isinstance(expr, Number) else Neg(expr)


def sum_of(left: Expr, right: Expr) -> Expr:
    """``left + right``."""
    if _is(left, 0):
        return right
    if _is(right, 0):
        return left
    taken = _opposite(right)
    if taken is not None:
        return Op("-", left, taken)
    if isinstance(right, Op) and right.sign in {"+", "-"} and _leads(right):
        return Op(right.sign, sum_of(left, right.left), right.right)
    return Op("+", left, right)


def difference(left: Expr, right: Expr) -> Expr:
    """``left - right``."""
    if _is(left, 0) or _is(right, 0):
        return sum_of(left, negative(right))
    taken = _opposite(right)
    return Op("-", left, right) if taken is None else Op("+", left, taken)


def product(left: Expr, right: Expr) -> Expr:
    """``left * right``, a constant first."""
    if isinstance(right, Number) and not isinstance(left, Number):
        left, right = right, left
    if _is(left, 1):
        return right
    if _is(left, -1):
        return negative(right)
    if isinstance(right, Number) and (_is(left, 0) or _is(right, 0)):
        return ZERO
    if isinstance(right, Neg):
        return negative(product(left, right.body))
    return Op("*", left, right)


def quotient(left: Expr, right: Expr) -> Expr:
    """``left / right``."""
    return left if _is(right, 1) else Op("/", left, right)


def power(base: Expr, exponent: Expr) -> Expr:
    """``base ** exponent``."""
    return base if _is(exponent, 1) else Op("**", base, exponent)


# --- walking and changing ------------------------------------------------------------------


def _children(expr: Expr) -> tuple[Expr, ...]:
    match expr:
        case Neg() | Sum():
            return (expr.body,)
        case Op():
            return expr.left, expr.right
        case Call():
            return (*expr.arguments, *(item for _, item in expr.settings))
        case Item():
            return (expr.base,)
        case Listed():
            return expr.items
        case Where():
            return expr.condition, expr.then, expr.other
    return ()


def walk(expr: Expr) -> Iterator[Expr]:
    """The formula and all its parts."""
    yield expr
    for child in _children(expr):
        yield from walk(child)


def _rebuilt(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """The formula with each of its direct parts changed."""
    match expr:
        case Neg() | Sum():
            return replace(expr, body=change(expr.body))
        case Op():
            return Op(expr.sign, change(expr.left), change(expr.right))
        case Call():
            settings = tuple((name, change(item)) for name, item in expr.settings)
            return Call(expr.function, tuple(map(change, expr.arguments)), settings)
        case Item():
            return Item(change(expr.base), expr.place)
        case Listed():
            return Listed(tuple(map(change, expr.items)))
        case Where():
            return Where(*map(change, _children(expr)))
    return expr


def replaced(expr: Expr, instead: Callable[[Expr], Expr | None]) -> Expr:
    """The formula with parts replaced, and nothing else changed.

    Args:
        expr: The formula.
        instead: What stands for a part; None leaves it, and looks into it.
    """
    found = instead(expr)
    return _rebuilt(expr, lambda part: replaced(part, instead)) if found is None else found


def substituted(expr: Expr, instead: Callable[[Name], Expr | None]) -> Expr:
    """The formula with names replaced; see ``replaced``."""
    return replaced(expr, lambda part: instead(part) if isinstance(part, Name) else None)


def visible(expr: Expr) -> Expr:
    """The formula as it is written: without functions that are not shown."""
    found = _rebuilt(expr, visible)
    hidden = isinstance(found, Call) and found.function.forms.get("text") == _HIDDEN
    return found.arguments[0] if isinstance(found, Call) and hidden else found


def simplified(expr: Expr) -> Expr:
    """Without factors of one, sums with nothing, and conditions that are known to hold or not."""
    found = _rebuilt(expr, simplified)
    match found:
        case Op(sign="*" | "" | "/" | "**", right=one) if _is(one, 1):
            return found.left
        case Op(sign="*" | "", left=one) if _is(one, 1):
            return found.right
        case Op(sign="**", right=nothing) if _is(nothing, 0):
            return ONE
        case Op(sign="**", right=Op(sign="+" | "-", left=Number(), right=Number())):
            lower = evaluate(found.right, {})
            return simplified(Op("**", found.left, digits(f"{lower:.12g}")))
        case Op(sign="+" | "-", right=nothing) if _is(nothing, 0):
            return found.left
        case Op(sign="<" | ">" | "<=", left=left, right=right) if Word("None") in (left, right):
            return Word("True")  # a bound that was not set
        case Op(
            sign="<" | ">" | "<=" | "==" | "and", left=Word() | Number(), right=Word() | Number()
        ):
            return Word(str(bool(evaluate(found, {}))))
        case Op(sign="and", left=Word(text="True")):
            return found.right
        case Op(sign="and", right=Word(text="True")):
            return found.left
        case Call(arguments=(Number(),)) if found.function.forms.get("text") == _HIDDEN:
            return found.arguments[0]
        case Where(condition=Word() | Number()):
            return found.then if evaluate(found.condition, {}) else found.other
    return found


# --- evaluating ----------------------------------------------------------------------------


_COMPUTED: Mapping[str, Compute] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "": np.multiply,
    "/": np.true_divide,
    "**": np.power,
    "@": np.matmul,
    ">": np.greater,
    "<": np.less,
    "<=": np.less_equal,
    "==": lambda left, right: left == right,
    "and": np.logical_and,
}
_SETTINGS: Mapping[str, bool | None] = {"True": True, "False": False, "None": None}


def evaluate(expr: Expr, known: Known) -> Any:  # noqa: ANN401  an array, a number or a setting
    """The value of a formula; numbers count as they are shown.

    Args:
        expr: The formula.
        known: Values of its names; arrays for those with an index.

    Raises:
        KeyError: A name is not known, or a function has no implementation.
    """
    match expr:
        case Name():
            value = known[expr.key]
            return value[int(expr.index) - 1] if expr.index.isdigit() else value
        case Number():
            return np.float64(expr.value) if isinstance(expr.value, int | float) else expr.value
        case Word():
            return _SETTINGS.get(expr.text, expr.text)
        case Neg():
            return -evaluate(expr.body, known)
        case Op():
            return _operated(expr.sign, evaluate(expr.left, known), evaluate(expr.right, known))
        case Call():
            return _called(expr, known)
        case Where():
            return _chosen(expr, known)
        case Sum():
            return np.float64(np.sum(evaluate(expr.body, known)))
        case Partial():
            return known[expr.key]
        case Listed():
            return [evaluate(item, known) for item in expr.items]
    raise KeyError(write(expr, CODE))


def _operated(sign: str, left: object, right: object) -> object:
    if sign in {"<", ">", "<="} and (left is None or right is None):
        return True  # a bound that was not set
    return _COMPUTED[sign](left, right)


def _called(expr: Call, known: Known) -> object:
    compute = expr.function.compute
    if compute is None:
        raise KeyError(expr.function.name)
    return compute(known, *(evaluate(item, known) for item in expr.arguments))


def _chosen(expr: Where, known: Known) -> object:
    condition = np.asarray(evaluate(expr.condition, known), bool)
    if condition.ndim == 0:
        return evaluate(expr.then if condition else expr.other, known)
    return np.where(condition, evaluate(expr.then, known), evaluate(expr.other, known))


# --- writing -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Form:
    """How a notation writes one operator.

    Attributes:
        template: ``{0}`` and ``{1}`` stand for the operands.
        own: How tightly it binds.
        left: What it needs of the left operand.
        right: What it needs of the right operand.
    """

    template: str
    own: Binding
    left: Binding
    right: Binding


@dataclass(frozen=True, slots=True)
class Notation:
    """How formulas are written, as a table (NOTE above).

    Attributes:
        key: Its name among the forms of a function.
        forms: Operators.
        products: Products by what meets: ``times`` for numbers, ``thin`` for what is written
            side by side, ``each`` for tensors element by element; empty where all are alike.
        name: Writes a name.
        word: Writes and escapes upright text.
        number: Writes digits; what stands before and behind the ``e`` of a power of ten.
        brackets: Around a part.
        items: Around a list, and behind a tensor.
        call: A function with its arguments.
        comma: Between arguments.
        setting: An argument by name.
        total: The sum over i.
        partial: A partial derivative.
        equal: Between the sides of an equation.
        arrow: The same where the first is assigned to.
        raised: Whether small exponents are written as small digits.
    """

    key: str
    forms: Mapping[str, Form]
    products: Mapping[str, str]
    name: Callable[[Name], str]
    word: Callable[[str], str]
    number: Callable[[str, str], str]
    brackets: str
    items: str
    call: str
    comma: str
    setting: str
    total: str
    partial: str
    equal: str
    arrow: str
    raised: bool = False


def write(formula: Expr | Equation, notation: Notation) -> str:
    """A formula, or the sides of an equation, in a notation."""
    if isinstance(formula, Equation):
        first, *rest = (_part(side, notation, Binding.PROSE) for side in formula.sides)
        behind = notation.equal if formula.first == "=" else notation.arrow
        return behind.join([first, *([notation.equal.join(rest)] if rest else [])])
    return _part(formula, notation, Binding.PROSE)


def _part(expr: Expr, notation: Notation, least: Binding) -> str:
    """The formula, in brackets where it binds less tightly than ``least``."""
    text, own = _written(expr, notation, least)
    return text if own >= least else notation.brackets.format(text)


def _written(expr: Expr, notation: Notation, least: Binding) -> tuple[str, Binding]:
    match expr:
        case Name():
            text = notation.name(expr)
            return (text[1:-1], Binding.PROSE) if _bracketed(text) else (text, Binding.ATOM)
        case Number():
            return _digits(expr, notation)
        case Word():
            return notation.word(expr.text), Binding.ATOM
        case Neg():
            form = notation.forms["neg"]
            return form.template.format(_part(expr.body, notation, form.right)), form.own
        case Op():
            return _operator(expr, notation)
        case Call():
            return _function(expr, notation, least)
        case Where():
            return _cases(expr, notation), Binding.PROSE
        case Sum():
            body = _part(expr.body, notation, Binding.PRODUCT)
            return notation.total.format(body), Binding.POWER
    return _other(expr, notation), Binding.ATOM


def _other(expr: Expr, notation: Notation) -> str:
    match expr:
        case Partial():
            return notation.partial.format(notation.name(expr.of), notation.name(expr.by))
        case Item():
            base = _part(expr.base, notation, Binding.ATOM)
            return base + notation.items.format(notation.word(expr.place))
        case Listed():
            written = (_part(item, notation, Binding.PROSE) for item in expr.items)
            return notation.items.format(notation.comma.join(written))
    raise TypeError(expr)


def _bracketed(text: str) -> bool:
    """Whether a name is an expression of the program in brackets: ``(guess - prices)``."""
    inner = text[1:-1]
    if not (text.startswith("(") and text.endswith(")")):
        return False
    depths = accumulate((letter == "(") - (letter == ")") for letter in inner)
    return min(depths, default=0) >= 0


def _digits(expr: Number, notation: Notation) -> tuple[str, Binding]:
    mantissa, _, exponent = expr.text.partition("e")
    text = notation.number(mantissa, exponent)
    if expr.text.startswith("-"):
        return text, Binding.NEGATIVE
    split = bool(exponent) and notation.products
    return text, Binding.PRODUCT if split else Binding.ATOM


def _operator(expr: Op, notation: Notation) -> tuple[str, Binding]:
    form = notation.forms[expr.sign]
    if expr.sign in {"*", ""} and notation.products:
        form = replace(form, template=notation.products[_meeting(expr)])
    left = _part(expr.left, notation, form.left)
    if expr.sign == "**" and notation.raised and (small := _small(expr.right)):
        return f"{left}{small}", form.own
    right = _part(expr.right, notation, form.right)
    if expr.sign in {"+", "-"} and form.right < Binding.ATOM and _leads(expr.right):
        right = _part(expr.right, notation, Binding.ATOM)  # 1 + (-2)
    return form.template.format(left, right), form.own


def _leads(expr: Expr) -> bool:
    """Whether it is written with a minus at its very start."""
    match expr:
        case Number():
            return expr.text.startswith("-")
        case Op(sign="+" | "-" | "*" | "/" | "@"):
            return _leads(expr.left)
    return isinstance(expr, Neg)


def _meeting(expr: Op) -> str:
    """What meets in a product."""
    right, left = expr.right, expr.left
    while isinstance(right, Op) and right.sign in {"*", "", "@"}:
        right = right.left
    if isinstance(right, Op) and right.sign == "**":
        right = right.left
    if isinstance(right, Number):
        return "times"
    while isinstance(left, Op) and left.sign in {"*", "", "@"}:
        left = left.right
    alone = isinstance(left, Number) or any(_indexed(side) for side in (left, right))
    return "thin" if alone or not expr.sign else "each"


def _indexed(expr: Expr) -> bool:
    return isinstance(expr, Sum) or any(
        isinstance(part, Name) and _ELEMENT.fullmatch(part.index) for part in walk(expr)
    )


def _small(expr: Expr) -> str:
    """An exponent in small raised digits; ``""`` for what would be hard to read."""
    text = expr.text.removesuffix(".0") if isinstance(expr, Number) else ""
    return "" if "e" in text or len(text) > _SHORT else text.translate(_RAISED)


def _function(expr: Call, notation: Notation, least: Binding) -> tuple[str, Binding]:
    function = expr.function
    template = function.forms.get(notation.key) or function.forms.get("text")
    if template == _HIDDEN:
        return _written(expr.arguments[0], notation, least)
    if template is None or (notation.key == "code" and "code" not in function.forms):
        given = [_part(item, notation, Binding.PROSE) for item in expr.arguments]
        given += [
            notation.setting.format(notation.word(name), _part(item, notation, Binding.PROSE))
            for name, item in expr.settings
        ]
        name = notation.word(function.name)
        return notation.call.format(name, notation.comma.join(given)), Binding.ATOM
    closed = function.closed and notation.key in function.forms and notation.products
    needs = Binding.PROSE if closed else function.needs
    parts = [_part(item, notation, needs) for item in expr.arguments]
    if notation.key in function.forms:
        return template.format(*parts), function.binding
    return _worded(template, parts, notation), function.binding


def _worded(template: str, parts: Sequence[str], notation: Notation) -> str:
    """A template of words, its words set upright."""
    pieces = re.split(r"\{(\d)\}", template)
    return "".join(
        parts[int(piece)] if place % 2 else notation.word(piece)
        for place, piece in enumerate(pieces)
        if piece
    )


def _cases(expr: Where, notation: Notation) -> str:
    then, condition, other = (
        _part(each, notation, Binding.COMPARISON)
        for each in (expr.then, expr.condition, expr.other)
    )
    return _worded("{0} where {1}, else {2}", (then, condition, other), notation)


# --- the notations -------------------------------------------------------------------------

_SHORT = 4  # longer exponents are hard to read when raised
_RAISED = str.maketrans("0123456789-.", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻·")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_LETTERS = """
    α alpha β beta γ gamma δ delta ε varepsilon ζ zeta η eta θ theta ι iota κ kappa λ lambda μ mu
    ν nu ξ xi π pi ρ rho σ sigma τ tau φ varphi χ chi ψ psi ω omega ∂ partial
    Γ Gamma Δ Delta Θ Theta Λ Lambda Ξ Xi Π Pi Σ Sigma Φ Phi Ψ Psi Ω Omega
"""
_GREEK: Mapping[str, str] = {
    letter: f"\\{name}" for letter, name in re.findall(r"(\S) (\w+)", _LETTERS)
}
_LATEX_ESCAPES: Mapping[str, str] = {
    **{letter: f"\\{letter}" for letter in "{}$&#%_"},
    "\\": r"\backslash{}",
    "^": r"\hat{}",
    "~": r"\sim{}",
    "|": r"\vert{}",  # cuts the cells of a table in Markdown
    "`": r"\grave{}",  # begins code in Markdown
    "<": "{<}",  # and a tag
    " ": r"\ ",
    "\u00a0": r"\ ",
    "≤": r"\le{}",
    "·": r"\cdot{}",
    "≥": r"\ge{}",
    **{letter: f"_{{{number}}}" for number, letter in enumerate("₀₁₂₃₄₅₆₇₈₉")},
    **{letter: f"{name}{{}}" for letter, name in _GREEK.items()},
}
_SHORT_INDEX = re.compile(r"(?:[A-Za-z]|[0-9]+)(?:,(?:[A-Za-z]|[0-9]+))*")
_NUMBERED = re.compile(r"(.+),([0-9]+)", re.DOTALL)
_TYPST_COMMA = ' "," '  # a bare one would part the arguments of a function
_ELEMENT = re.compile(r"(?:i|[0-9]+)(?:,(?:i|[0-9]+))*")
_LATEX_FUNCTIONS = frozenset({"cos", "exp", "log", "max", "min", "sin", "tanh"})


def latex_text(text: str) -> str:
    """Any text, escaped for LaTeX's mathematics."""
    shown = (letter if letter.isprintable() else " " for letter in text)
    return "".join(_LATEX_ESCAPES.get(letter, letter) for letter in shown)


def typst_string(text: str) -> str:
    """Any text as a string of Typst's, quotes included."""
    return f'"{"".join(map(_typst_letter, text))}"'


def _typst_letter(letter: str) -> str:
    if letter in '\\"':
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    return " " if letter.isspace() else f"\\u{{{ord(letter):x}}}"


def _plain_name(name: Name) -> str:
    hatted = normalize("NFC", f"{name.text}\u0302") if name.hat else name.text
    return f"{hatted}_{name.index}" if name.index else hatted


def _plain_number(mantissa: str, exponent: str) -> str:
    return f"{mantissa}e{exponent}" if exponent else mantissa


def _latex_word(text: str) -> str:
    if text in _LATEX_FUNCTIONS:
        return f"\\{text}"
    return _GREEK.get(text) or rf"\mathrm{{{latex_text(text)}}}"


def _latex_name(name: Name) -> str:
    letter, index = name.parts
    alone = len(letter) == 1 and letter.isascii() and letter.isalpha()
    core = letter if alone else _latex_word(letter)
    core = rf"\hat{{{core}}}" if name.hat else core
    if not index:
        return core
    return f"{core}_{{{_small_index(index, _latex_name, ',')}}}"


def _small_index(index: str, name: Callable[[Name], str], comma: str) -> str:
    """An index: digits and letters as they are, a name and a number behind it as a name."""
    if _SHORT_INDEX.fullmatch(index):
        return index.replace(",", comma)
    label = _NUMBERED.fullmatch(index)
    return f"{name(Name(label[1]))}{comma}{label[2]}" if label else name(Name(index))


def _latex_number(mantissa: str, exponent: str) -> str:
    known = {"inf": r"\infty", "-inf": r"-\infty", "nan": r"\mathrm{NaN}", "NaN": r"\mathrm{NaN}"}
    text = known.get(mantissa, mantissa)
    return rf"{text} \times 10^{{{int(exponent)}}}" if exponent else text


def _minus(text: str) -> str:
    return text.replace("-", "−")


def _mathml_name(name: Name) -> str:
    letter, index = name.parts
    core = f"<mi>{escape(letter)}</mi>"
    core = f"<mover><mrow>{core}</mrow><mo>^</mo></mover>" if name.hat else core
    if not index:
        return core
    small = (
        f"<mi>{index}</mi>"
        if _SHORT_INDEX.fullmatch(index)
        else (f"<mrow>{_small_index(index, _mathml_name, '<mo>,</mo>')}</mrow>")
    )
    return f"<msub><mrow>{core}</mrow>{small}</msub>"


def _mathml_word(text: str) -> str:
    if not text.strip() or " " in text.strip() or text != text.strip():
        kept = text.replace(" ", "\u00a0")  # browsers drop spaces at the ends
        return f"<mtext>{escape(kept)}</mtext>"
    return f"<mi>{escape(text)}</mi>"


def _mathml_number(mantissa: str, exponent: str) -> str:
    number = f"<mn>{escape(_minus(mantissa))}</mn>"
    if not exponent:
        return number
    ten = f"<msup><mn>10</mn><mn>{_minus(str(int(exponent)))}</mn></msup>"
    return f"{number}<mo>×</mo>{ten}"


def _typst_name(name: Name) -> str:
    letter, index = name.parts
    core = letter if len(letter) == 1 and letter.isalpha() else typst_string(letter)
    core = f"hat({core})" if name.hat else core
    if not index:
        return core
    return f"{core}_({_small_index(index, _typst_name, _TYPST_COMMA)})"


def _typst_number(mantissa: str, exponent: str) -> str:
    number = typst_string(_minus(mantissa))
    return f'{number} times 10^("{_minus(str(int(exponent)))}")' if exponent else number


def _forms(templates: Mapping[str, str], *, fractions: bool) -> Mapping[str, Form]:
    """The operators of a notation.

    Args:
        templates: How each is written.
        fractions: Whether what is divided stands above the other, and exponents are raised.
    """
    least = Binding.PROSE
    divided = (Binding.POWER, least, least) if fractions else _LEVELS["*"]
    raised = (Binding.POWER, Binding.ATOM, least) if fractions else _LEVELS["**"]
    levels = {**_LEVELS, "/": divided, "**": raised}
    return {sign: Form(template, *levels[sign]) for sign, template in templates.items()}


_LEVELS: Mapping[str, tuple[Binding, Binding, Binding]] = {
    "neg": (Binding.NEGATIVE, Binding.PRODUCT, Binding.PRODUCT),
    "+": (Binding.SUM, Binding.SUM, Binding.SUM),
    "-": (Binding.SUM, Binding.SUM, Binding.PRODUCT),
    **dict.fromkeys(("*", "", "/", "@"), (Binding.PRODUCT, Binding.NEGATIVE, Binding.POWER)),
    "**": (Binding.POWER, Binding.ATOM, Binding.ATOM),
    **dict.fromkeys((">", "<", "<=", "=="), (Binding.COMPARISON, Binding.SUM, Binding.SUM)),
    "and": (Binding.PROSE, Binding.COMPARISON, Binding.COMPARISON),
}

CODE = Notation(
    key="code",
    forms=_forms(
        {
            "neg": "-{0}",
            "": "{0} * {1}",
            **{sign: f"{{0}} {sign} {{1}}" for sign in _LEVELS if sign not in {"neg", ""}},
        },
        fractions=False,
    ),
    products={},
    name=_plain_name,
    word=str,
    number=_plain_number,
    brackets="({})",
    items="[{}]",
    call="{}({})",
    comma=", ",
    setting="{}={}",
    total="∑ {}",
    partial="∂{}/∂{}",
    equal=" = ",
    arrow=" ← ",
)
"""Arithmetic as a program writes it: ``w1 - 0.01 * w1.grad``."""

TEXT = replace(
    CODE,
    key="text",
    forms={**CODE.forms, "<=": replace(CODE.forms["<="], template="{0} ≤ {1}")},
    raised=True,
)
"""One line of text: ``(y_pred - y)²``."""

TEXTBOOK = replace(
    TEXT,
    forms={
        **TEXT.forms,
        "*": replace(TEXT.forms["*"], template="{0} · {1}"),
        "": replace(TEXT.forms[""], template="{0} · {1}"),
    },
)
"""One line of text as a textbook has it: ``G · 2 · x``."""

LATEX = Notation(
    key="latex",
    forms=_forms(
        {
            "neg": "-{0}",
            "/": r"\frac{{{0}}}{{{1}}}",
            "**": "{0}^{{{1}}}",
            "@": r"{0}\,{1}",
            "<=": r"{0} \le {1}",
            "==": "{0} = {1}",
            "and": r"{0} \wedge {1}",
            **{sign: f"{{0}} {sign} {{1}}" for sign in ("+", "-", "*", "", ">", "<")},
        },
        fractions=True,
    ),
    products={"times": r"{0} \times {1}", "thin": r"{0} \, {1}", "each": r"{0} \odot {1}"},
    name=_latex_name,
    word=_latex_word,
    number=_latex_number,
    brackets=r"\left({}\right)",
    items="[{}]",
    call=r"{}\left({}\right)",
    comma=", ",
    setting="{} = {}",
    total=r"\sum_{{i=1}}^{{n}} {}",
    partial=r"\frac{{\partial {}}}{{\partial {}}}",
    equal=" = ",
    arrow=r" \leftarrow ",
)
"""LaTeX's mathematics, for documents that load amsmath."""

MATHML = Notation(
    key="mathml",
    forms=_forms(
        {
            "neg": "<mo>−</mo>{0}",
            "-": "{0}<mo>−</mo>{1}",
            "/": "<mfrac><mrow>{0}</mrow><mrow>{1}</mrow></mfrac>",
            "**": "<msup><mrow>{0}</mrow><mrow>{1}</mrow></msup>",
            "@": "{0}<mspace width='0.15em'/>{1}",
            ">": "{0}<mo>&gt;</mo>{1}",
            "<": "{0}<mo>&lt;</mo>{1}",
            "<=": "{0}<mo>≤</mo>{1}",
            "==": "{0}<mo>=</mo>{1}",
            "and": "{0}<mo>∧</mo>{1}",
            **{sign: f"{{0}}<mo>{sign}</mo>{{1}}" for sign in ("+", "*", "")},
        },
        fractions=True,
    ),
    products={
        "times": "{0}<mo>×</mo>{1}",
        "thin": "{0}<mspace width='0.15em'/>{1}",
        "each": "{0}<mo>⊙</mo>{1}",
    },
    name=_mathml_name,
    word=_mathml_word,
    number=_mathml_number,
    brackets="<mrow><mo>(</mo>{}<mo>)</mo></mrow>",
    items="<mrow><mo>[</mo>{}<mo>]</mo></mrow>",
    call="{}<mrow><mo>(</mo>{}<mo>)</mo></mrow>",
    comma="<mo>,</mo>",
    setting="{}<mo>=</mo>{}",
    total="<munderover><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi>"
    "</munderover>{}",
    partial="<mfrac><mrow><mi>∂</mi>{}</mrow><mrow><mi>∂</mi>{}</mrow></mfrac>",
    equal="<mo>=</mo>",
    arrow="<mo>←</mo>",
)
"""MathML, which browsers set by themselves; without the element around it."""

TYPST = Notation(
    key="typst",
    forms=_forms(
        {
            "neg": "-{0}",
            "/": "frac({0}, {1})",
            "**": "{0}^({1})",
            "@": "{0} thin {1}",
            "<=": "{0} <= {1}",
            "==": "{0} = {1}",
            "and": "{0} and {1}",
            **{sign: f"{{0}} {sign} {{1}}" for sign in ("+", "-", "*", "", ">", "<")},
        },
        fractions=True,
    ),
    products={"times": "{0} times {1}", "thin": "{0} thin {1}", "each": "{0} dot.o {1}"},
    name=_typst_name,
    word=typst_string,
    number=_typst_number,
    brackets="({})",
    items="[{}]",
    call="{}({})",
    comma=", ",
    setting="{} = {}",
    total="sum_(i=1)^n {}",
    partial="frac(partial {}, partial {})",
    equal=" = ",
    arrow=" arrow.l ",
)
"""Typst's mathematics; without the dollar signs around it."""

TYPST_LINE = replace(
    TYPST,
    forms={**TYPST.forms, "/": Form("{0} slash {1}", *_LEVELS["/"])},
)
"""The same on one line, for the cells of a table: divided with a slash."""
