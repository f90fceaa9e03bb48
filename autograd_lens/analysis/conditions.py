"""Conditions over a recorded run: ``loss > 10``, ``norm(b1.grad) < 1e-3 and step % 100 == 0``.

The grammar, loosest first::

    condition   either { "or" either }
    either      both { "and" both }
    both        "not" both | comparison
    comparison  sum { ("<" | "<=" | ">" | ">=" | "==" | "!=") sum }
    sum         product { ("+" | "-") product }
    product     factor { ("*" | "/" | "%") factor }
    factor      "-" factor | atom
    atom        number | 'word' | name [ "[" index { "," index } "]" ]
                | function "(" condition ")" | "(" condition ")"

Names are ``step``, ``loss`` and the run's parameters, with ``.grad``, ``.grad_before``,
``.after`` or ``.mode`` behind them. A tensor of many elements satisfies a comparison where any
element does; ``all(...)`` asks for every one. A comparison with NaN, or with a grad that a step
does not have, never holds. Text is parsed here and evaluated with NumPy over all steps at
once; nothing in it is ever executed as Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from autograd_lens.analysis.columns import Column, Columns
from autograd_lens.analysis.condition_terms import (
    ARITHMETIC,
    COMPARISONS,
    EACH,
    WHOLE,
    Array,
    Evaluate,
    constant,
    joined,
    named,
    negated,
    truth,
    unknown,
)
from autograd_lens.analysis.condition_tokens import Token, refuse, tokens

__all__ = ["Condition", "parse_condition"]

_LONGEST = 500  # characters; far more than anyone types, far less than Python's recursion limit
_DEEPEST = 40  # brackets within brackets


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was understood.

    Attributes:
        text: As it was written.
    """

    text: str
    _evaluate: Evaluate

    def holds(self, columns: Columns) -> npt.NDArray[np.bool_]:
        """In which steps it holds: (steps,).

        Raises:
            ConditionError: Shapes or kinds of what it compares do not fit.
        """
        with np.errstate(all="ignore"):  # log(0) is the reader's question, not a warning
            column = self._evaluate(columns)
            found: npt.NDArray[np.bool_] = truth(column)
        return np.broadcast_to(found, len(columns))


def parse_condition(text: str, parameters: Iterable[str]) -> Condition:
    """Understand a condition.

    Args:
        text: What a person wrote.
        parameters: Names of the run's parameters.

    Raises:
        ConditionError: It cannot be understood; ``position`` is the character to blame.
    """
    if len(text) > _LONGEST:
        refuse(text, _LONGEST, f"a condition has at most {_LONGEST} characters.")
    parser = _Parser(text, list(tokens(text, parameters)))
    return Condition(text, parser.whole())


class _Parser:
    """Recursive descent over the tokens; every rule returns what evaluates it."""

    def __init__(self, text: str, found: list[Token]) -> None:
        self._text = text
        self._tokens = found
        self._place = 0
        self._depth = 0

    def whole(self) -> Evaluate:
        if self._now.kind == "end":
            self._refuse("it is empty.", "Write for example loss > 10.")
        evaluate = self._condition()
        if self._now.kind != "end":
            self._refuse("here the condition should have ended.")
        return evaluate

    @property
    def _now(self) -> Token:
        return self._tokens[self._place]

    def _refuse(self, complaint: str, hint: str = "") -> None:
        refuse(self._text, self._now.position, complaint, hint)

    def _take(self, *texts: str) -> Token | None:
        token = self._now
        if token.kind not in {"sign", "word"} or token.text not in texts:
            return None
        self._place += 1
        return token

    def _expect(self, text: str) -> None:
        if not self._take(text):
            self._refuse(f"a {text!r} is missing.")

    def _condition(self) -> Evaluate:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._refuse("too many brackets within brackets.")
        terms = [self._either()]
        while self._take("or"):
            terms.append(self._either())
        self._depth -= 1
        return terms[0] if len(terms) == 1 else joined(terms, np.logical_or)

    def _either(self) -> Evaluate:
        terms = [self._both()]
        while self._take("and"):
            terms.append(self._both())
        return terms[0] if len(terms) == 1 else joined(terms, np.logical_and)

    def _both(self) -> Evaluate:
        negations = 0
        while self._take("not"):
            negations += 1
        inner = self._comparison()
        return negated(inner) if negations % 2 else inner

    def _comparison(self) -> Evaluate:
        terms, signs = [self._sum()], []
        while sign := self._take(*COMPARISONS):
            signs.append(sign)
            terms.append(self._sum())
        pairs = zip(signs, pairwise(terms), strict=True)
        compared = [self._pair(sign, left, right) for sign, (left, right) in pairs]
        if len(compared) > 1:
            return joined(compared, np.logical_and)
        return compared[0] if compared else terms[0]

    def _sum(self) -> Evaluate:
        left = self._product()
        while sign := self._take("+", "-"):
            left = self._pair(sign, left, self._product())
        return left

    def _product(self) -> Evaluate:
        left = self._factor()
        while sign := self._take("*", "/", "%"):
            left = self._pair(sign, left, self._factor())
        return left

    def _factor(self) -> Evaluate:
        sign, negations = self._now, 0
        while self._take("-"):
            negations += 1
        inner = self._atom()
        if not negations:
            return inner
        return self._numeric(sign, inner, np.negative if negations % 2 else np.positive)

    def _atom(self) -> Evaluate:
        token = self._now
        if self._take("("):
            inner = self._condition()
            self._expect(")")
            return inner
        self._place += 1
        if token.kind == "number":
            return constant(np.float64(token.text))
        if token.kind == "text":
            return constant(np.str_(token.text[1:-1]))
        if token.kind in {"run", "parameter"}:
            return self._elements(token)
        if token.kind == "function":
            return self._call(token)
        self._place -= 1
        return self._nothing()

    def _nothing(self) -> Evaluate:
        self._refuse("a number, a name or a bracket should stand here.")
        raise AssertionError

    def _call(self, function: Token) -> Evaluate:
        self._expect("(")
        inner = self._condition()
        self._expect(")")
        if function.text in EACH:
            return self._numeric(function, inner, EACH[function.text])
        whole = WHOLE[function.text]
        return self._numeric(function, inner, lambda values: whole(values)[:, None])

    def _elements(self, token: Token) -> Evaluate:
        evaluate = named(token)
        if not self._take("["):
            return evaluate
        bracket, index = token, [self._index()]
        while self._take(","):
            index.append(self._index())
        self._expect("]")
        return self._picked(bracket, evaluate, tuple(index))

    def _index(self) -> int:
        negative = self._take("-") is not None
        token = self._now
        if token.kind != "number" or not token.text.isdigit():
            self._refuse("an index is a whole number.", "Write for example w1[0,2].")
        self._place += 1
        return -int(token.text) if negative else int(token.text)

    def _picked(self, token: Token, evaluate: Evaluate, index: tuple[int, ...]) -> Evaluate:
        def pick(columns: Columns) -> Column:
            column = evaluate(columns)
            try:
                place = np.arange(column.values.shape[1]).reshape(column.shape)[index].ravel()
            except IndexError:
                written = f"{token.text}[{', '.join(map(str, index))}]"
                complaint = f"{token.text} has shape {column.shape}, so there is no {written}."
                refuse(self._text, token.position, complaint)
            return Column(column.values[:, place], column.there, (len(place),))

        return pick

    def _numeric(
        self, token: Token, inner: Evaluate, function: Callable[[Array], Array]
    ) -> Evaluate:
        def apply(columns: Columns) -> Column:
            column = inner(columns)
            if column.values.dtype.kind == "U":
                refuse(self._text, token.position, f"{token.text} needs a number, not a word.")
            values = function(column.values)
            if values.dtype == np.bool_:
                values = values & column.there[:, None]
            return Column(values, column.there, column.shape)

        return apply

    def _pair(self, sign: Token, left: Evaluate, right: Evaluate) -> Evaluate:
        def apply(columns: Columns) -> Column:
            one, other = left(columns), right(columns)
            self._fit(sign, one, other)
            there = one.there & other.there
            shape = max(one.shape, other.shape, key=len)
            if sign.text in ARITHMETIC:
                return Column(ARITHMETIC[sign.text](one.values, other.values), there, shape)
            found = COMPARISONS[sign.text](one.values, other.values)
            known = ~unknown(one.values) & ~unknown(other.values) & there[:, None]
            return Column(found & known, there, shape)

        return apply

    def _fit(self, sign: Token, one: Column, other: Column) -> None:
        words = [column.values.dtype.kind == "U" for column in (one, other)]
        if any(words) and (sign.text not in {"==", "!="} or not all(words)):
            complaint = "a word can only be compared, with == or !=, to a mode."
            refuse(self._text, sign.position, complaint, "Write for example w1.mode == 'set'.")
        sizes = {one.values.shape[1], other.values.shape[1]} - {1}
        if len(sizes) > 1:
            complaint = f"shapes {one.shape} and {other.shape} do not fit."
            refuse(self._text, sign.position, complaint)
