"""A tensor is computed or overwritten, and nobody looks at it.

What it finds:
    A line that calls a method which returns its result, and drops it (``grad.clamp(-1, 1)``, or
    ``self.dropout(x)`` in a forward); a tensor that is overwritten in place after its last use; a
    result that the model reads in the first step only, because it keeps what it made of it.

Why it is bad:
    The line was to change what is trained, and changes nothing.

Evidence it needs:
    A full step: what each kernel read and wrote; and the text of the line.

Example:
    for p in model.parameters():
        p.grad.clamp(-1, 1)

Corrected:
    for p in model.parameters():
        p.grad.clamp_(-1, 1)

When it is silent:
    Results that have a name, calls of the program's own functions, of batch normalisation (which
    keeps statistics), and tensors that outlive the step or have another name.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.Tensor.clamp_.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.source import Code, called
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors, writes_in_place
from autograd_lens.trace.records import Kernel, Source

RULE = Rule("AL220", "result-unused", "error", "full", explains=("AL209",))

_STEPS = 2
_PHASES = ("forward", "backward", "update", "zero_grad")
_SOUND = (ast.BinOp, ast.UnaryOp, ast.Compare)  # what a value goes into without another name
_LATER = 3  # steps
_Place = tuple[str, int]
_Origin = tuple[str, int, str]


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first line of each kind that comes to nothing in every full step."""
    steps = [step for step in evidence.full if step.kernels]
    found: dict[_Place, list[tuple[int, Kernel, str]]] = {}
    for step in steps:
        tape, seen = TapeIndex(step), set[_Place]()
        for kernel in step.kernels:
            source = kernel.source
            if kernel.phase == "backward" or source is None or (source.file, source.line) in seen:
                continue
            name = _dropped(evidence, tape, kernel) or _too_late(evidence, tape, kernel)
            if name:
                seen.add((source.file, source.line))
                found.setdefault((source.file, source.line), []).append((step.index, kernel, name))
    for times in found.values():
        if len(times) >= min(_STEPS, len(steps)):
            yield _finding(evidence, *times[0])
            return
    yield from _at_first_only(evidence)


def _at_first_only(evidence: Evidence) -> Iterator[Finding]:
    """What no later step's model reads, where the model did things in the first step only.

    What the first step was given is often not on its tape, as it was made in front of the loop.
    """
    first, *later = evidence.tapes or (None,)
    if first is None or first.step.index or len(later) < _LATER:
        return
    once = _lines(first).difference(*map(_lines, later))
    given = [dict(_given(tape)) for tape in later]
    for place in set.intersection(*map(set, given)) if once else ():
        kernels = [found[place] for found in given]
        cache = _cache(evidence, kernels[0])
        read = [_is_read(tape, one) for tape, one in zip(later, kernels, strict=True)]
        if cache is not None and not any(read):
            yield RULE.finding(
                title="what is made anew in every step is read in the first step only",
                message=f"""In step {later[0].step.index} and all later ones that were looked at,
                    nothing reads what `{evidence.line(kernels[0].source)}` makes. In step 0 the
                    model ran lines that it never ran again: it computes with what it kept then.""",
                fix="# keep nothing of what changes from step to step",
                step=later[0].step.index,
                kernel=kernels[0],
                source=cache,
            )
            return


def _lines(tape: TapeIndex) -> set[tuple[str, int]]:
    """The lines that modules ran."""
    ran = (one.source for one in tape.kernels if one.phase == "forward" and one.module)
    return {(source.file, source.line) for source in ran if source is not None}


def _given(tape: TapeIndex) -> Iterator[tuple[_Origin, Kernel]]:
    """Kernels of the program's own lines in front of the first module's, by line and operator."""
    for kernel in tape.kernels:
        source = kernel.source
        if kernel.module:
            return
        if kernel.phase == "forward" and source is not None and kernel.outputs:
            yield (source.file, source.line, kernel.op), kernel


def _is_read(tape: TapeIndex, kernel: Kernel) -> bool:
    return any(
        tape.readers(out.tensor, phase) for out in kernel.outputs for phase in _PHASES
    ) or any(out.spec.role == "loss" for out in kernel.outputs)


def _cache(evidence: Evidence, kernel: Kernel) -> Source | None:
    """The line that asks whether something is kept already, where the text has one such line."""
    asked = [
        node.lineno
        for node in ast.walk(evidence.code(kernel.source).tree)
        if isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and isinstance(node.test.left, ast.Attribute)
        and ast.unparse(node.test).endswith(" is None")
    ]
    return Source.at(kernel.source.file, asked[0]) if kernel.source and len(asked) == 1 else None


def _dropped(evidence: Evidence, tape: TapeIndex, kernel: Kernel) -> str:
    """The call whose result a kernel made, where that is the whole line and is read by none."""
    source = kernel.source
    statement = evidence.code(source).statement(source.line) if source else None
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(call, ast.Call) or not kernel.outputs or writes_in_place(kernel):
        return ""
    own = called(call) == operator_name(kernel)
    if any(word.arg == "out" for word in call.keywords) or not (own or _layer(call, kernel)):
        return ""
    readers = [
        one
        for out in kernel.outputs
        for phase in _PHASES
        for one in tape.readers(out.tensor, phase)
    ]
    apart = any(own or one.source != source for one in readers)
    return "" if apart else ast.unparse(call)


def _layer(call: ast.Call, kernel: Kernel) -> bool:
    """Whether it is a layer that a forward calls: ``self.dropout(x)``."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    of_self = isinstance(owner, ast.Name) and owner.id == "self"
    forward = kernel.source is not None and kernel.source.function == "forward"
    module = kernel.module.rpartition(".")[2] == called(call)
    return of_self and forward and module and "batch_norm" not in operator_name(kernel)


def _too_late(evidence: Evidence, tape: TapeIndex, kernel: Kernel) -> str:
    """The name of a tensor that a kernel writes into after its last use."""
    source = kernel.source
    if source is None or kernel.phase != "forward" or not writes_in_place(kernel):
        return ""
    name = _written(evidence.code(source).statement(source.line))
    written = kernel.outputs[0].tensor
    maker = tape.maker(written, kernel.index)
    if not name or tape.memory(written) != written or maker is None or writes_in_place(maker):
        return ""
    place = tape.memory(written)
    touching = [
        one.index
        for one in tape.kernels
        if any(tape.memory(use.tensor) == place for use in tensors(one.inputs))
    ]
    used = any(maker.index < index < kernel.index for index in touching)
    if not used or max(touching) > kernel.index:
        return ""
    return name if _dies(evidence.code(source), name, source.line) else ""


def _written(statement: ast.stmt | None) -> str:
    """The variable that a statement writes into: ``x[mask] = 0``, ``x.zero_()``; else ``""``."""
    owner: ast.expr | None = None
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
        owner = statement.targets[0].value
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        function = statement.value.func
        in_place = isinstance(function, ast.Attribute) and function.attr.endswith("_")
        owner = function.value if in_place and isinstance(function, ast.Attribute) else None
    return owner.id if isinstance(owner, ast.Name) else ""


def _dies(code: Code, name: str, line: int) -> bool:
    """Whether a variable is given anew in every turn of its block, and not read behind a line."""
    begun, parents = 0, dict[int, ast.AST]()
    for statement in code.block(line):
        for node in ast.walk(statement):
            parents.update({id(child): node for child in ast.iter_child_nodes(node)})
            if not isinstance(node, ast.Name) or node.id != name:
                continue
            if isinstance(node.ctx, ast.Store):
                begun = begun or node.lineno
                continue
            named = node.lineno < line and not isinstance(parents.get(id(node)), _SOUND)
            if named or node.lineno > line or not begun:
                return False
    return 0 < begun < line


def _finding(evidence: Evidence, step: int, kernel: Kernel, name: str) -> Finding:
    source, operator = kernel.source, operator_name(kernel)
    dropped = not name.isidentifier()
    if dropped:
        title = f"the result of `{name}` is thrown away"
        what = f"""{operator} returns a new tensor and leaves the one that it was given as it was.
            Nothing reads the new one: the line changes nothing."""
        own = f".{operator}(" in name
        fix = name.replace(f".{operator}(", f".{operator}_(", 1) if own else f"x = {name}"
    else:
        title = f"{name} is changed when it has been used for the last time"
        what = f"""{operator} writes into {name} after everything that was computed from it, and
            nothing reads it any more before it is given a new value: what was computed holds the
            old numbers."""
        fix = f"# move `{evidence.line(source).strip()}` in front of the first use of {name}"
    return RULE.finding(
        title=title,
        message=what,
        fix=fix,
        step=step,
        kernel=kernel,
        source=source,
    )
