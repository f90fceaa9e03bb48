"""Questions to the text of the program.

What happened is in the trace; the text only says what the program meant to do there.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property

__all__ = ["Call", "Code", "Loop", "assignments", "called", "loops_around"]

Loop = ast.For | ast.While | ast.AsyncFor
_Place = ast.Name | ast.Attribute | ast.Subscript
Call = tuple[str, str, int]
"""(what the method was called on, ``""`` for a function, its name, the line)."""


class Code:
    """One source file of the program.

    Args:
        text: Its text; where it is no Python, nothing is known of it.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._statements: dict[int, ast.stmt | None] = {}

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed text."""
        try:
            return ast.parse(self._text)
        except (SyntaxError, ValueError):
            return ast.Module(body=[], type_ignores=[])

    def says(self, word: str) -> bool:
        """Whether a word, or part of one, stands anywhere in the text."""
        return word in self._text.lower()

    def block(self, line: int) -> list[ast.stmt]:
        """The statements of the innermost loop around a line, else of the function or module."""
        best: ast.AST = self.tree
        for node in ast.walk(self.tree):
            inside = isinstance(node, Loop | ast.FunctionDef) and _holds(node, line)
            if inside and _begins(node) >= _begins(best):
                best = node
        return list(getattr(best, "body", []))

    def calls(self, line: int) -> list[Call]:
        """Calls that every turn of the block around a line makes, in order."""
        found = [call for statement in self.block(line) for call in _plain_calls(statement)]
        return sorted(found, key=lambda call: call[2])

    def statement(self, line: int) -> ast.stmt | None:
        """The innermost statement on a line."""
        if line not in self._statements:
            found = (
                node
                for node in ast.walk(self.tree)
                if isinstance(node, ast.stmt) and _holds(node, line)
            )
            self._statements[line] = max(found, key=_begins, default=None)
        return self._statements[line]

    def rebinds(self, line: int) -> str | None:
        """The name that the statement on a line gives to a value computed from that very name."""
        statement = self.statement(line)
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            return None
        if not isinstance(statement.value, ast.BinOp):
            return None
        target = ast.unparse(statement.targets[0])
        read = [node for node in ast.walk(statement.value) if isinstance(node, _Place)]
        return target if target in map(ast.unparse, read) else None

    def operands(self, line: int, column: int) -> list[str]:
        """What the expression at a place computes with: a sum's sides, or a call's arguments."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.expr) and (node.lineno, node.col_offset) == (line, column):
                if isinstance(node, ast.BinOp):
                    return [ast.unparse(node.left), ast.unparse(node.right)]
                if isinstance(node, ast.Call):
                    return [ast.unparse(one) for one in node.args]
        return []

    def generators(self) -> Iterator[tuple[str, int]]:
        """Names bound to a bare ``....parameters()``, with the line."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                target, value = node.targets[0], node.value
                if (
                    isinstance(target, ast.Name)
                    and isinstance(value, ast.Call)
                    and isinstance(value.func, ast.Attribute)
                    and value.func.attr in ("parameters", "named_parameters")
                ):
                    yield target.id, node.lineno

    def kept_arguments(self) -> Iterator[tuple[str, int]]:
        """Attributes that classes give a bare ``....parameters()`` to, with the line.

        So ``self.parameters = parameters`` in ``__init__``, where the program makes an object of
        the class from ``model.parameters()``.
        """
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef):
                place = next(iter(self._generator_places(node.name)), None)
                for method in node.body if place is not None else ():
                    if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                        names = [one.arg for one in method.args.args[1:]]
                        if place is not None and place < len(names):
                            yield from _stores(method, names[place])

    def _generator_places(self, owner: str) -> Iterator[int]:
        """The positions at which calls of a class pass a bare ``....parameters()``."""
        for call in self.makes({owner}):
            for place, one in enumerate(call.args):
                if isinstance(one, ast.Call) and called(one) == "parameters":
                    yield place

    def loops_over(self, name: str) -> int | None:
        """The line of a loop that runs over a name, inside another loop or a function."""
        for outer in ast.walk(self.tree):
            if isinstance(outer, Loop | ast.FunctionDef):
                for node in ast.walk(outer):
                    over = node is not outer and isinstance(node, ast.For)
                    if over and isinstance(node, ast.For) and ast.unparse(node.iter) == name:
                        return node.lineno
        return None

    def steps_every_so_often(self) -> bool:
        """Whether the text makes an update every so many turns: ``step()`` behind ``if ... %``."""
        return any(
            isinstance(node, ast.If)
            and any(isinstance(part, ast.Mod) for part in ast.walk(node.test))
            and any(isinstance(one, ast.Attribute) and one.attr == "step" for one in ast.walk(node))
            for node in ast.walk(self.tree)
        )

    def assigned(self, name: str) -> list[ast.expr]:
        """What the text assigns to a name, wherever it does."""
        return [
            node.value
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Assign) and name in map(ast.unparse, node.targets)
        ]

    def makes(self, names: set[str]) -> list[ast.Call]:
        """Calls of these classes, as ``torch.optim.Adam(...)`` for ``Adam``."""
        return [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Call) and called(node) in names
        ]

    def returns(self, owner: str, method: str) -> int:
        """The line of the last ``return`` of a class's method, 0 where there is none."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef) and node.name == owner:
                for one in ast.walk(node):
                    if isinstance(one, ast.FunctionDef) and one.name == method:
                        found = [r.lineno for r in ast.walk(one) if isinstance(r, ast.Return)]
                        return max(found, default=0)
        return 0


def _stores(method: ast.FunctionDef, name: str) -> Iterator[tuple[str, int]]:
    """The attributes that a method sets to a bare name, with the line."""
    for node in ast.walk(method):
        for one, given in assignments(node):
            if isinstance(one, ast.Attribute) and isinstance(given, ast.Name) and given.id == name:
                yield ast.unparse(one), _begins(node)


def assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """(target, value) of a plain assignment; ``a, b = c, d`` is two."""
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        yield from zip(target.elts, value.elts, strict=False)
    else:
        yield target, value


def called(call: ast.Call) -> str:
    """The last word of what is called: ``Adam`` for ``torch.optim.Adam(...)``."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def loops_around(tree: ast.AST, line: int) -> list[ast.For | ast.While | ast.AsyncFor]:
    """The loops that a line stands in, innermost first."""
    loops = [node for node in ast.walk(tree) if isinstance(node, Loop) and _holds(node, line)]
    return sorted(loops, key=_begins, reverse=True)


def _begins(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0))


def _holds(node: ast.AST, line: int) -> bool:
    return _begins(node) <= line <= int(getattr(node, "end_lineno", 0) or 0)


def _plain_calls(statement: ast.stmt) -> Iterator[Call]:
    """Calls of a statement, those inside ``if`` and definitions left out."""
    if isinstance(statement, ast.With | ast.For):
        for inner in statement.body:
            yield from _plain_calls(inner)
    elif (owner := _forgets_grad(statement)) is not None:
        yield owner, "zero_grad", statement.lineno
    elif isinstance(statement, ast.Expr | ast.Assign):
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield ast.unparse(node.func.value), node.func.attr, node.lineno
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield "", node.func.id, node.lineno


def _forgets_grad(statement: ast.stmt) -> str | None:
    """``p`` for ``p.grad = None``, which is a ``zero_grad`` of one parameter."""
    if not isinstance(statement, ast.Assign) or ast.unparse(statement.value) != "None":
        return None
    target = statement.targets[0]
    if not isinstance(target, ast.Attribute) or target.attr != "grad":
        return None
    return ast.unparse(target.value)
