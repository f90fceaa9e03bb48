"""What has a name is handed on under another one: two places are exchanged.

What it finds:
    A call of the program's own function, class or record with two arguments in each other's
    place, by their names; a result that is taken apart in another order than it was put
    together; the two states of an LSTM, the mean and the deviation of a distribution, the
    positive and the negative of a triplet, exchanged.

Why it is bad:
    Shapes often fit, so that nothing complains, and each number is used for the other.

Evidence it needs:
    The program's text, lines that ran.

Example:
    def pinball(prediction, target): ...
    loss = pinball(target, prediction)

Corrected:
    loss = pinball(prediction, target)

When it is silent:
    Functions in which both places mean the same, as in a squared difference, calls that name their
    arguments, and functions that the program defines twice; where the program does both, calls
    it with its arguments as they are named and exchanged.

References:
    https://docs.python.org/3/tutorial/controlflow.html#keyword-arguments
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from autograd_lens.doctor.evidence import Evidence, of_a_library
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.source import called
from autograd_lens.trace.records import Source

RULE = Rule("AL440", "names-crossed", "error", "light")

_SEVERAL = 3  # names that are no chance
_PAIR = 2
_ORDERED = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "MSELoss", "dist"})
_PREDICTED = re.compile(r"(y_?)?(pred(iction|icted)?s?|logits?|hat|outputs?|scores?)(_\w)?")
_WANTED = re.compile(r"(y_?)?(targets?|labels?|true|truth|gt|ground_truth)(_\w)?")
_KNOWN: dict[str, tuple[str, ...]] = {
    "Normal": (r"(\w+_)?(mu|mean|loc|means)", r"(\w+_)?(std|sigma|scale|stddev|stds)"),
    "triplet_margin_loss": (r"anchors?|a", r"pos(itives?)?|p", r"neg(atives?)?|n"),
    "TripletMarginLoss": (r"anchors?|a", r"pos(itives?)?|p", r"neg(atives?)?|n"),
    "gaussian_nll_loss": (r"mu|mean|pred", r"targets?|y|labels?", r"var(iance)?"),
}
"""What calls of torch expect in which place, by the names that it usually has."""
_STATES = (r"h(_?\w|idden|x)?", r"c(_?\w|ell|x)?")


@dataclass(frozen=True, slots=True)
class _Case:
    """Two names in each other's place."""

    line: int
    title: str
    what: str
    fix: str


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such place."""
    source = evidence.loop
    if source is None or of_a_library(source):
        return
    tree = evidence.code(source).tree
    case = next((one for look in _LOOKS for one in look(tree)), None)
    if case is not None:
        yield RULE.finding(
            title=case.title,
            message=case.what,
            fix=case.fix,
            events=("the program's text",),
            source=Source.at(source.file, case.line),
        )


# -- calls ------------------------------------------------------------------------------------


def _own_calls(tree: ast.AST) -> Iterator[_Case]:
    """Calls of the program's functions and classes."""
    for name, (parameters, body) in _signatures(tree).items():
        found, right = list[tuple[ast.Call, tuple[int, ...]]](), False
        for call in _calls(tree, name):
            given = [_name(one) for one in call.args]
            for places in combinations(range(min(len(given), len(parameters))), _PAIR):
                crossed = _crossed(given, parameters, *places)
                right = right or crossed is False
                if crossed and not _means_the_same(body, [parameters[one] for one in places]):
                    found.append((call, places))
        for call, (one, other) in found if not right else ():
            yield _of_call(call, parameters, one, other)


def _of_call(call: ast.Call, parameters: Sequence[str], one: int, other: int) -> _Case:
    given, name = [ast.unparse(arg) for arg in call.args], ast.unparse(call.func)
    turned = list(given)
    turned[one], turned[other] = given[other], given[one]
    return _Case(
        call.lineno,
        f"{name} is given {given[one]} for {parameters[one]}",
        f"""`{name}` takes ({", ".join(parameters)}), and is given {given[one]} in the place of
        {parameters[one]} and {given[other]} in that of {parameters[other]}: the two are
        exchanged.""",
        f"{name}({', '.join(turned)})",
    )


def _signatures(tree: ast.AST) -> dict[str, tuple[list[str], list[ast.stmt]]]:
    """The functions, methods and records that a program defines once: parameters and body."""
    found: dict[str, tuple[list[str], list[ast.stmt]]] = {}
    twice = set[str]()
    for name, parameters, body in _definitions(tree):
        (twice.add(name) if name in found else found.setdefault(name, (parameters, body)))
    return {name: one for name, one in found.items() if name not in twice}


def _definitions(tree: ast.AST) -> Iterator[tuple[str, list[str], list[ast.stmt]]]:
    methods = {
        id(one): owner
        for owner in ast.walk(tree)
        if isinstance(owner, ast.ClassDef)
        for one in owner.body
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            owner = methods.get(id(node))
            static = any("static" in ast.unparse(one) for one in node.decorator_list)
            names = [one.arg for one in node.args.args][owner is not None and not static :]
            if owner is not None and node.name in ("__init__", "__call__", "forward"):
                if node.name == "__init__":
                    yield owner.name, names, node.body
                continue
            yield node.name, names, node.body
        elif isinstance(node, ast.ClassDef) and not any(
            isinstance(one, ast.FunctionDef) and one.name == "__init__" for one in node.body
        ):
            fields = [
                ast.unparse(one.target) for one in node.body if isinstance(one, ast.AnnAssign)
            ]
            if fields:
                yield node.name, fields, []
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            fields = _fields(node.value) if called(node.value) == "namedtuple" else []
            if fields:
                yield ast.unparse(node.targets[0]), fields, []


def _fields(call: ast.Call) -> list[str]:
    """The fields of ``namedtuple("Turn", ...)``."""
    given = call.args[1] if len(call.args) == _PAIR else None
    if isinstance(given, ast.Constant) and isinstance(given.value, str):
        return given.value.replace(",", " ").split()
    items = given.elts if isinstance(given, ast.List | ast.Tuple) else []
    return [str(one.value) for one in items if isinstance(one, ast.Constant)]


def _calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        named = isinstance(node, ast.Call) and called(node) == name
        if isinstance(node, ast.Call) and named:
            yield from [] if any(isinstance(one, ast.Starred) for one in node.args) else [node]


def _crossed(given: Sequence[str], names: Sequence[str], one: int, other: int) -> bool | None:
    """Whether two arguments stand in each other's place; None where names do not tell."""
    mine, theirs = given[one], given[other]
    if not mine or not theirs or mine == theirs or {mine, theirs} & {"a", "b", "i", "j"}:
        return None
    if (mine, theirs) == (names[one], names[other]):
        return False
    if (mine, theirs) == (names[other], names[one]):
        return True
    roles = [
        [_role(word) for word in pair] for pair in ((mine, theirs), (names[one], names[other]))
    ]
    if {"", *roles[0], *roles[1]} != {"", "predicted", "wanted"} or "" in (*roles[0], *roles[1]):
        return None
    return roles[0] == roles[1][::-1] if roles[0][0] != roles[0][1] else None


def _role(word: str) -> str:
    if _PREDICTED.fullmatch(word):
        return "predicted"
    return "wanted" if _WANTED.fullmatch(word) else ""


def _name(node: ast.expr) -> str:
    """The word that an expression is called by, ``""`` where it has none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args:
        return _name(node.func.value)  # y.float()
    return ""


def _means_the_same(body: list[ast.stmt], names: Sequence[str]) -> bool:
    """Whether a function computes the same with two of its parameters exchanged."""
    here, there = {names[0]: "one", names[1]: "other"}, {names[0]: "other", names[1]: "one"}
    return bool(body) and [_canonical(one, here) for one in body] == [
        _canonical(one, there) for one in body
    ]


def _canonical(node: ast.AST, names: dict[str, str]) -> str:
    """A text of an expression in which the order does not count where it means nothing."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.BinOp):
        left, right = _canonical(node.left, names), _canonical(node.right, names)
        if isinstance(node.op, ast.Add | ast.Mult):
            left, right = sorted((left, right))
        even = isinstance(node.op, ast.Pow) and right in ("2", "Constant(2)")
        return f"({_even(node.left, names) if even else left} {type(node.op).__name__} {right})"
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Call):
        words = [_canonical(one, names) for one in node.args]
        words = sorted(words) if called(node) in _ORDERED else words
        even = called(node) in ("abs", "square") or (called(node) == "pow" and words[-1:] == ["2"])
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        first = _even(owner, names) if even and owner is not None else ""
        if even and not isinstance(owner, ast.BinOp) and node.args:
            words = [_even(node.args[0], names), *words[1:]]
        whole = first or _canonical(node.func, names)
        return f"{whole}.{called(node)}({words}, {[ast.dump(one) for one in node.keywords]})"
    parts = [_canonical(one, names) for one in ast.iter_child_nodes(node)]
    word = getattr(node, "attr", "") or getattr(node, "id", "")
    return f"{type(node).__name__}:{word}({', '.join(parts)})"


def _even(node: ast.AST, names: dict[str, str]) -> str:
    """The text of a difference whose sign does not count."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        sides = sorted((_canonical(node.left, names), _canonical(node.right, names)))
        return f"apart({', '.join(sides)})"
    return _canonical(node, names)


# -- what torch expects -----------------------------------------------------------------------


def _known_calls(tree: ast.AST) -> Iterator[_Case]:
    """Calls of torch whose places have usual names, and objects of its classes."""
    made = {
        ast.unparse(node.targets[0]).rpartition(".")[2]: called(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        kind = made.get(called(node), called(node))
        expected = _KNOWN.get(kind, ())
        given = [_name(one) for one in node.args]
        for one, other in combinations(range(min(len(given), len(expected))), _PAIR):
            if _swapped(given[one], given[other], expected[one], expected[other]):
                yield _of_call(node, _WORDS[kind], one, other)
        if kind in ("LSTM", "LSTMCell") and called(node) in made and len(node.args) == _PAIR:
            state = node.args[1]
            if isinstance(state, ast.Tuple) and _turned(state):
                yield _of_states(node.lineno, ast.unparse(state))


_WORDS = {
    "Normal": ("loc", "scale"),
    "triplet_margin_loss": ("anchor", "positive", "negative"),
    "TripletMarginLoss": ("anchor", "positive", "negative"),
    "gaussian_nll_loss": ("input", "target", "var"),
}


def _swapped(mine: str, theirs: str, one: str, other: str) -> bool:
    """Whether two names fit each other's place, and not their own."""
    fits = re.fullmatch(one, theirs) and re.fullmatch(other, mine)
    return bool(fits) and not (re.fullmatch(one, mine) or re.fullmatch(other, theirs))


def _turned(state: ast.Tuple) -> bool:
    words = [_name(one) for one in state.elts]
    return len(words) == _PAIR and _swapped(words[0], words[1], *_STATES)


def _of_states(line: int, text: str) -> _Case:
    return _Case(
        line,
        f"the states of the LSTM are exchanged: {text}",
        f"""An LSTM takes and gives (h, c), the hidden state first; `{text}` has the cell's state
        in front, so that each is used for the other.""",
        "h, c = cell(x, (h, c))",
    )


# -- what is taken apart ----------------------------------------------------------------------


def _taken_apart(tree: ast.AST) -> Iterator[_Case]:
    """``a, b = f()`` where f returns b and a; tuples of many names in two orders."""
    returned = {
        name: _tuples(body)
        for name, (_, body) in _signatures(tree).items()
        if len(_tuples(body)) == 1
    }
    classes = [
        (node.name, one)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for one in node.body
        if isinstance(one, ast.FunctionDef) and one.name == "forward"
    ]
    for node in ast.walk(tree):
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if not isinstance(target, ast.Tuple) or not isinstance(node, ast.Assign):
            continue
        if not isinstance(node.value, ast.Call):
            continue
        given, name = [_name(one) for one in target.elts], called(node.value)
        made = returned.get(name, [])
        objects = [
            tuples[0]
            for owner, one in classes
            if (tuples := _tuples(one.body)) and len(tuples) == 1 and _makes(tree, name, owner)
        ]
        for order in (*made, *objects):
            pairs = combinations(range(min(len(given), len(order))), _PAIR)
            if len(given) == len(order) and any(_crossed(given, order, *one) for one in pairs):
                yield _of_result(node.lineno, given, order, name)
        if _state_of(tree, name) and _turned(target):
            yield _of_states(node.lineno, ast.unparse(target))
    yield from _other_order(tree)


def _makes(tree: ast.AST, name: str, owner: str) -> bool:
    """Whether a variable is made by a class."""
    return any(
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and called(node.value) == owner
        and ast.unparse(node.targets[0]).rpartition(".")[2] == name
        for node in ast.walk(tree)
    )


def _state_of(tree: ast.AST, name: str) -> bool:
    """Whether what is called gives the two states of an LSTM."""
    return _makes(tree, name, "LSTMCell")


def _tuples(body: list[ast.stmt]) -> list[list[str]]:
    """The names of the tuples that a function returns, each order once."""
    found = [
        [_called_by(one) for one in node.value.elts]
        for statement in body
        for node in ast.walk(statement)
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple)
    ]
    return [names for place, names in enumerate(found) if names not in found[:place]]


def _called_by(node: ast.expr) -> str:
    """``mu`` for ``self.mu(x)``, too."""
    own = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    if own and isinstance(node, ast.Call) and node.args:
        return called(node)
    return _name(node)


def _of_result(line: int, given: Sequence[str], order: Sequence[str], name: str) -> _Case:
    return _Case(
        line,
        f"({', '.join(given)}) is what {name} gives as ({', '.join(order)})",
        f"""`{name}` returns ({", ".join(order)}), and the line takes it apart as
        ({", ".join(given)}): names are exchanged.""",
        f"{', '.join(order)} = {name}(...)",
    )


def _other_order(tree: ast.AST) -> Iterator[_Case]:
    """The same names, three or more, put together in one order and taken apart in another."""
    made = [[_single(_name(one)) for one in node.elts] for node in _handed_on(tree)]
    made = [names for names in made if len(set(names)) == len(names) >= _SEVERAL and all(names)]
    for node in ast.walk(tree) if made else ():
        if not isinstance(node, ast.Assign | ast.For):
            continue
        target, value = (
            (node.targets[0], node.value)
            if isinstance(node, ast.Assign)
            else (node.target, node.iter)
        )
        if not isinstance(target, ast.Tuple) or _SIZES.search(ast.unparse(value)):
            continue
        given = [_single(_name(one)) for one in target.elts]
        alike = [order for order in made if sorted(order) == sorted(given)]
        if alike and given not in alike:
            yield _of_result(node.lineno, given, alike[0], "the program")


_SIZES = re.compile(r"\.shape\b|\.size\(")
_KEEPS = frozenset({"add", "append", "extend", "insert", "push", "put", "store", "yield"})


def _handed_on(tree: ast.AST) -> Iterator[ast.Tuple]:
    """Tuples that are kept or returned."""
    for node in ast.walk(tree):
        kept = isinstance(node, ast.Call) and called(node) in _KEEPS
        parts = node.args if kept and isinstance(node, ast.Call) else []
        if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
            parts = [node.value]
        yield from (one for one in parts if isinstance(one, ast.Tuple))


def _single(word: str) -> str:
    """``state`` for ``states`` and ``b_state``."""
    return word.removeprefix("batch_").removeprefix("b_").removesuffix("s")


_LOOKS = (_own_calls, _known_calls, _taken_apart)
