"""What was saved beside the weights is not loaded again.

What it finds:
    A checkpoint that holds the state of an optimizer, a scheduler or a scaler, of which the
    program loads the weights and goes on training, and never that state; an optimizer that is
    made anew behind the line that loaded its state, or that holds the parameters in another order
    than the one whose state it is given.

Why it is bad:
    Momentum and second moments begin at zero, and the rate where it began: the first updates
    behind the resumption undo part of what was learned.

Evidence it needs:
    The program's text.

Example:
    torch.save({"net": net.state_dict(), "opt": opt.state_dict()}, file)
    ...
    net.load_state_dict(torch.load(file)["net"])
    train(net, opt)

Corrected:
    state = torch.load(file)
    net.load_state_dict(state["net"])
    opt.load_state_dict(state["opt"])
    train(net, opt)

When it is silent:
    Weights that are loaded to be evaluated, and programs that read every part of what they saved.

References:
    https://docs.pytorch.org/tutorials/beginner/saving_loading_models.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeGuard

from autograd_lens.doctor.evidence import Evidence, of_a_library
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.source import called
from autograd_lens.trace.kept import Optimizer
from autograd_lens.trace.records import Source

RULE = Rule("AL618", "state-not-restored", "warning", "light", explains=("AL511",))

_PAIR = 2  # words of a name, the model's left out
_DEEP = 3  # calls that are followed
_OPTIMIZERS = frozenset({"SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam", "RAdam", "Adamax"})
_Case = tuple[int, str, str, str]  # line, title, what happens, fix


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such state."""
    source = evidence.loop
    if source is None or of_a_library(source):
        return
    tree = evidence.code(source).tree
    case = _left(tree) or _anew(tree) or _other_order(evidence, tree)
    if case is not None:
        line, title, what, fix = case
        yield RULE.finding(
            title=title,
            message=what,
            fix=fix,
            events=("the program's text",),
            source=Source.at(source.file, line),
        )


def _left(tree: ast.Module) -> _Case | None:
    """A part of a checkpoint that nothing reads, where others are loaded and trained on."""
    read = {
        str(node.slice.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Load)
        and isinstance(node.slice, ast.Constant)
    }
    asked = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args)
    read |= {
        ast.unparse(one.args[0]).strip("'\"") for one in asked if called(one) in ("get", "pop")
    }
    for node in (one for one in ast.walk(tree) if isinstance(one, ast.Dict)):
        parts = _parts(node)
        lost = {key: owner for key, owner in parts.items() if key not in read}
        for key, owner in lost.items() if len(lost) < len(parts) else ():
            load = next((one for one in _loads(tree) if _key(one) in parts), None)
            if load is not None and _keeps(owner) and _trains_after(tree, load):
                return (
                    load.lineno,
                    f"{key!r} is saved and never loaded",
                    f"""Line {node.lineno} saves the state of {owner} as {key!r} beside the weights,
                    and nothing reads it: training goes on behind `{ast.unparse(load)}` with a
                    {owner} that begins anew.""",
                    f"{owner}.load_state_dict(state[{key!r}])",
                )
    return None


def _parts(node: ast.Dict) -> dict[str, str]:
    """Keys of a dictionary -> whose ``state_dict()`` stands there."""
    return {
        str(key.value): ast.unparse(value.func.value)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant)
        and isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and value.func.attr == "state_dict"
    }


def _keeps(owner: str) -> bool:
    """Whether a state is one that training needs to go on."""
    name = owner.rpartition(".")[2].lower()
    return any(word in name for word in ("opt", "sched", "scaler", "ema"))


def _loads(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node) == "load_state_dict":
            yield node


def _key(load: ast.Call) -> str:
    """``"net"`` for ``load_state_dict(state["net"])``."""
    for node in ast.walk(load.args[0]) if load.args else ():
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            return str(node.slice.value)
    return ""


def _trains_after(tree: ast.Module, load: ast.Call, depth: int = _DEEP) -> bool:
    """Whether statements behind a call, or behind the calls of its function, train."""
    for owner, after in _following(tree, load):
        if any(_trains(tree, one) for one in after):
            return True
        for name in {owner} - {""} if depth else ():
            calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and called(n) == name]
            if any(_trains_after(tree, one, depth - 1) for one in calls):
                return True
    return False


def _following(tree: ast.Module, call: ast.Call) -> Iterator[tuple[str, list[ast.stmt]]]:
    """The function or class around a call, and the statements behind it in its blocks."""
    for block in ast.walk(tree):
        body = getattr(block, "body", None)
        for place, statement in enumerate(body if isinstance(body, list) else ()):
            if any(node is call for node in ast.walk(statement)):
                if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                    yield statement.name, []
                elif isinstance(body, list):
                    yield "", body[place + 1 :]


def _trains(tree: ast.Module, statement: ast.AST, depth: int = _DEEP) -> bool:
    """Whether a statement calls backward, itself or through the program's functions."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return False
    names = {called(node) for node in ast.walk(statement) if isinstance(node, ast.Call)}
    if "backward" in names:
        return True
    return depth > 0 and any(
        isinstance(node, ast.FunctionDef)
        and node.name in names
        and any(_trains(tree, one, depth - 1) for one in node.body)
        for node in ast.walk(tree)
    )


def _other_order(evidence: Evidence, tree: ast.Module) -> _Case | None:
    """An optimizer that is given the state of one with the same parameters in another order."""
    loads = [one for one in _loads(tree) if "opt" in ast.unparse(one.func)]
    load = loads[0] if loads and len(evidence.optimizers) > 1 else None
    known = [(one, _order(evidence, one)) for one in evidence.optimizers]
    for one, mine in known:
        for other, theirs in known:
            same = sorted(mine) == sorted(theirs) and len(set(mine)) == len(mine) > 1
            if one is not other and load is not None and same and mine != theirs:
                return (
                    load.lineno,
                    "an optimizer gets a state that is in another order",
                    f"""one optimizer of the program holds {", ".join(mine[:3])}, ..., and another
                    one {", ".join(theirs[:3])}, ...: states go by place, so
                    `{ast.unparse(load)}` gives parameters the moments of others.""",
                    "# make both optimizers from the parameters in the same order",
                )
    return None


def _order(evidence: Evidence, optimizer: Optimizer) -> list[str]:
    """The names of an optimizer's parameters within their models, in order."""
    held = [evidence.parameters[index].name for index in optimizer.holds if index is not None]
    return [".".join(name.split(".")[-_PAIR:]) for name in held]


def _anew(tree: ast.Module) -> _Case | None:
    """An optimizer that is made behind the line that loaded its state."""
    for load in _loads(tree):
        owner = ast.unparse(load.func).removesuffix(".load_state_dict")
        for _, after in _following(tree, load):
            for one in after:
                if _makes(tree, one, owner) and _trains_after(tree, load):
                    return (
                        one.lineno,
                        f"{owner} is made anew behind the line that loaded its state",
                        f"""`{ast.unparse(load)}` in line {load.lineno} gave {owner} its state, and
                        line {one.lineno} puts another optimizer in its place, which has none.""",
                        "# make the optimizer first, then load its state",
                    )
    return None


def _makes(tree: ast.AST, statement: ast.stmt, owner: str, depth: int = 1) -> bool:
    """Whether a statement binds an optimizer to a name, itself or in a method that it calls."""
    for node in ast.walk(statement):
        value = node.value if isinstance(node, ast.Assign) else None
        made = isinstance(value, ast.Call) and called(value) in _OPTIMIZERS
        if made and owner in map(ast.unparse, getattr(node, "targets", [])):
            return True
        own = isinstance(node, ast.Call) and ast.unparse(node.func).startswith("self.")
        if isinstance(node, ast.Call) and own and depth:
            bodies = [one.body for one in ast.walk(tree) if _is_method(one, called(node))]
            if any(_makes(tree, inner, owner, 0) for body in bodies for inner in body):
                return True
    return False


def _is_method(node: ast.AST, name: str) -> TypeGuard[ast.FunctionDef]:
    """Whether a node defines a function of that name, other than a constructor."""
    return isinstance(node, ast.FunctionDef) and node.name == name != "__init__"
