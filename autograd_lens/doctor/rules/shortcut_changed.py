"""An in-place activation changes what the shortcut adds.

What it finds:
    A variable that is passed to layers whose first one works in place, and that is read again
    afterwards, as by the addition of a residual block: it no longer holds what it held.

Why it is bad:
    The block adds the activation of its input, not its input. Nothing fails: PyTorch only
    complains where a backward needed the old numbers.

Evidence it needs:
    A full step: which kernel wrote into which tensor, and who read it later; the text of the
    lines.

Example:
    self.path = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(8, 8, 1))
    ...
    return self.path(x) + x

Corrected:
    self.path = nn.Sequential(nn.ReLU(), nn.Conv2d(8, 8, 1))

When it is silent:
    Variables that are given the result (``x = self.act(x)``), and layers that write into what
    they made themselves.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.ReLU.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.source import Code
from autograd_lens.trace.graph import TapeIndex, operator_name, writes_in_place
from autograd_lens.trace.records import Kernel, Source

RULE = Rule("AL221", "shortcut-changed", "warning", "full")

_WORDS = {"inplace": "True"}


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first variable that changed under the program's hands."""
    for tape in evidence.tapes:
        for kernel in tape.kernels:
            changes = kernel.phase == "forward" and kernel.module and writes_in_place(kernel)
            if not changes or not kernel.requires_grad:
                continue
            later = _later(evidence, tape, kernel)
            if later is not None:
                yield _finding(evidence, tape.step.index, kernel, *later)
                return


def _later(evidence: Evidence, tape: TapeIndex, kernel: Kernel) -> tuple[Kernel, str] | None:
    """A kernel of a later line that reads the variable which an in-place kernel changed."""
    source, written = kernel.source, kernel.outputs[0].tensor
    maker = tape.maker(written, kernel.index)
    if source is None or maker is None or maker.source is None or maker.source == source:
        return None
    code = evidence.code(source)
    statement = code.statement(source.line)
    beside = _beside(statement)
    for reader in tape.readers(written) if beside else ():
        # The module around the one that wrote, in the very statement: x + self.path(x).
        around = reader.module == "" or kernel.module.startswith(f"{reader.module}.")
        if around and reader.index > kernel.index and _one_line(reader.source, source):
            return reader, beside
    name = _passed(statement)
    for reader in tape.readers(written) if name else ():
        place = reader.source
        behind = place is not None and reader.index > kernel.index and _same(place, source)
        if behind and place is not None and _reads(code, name, source.line, place.line):
            return reader, name
    return None


def _one_line(one: Source | None, other: Source) -> bool:
    key = (one.file, one.function, one.line) if one is not None else None
    return key == (other.file, other.function, other.line)


def _beside(statement: ast.stmt | None) -> str:
    """The variable that a statement passes to a call alone, and reads outside of that call too."""
    if not isinstance(statement, ast.Return | ast.Assign) or statement.value is None:
        return ""
    for call in ast.walk(statement.value):
        alone = isinstance(call, ast.Call) and len(call.args) == 1
        given = call.args[0] if isinstance(call, ast.Call) and alone else None
        if isinstance(given, ast.Name):
            reads = [
                node
                for node in ast.walk(statement.value)
                if isinstance(node, ast.Name) and node.id == given.id
            ]
            inside = [
                node
                for node in ast.walk(call)
                if isinstance(node, ast.Name) and node.id == given.id
            ]
            if len(reads) > len(inside):
                return given.id
    return ""


def _same(one: Source, other: Source) -> bool:
    """Whether a line stands behind another in one function."""
    return (one.file, one.function) == (other.file, other.function) and one.line > other.line


def _passed(statement: ast.stmt | None) -> str:
    """The one variable that a call is given and whose name does not get the result."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Call):
        return ""
    given = [one.id for one in statement.value.args if isinstance(one, ast.Name)]
    made = {
        node.id
        for target in statement.targets
        for node in ast.walk(target)
        if isinstance(node, ast.Name)
    }
    return given[0] if len(given) == 1 and given[0] not in made else ""


def _reads(code: Code, name: str, first: int, last: int) -> bool:
    """Whether a line reads a variable that has had the same value since another line."""
    stored = [
        node.lineno
        for node in ast.walk(code.tree)
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
    ]
    statement = code.statement(last)
    read = any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
        for node in (ast.walk(statement) if statement is not None else ())
    )
    return read and not any(first < line < last for line in stored)


def _finding(evidence: Evidence, step: int, kernel: Kernel, reader: Kernel, name: str) -> Finding:
    operator, source = operator_name(kernel), _made(evidence, kernel)
    return RULE.finding(
        title=f"{operator} changes `{name}`, which is read again afterwards",
        message=f"""In step {step}, {kernel.module} wrote its result into the tensor that
            `{evidence.line(kernel.source).strip()}` was given. `{name}` is that tensor:
            `{evidence.line(reader.source).strip()}` reads what {operator} left of it, not what it
            held before.""",
        fix="nn.ReLU()  # without inplace=True: the first layer must not change its input",
        step=step,
        events=(f"kernel {kernel.index} {kernel.op}", f"kernel {reader.index} {reader.op}"),
        source=source,
    )


def _made(evidence: Evidence, kernel: Kernel) -> Source | None:
    """The first line that makes such an activation in place, else where it is called."""
    wanted = operator_name(kernel).replace("_", "")
    for node in ast.walk(evidence.code(kernel.source).tree):
        words = {word.arg: ast.unparse(word.value) for word in getattr(node, "keywords", ())}
        made = isinstance(node, ast.Call) and ast.unparse(node.func).lower().endswith(wanted)
        if made and kernel.source is not None and words.items() >= _WORDS.items():
            line = getattr(node, "lineno", 0)
            return Source.at(kernel.source.file, line)
    return kernel.source
