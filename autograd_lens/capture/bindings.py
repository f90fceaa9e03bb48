"""Whether a loop makes a variable anew in every turn, or carries it from one turn to the next.

A leaf that is a tensor and no ``nn.Parameter`` may be a parameter that a handwritten update binds
to a new tensor in each step (``w = w - rate * w.grad``), or an input whose gradient is asked for
(``x = torch.rand(8, 2).requires_grad_()``). The tensors look alike; the program says which it
is: what a turn binds the name to does, or does not, come from what the turn before left there.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterable, Iterator
from functools import lru_cache
from types import CodeType, FrameType

__all__ = ["is_carried", "is_made_anew"]

_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


Base = tuple[int, int]
"""``id`` of the frame that a recording began in, and its line at the time."""


def is_made_anew(name: str, frames: list[FrameType], place: int, base: Base) -> bool:
    """Whether a variable is bound in each turn to something that owes nothing to the turn before.

    Args:
        name: The variable, without what is indexed in it.
        frames: The program's frames, innermost first.
        place: Which of them the variable belongs to.
        base: Where the recording began; a loop that ran already does not count.
    """
    if _body_of(frames[place].f_code) is None:
        return False
    loop = _loop_of(frames[place], base)
    if loop is not None:
        return _stores(name, [loop]) and not _carries(name, loop)
    local = name in frames[place].f_code.co_varnames[_arguments(frames[place].f_code) :]
    return local and any(_loop_of(frame, base) is not None for frame in frames[place + 1 :])


def is_carried(target: str, frames: list[FrameType]) -> bool:
    """Whether a loop that is running binds a target to something made of what stood there.

    Args:
        target: As Python writes it: ``w``, ``model.weight``.
        frames: The program's frames.
    """
    for frame in frames:
        body = _body_of(frame.f_code)
        loop = None if body is None else _innermost_loop(body, frame.f_lineno)
        around = [loop] if loop is not None else body or []
        if _stores(target, around) and _taints(target, around):
            return True
    return False


def _loop_of(frame: FrameType, base: Base) -> ast.stmt | None:
    body = _body_of(frame.f_code)
    loop = None if body is None else _innermost_loop(body, frame.f_lineno)
    began_before = id(frame) == base[0] and loop is not None and loop.lineno <= base[1]
    return None if began_before else loop


def _arguments(code: CodeType) -> int:
    return code.co_argcount + code.co_kwonlyargcount


@lru_cache(maxsize=256)
def _tree(file: str) -> ast.Module | None:
    lines = linecache.getlines(file)
    try:
        return ast.parse("".join(lines)) if lines else None
    except (SyntaxError, ValueError, RecursionError):
        return None


@lru_cache(maxsize=1024)
def _body_of(code: CodeType) -> list[ast.stmt] | None:
    """The statements that a code object was made of; None where the source is not there."""
    tree = _tree(code.co_filename)
    if tree is None or code.co_name == "<module>":
        return None if tree is None else tree.body
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            first = min([node.lineno, *[one.lineno for one in node.decorator_list]])
            if first == code.co_firstlineno:
                return node.body
    return None


def _inside(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All nodes of some statements, but not those of functions and classes in them."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _SCOPES):
            waiting.extend(ast.iter_child_nodes(node))


def _innermost_loop(body: list[ast.stmt], line: int) -> ast.stmt | None:
    around = [
        node
        for node in _inside(body)
        if isinstance(node, _LOOPS) and node.lineno <= line <= (node.end_lineno or line)
    ]
    return max(around, key=lambda node: node.lineno, default=None)


def _stores(target: str, nodes: Iterable[ast.AST]) -> bool:
    return any(
        isinstance(getattr(node, "ctx", None), ast.Store) and ast.unparse(node) == target
        for node in _inside(nodes)
    )


def _carries(name: str, loop: ast.stmt) -> bool:
    """Whether the variable, at the end of a turn, was made of what it was at the beginning."""
    if isinstance(loop, (ast.For, ast.AsyncFor)) and _stores(name, [loop.target]):
        return False
    return _taints(name, loop.body if isinstance(loop, _LOOPS) else [loop])


def _taints(name: str, body: Iterable[ast.stmt]) -> bool:
    """Whether a target that holds something at first still holds something made of it at last."""
    return name in _flow(body, {name})


def _flow(body: Iterable[ast.stmt], tainted: set[str]) -> set[str]:
    """Which targets hold something made of the tainted ones after some statements."""
    for statement in body:
        if isinstance(statement, ast.Assign):
            tainted = _assign(statement.targets, statement.value, tainted)
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            tainted = _assign([statement.target], statement.value, tainted)
        elif isinstance(statement, (ast.For, ast.AsyncFor)):
            inner = _assign([statement.target], statement.iter, tainted)
            tainted = tainted | _flow(statement.body, inner) | _flow(statement.orelse, tainted)
        elif isinstance(statement, (ast.If, ast.While)):
            tainted = _flow(statement.body, tainted) | _flow(statement.orelse, tainted)
        elif isinstance(statement, (ast.With, ast.AsyncWith)):
            tainted = _flow(statement.body, tainted)
        elif isinstance(statement, ast.Try):
            tainted = _flow([*statement.body, *statement.orelse, *statement.finalbody], tainted)
    return tainted


def _assign(targets: list[ast.expr], value: ast.expr, tainted: set[str]) -> set[str]:
    """Tuples are taken apart where both sides are written as tuples."""
    after = set(tainted)
    for target in targets:
        pairs = [(target, value)]
        if isinstance(target, (ast.Tuple, ast.List)):
            parts = target.elts
            values = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
            same = len(values) == len(parts)
            pairs = list(zip(parts, values if same else [value] * len(parts), strict=True))
        for part, made in pairs:
            written = ast.unparse(part)
            if any(ast.unparse(node) in tainted for node in _read(made)):
                after.add(written)
            else:
                after.discard(written)
    return after


def _read(value: ast.expr) -> Iterator[ast.AST]:
    return (node for node in ast.walk(value) if isinstance(node, (ast.Name, ast.Attribute)))
