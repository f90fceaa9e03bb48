"""Inputs and targets are other samples.

What it finds:
    Inputs that are drawn by one list of rows, and targets that are drawn by another; inputs that
    are mixed in the order of one random permutation, and targets in that of another. Inputs that
    are sorted (by length, say) or shuffled while their targets stay as they were; inputs and
    targets out of two loaders that shuffle each for itself. Pictures that are turned over, and
    their targets not; a recurrent state that goes on in a loader that shuffles.

Why it is bad:
    The model is told the answers of other samples: it can learn nothing but their mean.

Evidence it needs:
    Full steps in which the program picks rows itself: the row numbers.

Example:
    loss = criterion(model(x[torch.randperm(n)[:k]]), y[torch.randperm(n)[:k]])

Corrected:
    rows = torch.randperm(n)[:k]
    loss = criterion(model(x[rows]), y[rows])

When it is silent:
    Predictions that go back to the targets' rows as well, as with mixed samples; targets that are
    all so many rows behind, as in a forecast.

References:
    https://docs.pytorch.org/docs/stable/data.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autograd_lens.doctor.evidence import Evidence, of_a_library
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.source import assignments, called
from autograd_lens.doctor.tape import LOSSES
from autograd_lens.trace.graph import VIEWS, TapeIndex, integers, operator_name, tensors
from autograd_lens.trace.records import Kernel, Source, Step, TensorUse

RULE = Rule("AL409", "rows-apart", "error", "full")

_FEWEST_STEPS = 2
_FEWEST_ROWS = 4
_MORE_LOSSES = frozenset({"mul", "sub"})  # of a cross-entropy with soft targets, and by hand
_TAKES = frozenset({"index", "index_select"})
_PAIR = 2


@dataclass(frozen=True, slots=True)
class _Pick:
    """Rows that were picked.

    Attributes:
        base: Id of what they were picked from.
        count: How many rows that has.
        rows: Their numbers.
    """

    base: int
    count: int
    rows: npt.NDArray[np.int64]

    def fits(self, other: _Pick) -> bool:
        """Whether both pick as many from data of the same length."""
        return self.count == other.count and len(self.rows) == len(other.rows)

    def follows(self, other: _Pick) -> bool:
        """Whether these are the same rows, or all so many behind, or of the same data."""
        apart = set((self.rows - other.rows).tolist())
        return len(apart) == 1 or self.base == other.base


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find losses that compare different rows."""
    found = [(step, place) for step in evidence.full if (place := _apart(step)) is not None]
    mixed = [(step, two) for step in evidence.full if (two := _two_orders(step)) is not None]
    if mixed and len(found) < _FEWEST_STEPS:
        yield _in_two_orders(evidence, mixed[0][0], *mixed[0][1])
    if len(found) >= _FEWEST_STEPS:
        step, kernel = found[0]
        yield RULE.finding(
            title="inputs and targets come from different rows",
            message=f"""In step {step.index}, `{evidence.line(kernel.source)}` picks the targets
                by other row numbers than those the inputs were picked by, from data with as many
                rows. It is so in {len(found)} steps.""",
            fix="rows = torch.randperm(n)[:k]  # once, for x[rows] and y[rows]",
            step=step.index,
            kernel=kernel,
        )
    if not mixed and not found:
        yield from _turned_alone(evidence)
        yield from _mirrored(evidence)
        yield from _in_the_text(evidence)


def _apart(step: Step) -> Kernel | None:
    """The kernel that picks a loss's targets by rows that no input was picked by."""
    tape = TapeIndex(step)
    for kernel in step.kernels:
        given = list(tensors(kernel.inputs))[:2]
        if operator_name(kernel) not in LOSSES or kernel.requires_grad is not True:
            continue
        target = tape.through_views(given[-1].tensor, kernel.index)
        wanted = _pick(target) if target is not None else None
        if wanted is None or len(wanted.rows) < _FEWEST_ROWS:
            continue
        behind = map(_pick, tape.ancestors(given[0].tensor, kernel.index))
        inputs = [pick for pick in behind if pick is not None and pick.fits(wanted)]
        if inputs and not any(one.follows(wanted) for one in inputs):
            return target
    return None


def _two_orders(step: Step) -> tuple[Kernel, Kernel] | None:
    """The kernels that took rows of inputs and of targets, each by a permutation of its own."""
    tape = TapeIndex(step)
    if sum(operator_name(kernel) == "randperm" for kernel in step.kernels) < _PAIR:
        return None
    for kernel in step.kernels:
        sides = list(tensors(kernel.inputs))[:_PAIR]
        carried = [side.tensor in tape.differentiable for side in sides]
        compares = operator_name(kernel) in LOSSES | _MORE_LOSSES and kernel.phase == "forward"
        if not compares or sorted(carried) != [False, True]:
            continue
        model, other = sides if carried[0] else reversed(sides)
        mine, theirs = _orders(tape, model, kernel), _orders(tape, other, kernel)
        own, foreign = mine.keys() - theirs.keys(), theirs.keys() - mine.keys()
        if own and foreign:
            return mine[min(own)], theirs[min(foreign)]
    return None


def _orders(tape: TapeIndex, side: TensorUse, kernel: Kernel) -> dict[int, Kernel]:
    """The permutations that rows behind a tensor were taken by -> the kernel that took them."""
    found: dict[int, Kernel] = {}
    for one in tape.ancestors(side.tensor, kernel.index):
        given = list(tensors(one.inputs)) if operator_name(one) in _TAKES else []
        if len(given) != _PAIR or one.requires_grad:
            continue
        order = tape.through_views(given[1].tensor, one.index)
        whole = given[1].spec.shape == given[0].spec.shape[:1]
        if order is not None and operator_name(order) == "randperm" and whole:
            found[order.index] = one
    return found


def _in_two_orders(evidence: Evidence, step: Step, mine: Kernel, theirs: Kernel) -> Finding:
    return RULE.finding(
        title="inputs and targets are in two different orders",
        message=f"""In step {step.index}, rows of what the model was given were taken by one random
            permutation (`{evidence.line(mine.source).strip()}`), and rows of what its result is
            compared with by another one (`{evidence.line(theirs.source).strip()}`): each sample
            has the label of some other sample.""",
        fix="order = torch.randperm(n)  # one, for both",
        step=step.index,
        events=(f"kernel {mine.index} {mine.op}", f"kernel {theirs.index} {theirs.op}"),
        source=theirs.source,
    )


def _pick(kernel: Kernel) -> _Pick | None:
    """What an ``x[rows]`` picks, where x is data and the rows are known."""
    given = list(tensors(kernel.inputs))
    if operator_name(kernel) != "index" or kernel.requires_grad or len(given) != 2:  # data and rows
        return None
    base, rows = given
    known = rows.value is not None and rows.value.complete and len(rows.spec.shape) == 1
    whole = known and rows.value is not None and rows.value.array.dtype.kind == "i"
    if not whole or rows.value is None or not base.spec.shape:
        return None
    return _Pick(base.tensor, base.spec.shape[0], rows.value.array)


# -- inputs in another order, targets as they were --------------------------------------------

_ORDERS = frozenset({"sort", "argsort", "randperm"})


def _turned_alone(evidence: Evidence) -> Iterator[Finding]:
    """A loss whose prediction goes back to rows in another order, and whose targets do not."""
    found = [(step, taken) for step in evidence.full if (taken := _turned(TapeIndex(step)))]
    if found and len(found) >= min(_FEWEST_STEPS, len(evidence.full)):
        step, kernel = found[0]
        yield RULE.finding(
            title="inputs are in another order than their targets",
            message=f"""In step {step.index}, `{evidence.line(kernel.source).strip()}` puts the rows
                of what the model is given into another order, and nothing puts the results back,
                or the targets into the same order: each sample is told the answer of another
                one.""",
            fix="y = y[order]  # the targets as well",
            step=step.index,
            kernel=kernel,
        )


def _turned(tape: TapeIndex) -> Kernel | None:
    for kernel in tape.kernels:
        sides = list(tensors(kernel.inputs))[:_PAIR]
        if operator_name(kernel) not in LOSSES or not kernel.requires_grad or len(sides) != _PAIR:
            continue
        model, target = sides
        taken = list(_whole(tape, model, kernel))
        if len(taken) == 1 and _plain(tape, target, kernel, taken[0].outputs[0].spec.shape[0]):
            base = next(tensors(taken[0].inputs))
            behind = {one.index for one in tape.ancestors(model.tensor, kernel.index)}
            if not any(
                one.index in behind and one is not taken[0] for one in tape.readers(base.tensor)
            ):
                return taken[0]
    return None


_TURNS = frozenset({"flip", "roll", "rot90"})
_PLANE = 2  # axes of a picture


def _mirrored(evidence: Evidence) -> Iterator[Finding]:
    """Pictures that are turned over, with targets for each of their points that are not."""
    for tape in evidence.tapes:
        for kernel in tape.kernels:
            sides = list(tensors(kernel.inputs))[:_PAIR]
            if (
                operator_name(kernel) not in LOSSES
                or not kernel.requires_grad
                or len(sides) < _PAIR
            ):
                continue
            turn = _turn_of(tape, sides[0], sides[1], kernel)
            if turn is not None:
                yield RULE.finding(
                    title="pictures are turned over, and their targets are not",
                    message=f"""In step {tape.step.index},
                        `{evidence.line(turn.source).strip()}` turns over what the model is given,
                        and the targets, which have a number for each of its points, stay as they
                        were: left is told what belongs to the right.""",
                    fix="x, y = x.flip(-1), y.flip(-1)  # both",
                    step=tape.step.index,
                    kernel=turn,
                )
                return


def _turn_of(tape: TapeIndex, model: TensorUse, target: TensorUse, kernel: Kernel) -> Kernel | None:
    """The only turn behind a prediction, of data as large as targets that were not turned."""
    behind = list(tape.ancestors(model.tensor, kernel.index))
    turns = [one for one in behind if operator_name(one) in _TURNS]
    if len(turns) != 1 or turns[0].requires_grad or target.tensor in tape.differentiable:
        return None
    given, plane = next(tensors(turns[0].inputs)), target.spec.shape[-_PLANE:]
    dims = [dim % len(given.spec.shape) for dim in integers(turns[0], "dims")]
    inner = bool(dims) and min(dims) >= len(given.spec.shape) - _PLANE > 0
    if not inner or given.spec.shape[-_PLANE:] != plane or min(plane) <= 1:
        return None
    others = list(tape.ancestors(target.tensor, kernel.index))
    from_it = any(one is turns[0] for one in others)
    turned = any(operator_name(one) in _TURNS for one in others)
    beside = any(
        one in behind and one is not turns[0]
        for one in tape.readers(given.tensor)
        if operator_name(one) not in VIEWS
    )
    return None if from_it or turned or beside else turns[0]


def _whole(tape: TapeIndex, side: TensorUse, kernel: Kernel) -> Iterator[Kernel]:
    """Kernels behind a tensor that put all rows of something into another order."""
    for one in tape.ancestors(side.tensor, kernel.index):
        given = list(tensors(one.inputs)) if operator_name(one) in _TAKES else []
        if operator_name(one) in ("scatter", "scatter_", "index_put_", "index_copy_"):
            yield one
            yield one  # may put them back
        if len(given) == _PAIR and given[1].spec.shape == given[0].spec.shape[:1]:
            order = tape.through_views(given[1].tensor, one.index)
            if order is None or operator_name(order) not in _ORDERS:
                yield one  # it is not known what this does: two are no case
                yield one
            else:
                yield one


def _plain(tape: TapeIndex, target: TensorUse, kernel: Kernel, rows: int) -> bool:
    """Whether targets are data of as many rows in the order in which they came."""
    if target.tensor in tape.differentiable or target.spec.shape[:1] != (rows,):
        return False
    value = target.value
    varied = value is not None and value.complete and np.unique(value.array).size > 1
    behind = [operator_name(one) for one in tape.ancestors(target.tensor, kernel.index)]
    return varied and not {*behind} & (_TAKES | _ORDERS | {"arange", "scatter_", "scatter"})


# -- what the text shows ----------------------------------------------------------------------


def _in_the_text(evidence: Evidence) -> Iterator[Finding]:
    source = evidence.loop
    if source is None or of_a_library(source):
        return
    tree = evidence.code(source).tree
    looks = (_shuffled_alone, _two_loaders, _carried_on, _sorted_apart)
    case = next((one for look in looks if (one := look(tree)) is not None), None)
    if case is not None:
        line, title, what, fix = case
        yield RULE.finding(
            title=title,
            message=what,
            fix=fix,
            events=("the program's text",),
            source=Source.at(source.file, line),
        )


_Case = tuple[int, str, str, str]


def _shuffled_alone(tree: ast.Module) -> _Case | None:
    """``x = x[order]`` without its partner, of which rows are paired with those of x later."""
    for block in ast.walk(tree):
        body = getattr(block, "body", None)
        statements = body if isinstance(body, list) else []
        for place, statement in enumerate(statements):
            moved = dict(_moved(tree, statement))
            for name, order in moved.items():
                same = {
                    other for one in statements for other, by in _moved(tree, one) if by == order
                }
                made = {_bound(one) for one in statements[:place]}
                for partner in _partners(statements[place + 1 :], name):
                    before = any(partner in names for names in made)
                    again = any(partner in _bound(one) for one in statements[place:])
                    if partner not in same and before and not again:
                        return (
                            statement.lineno,
                            f"{name} is put into another order, and {partner} is not",
                            f"""`{ast.unparse(statement)}` changes the order of {name}'s rows, and
                            {partner}, whose rows are paired with them, keeps its own: each sample
                            has the answer of another one.""",
                            f"{name}, {partner} = {name}[{order}], {partner}[{order}]",
                        )
    return None


def _bound(statement: ast.stmt) -> frozenset[str]:
    nodes = ast.walk(statement) if isinstance(statement, ast.Assign | ast.AugAssign) else ()
    return frozenset(
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )


def _moved(tree: ast.AST, statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """Names whose rows a statement puts into another order, and the order."""
    pairs: list[tuple[ast.expr, ast.expr]] = []
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = list(zip(target.elts, value.elts, strict=False))
        else:
            pairs = [(target, value)]
    for target, value in pairs:
        own = isinstance(target, ast.Name) and isinstance(value, ast.Subscript)
        if own and isinstance(value, ast.Subscript) and isinstance(target, ast.Name):
            order = ast.unparse(value.slice)
            if ast.unparse(value.value) == target.id and _is_order(tree, value.slice):
                yield target.id, order
    call = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("random.shuffle"):
        names = [one.id for one in call.args if isinstance(one, ast.Name)]
        yield from ((name, f"shuffle in line {statement.lineno}") for name in names)


def _is_order(tree: ast.AST, order: ast.expr) -> bool:
    """Whether rows are taken by a permutation: made by the expression itself or by its name."""
    made = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(order) in map(ast.unparse, node.targets)
    ]
    calls = [node for one in (made or [order]) for node in [one] if isinstance(node, ast.Call)]
    return bool(calls) and all(
        called(one) in ("randperm", "permutation", "argsort") for one in calls
    )


def _partners(after: list[ast.stmt], name: str) -> Iterator[str]:
    """Names whose rows are paired with those of a name: in a data set, or by the same index."""
    for statement in after:
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and called(node) in ("TensorDataset", "zip"):
                names = [one.id for one in node.args if isinstance(one, ast.Name)]
                if name in names:
                    yield from (one for one in names if one != name)
        if isinstance(statement, ast.For | ast.FunctionDef | ast.While):
            rows = [
                (ast.unparse(node.value), ast.unparse(node.slice))
                for node in ast.walk(statement)
                if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name)
            ]
            mine = {index for base, index in rows if base == name}
            yield from (base for base, index in rows if index in mine and base != name)


_ORDERING = frozenset({"argsort", "randperm", "permutation", "sort"})


def _sorted_apart(tree: ast.Module) -> _Case | None:
    """A function that puts some of what belongs together into an order, and returns all of it."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        orders = set[str]()
        for node in ast.walk(function):
            made = isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
            if isinstance(node, ast.Assign) and made and _sorts(node.value):
                target = node.targets[0]
                last = target.elts[-1] if isinstance(target, ast.Tuple) else target
                orders |= {last.id} if isinstance(last, ast.Name) else set()
        moved = {name: at for order in orders for name, at in _taken_by(function, order)}
        returns = [one for one in function.body if isinstance(one, ast.Return)]
        given = returns[-1].value if returns else None
        parts = given.elts if isinstance(given, ast.Tuple) else []
        names = {one.id for one in parts if isinstance(one, ast.Name)}
        for group in _siblings(function):
            left = [one for one in group if one in names and one not in moved]
            others = [one for one in group if one in moved]
            if left and others and not orders & names and len(function.body) > 1:
                return (
                    returns[-1].lineno,
                    f"{others[0]} is put into another order, and {left[0]} is not",
                    f"""{function.name} takes {others[0]} in another order (line
                    {moved[others[0]]}) and returns {left[0]}, which came together with it, as it
                    was: each sample has the answer of another one.""",
                    f"{left[0]}[order]",
                )
    return None


def _sorts(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and called(value) in _ORDERING


def _taken_by(function: ast.FunctionDef, order: str) -> Iterator[tuple[str, int]]:
    """Names whose rows are taken by an order: ``x[order]``, ``[x[i] for i in order]``."""
    turning = {
        ast.unparse(one.target)
        for node in ast.walk(function)
        for one in getattr(node, "generators", ())
        if isinstance(one, ast.comprehension) and ast.unparse(one.iter).startswith(order)
    }
    for node in ast.walk(function):
        row = isinstance(node, ast.Subscript) and ast.unparse(node.slice) in turning | {order}
        if isinstance(node, ast.Subscript) and row:  # of torch.tensor(labels)[order], too
            names = (one for one in ast.walk(node.value) if isinstance(one, ast.Name))
            yield from ((one.id, node.lineno) for one in names)
        elif isinstance(node, ast.Call) and called(node) == "index_select":
            owner = getattr(node.func, "value", None)
            if isinstance(owner, ast.Name) and order in map(ast.unparse, node.args):
                yield owner.id, node.lineno


def _siblings(function: ast.FunctionDef) -> Iterator[list[str]]:
    """Names that came together: out of ``zip(*items)``."""
    for node in ast.walk(function):
        zipped = isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        target = node.targets[0] if isinstance(node, ast.Assign) and zipped else None
        if isinstance(target, ast.Tuple) and ast.unparse(node).partition("=")[2].startswith(
            " zip("
        ):
            yield [one.id for one in target.elts if isinstance(one, ast.Name)]


def _two_loaders(tree: ast.Module) -> _Case | None:
    """``zip`` of two loaders that shuffle, of which one gives inputs and the other targets."""
    made = {
        ast.unparse(node.targets[0]): node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and called(node.value) == "DataLoader"
    }
    for loop in ast.walk(tree):
        if not isinstance(loop, ast.For) or not isinstance(loop.iter, ast.Call):
            continue
        over = loop.iter
        if called(over) == "enumerate" and over.args and isinstance(over.args[0], ast.Call):
            over = over.args[0]
        loaders = [made.get(ast.unparse(one)) for one in over.args]
        target = (
            loop.target.elts[-1]
            if called(loop.iter) == "enumerate" and isinstance(loop.target, ast.Tuple)
            else loop.target
        )
        names = [one for one in getattr(target, "elts", []) if isinstance(one, ast.Name)]
        if called(over) != "zip" or len(loaders) != _PAIR or len(names) != _PAIR:
            continue
        shuffling = [one for one in loaders if one is not None and _shuffles(one)]
        if len(shuffling) == _PAIR and _answers(loop, names[0].id, names[1].id):
            return (
                shuffling[1].lineno,
                "inputs and targets come out of two loaders that shuffle",
                f"""`{ast.unparse(loop.iter)}` pairs what two loaders give, and each of them
                shuffles for itself: {names[1].id} is that of other samples than
                {names[0].id}.""",
                "DataLoader(TensorDataset(x, y), shuffle=True)  # one, of pairs",
            )
    return None


def _carried_on(tree: ast.Module) -> _Case | None:
    """The state of a recurrent layer, kept from batch to batch of a loader that shuffles."""
    layers = {
        ast.unparse(target).rpartition(".")[2]
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target, value in assignments(node)
        if isinstance(value, ast.Call) and called(value) in ("GRU", "LSTM", "RNN")
    }
    loaders = {
        ast.unparse(node.targets[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and called(node.value) == "DataLoader"
        and _shuffles(node.value)
    }
    for loop in ast.walk(tree):
        if not isinstance(loop, ast.For) or not {*map(ast.unparse, ast.walk(loop.iter))} & loaders:
            continue
        for node in ast.walk(loop):
            state = _handed_over(node, layers)
            if state and all(_continues(one, state) for one in ast.walk(loop)):
                return (
                    getattr(node, "lineno", loop.lineno),
                    f"{state} goes on from batch to batch of a loader that shuffles",
                    f"""The first row of {state} is what a sequence of the last batch left behind,
                    and that of this one is another sequence: the loader shuffles.""",
                    f"{state} = None  # at the beginning of each batch",
                )
    return None


def _handed_over(node: ast.AST, layers: set[str]) -> str:
    """``h`` for ``out, h = rnn(x, h)``."""
    call = node.value if isinstance(node, ast.Assign) else None
    if not isinstance(call, ast.Call) or called(call) not in layers or len(call.args) != _PAIR:
        return ""
    state, target = ast.unparse(call.args[1]), getattr(node, "targets", [None])[0]
    own = isinstance(target, ast.Tuple) and ast.unparse(target.elts[-1]) == state
    return state if own else ""


def _continues(node: ast.AST, state: str) -> bool:
    """Whether a node leaves a state what it was, or detaches it."""
    if not isinstance(node, ast.Assign) or state not in map(ast.unparse, node.targets):
        return True
    return state in {ast.unparse(one) for one in ast.walk(node.value) if isinstance(one, ast.expr)}


def _shuffles(call: ast.Call) -> bool:
    words = {one.arg: ast.unparse(one.value) for one in call.keywords}
    return words.get("shuffle") == "True" and "generator" not in words


def _answers(loop: ast.For, given: str, wanted: str) -> bool:
    """Whether a loop compares what a model makes of one name with the other, as it is."""
    read = [node for node in ast.walk(loop) if isinstance(node, ast.Call)]
    models = [one for one in read if [ast.unparse(arg) for arg in one.args] == [given]]
    fed = any([ast.unparse(arg) for arg in one.args] == [wanted] for one in read)
    compares = any(
        isinstance(node, ast.BinOp) and wanted in (ast.unparse(node.left), ast.unparse(node.right))
        for node in ast.walk(loop)
    ) or any(wanted in [ast.unparse(arg) for arg in one.args[1:]] for one in read)
    return bool(models) and compares and not fed
