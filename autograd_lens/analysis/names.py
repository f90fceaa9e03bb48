"""Names for intermediate tensors, as the program's own source calls them.

Where a kernel's position is exactly an expression of the source, the names in that expression
are names of its tensors: in ``h = torch.relu(z)`` the result is ``h``, and in ``y_pred - y``
the first operand is ``y_pred``. Nothing is guessed: an expression that does not match says
nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest

from autograd_lens.trace.graph import operator_name, tensors
from autograd_lens.trace.records import Kernel, Source, TensorUse

__all__ = ["Names", "tensor_names"]

Span = tuple[int, int, int, int]
Named = tuple[TensorUse, str]

_OPERATORS: Mapping[type[ast.operator], frozenset[str]] = {
    ast.Add: frozenset({"add"}),
    ast.Div: frozenset({"div"}),
    ast.MatMult: frozenset({"mm", "mv", "dot", "bmm"}),
    ast.Mult: frozenset({"mul"}),
    ast.Pow: frozenset({"pow"}),
    ast.Sub: frozenset({"sub", "rsub"}),
}

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(slots=True)
class _Code:
    """A source file, looked up by position.

    Attributes:
        expressions: Every expression.
        targets: The variable that an expression's value is assigned to.
        imported: Names of modules and of what was imported from them.
    """

    expressions: dict[Span, ast.expr] = field(default_factory=dict)
    targets: dict[Span, str] = field(default_factory=dict)
    imported: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, text: str | None) -> _Code:
        code = cls()
        try:
            tree = ast.parse(text or "")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return code  # not Python, or from another version of it: no names then
        for node in ast.walk(tree):
            code.add(node)
        return code

    def add(self, node: ast.AST) -> None:
        if isinstance(node, ast.expr):
            self.expressions[_position(node)] = node
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            if isinstance(node.targets[0], ast.Name):
                self.targets[_position(node.value)] = node.targets[0].id
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self.imported.update(_bound(alias) for alias in node.names)


def _position(node: ast.expr) -> Span:
    end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or -1
    return node.lineno, node.col_offset, end_line, end_column


def _bound(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".")[0]


class Names:
    """The names of a step's tensors, for people: the program's own, else ``t`` and a number.

    Args:
        kernels: The step's tape.
        source: Gives the text of a source file, or None.
    """

    def __init__(self, kernels: Sequence[Kernel], source: Callable[[str], str | None]) -> None:
        self._kernels = kernels
        self._source = source

    @cached_property
    def _names(self) -> Mapping[int, str]:
        return tensor_names(self._kernels, self._source)

    def __call__(self, use: TensorUse) -> str:
        """The name of a tensor."""
        return self.of(use.tensor)

    def of(self, tensor: int) -> str:
        """The name of the tensor with this id."""
        return self.known(tensor) or f"t{tensor}"

    def known(self, tensor: int) -> str:
        """The name that the program has for it, ``""`` where it has none."""
        return self._names.get(tensor, "")


def tensor_names(
    kernels: Sequence[Kernel], source: Callable[[str], str | None]
) -> Mapping[int, str]:
    """Names of the tensors on a tape.

    Args:
        kernels: The tape; only its forward kernels are looked at.
        source: Gives the text of a source file, or None.

    Returns:
        Tensor id to name, unique: a second tensor called ``h`` is ``h₂``. Tensors that
        neither the recording nor the source names are missing.
    """
    forward = [kernel for kernel in kernels if kernel.phase == "forward"]
    files = {kernel.source.file for kernel in forward if kernel.source}
    codes = {file: _Code.of(source(file)) for file in files}
    names: dict[int, str] = {}
    for use in _uses(kernels):
        if use.spec.name:
            names.setdefault(use.tensor, use.spec.name)
    taken: dict[str, int] = dict.fromkeys(names.values(), 1)
    for use, name in _found(forward, codes):
        if use.tensor not in names:
            taken[name] = taken.get(name, 0) + 1
            names[use.tensor] = _numbered(name, taken[name])
    return names


def _numbered(name: str, count: int) -> str:
    return name if count == 1 else f"{name}{str(count).translate(_SUBSCRIPTS)}"


def _uses(kernels: Sequence[Kernel]) -> Iterator[TensorUse]:
    for kernel in kernels:
        yield from tensors(kernel.inputs)
        yield from kernel.outputs


def _found(forward: Sequence[Kernel], codes: Mapping[str, _Code]) -> Iterator[Named]:
    """Results first: they carry the program's own name, an operand's is often a parameter's."""
    for kernel, following in zip_longest(forward, forward[1:]):
        done = following is None or following.source != kernel.source
        if kernel.source and done and _gives_first(kernel):
            target = codes[kernel.source.file].targets.get(_span(kernel.source))
            yield from [(kernel.outputs[0], target)] if target else []
    for kernel in forward:
        if kernel.source:
            code = codes[kernel.source.file]
            yield from _operands(kernel, code.expressions.get(_span(kernel.source)), code)


def _gives_first(kernel: Kernel) -> bool:
    """Whether the function that the user called returned the kernel's first output alone."""
    operator = operator_name(kernel)
    inner = operator.startswith(("native_", "_")) or operator.endswith(
        ("_forward", "_with_indices")
    )
    return len(kernel.outputs) == 1 or (inner and bool(kernel.outputs))


def _span(at: Source) -> Span:
    return at.line, at.column, at.end_line, at.end_column


def _operands(kernel: Kernel, expression: ast.expr | None, code: _Code) -> Iterator[Named]:
    written: list[ast.expr] = []
    if isinstance(expression, ast.BinOp):
        if operator_name(kernel) in _OPERATORS.get(type(expression.op), ()):
            written = [expression.left, expression.right]
    elif isinstance(expression, ast.Call):
        written = _call_operands(kernel, expression, code)
    written = [each for each in written if not isinstance(each, ast.Constant)]
    given = list(tensors(kernel.inputs))
    if len(written) == len(given):
        pairs = zip(given, written, strict=True)
        yield from ((use, each.id) for use, each in pairs if isinstance(each, ast.Name))


def _call_operands(kernel: Kernel, call: ast.Call, code: _Code) -> list[ast.expr]:
    """``x.mm(w)`` and ``torch.mm(x, w)`` where the kernel is ``mm``, else nothing."""
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr != operator_name(kernel):
        return []
    receiver = function.value
    if isinstance(receiver, ast.Name) and receiver.id in code.imported:
        return call.args
    return [receiver, *call.args]
