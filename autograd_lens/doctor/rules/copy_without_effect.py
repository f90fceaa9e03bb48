"""Parameters are copied or averaged without any effect.

What it finds:
    A network that is loaded with its own state, also one that was kept without a copy; a target
    network that is the trained network itself; an average that is given to a loop's variable and
    not to the parameter; weights that go back to where they began, again and again; one of two
    target networks that is forgotten while the other follows.

Why it is bad:
    The target, the teacher or the average is not what the program believes: it never changes, or
    it is the model itself, or it throws away what was learned.

Evidence it needs:
    The program's text, light steps with the values of all parameters, and full steps in which a
    parameter is copied onto itself.

Example:
    for average, p in zip(teacher.parameters(), model.parameters()):
        average = 0.99 * average + 0.01 * p

Corrected:
    for average, p in zip(teacher.parameters(), model.parameters()):
        average.mul_(0.99).add_(p, alpha=0.01)

When it is silent:
    Copies that change something, and runs that begin anew with a new optimizer.

References:
    https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, same_bytes
from autograd_lens.doctor.finding import Finding, Rule, plural
from autograd_lens.doctor.source import called, loops_around
from autograd_lens.trace.graph import operator_name, tensors
from autograd_lens.trace.records import Source
from autograd_lens.trace.values import Value

RULE = Rule("AL606", "copy-without-effect", "error", "light")

_TIMES = 2
_Case = tuple[int, str, str, str, int | None]  # line, title, what happens, fix, step


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find copies without effect."""
    source = evidence.loop
    if source is None:
        return
    tree = evidence.code(source).tree
    for case in (
        _onto_itself(tree),
        _kept_alive(evidence, tree),
        _same_network(evidence, source),
        _by_name(evidence, tree),
        _back_again(evidence, tree),
        _left_behind(evidence, tree),
    ):
        if case is not None:
            line, title, what, fix, step = case
            place = Source.at(source.file, line)
            yield RULE.finding(
                title=title,
                message=what,
                fix=fix,
                step=step,
                events=("values of all steps",),
                source=place,
            )
            return


def _onto_itself(tree: ast.AST) -> _Case | None:
    """``net.load_state_dict(net.state_dict())``, also where both names are one object."""
    same = _second_names(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or called(node) != "load_state_dict" or not node.args:
            continue
        given = node.args[0]
        if isinstance(given, ast.Call) and called(given) == "state_dict":
            owners = [
                ast.unparse(one.func.value)
                for one in (node, given)
                if isinstance(one.func, ast.Attribute)
            ]
            first, line = same.get(owners[0], (owners[0], node.lineno))
            if len(owners) == _TIMES and first == owners[1]:
                return (
                    line,
                    f"{owners[0]} is loaded with its own state",
                    f"""Both sides of the copy are {first}: it changes nothing, and what is called
                    {owners[0]} changes with every update.""",
                    f"{owners[0]}.load_state_dict(online_net.state_dict())",
                    None,
                )
    return None


def _second_names(tree: ast.AST) -> dict[str, tuple[str, int]]:
    """Names that are given another name's object and nothing else -> (that name, the line)."""
    given: dict[str, list[tuple[str, int]]] = {}
    for node in ast.walk(tree):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(node, ast.Assign):
                plain = isinstance(node.value, ast.Name | ast.Attribute)
                value = ast.unparse(node.value) if plain else ""
                given.setdefault(ast.unparse(target), []).append((value, node.lineno))
    return {name: found[0] for name, found in given.items() if len(found) == 1 and found[0][0]}


def _takes(call: ast.Call, owner: str, target: ast.expr) -> bool:
    """Whether a call loads a network with what it was kept as, by the last word of its name."""
    given = call.args[0] if call.args else None
    if not isinstance(given, type(target)) or not isinstance(call.func, ast.Attribute):
        return False
    last = [ast.unparse(one).rpartition(".")[2] for one in (given, target)]
    return ast.unparse(call.func.value) == owner and last[0] == last[1]


def _repeated(tree: ast.AST, place: int, line: int) -> bool:
    """Whether a line is reached again and again among the updates of another line."""
    if any(_around(loop, line) for loop in loops_around(tree, place)):
        return True
    calls = {
        called(one)
        for loop in loops_around(tree, line)
        for one in ast.walk(loop)
        if isinstance(one, ast.Call)
    }
    return any(
        isinstance(one, ast.FunctionDef) and one.name in calls and _around(one, place)
        for one in ast.walk(tree)
    )


def _kept_alive(evidence: Evidence, tree: ast.AST) -> _Case | None:
    """``best = net.state_dict()`` among the updates, and ``net.load_state_dict(best)`` later."""
    line = evidence.loop.line if evidence.loop else 0
    loaded = [one for one in ast.walk(tree) if isinstance(one, ast.Call) and _loads(one)]
    text = ast.unparse(tree) if loaded else ""
    for node in ast.walk(tree) if loaded else ():
        owner = _state_of(node.value) if isinstance(node, ast.Assign) else ""
        if not owner or not isinstance(node, ast.Assign):
            continue
        name = ast.unparse(node.targets[0])
        loads = [call.lineno for call in loaded if _takes(call, owner, node.targets[0])]
        last = name.rpartition(".")[2]
        changed = f"{last}[" in text or f"{last}.update(" in text
        if loads and _repeated(tree, node.lineno, line) and not changed and loads[-1] > node.lineno:
            return (
                node.lineno,
                f"{name} is no copy: it changes with every update",
                f"""`{ast.unparse(node)}` names the parameters of {owner}, which
                {plural(len(evidence.losses), "step")} updated in place. Line {loads[-1]} loads
                {owner} with what it has already.""",
                f"{name} = copy.deepcopy({owner}.state_dict())",
                None,
            )
    return None


def _state_of(node: ast.expr) -> str:
    """``net`` for ``net.state_dict()`` and its shallow copies, else ``""``."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr == "state_dict" and not node.args:
            return ast.unparse(node.func.value)
        if node.func.attr != "copy" or node.args:
            break
        node = node.func.value
    if isinstance(node, ast.Call) and called(node) in ("dict", "copy") and len(node.args) == 1:
        return _state_of(node.args[0])
    return ""


def _around(loop: ast.AST, line: int) -> bool:
    first, last = getattr(loop, "lineno", 0), getattr(loop, "end_lineno", 0)
    return bool(first <= line <= last)


def _same_network(evidence: Evidence, source: Source) -> _Case | None:
    """A parameter that a copy reads and writes: both networks are one."""
    for tape in evidence.tapes:
        for kernel in tape.kernels:
            if operator_name(kernel) != "copy_" or kernel.phase == "backward":
                continue
            pair = list(tensors(kernel.inputs))[:_TIMES]
            own = len(pair) == _TIMES and pair[0].spec.role == "parameter"
            if own and tape.itself(pair[1].tensor) == pair[0].tensor and kernel.source:
                name = pair[0].spec.name
                made = _alias(evidence, source)
                return (
                    made or kernel.source.line,
                    "a network is copied onto itself: two names, one network",
                    f"""In step {tape.step.index}, `{evidence.line(kernel.source)}` copies {name}
                    onto {name} itself. The two networks are one object: what was to be a fixed copy
                    changes with every update.""",
                    "target = copy.deepcopy(model)",
                    tape.step.index,
                )
    return None


def _alias(evidence: Evidence, source: Source) -> int:
    """The line that gives one network two names, 0 where the text does not tell."""
    line = 0
    for node in ast.walk(evidence.code(source).tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
            named = ast.unparse(node.targets[0]).lower()
            line = node.lineno if "target" in named else 0
        if isinstance(node, ast.Call):
            names = [one.id for one in node.args if isinstance(one, ast.Name)]
            twice = called(node)[:1].isupper() and len(names) != len(set(names))
            line = node.lineno if twice else line
        if line:
            break
    return line


def _by_name(evidence: Evidence, tree: ast.AST) -> _Case | None:
    """A loop over parameters that only gives its variable another value."""
    for loop in ast.walk(tree):
        if not isinstance(loop, ast.For) or "parameters()" not in ast.unparse(loop.iter):
            continue
        turning = {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)}
        for node in loop.body:
            if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
                continue
            target = node.targets[0]
            if target.id not in turning:
                continue
            read = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
            if len(read & turning) < _TIMES or not _any_still(evidence):
                continue
            return (
                node.lineno,
                f"`{ast.unparse(node)}` changes no parameter",
                f"""It gives the name {target.id} to a new tensor; the parameter that had the name
                keeps its value. Parameters that no optimizer holds stayed the same in
                {plural(len(evidence.losses), "step")}.""",
                f"{target.id}.copy_({ast.unparse(node.value)})  # under no_grad",
                None,
            )
    return None


def _any_still(evidence: Evidence) -> bool:
    """Whether parameters that no optimizer holds never changed, where any are known."""
    others = [i for i in range(len(evidence.parameters)) if i not in evidence.ledger.holders]
    return all(
        not any(gap.updated for window in evidence.gaps(index) for gap in window)
        for index in others
    )


def _back_again(evidence: Evidence, tree: ast.AST) -> _Case | None:
    """All held parameters return to their first values, under one and the same optimizer."""
    kinds = {one.kind for one in evidence.optimizers if one.holds}
    made = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and called(node) in kinds]
    anew = any(loops_around(tree, call.lineno) for call in made)
    if anew or any(rates.renewed for rates in evidence.ledger.rates) or not evidence.windows:
        return None
    held = sorted(evidence.ledger.holders)
    times: list[set[int]] = []
    for index in held:
        gaps = evidence.gaps(index)[0] if evidence.gaps(index) else []
        first = gaps[0].value if gaps else None
        back = {
            gap.run.row.step
            for gap in gaps
            if gap.updated and same_bytes(first, gap.after) and not same_bytes(first, gap.value)
        }
        times.append(back)
    common = sorted(set.intersection(*times)) if times else []
    if len(common) < _TIMES:
        return None
    loads = [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Call) and _loads(n)]
    return (
        loads[-1] if loads else 1,
        f"the parameters went back to their first values {plural(len(common), 'time')}",
        f"""At the end of step {common[0]}, and {plural(len(common), "time")} in all, every
        parameter that the optimizer holds was again what it was before step 0, to the last bit:
        something loads a copy that was never updated.""",
        "# update the copy in every step, before it is loaded",
        common[0],
    )


_FEWEST = 5  # steps without a move


def _left_behind(evidence: Evidence, tree: ast.AST) -> _Case | None:
    """A copy of a trained network that stands still, while another copy follows its own."""
    held = evidence.ledger.holders
    still, follows = dict[str, str](), dict[str, str]()
    for index in range(len(evidence.parameters)):
        gaps = [gap for window in evidence.gaps(index) for gap in window]
        owner, original = _copied_from(evidence, index) if index not in held and gaps else ("", "")
        if original:
            moved = any(gap.updated for gap in gaps)
            (follows if moved else still)[owner] = original
    text = ast.unparse(tree)
    for owner, original in still.items():
        last = owner.rpartition(".")[2]
        named = f"{last}.load_state_dict" in text or f"{last}.parameters()" in text
        if follows and owner not in follows and not named and len(evidence.losses) >= _FEWEST:
            other = next(iter(follows))
            return (
                _copy_line(tree, last),
                f"{owner} never follows {original}, as {other} follows {follows[other]}",
                f"""Both are copies. {other} was moved towards {follows[other]} during the run,
                {owner} stood still in {plural(len(evidence.losses), "step")} while {original} was
                trained: it is the network of the first step.""",
                f"# update {owner} where {other} is updated",
                None,
            )
    return None


def _copied_from(evidence: Evidence, index: int) -> tuple[str, str]:
    """A copy of a trained network that a parameter belongs to, and that network; else nothing."""
    first = _first_value(evidence, index)
    if first is None or not first.complete or len(set(first.array.ravel().tolist())) == 1:
        return "", ""  # all zeros, as biases are, tell nothing
    for other in evidence.ledger.holders:
        trained = any(gap.updated for window in evidence.gaps(other) for gap in window)
        owner, original = _apart(evidence.parameters[index].name, evidence.parameters[other].name)
        if original and trained and same_bytes(first, _first_value(evidence, other)):
            return owner, original
    return "", ""


def _apart(one: str, other: str) -> tuple[str, str]:
    """Two names without the parts that they end with in common."""
    pieces, others = one.split("."), other.split(".")
    while pieces and others and pieces[-1] == others[-1]:
        del pieces[-1], others[-1]
    return ".".join(pieces), ".".join(others)


def _first_value(evidence: Evidence, index: int) -> Value | None:
    windows = evidence.gaps(index)
    return windows[0][0].value if windows and windows[0] else None


def _copy_line(tree: ast.AST, owner: str) -> int:
    """The line that makes a copy."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            names = (ast.unparse(one) for one in ast.walk(node.targets[0]))
            if any(name.rpartition(".")[2] == owner for name in names):
                return node.lineno
    return 1


def _loads(node: ast.Call) -> bool:
    return called(node) == "load_state_dict"
