"""A condition cut into tokens, each with its place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from autograd_lens.analysis.columns import FIELDS
from autograd_lens.errors import ConditionError

__all__ = ["FUNCTIONS", "RUN_NAMES", "Token", "refuse", "tokens"]

RUN_NAMES = ("loss", "step")
FUNCTIONS = (
    *("abs", "all", "any", "exp", "isfinite", "isinf", "isnan", "log", "max", "mean", "min"),
    *("norm", "sqrt", "sum"),
)

_WORDS = frozenset({"and", "or", "not"})
_CONSTANTS = frozenset({"inf", "nan"})
_PATTERN = re.compile(
    r"""(?P<space>\s+)
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    | (?P<text>'[^']*'|"[^"]*")
    | (?P<sign><=|>=|==|!=|[-+*/%<>(),\[\]])
    | (?P<name>[^\W\d]\w*(?:\.\w+)*)""",
    re.VERBOSE,
)
_MISTAKES = {
    "=": "For equality write ==.",
    "&": "Write and.",
    "|": "Write or.",
    "!": "Write not, or != between two numbers.",
    "^": "Write a product: there are no powers here.",
    "'": "The closing quote is missing.",
    '"': "The closing quote is missing.",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a condition.

    Attributes:
        kind: ``"number"``, ``"text"``, ``"sign"``, ``"word"``, ``"function"``, ``"run"``,
            ``"parameter"`` or ``"end"``.
        text: The piece; of a parameter its name.
        position: Its first character, from 0.
        field: What is asked of a parameter.
    """

    kind: str
    text: str
    position: int
    field: str = ""


def refuse(condition: str, position: int, complaint: str, hint: str = "") -> NoReturn:
    """Raise the error that points at a character.

    Raises:
        ConditionError: Always.
    """
    found = condition[position : position + 1]
    place = f"at character {position + 1}" + (f", {found!r}" if found.strip() else "")
    msg = f"The condition {condition!r} cannot be read {place}: {complaint}"
    raise ConditionError(msg, position, hint=hint)


def tokens(condition: str, parameters: Iterable[str]) -> Iterator[Token]:
    """The tokens of a condition, an ``end`` behind them.

    Args:
        condition: The text.
        parameters: Names of the run's parameters; where several fit, the longest is meant.

    Raises:
        ConditionError: A character or a name is unknown.
    """
    known = sorted(parameters, key=len, reverse=True)
    position = 0
    while position < len(condition):
        token, position = _next(condition, position, known)
        if token is not None:
            yield token
    yield Token("end", "", len(condition))


def _next(condition: str, position: int, known: Sequence[str]) -> tuple[Token | None, int]:
    name = _parameter_at(condition, position, known)
    if name is not None:
        return _parameter(condition, position, name)
    match = _PATTERN.match(condition, position)
    if match is None:
        found = condition[position]
        refuse(condition, position, "this character means nothing here.", _MISTAKES.get(found, ""))
    if match.lastgroup == "name":
        return _name(condition, match, known), match.end()
    if match.lastgroup == "space":
        return None, match.end()
    return Token(match.lastgroup or "", match[0], position), match.end()


def _parameter_at(condition: str, position: int, known: Sequence[str]) -> str | None:
    """The parameter whose name stands here in full.

    ``loss``, ``step`` and functions called with a bracket keep their meaning.
    """
    if re.match(rf"(?:{'|'.join(RUN_NAMES)})\b(?!\.)|\w+\(", condition[position:]):
        return None
    rest = condition[position:]
    return next((name for name in known if name and _stands(name, rest)), None)


def _stands(name: str, rest: str) -> bool:
    following = rest[len(name) : len(name) + 1]
    return rest.startswith(name) and not (following == "_" or following.isalnum())


def _parameter(condition: str, position: int, name: str) -> tuple[Token, int]:
    end = position + len(name)
    match = re.compile(r"\.(\w*)").match(condition, end)
    if match is None:
        return Token("parameter", name, position, "value"), end
    if match[1] not in FIELDS:
        close = difflib.get_close_matches(match[1], FIELDS, n=1) or ["grad"]
        hint = f"{name} has {', '.join(FIELDS)}. Did you mean {name}.{close[0]}?"
        refuse(condition, end, f"there is no {name}.{match[1]}.", hint)
    return Token("parameter", name, position, match[1]), match.end()


def _name(condition: str, match: re.Match[str], known: Sequence[str]) -> Token:
    text, position = match[0], match.start()
    if text in _WORDS:
        return Token("word", text, position)
    if text in _CONSTANTS:
        return Token("number", text, position)
    if text in RUN_NAMES:
        return Token("run", text, position)
    if text in FUNCTIONS:
        return Token("function", text, position)
    close = difflib.get_close_matches(text.removesuffix(".grad"), [*known, *RUN_NAMES, *FUNCTIONS])
    few = ", ".join([*RUN_NAMES, *sorted(known)[:4]])
    hint = f"Did you mean {' or '.join(close)}?" if close else f"Known are {few} and others."
    refuse(condition, position, f"nothing is called {text!r}.", hint)
