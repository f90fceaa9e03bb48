"""Names for intermediate tensors, as the program's own source calls them.

Where a kernel's position is exactly an expression of the source, the names in that expression
are names of its tensors: in ``h = torch.relu(z)`` the result is ``h``, and in ``y_pred - y``
the first operand is ``y_pred``. Nothing is guessed: an expression that does not match says
nothing.

NOTE 1 [What has no name]: a result that the program does not name is called by its expression
where that is short (``x.mm(w1)``), by the module that made it alone (``features.0``), as a view
of what has a name (``w1ᵀ``), else by its operation. A name that is there already gets a number:
``mul₃`` is the third result of ``mul``.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby, zip_longest

from autograd_lens.trace.expression import spoken_name
from autograd_lens.trace.graph import operator_name, tensors, writes_in_place
from autograd_lens.trace.records import Kernel, Source, TensorUse

__all__ = ["VIEWS", "Names", "tensor_names"]

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

VIEWS = frozenset(
    {
        *("t", "transpose", "permute", "view", "_unsafe_view", "reshape", "_reshape_alias"),
        *("expand", "squeeze", "unsqueeze", "select", "clone", "alias", "as_strided", "detach"),
    }
)
"""Operators whose result shows the numbers of their input another way."""

_TOLD = frozenset({"t", "_to_copy"})  # their result's name is what they do
_LONGEST = 22  # letters of an expression that is a name
_LISTS = ("split", "chunk", "unbind")
_SPELLED = (
    *(ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Tuple, ast.Constant, ast.Call),
    *(ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.expr_context),
)
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(slots=True)
class _Code:
    """A source file, looked up by position.

    Attributes:
        expressions: Every expression.
        targets: The variables that an expression's value is assigned to, one for each result.
        imported: Names of modules and of what was imported from them.
    """

    expressions: dict[Span, ast.expr] = field(default_factory=dict)
    targets: dict[Span, tuple[str, ...]] = field(default_factory=dict)
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
            self._assigned(node.targets[0], node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._assigned(node.target, node.value)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self.imported.update(_bound(alias) for alias in node.names)

    def _assigned(self, target: ast.expr, value: ast.expr) -> None:
        parts = target.elts if isinstance(target, ast.Tuple) else [target]
        if all(isinstance(part, ast.Name) for part in parts):
            self.targets[_position(value)] = tuple(
                part.id for part in parts if isinstance(part, ast.Name)
            )

    def spelled(self, span: Span) -> str:
        """An expression as a name, ``""`` where it is none or a long one."""
        expression = self.expressions.get(span)
        if expression is None or not all(isinstance(e, _SPELLED) for e in ast.walk(expression)):
            return ""
        text = ast.unparse(expression).replace("self.", "")
        text = f"({text})" if isinstance(expression, ast.BinOp | ast.UnaryOp) else text
        return text if len(text) <= _LONGEST and text.isprintable() else ""


def _position(node: ast.expr) -> Span:
    end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or -1
    return node.lineno, node.col_offset, end_line, end_column


def _bound(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".")[0]


class Names:
    """The names of a step's tensors, for people: the program's own, else as NOTE 1 says.

    Args:
        kernels: The step's tape.
        source: Gives the text of a source file, or None.
    """

    def __init__(self, kernels: Sequence[Kernel], source: Callable[[str], str | None]) -> None:
        self._kernels = kernels
        self._source = source

    @cached_property
    def _codes(self) -> Mapping[str, _Code]:
        files = {kernel.source.file for kernel in self._kernels if kernel.source}
        return {file: _Code.of(self._source(file)) for file in files}

    @cached_property
    def _names(self) -> Mapping[int, str]:
        return _own_names(self._kernels, self._codes)

    @cached_property
    def _spelled(self) -> Mapping[int, str]:
        return dict(_expressions(self._kernels, self._codes, self._names))

    @cached_property
    def _plain(self) -> frozenset[int]:
        """Tensors whose name is what was computed."""
        asked = Counter(kernel.source for kernel in self._kernels)  # by one expression
        return frozenset(
            kernel.outputs[0].tensor
            for kernel in self._kernels
            if kernel.outputs
            and (
                (operator_name(kernel) in _TOLD and self._viewed(kernel))
                or (asked[kernel.source] == 1 and kernel.outputs[0].tensor in self._spelled)
            )
        )

    def _viewed(self, kernel: Kernel) -> str:
        return _view_of(kernel, self._names) or _view_of(kernel, self._called)

    @cached_property
    def _called(self) -> Mapping[int, str]:
        return _described(self._kernels, self._names, self._spelled)

    def __call__(self, use: TensorUse) -> str:
        """The name of a tensor."""
        return self.of(use.tensor)

    def of(self, tensor: int) -> str:
        """The name of the tensor with this id."""
        return self.known(tensor) or self._called.get(tensor, f"t{tensor}")

    def known(self, tensor: int) -> str:
        """The name that the program has for it, ``""`` where it has none."""
        return self._names.get(tensor, "")

    def made(self, kernel: Kernel) -> str:
        """Names of what a kernel made; ``""`` where they say no more than its computation."""
        if all(use.tensor in self._plain for use in kernel.outputs):
            return ""
        return ", ".join(map(self, kernel.outputs))


def tensor_names(
    kernels: Sequence[Kernel], source: Callable[[str], str | None]
) -> Mapping[int, str]:
    """Names that the recording and the source give to the tensors on a tape.

    Args:
        kernels: The tape; only its forward kernels are looked at.
        source: Gives the text of a source file, or None.

    Returns:
        Tensor id to name, unique: a second tensor called ``h`` is ``h₂``. Tensors that
        neither the recording nor the source names are missing.
    """
    files = {kernel.source.file for kernel in kernels if kernel.source}
    return _own_names(kernels, {file: _Code.of(source(file)) for file in files})


def _own_names(kernels: Sequence[Kernel], codes: Mapping[str, _Code]) -> Mapping[int, str]:
    forward = [kernel for kernel in kernels if kernel.phase == "forward"]
    names: dict[int, str] = {}
    for use in _uses(kernels):
        if use.spec.name:
            names.setdefault(use.tensor, use.spec.name)
    taken = Counter(set(names.values()))
    for use, name in _found(forward, codes):
        if use.tensor not in names:
            names[use.tensor] = _unique(name, taken)
    return names


def _unique(name: str, taken: Counter[str]) -> str:
    taken[name] += 1
    return name if taken[name] == 1 else f"{name}{str(taken[name]).translate(_SUBSCRIPTS)}"


def _uses(kernels: Sequence[Kernel]) -> Iterator[TensorUse]:
    for kernel in kernels:
        yield from tensors(kernel.inputs)
        yield from kernel.outputs


def _returned(kernels: Sequence[Kernel]) -> Iterator[tuple[Kernel, Span]]:
    """The last kernels of the source's expressions, which made what those give."""
    forward = [kernel for kernel in kernels if kernel.phase == "forward"]
    for kernel, following in zip_longest(forward, forward[1:]):
        done = following is None or following.source != kernel.source
        if kernel.source and done:
            yield kernel, _span(kernel.source)


def _found(forward: Sequence[Kernel], codes: Mapping[str, _Code]) -> Iterator[Named]:
    """Results first: they carry the program's own name, an operand's is often a parameter's."""
    for kernel, span in _returned(forward):
        names = codes[kernel.source.file].targets.get(span, ()) if kernel.source else ()
        if len(names) == len(kernel.outputs) or (len(names) == 1 and _gives_first(kernel)):
            yield from zip(kernel.outputs, names, strict=False)
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


# --- what the program does not name, NOTE 1 ------------------------------------------------


def _expressions(
    kernels: Sequence[Kernel], codes: Mapping[str, _Code], known: Mapping[int, str]
) -> Iterator[tuple[int, str]]:
    """Results that have no name, and the expressions that gave them."""
    for kernel, span in _returned(kernels):
        if not kernel.source or not _gives_first(kernel) or kernel.outputs[0].tensor in known:
            continue
        if writes_in_place(kernel):  # what is written was there before, and is no result
            continue
        if text := codes[kernel.source.file].spelled(span):
            yield kernel.outputs[0].tensor, text


def _described(
    kernels: Sequence[Kernel], known: Mapping[int, str], spelled: Mapping[int, str]
) -> Mapping[int, str]:
    """A name for every other tensor of the tape, each a different one."""
    taken = Counter(set(known.values()))
    alone = _alone(kernels)
    found: dict[int, str] = {}
    for kernel in kernels:
        for use in tensors(kernel.inputs):
            if use.tensor not in known and use.tensor not in found and use.spec.role == "input":
                found[use.tensor] = _unique("input", taken)
        made = {
            place: use.tensor
            for place, use in enumerate(kernel.outputs)
            if use.tensor not in known and use.tensor not in found
        }
        if made.get(0) in spelled:
            first = made.pop(0)
            found[first] = _unique(spelled[first], taken)
        if made:
            operation = spoken_name(kernel)
            if len(operation) > _LONGEST:
                operation = f"{operation[: _LONGEST - 1]}…"
            viewed = found if operator_name(kernel) in _TOLD else {}
            view = _view_of(kernel, known) or _view_of(kernel, viewed)
            base = view or alone.get(kernel.index) or operation
            if not base.endswith("ᵀ"):  # turned twice, a tensor is the same
                base = _unique(base, taken)
            listed = any(each in base for each in _LISTS)
            for place, tensor in made.items():
                found[tensor] = f"{base}[{place}]" if place or listed else base
    return found


def _view_of(kernel: Kernel, known: Mapping[int, str]) -> str:
    """``w1ᵀ`` and ``x.view``, where what is viewed has a name."""
    operator = operator_name(kernel)
    first = next(tensors(kernel.inputs), None)
    if operator not in VIEWS | _TOLD or first is None or not (name := known.get(first.tensor)):
        return ""
    return f"{name}ᵀ" if operator == "t" else f"{name}.{spoken_name(kernel)}"


def _alone(kernels: Sequence[Kernel]) -> Mapping[int, str]:
    """Modules that ran one kernel in a row, views and counters aside, by that kernel's index."""
    forward = [kernel for kernel in kernels if kernel.phase == "forward"]
    found = {}
    for module, run in groupby(forward, lambda kernel: kernel.module):
        ran = [kernel for kernel in run if operator_name(kernel) not in VIEWS | {"add_"}]
        if module and len(ran) == 1 and (name := _path(module, ran[0])):
            found[ran[0].index] = name
    return found


def _path(module: str, kernel: Kernel) -> str:
    """A module's path; where that is but a number, with the model before it, if that is known."""
    if not module[0].isdecimal():
        return module
    names = (use.spec.name.rpartition(".")[0] for use in tensors(kernel.inputs))
    return next((name for name in names if f".{name}".endswith(f".{module}")), "")
