"""A summand of the loss carries no gradient.

What it finds:
    A term of the loss that was computed from the model and is a constant for backward(): because
    of ``argmax``, a comparison, ``detach()``, ``item()``, ``no_grad``, or ``torch.autograd.grad``
    without ``create_graph=True``.

Why it is bad:
    The term changes the number that is printed and nothing else: the model is not trained for it.

Evidence it needs:
    A full step: the kernels that computed the loss, and which of them autograd recorded.

Example:
    penalty = (scores.argmax(1) != parent).float().mean()
    loss = cross_entropy(scores, y) + penalty

Corrected:
    penalty = (scores.softmax(1) * wrong).sum(1).mean()
    loss = cross_entropy(scores, y) + penalty

When it is silent:
    Factors and targets that are detached on purpose, terms that are 0, and terms that no model
    was part of.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, is_zero
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.doctor.source import called
from autograd_lens.doctor.terms import Term, loss_terms
from autograd_lens.trace.graph import TapeIndex, constant, operator_name, tensors
from autograd_lens.trace.records import Kernel, Source, Step, TensorUse

RULE = Rule("AL404", "lost-term", "error", "full", explains=("AL428",))

_SUMS = frozenset({"add", "add_", "sub", "sub_", "rsub"})
_SCALES = frozenset({"div", "div_", "mul", "mul_", "neg"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find constant summands of the loss."""
    for tape in evidence.tapes:
        for place in range(len(tape.step.backwards)):
            root = tape.loss_kernel(place)
            for summand, where in _constants(tape, root) if root else ():
                nothing = summand.value is not None and is_zero(summand.value)
                cut = None if nothing else _cut(tape, summand, where)
                if cut is not None:
                    yield _finding(evidence, tape.step, summand, cut)
                    return
            naught = _times_zero(evidence, tape.step, place)
            if naught is not None:
                yield naught
                return
            taken = _taken_out(evidence, tape, root) if root else None
            if taken is not None:
                yield _as_number(evidence, tape.step, *taken)
                return


def _times_zero(evidence: Evidence, step: Step, backward: int) -> Finding | None:
    """A term that a variable of the program multiplies with 0, in all full steps."""
    found = _zeroed(step, backward)
    first, last = evidence.full[0], evidence.full[-1]
    if (
        found is None
        or first is last
        or None in (_zeroed(first, backward), _zeroed(last, backward))
    ):
        return None
    by, source = found.by or found.kernel, (found.by or found.kernel).source
    name = _factor_name(evidence, source)
    if not name or source is None:
        return None
    return RULE.finding(
        title=f"a term of the loss is multiplied with 0: {name}",
        message=f"""In the first step that was recorded in full, in the last and here, in step
            {step.index}, `{evidence.line(source)}` multiplied a term of the loss, the result of
            {operator_name(found.kernel)}, with {name} = 0. It trains nothing.""",
        fix=f"# look at {name}: `//` and int() make 0 of every fraction",
        step=step.index,
        kernel=by,
        source=source,
    )


def _zeroed(step: Step, backward: int) -> Term | None:
    terms = loss_terms(TapeIndex(step), backward) if backward < len(step.backwards) else []
    return next((one for one in terms if one.weight == 0.0), None)


def _factor_name(evidence: Evidence, source: Source | None) -> str:
    """The variable of a product on a line that the program cuts to a whole number."""
    code = evidence.code(source)
    statement = code.statement(source.line) if source is not None else None
    for node in ast.walk(statement) if statement is not None else ():
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            for side in (node.left, node.right):
                given = code.assigned(ast.unparse(side)) if isinstance(side, ast.Name) else []
                if any(_cuts(one) for whole in given for one in ast.walk(whole)):
                    return ast.unparse(side)
    return ""


def _cuts(node: ast.AST) -> bool:
    """Whether it is ``a // b`` or ``int(a)``."""
    divides = isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv)
    return divides or (isinstance(node, ast.Call) and called(node) == "int")


def _taken_out(evidence: Evidence, tape: TapeIndex, root: Kernel) -> tuple[Kernel, str, int] | None:
    """A number that ``item()`` took out of a tensor with a gradient, and that a sum adds again."""
    waiting = [root]
    while waiting:
        kernel = waiting.pop()
        if operator_name(kernel) not in _SUMS | _SCALES:
            continue
        for use in tensors(kernel.inputs):
            maker = tape.maker(use.tensor, kernel.index)
            if use.spec.shape == () and maker is not None and maker.requires_grad:
                waiting.append(maker)
        source, adds = kernel.source, operator_name(kernel) in _SUMS
        if source is None or not adds or not constant(kernel, "other"):
            continue
        names = _numbers(evidence, tape, kernel)
        statement = evidence.code(source).statement(source.line)
        for node in ast.walk(statement) if statement is not None else ():
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
                read = [one.id for one in ast.walk(node) if isinstance(one, ast.Name)]
                name = next((one for one in read if one in names), "")
                if name:
                    return kernel, name, names[name]
    return None


def _numbers(evidence: Evidence, tape: TapeIndex, kernel: Kernel) -> dict[str, int]:
    """Variables that hold what ``item()`` took out of a differentiable tensor -> the line."""
    found: dict[str, int] = {}
    for one in tape.kernels[: kernel.index]:
        given = next(tensors(one.inputs), None)
        maker = tape.maker(given.tensor, one.index) if given is not None else None
        grown = maker is not None and maker.phase == "forward" and maker.requires_grad
        if operator_name(one) != "_local_scalar_dense" or not grown or one.source is None:
            continue
        statement = evidence.code(one.source).statement(one.source.line)
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            found[statement.targets[0].id] = one.source.line
    return found


def _as_number(evidence: Evidence, step: Step, kernel: Kernel, name: str, line: int) -> Finding:
    source = kernel.source
    place = Source.at(source.file, line) if source is not None else None
    return RULE.finding(
        title="a term of the loss has no gradient",
        message=f"""In step {step.index}, `{evidence.line(source).strip()}` adds `{name}` to the
            loss, {number(constant(kernel, "other") or 0.0)}, a plain number that
            `{evidence.line(place).strip()}` took out of a tensor. For backward() it is a constant:
            it is in the number that the program calls the loss, and trains nothing.""",
        fix=f"# without .item(): {name} stays a tensor",
        step=step.index,
        kernel=kernel,
        source=place,
    )


def _constants(tape: TapeIndex, root: Kernel) -> Iterator[tuple[TensorUse, int]]:
    """Single numbers that are added to the loss without a gradient."""
    waiting = [root]
    while waiting:
        kernel = waiting.pop()
        name = operator_name(kernel)
        if name not in _SUMS | _SCALES:
            continue
        for use in tensors(kernel.inputs):
            if use.spec.shape != ():
                continue
            maker = tape.maker(use.tensor, kernel.index)
            if maker is not None and maker.requires_grad:
                waiting.append(maker)
            elif maker is not None and name in _SUMS:
                yield use, kernel.index


def _cut(tape: TapeIndex, summand: TensorUse, at: int) -> Kernel | None:
    """The kernel at which the gradient of a constant ends: it reads what carries one."""
    trained = {
        write.parameter for backward in tape.step.backwards for write in backward.grad_writes
    }
    for kernel in tape.ancestors(summand.tensor, at):
        if kernel.requires_grad or kernel.phase in ("update", "zero_grad"):
            continue
        if operator_name(kernel).endswith("_like") or operator_name(kernel).startswith("new_"):
            continue  # it reads the shape, no number
        for use in tensors(kernel.inputs):
            maker = tape.maker(use.tensor, kernel.index)
            grown = maker is not None and maker.phase == "forward" and maker.requires_grad
            if grown or (use.spec.role == "parameter" and use.spec.name in trained):
                return kernel
    return None


def _finding(evidence: Evidence, step: Step, summand: TensorUse, cut: Kernel) -> Finding:
    value = summand.value
    known = value is not None and value.complete
    amount = f", {number(float(value.item().real))}," if value is not None and known else ""
    name = f"`{summand.spec.name}`" if summand.spec.name else "a term"
    if cut.phase == "backward":
        why = "comes out of torch.autograd.grad without create_graph=True"
        fix = "torch.autograd.grad(out, x, create_graph=True)"
    else:
        why = f"is cut off from the model at {operator_name(cut)} (`{evidence.line(cut.source)}`)"
        fix = "# compute the term without detach(), item(), argmax or comparisons"
    return RULE.finding(
        title="a term of the loss has no gradient",
        message=f"""In step {step.index}, {name}{amount} is added to the loss and {why}. For
            backward() it is a constant: it is in the number that the program calls the loss, and
            trains nothing.""",
        fix=fix,
        step=step.index,
        kernel=cut,
    )
