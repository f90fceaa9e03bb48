"""Conditions over a recorded run: ``loss > 10``, ``norm(b1.grad) < 1e-3 and step % 100 == 0``.

A condition is written as in Python: ``or``, ``and``, ``not``, comparisons (``1 < step < 4``),
``+ - * / %``, brackets, functions of one argument, and elements such as ``w1[0,3]``. Names are
``step``, ``loss`` and the run's parameters, with ``.grad``, ``.grad_before``, ``.after`` or
``.mode`` behind them; a mode is compared with a word in quotes. A tensor of many elements
satisfies a comparison where any element does; ``all(...)`` asks for every one. A comparison with
NaN, or with a grad that a step does not have, never holds.

NOTE 1 [Nothing is executed]: a scan of the text lets through what is listed here and nothing
else, and puts underlines in the place of parameters and words, which are no Python. What is left
is parsed by Python's own parser; of its tree a few kinds of nodes are understood, each as a
function over all steps at once.
"""

from __future__ import annotations

import ast
import difflib
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import pairwise
from typing import NoReturn, Self

import numpy as np
import numpy.typing as npt

from autograd_lens.errors import ConditionError
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.values import Array

__all__ = [
    "FUNCTIONS",
    "Condition",
    "Facts",
    "Quantity",
    "condition_on",
    "names_in",
    "parse_condition",
]

Function = Callable[..., Array]

_RUN_NAMES = ("loss", "step")
_FIELDS = ("after", "grad", "grad_before", "mode", "value")
_WORDS = frozenset({"and", "or", "not", "inf", "nan", *_RUN_NAMES})
_LONGEST = 500  # characters; far more than anyone types, far less than Python's recursion limit
_LEXEMES = r"""(?P<space>\s+)
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![\w.])
    | (?P<text>'[^']*'|"[^"]*")
    | (?P<sign><=|>=|==|!=|[-+*/%<>(),\[\]])
    | (?P<own>(?:loss|step)\b(?!\.)|\w+(?=\())
    | (?P<parameter>PARAMETERS)(?!\w)(?:\.(?P<field>\w*))?
    | (?P<other>[^\W\d]\w*(?:\.\w+)*)"""
_MISTAKES = {
    "=": "For equality write ==.",
    "&": "Write and.",
    "|": "Write or.",
    "!": "Write not, or != between two numbers.",
    "^": "Write a product: there are no powers here.",
    "'": "The closing quote is missing.",
    '"': "The closing quote is missing.",
}
_COMPARISONS: Mapping[type[ast.cmpop], Function] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_ARITHMETIC: Mapping[type[ast.operator], Function] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: np.mod,
}
_SIGNS: Mapping[type[ast.unaryop], Function] = {ast.USub: np.negative, ast.UAdd: np.positive}
_EACH: Mapping[str, Function] = {
    name: getattr(np, name) for name in ("abs", "exp", "isfinite", "isinf", "isnan", "log", "sqrt")
}
_WHOLE: Mapping[str, Function] = {
    "all": lambda values: values.astype(np.bool_).all(axis=1),
    "any": lambda values: values.astype(np.bool_).any(axis=1),
    "max": lambda values: values.max(axis=1, initial=-np.inf),
    "mean": lambda values: values.mean(axis=1) if values.shape[1] else np.zeros(len(values)),
    "min": lambda values: values.min(axis=1, initial=np.inf),
    "norm": lambda values: np.sqrt(np.square(np.abs(values)).sum(axis=1)),
    "sum": lambda values: values.sum(axis=1),
}
FUNCTIONS = tuple(sorted([*_EACH, *_WHOLE]))
"""Names of all functions."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a name or a part of a condition is, over all steps.

    What a step does not hold (a ``.grad`` that was None) is told apart from a recorded NaN.

    Attributes:
        values: Elements of each step, (steps, n) or (1, n); numbers, booleans or words.
        there: Whether a step holds the quantity, (steps,) or (1,).
        shape: Sizes of the quantity's own axes; their product is n.
    """

    values: Array
    there: npt.NDArray[np.bool_]
    shape: tuple[int, ...] = ()

    @property
    def is_word(self) -> bool:
        """Whether it holds words."""
        return self.values.dtype.kind == "U"

    @property
    def unknown(self) -> Array:
        """Which elements are NaN, or of a step that does not hold the quantity: as ``values``."""
        missing = np.broadcast_to(~self.there[:, None], self.values.shape)
        return missing | np.isnan(self.values) if self.values.dtype.kind in "fc" else missing

    def truth(self) -> npt.NDArray[np.bool_]:
        """Where any element is true; a bare number is true where it is not zero, as in Python."""
        values = self.values != "" if self.is_word else self.values.astype(np.bool_)
        return np.asarray((values & ~self.unknown).any(axis=1), np.bool_)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a condition is asked of: steps that follow each other.

    Attributes:
        losses: Their losses, (steps,).
        parameter: Gives what a parameter's name and a field of it stand for in them.
        first: Number of the first of them.
    """

    losses: Array
    parameter: Callable[[str, str], Quantity]
    first: int = 0

    @classmethod
    def of(cls, trace: Trace) -> Self:
        """All steps of a recorded run."""
        return cls(trace.losses, partial(_of_parameter, trace))


Evaluate = Callable[[Facts], Quantity]
"""What a part of a condition is over some steps."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was understood.

    Attributes:
        text: As it was written.
    """

    text: str
    _evaluate: Evaluate

    def holds(self, trace: Trace) -> npt.NDArray[np.bool_]:
        """In which steps of a run it holds: (steps,).

        Raises:
            ConditionError: Shapes or kinds of what it compares do not fit.
        """
        return self.holds_in(Facts.of(trace))

    def holds_in(self, facts: Facts) -> npt.NDArray[np.bool_]:
        """The same of some steps: (steps,).

        Raises:
            ConditionError: Shapes or kinds of what it compares do not fit.
        """
        with np.errstate(all="ignore"):  # log(0) is the reader's question, not a warning
            found = self._evaluate(facts).truth()
        return np.broadcast_to(found, len(facts.losses))

    def value(self, trace: Trace, step: int) -> Array | None:
        """What it comes to in one step: a number, a word or a tensor; None where it is not there.

        Raises:
            ConditionError: Shapes or kinds of what it computes with do not fit.
        """
        with np.errstate(all="ignore"):
            found = self._evaluate(Facts.of(trace))
        count = len(trace.losses)
        if not np.broadcast_to(found.there, count)[step]:
            return None
        row: Array = np.broadcast_to(found.values, (count, found.values.shape[1]))[step]
        return row.reshape(found.shape if row.size == math.prod(found.shape) else row.shape)


def condition_on(trace: Trace, text: str) -> Condition:
    """Understand a condition on a run, whose parameters answer to all of their names.

    Raises:
        ConditionError: As for ``parse_condition``.
    """
    known = trace.parameters
    names = [*known, *(alias for each in known.values() for alias in each.aliases)]
    return parse_condition(text, names)


def names_in(text: str) -> tuple[str, ...]:
    """What may be names of parameters in a condition on a run that has not begun."""
    lexemes = re.compile(_LEXEMES.replace("PARAMETERS", "(?!)"), re.VERBOSE)
    found = [match["other"] for match in lexemes.finditer(text) if match["other"]]
    parts = [(name, *name.rpartition(".")[::2]) for name in found if name not in _WORDS]
    names = [before if before and last in _FIELDS else name for name, before, last in parts]
    return tuple(dict.fromkeys(name for name in names if name not in FUNCTIONS))


def parse_condition(
    text: str, parameters: Iterable[str], fields: Sequence[str] = _FIELDS
) -> Condition:
    """Understand a condition.

    Args:
        text: What a person wrote.
        parameters: Names of the run's parameters; where several fit, the longest is meant.
        fields: What may be asked of a parameter.

    Raises:
        ConditionError: It cannot be understood; ``position`` is the character to blame.
    """
    if len(text) > _LONGEST:
        _refuse(text, _LONGEST, f"a condition has at most {_LONGEST} characters.")
    if not text.strip():
        _refuse(text, 0, "it is empty.", "Write for example loss > 10.")
    plain, leaves = _scan(text, sorted(filter(None, parameters), key=len, reverse=True), fields)
    try:
        tree = ast.parse(plain.strip(), mode="eval").body
        return Condition(text, _Reader(text, leaves, len(plain) - len(plain.lstrip())).read(tree))
    except SyntaxError as error:
        end = len(plain.rstrip())
        position = error.offset - 1 + len(plain) - len(plain.lstrip()) if error.offset else end
        known = error.msg.startswith("invalid syntax")
        complaint = "something else should stand here." if known else f"{error.msg}."
        _refuse(text, min(position, end), complaint)
    except (RecursionError, MemoryError):
        _refuse(text, 0, "too many brackets and signs within each other.")


def _refuse(condition: str, position: int, complaint: str, hint: str = "") -> NoReturn:
    """Raise the error that points at a character.

    Raises:
        ConditionError: Always.
    """
    found = condition[position : position + 1]
    place = f"at character {position + 1}" + (f", {found!r}" if found.strip() else "")
    msg = f"The condition {condition!r} cannot be read {place}: {complaint}"
    raise ConditionError(msg, position, hint=hint)


def _scan(
    text: str, parameters: Sequence[str], fields: Sequence[str]
) -> tuple[str, Mapping[int, Evaluate]]:
    """The condition with underlines for parameters and words, and what these are, by position.

    Args:
        text: The condition.
        parameters: Names, the longest first.
        fields: What may be asked of each.
    """
    known = "|".join(map(re.escape, parameters)) or r"(?!)"
    lexemes = re.compile(_LEXEMES.replace("PARAMETERS", known), re.VERBOSE)
    plain, leaves = "", dict[int, Evaluate]()
    while (at := len(plain)) < len(text):
        match = lexemes.match(text, at)
        if match is None:
            _refuse(text, at, "this character means nothing here.", _MISTAKES.get(text[at], ""))
        found = match[0]
        if match["parameter"]:
            leaves[at] = partial(_of_facts, name=match["parameter"], field=_field(match, fields))
        elif match["text"]:
            if "mode" not in fields:
                _refuse(text, at, "there is nothing here that a word could be compared with.")
            leaves[at] = _constant(np.str_(found[1:-1]))
        elif found not in _WORDS and (match["other"] or match["own"]) and found not in FUNCTIONS:
            _unknown(text, match, parameters)
        plain += "_" * len(found) if at in leaves else " " * len(found) if match["space"] else found
    return plain, leaves


def _field(match: re.Match[str], fields: Sequence[str]) -> str:
    """What is asked of a parameter; ``value`` where nothing is."""
    if match["field"] is None:
        return "value"
    if match["field"] not in fields:
        name, field = match["parameter"], match["field"]
        close = difflib.get_close_matches(field, fields, n=1) or ["grad"]
        hint = f"{name} has {', '.join(fields)}. Did you mean {name}.{close[0]}?"
        what = f"there is no {name}.{field}{' while a step runs' if field in _FIELDS else ''}."
        _refuse(match.string, match.end("parameter"), what, hint)
    return match["field"]


def _unknown(text: str, match: re.Match[str], parameters: Sequence[str]) -> NoReturn:
    names = [*parameters, *_RUN_NAMES, *FUNCTIONS]
    close = difflib.get_close_matches(match[0].removesuffix(".grad"), names)
    few = ", ".join([*_RUN_NAMES, *sorted(parameters)[:4]])
    hint = f"Did you mean {' or '.join(close)}?" if close else f"Known are {few} and others."
    _refuse(text, match.start(), f"nothing is called {match[0]!r}.", hint)


class _Reader:
    """Turns the nodes of a tree into what evaluates them (NOTE 1).

    Args:
        text: The condition.
        leaves: What stands at a position: parameters and words.
        shift: Where the tree begins in the text.
    """

    def __init__(self, text: str, leaves: Mapping[int, Evaluate], shift: int) -> None:
        self._text = text
        self._leaves = leaves
        self._shift = shift

    def read(self, node: ast.expr) -> Evaluate:
        """What evaluates a node.

        Raises:
            ConditionError: It is of no kind that is understood.
        """
        match node:
            case ast.Name():
                found = self._name(node)
            case ast.Constant():  # float() takes what overflows an int for inf
                found = _constant(np.float64(float(self._written(node))))
            case ast.BoolOp(op=op, values=terms):
                join = np.logical_and if isinstance(op, ast.And) else np.logical_or
                found = partial(_joined, terms=[*map(self.read, terms)], join=join)
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                found = partial(_negated, inner=self.read(inner))
            case ast.UnaryOp(op=op, operand=inner) if type(op) in _SIGNS:
                found = self._numeric(node, "-", inner, _SIGNS[type(op)])
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                found = self._pair(left, right, _ARITHMETIC[type(op)], arithmetic=True)
            case ast.Compare():
                found = self._comparison(node)
            case ast.Call(func=ast.Name(id=name), args=[inner], keywords=[]):
                found = self._call(node, name, inner)
            case ast.Subscript(value=ast.Name() as tensor):
                found = self._element(node, tensor)
            case _:
                hint = "Write a product." if isinstance(node, ast.BinOp) else ""
                self._refuse(node, "this is more than a condition can say.", hint)
        return found

    def _at(self, node: ast.expr) -> int:
        return node.col_offset + self._shift

    def _end(self, node: ast.expr) -> int:
        return (node.end_col_offset or 0) + self._shift

    def _written(self, node: ast.expr) -> str:
        return self._text[self._at(node) : self._end(node)]

    def _refuse(self, node: ast.expr, complaint: str, hint: str = "") -> NoReturn:
        _refuse(self._text, self._at(node), complaint, hint)

    def _name(self, node: ast.Name) -> Evaluate:
        leaf = self._leaves.get(self._at(node))
        if leaf is not None:
            return leaf
        if node.id in _RUN_NAMES:
            return partial(_of_run, name=node.id)
        if node.id in FUNCTIONS:
            _refuse(self._text, self._end(node), f"a '(' is missing behind {node.id}.")
        return _constant(np.float64(node.id))

    def _call(self, node: ast.Call, name: str, inner: ast.expr) -> Evaluate:
        if name not in FUNCTIONS:
            self._refuse(node, f"{name} is no function.")
        if name in _EACH:
            return self._numeric(node, name, inner, _EACH[name])
        whole = _WHOLE[name]
        return self._numeric(node, name, inner, lambda values: whole(values)[:, None])

    def _numeric(
        self, node: ast.expr, called: str, inner: ast.expr, function: Function
    ) -> Evaluate:
        evaluate = self.read(inner)

        def apply(facts: Facts) -> Quantity:
            column = evaluate(facts)
            if column.is_word:
                self._refuse(node, f"{called} needs a number, not a word.")
            return Quantity(function(column.values), column.there, column.shape)

        return apply

    def _comparison(self, node: ast.Compare) -> Evaluate:
        pairs = zip(node.ops, pairwise([node.left, *node.comparators]), strict=True)
        found = [
            self._pair(left, right, _COMPARISONS[type(op)], arithmetic=False)
            for op, (left, right) in pairs
        ]
        return partial(_joined, terms=found, join=np.logical_and) if len(found) > 1 else found[0]

    def _pair(
        self, left: ast.expr, right: ast.expr, function: Function, *, arithmetic: bool
    ) -> Evaluate:
        one, other = self.read(left), self.read(right)

        def apply(facts: Facts) -> Quantity:
            first, second = one(facts), other(facts)
            self._fit(left, first, second)
            there = first.there & second.there
            shape = max(first.shape, second.shape, key=len)
            values = function(first.values, second.values)
            if not arithmetic:
                values = values & ~first.unknown & ~second.unknown
            return Quantity(values, there, shape)

        return apply

    def _fit(self, left: ast.expr, first: Quantity, second: Quantity) -> None:
        """Refuse two columns that cannot be put together, pointing at the sign between them."""
        sign = re.compile(r"[^\s)\]]").search(self._text, self._end(left))
        at = sign.start() if sign else self._end(left)
        words = [first.is_word, second.is_word]
        if any(words) and not (all(words) and self._text[at : at + 2] in {"==", "!="}):
            complaint = "a word can only be compared, with == or !=, to a mode."
            _refuse(self._text, at, complaint, "Write for example w1.mode == 'set'.")
        if len({first.values.shape[1], second.values.shape[1]} - {1}) > 1:
            _refuse(self._text, at, f"shapes {first.shape} and {second.shape} do not fit.")

    def _element(self, node: ast.Subscript, tensor: ast.Name) -> Evaluate:
        evaluate = self.read(tensor)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        index = tuple(map(self._index, parts))

        def pick(facts: Facts) -> Quantity:
            column = evaluate(facts)
            try:
                place = np.arange(column.values.shape[1]).reshape(column.shape)[index].ravel()
            except IndexError:
                name = self._written(tensor)
                complaint = f"{name} has shape {column.shape}, so there is no "
                self._refuse(node, f"{complaint}{self._written(node)}.")
            return Quantity(column.values[:, place], column.there, (len(place),))

        return pick

    def _index(self, node: ast.expr) -> int:
        negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
        number = node.operand if isinstance(node, ast.UnaryOp) and negative else node
        if not (isinstance(number, ast.Constant) and isinstance(number.value, int)):
            self._refuse(node, "an index is a whole number.", "Write for example w1[0,2].")
        return -number.value if negative else number.value


def _constant(value: np.float64 | np.str_) -> Evaluate:
    """The same number or word in every step."""
    column = Quantity(np.full((1, 1), value), np.ones(1, np.bool_))
    return lambda _facts: column


def _joined(facts: Facts, terms: Sequence[Evaluate], join: Function) -> Quantity:
    """Several conditions as one."""
    found = reduce(join, [term(facts).truth() for term in terms])
    return Quantity(found[:, None], np.ones(len(found), np.bool_))


def _negated(facts: Facts, inner: Evaluate) -> Quantity:
    """True where the inner condition does not hold."""
    found = ~inner(facts).truth()
    return Quantity(found[:, None], np.ones(len(found), np.bool_))


def _of_facts(facts: Facts, name: str, field: str) -> Quantity:
    return facts.parameter(name, field)


def _of_run(facts: Facts, name: str) -> Quantity:
    """``step`` or ``loss``."""
    counted = np.arange(facts.first, facts.first + len(facts.losses))
    values = counted if name == "step" else facts.losses
    return Quantity(values.astype(np.float64)[:, None], np.ones(len(values), np.bool_))


def _of_parameter(trace: Trace, name: str, field: str) -> Quantity:
    """A parameter's value before or after each step, ``.grad``, or how that was written."""
    history = trace.parameter(name)
    if field == "mode":
        return Quantity(history.modes[:, None], history.modes != "")
    held = history.held
    if field in {"value", "after"}:
        steps = slice(None, -1) if field == "value" else slice(1, None)
        values, there = history.values[steps], held["value"][steps]
    else:
        values = history.grads if field == "grad" else history.grads_before
        there = held[field]
    shape = history.parameter.shape
    return Quantity(values.reshape(len(values), math.prod(shape)), there, shape)
