"""A result is computed, given a name, and never read.

What it finds:
    A variable of a function that ran, or of a loop that trains, that is given the result of a
    computation and that nothing reads: scores with a margin beside the plain ones that the loss
    is given, a normalised copy of what goes on as it was, a layer whose result is left aside, a
    sum of losses that no backward starts from.
    Scores with a gradient that were computed from those that a cross-entropy is given, by several
    kernels, and that are returned and not read.

Why it is bad:
    All that the line was to change has no effect on the training.

Evidence it needs:
    The program's text, and lines that ran in a full step.

Example:
    output = torch.where(own, cosine - margin, cosine) * scale
    loss = F.cross_entropy(cosine, label)

Corrected:
    output = torch.where(own, cosine - margin, cosine) * scale
    loss = F.cross_entropy(output, label)

When it is silent:
    Names that begin with an underscore, several names at once, results of the program's own
    functions, which may do something else too, and what only looks: norms, counts, predictions.

References:
    https://arxiv.org/abs/1801.07698
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence, of_a_library
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.source import called
from autograd_lens.doctor.tape import training_path
from autograd_lens.trace.graph import TapeIndex, argument, operator_name, tensors
from autograd_lens.trace.records import Kernel, Source

RULE = Rule("AL439", "computed-unread", "warning", "full")

_PURE = re.compile(
    r"abs|add|bmm|bool|cat|chunk|clamp|clip|clone|cos|cosine_similarity|cumprod|cumsum|detach|div|dropout|"
    r"einsum|exp|expm1|flatten|flip|float|gather|layer_norm|log|long|log_softmax|logsigmoid|logsumexp|"
    r"masked_fill|matmul|maximum|mean|minimum|mm|mul|normalize|one_hot|pad|permute|pow|relu|reshape|roll|"
    r"rsqrt|sigmoid|sin|softmax|softplus|sqrt|square|squeeze|stack|std|sub|sum|t|tanh|transpose|tril|triu|"
    r"unsqueeze|var|view|where"
)
_LOOKS = re.compile(r".*(acc|pred|prob|metric|count|norm|rmse|mae|shape|size|num|log|vis|debug).*")
_TOTAL = re.compile(r"loss|total|objective")
_TENSORS = (ast.BinOp, ast.Call)
_FEWEST = 3  # kernels, and steps
_ENDS = frozenset({"mul", "add", "sub", "div", "where"})
_LOOKED_AT = frozenset({"_softmax", "_log_softmax", "sigmoid", "argmax", "max", "exp", "tanh"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such name, else the first such scores."""
    source = evidence.loop
    if source is None or of_a_library(source):
        return
    found = list(_named(evidence, source))
    every = max(_FEWEST, len(evidence.tapes))
    yield from found or told(RULE, evidence, lambda tape: [_case(tape)], fewest=every)


def _named(evidence: Evidence, source: Source) -> Iterator[Finding]:
    """The first name of a result that the text never reads."""
    tree = evidence.code(source).tree
    lines = _lines(evidence, source.file)
    for scope, block in _scopes(tree, source.line):
        if scope is not None and not lines & {*range(scope.lineno, (scope.end_lineno or 0) + 1)}:
            continue
        read = _read(scope or tree)
        for statement in block:
            name = _unread(statement, read, layers=getattr(scope, "name", "") == "forward")
            if name:
                place = Source.at(source.file, statement.lineno, end_line=statement.end_lineno)
                yield RULE.finding(
                    title=f"{name} is computed and never read",
                    message=f"""`{ast.unparse(statement)}` computes {name}, and nothing reads it:
                        what follows goes on with what it was computed from.""",
                    fix=f"# read {name} where it was meant to count",
                    events=("the program's text",),
                    source=place,
                )
                return


def _lines(evidence: Evidence, file: str) -> set[int]:
    """The lines of a file that ran kernels."""
    return {
        kernel.source.line
        for step in evidence.full
        for kernel in step.kernels
        if kernel.source is not None and kernel.source.file == file
    }


def _scopes(tree: ast.Module, line: int) -> Iterator[tuple[ast.FunctionDef | None, list[ast.stmt]]]:
    """Functions with their statements; and those of the module's loops around a line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield node, [one for one in ast.walk(node) if isinstance(one, ast.stmt)]
    for loop in tree.body:
        if isinstance(loop, ast.For | ast.While) and loop.lineno <= line <= (loop.end_lineno or 0):
            yield None, [one for one in ast.walk(loop) if isinstance(one, ast.stmt)]


def _read(scope: ast.AST) -> set[str]:
    """Names that a scope reads, hands on or deletes; not those that only add to themselves."""
    found, own = set[str](), set[int]()
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            within = [one for one in ast.walk(node.value) if isinstance(one, ast.Name)]
            own |= {id(one) for one in within if one.id == name}
    given = {node.arg for node in ast.walk(scope) if isinstance(node, ast.arg)}
    for node in ast.walk(scope):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
            found |= {node.id} - ({node.id} if id(node) in own else set())
        elif isinstance(node, ast.Global | ast.Nonlocal):
            found.update(node.names)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            name = node.target.id  # may be a view, which is written for the sake of its base
            found |= set() if _TOTAL.search(name) and name not in given else {name}
    return found


def _unread(statement: ast.stmt, read: set[str], *, layers: bool) -> str:
    """The name that a statement gives a result that nothing reads; ``""`` for none."""
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        name = statement.target.id
        summed = isinstance(statement.op, ast.Add) and _TOTAL.search(name)
        adds = summed and isinstance(statement.value, ast.Name | ast.BinOp)
        return name if adds and name not in read else ""
    one = isinstance(statement, ast.Assign) and len(statement.targets) == 1
    target = statement.targets[0] if one and isinstance(statement, ast.Assign) else None
    if not isinstance(target, ast.Name) or not isinstance(statement, ast.Assign):
        return ""
    name = target.id
    own = {node.id for node in ast.walk(statement.value) if isinstance(node, ast.Name)}
    if isinstance(statement.value, ast.BinOp) and name in own - read and _TOTAL.search(name):
        return name if "item()" not in ast.unparse(statement) else ""
    if name in read or name.startswith("_") or {"locals", "eval", "exec"} & read:
        return ""
    if _LOOKS.fullmatch(name) or not isinstance(statement.value, _TENSORS):
        return ""
    return name if _pure(statement.value, layers=layers) and _computes(statement.value) else ""


def _pure(value: ast.expr, *, layers: bool) -> bool:
    """Whether an expression does nothing but compute."""
    calls = [node for node in ast.walk(value) if isinstance(node, ast.Call)]
    return all(
        _PURE.fullmatch(called(one)) or (layers and ast.unparse(one.func).startswith("self."))
        for one in calls
    )


def _computes(value: ast.expr) -> bool:
    """Whether tensors are computed with, not sizes, numbers or paths."""
    text = ast.unparse(value)
    names = [node for node in ast.walk(value) if isinstance(node, ast.Name)]
    sizes = re.search(r"\.shape|\.size\(|\blen\(|//|%|math\.|np\.|time|[\"']", text)
    return (
        bool(names) and sizes is None and any(isinstance(one, ast.Call) for one in ast.walk(value))
    )


def _case(tape: TapeIndex) -> Case | None:
    scored = [one for one in tape.kernels if operator_name(one) == "_log_softmax"]
    trains = training_path(tape.step) if scored else frozenset[int]()
    for softmax in scored:
        given = argument(softmax, "self")
        for kernel in tape.kernels if given is not None and softmax.index in trains else ():
            made = kernel.outputs[0] if kernel.outputs else None
            ends = operator_name(kernel) in _ENDS and kernel.requires_grad
            if not ends or made is None or kernel.index in trains or tape.readers(made.tensor):
                continue
            if given is not None and made.spec.shape == given.spec.shape:
                own = _own(tape, kernel, trains)
                if len(own) >= _FEWEST and _reads(own, given.tensor):
                    return Case(
                        kernel,
                        "scores are computed and the loss is given others",
                        f"""{len(own)} kernels computed a result of the shape of the scores, from
                        these, with a gradient, and nothing reads it; the loss is given what it was
                        computed from""",
                        "loss = F.cross_entropy(output, label)",
                        softmax.source,
                    )
    return None


def _own(tape: TapeIndex, kernel: Kernel, trains: frozenset[int]) -> list[Kernel]:
    """The kernels that lead to a result and not to the loss; none where it is to be looked at."""
    behind = [kernel, *tape.ancestors(kernel.outputs[0].tensor, kernel.index + 1)]
    own = [one for one in behind if one.index not in trains and one.requires_grad]
    own = list({one.index: one for one in own}.values())
    return [] if any(operator_name(one) in _LOOKED_AT for one in own) else own


def _reads(kernels: list[Kernel], tensor: int) -> bool:
    return any(use.tensor == tensor for one in kernels for use in tensors(one.inputs))
