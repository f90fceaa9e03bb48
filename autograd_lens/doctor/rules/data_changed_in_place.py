"""The stored data are changed in place, again and again.

What it finds:
    A sample that is taken out of the stored data by its index, which is a view of them, and then
    normalised or scaled in place.

Why it is bad:
    The data themselves change. What is read in the next epoch was normalised already, and is
    again: it grows or shrinks with every pass.

Evidence it needs:
    Full steps: kernels that write into a part of a tensor that the steps share. What runs inside
    of a data loader is no part of a step: there the text of the data set's ``__getitem__`` tells.

Example:
    image = self.images[index]
    image.sub_(mean).div_(std)

Corrected:
    image = (self.images[index] - mean) / std

When it is silent:
    Writes into a batch of its own, copies, and data too large to be kept whole.

References:
    https://docs.pytorch.org/docs/stable/tensor_view.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, shape
from autograd_lens.doctor.source import assignments, called
from autograd_lens.doctor.tape import training_path
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, Source, Step, TensorUse
from autograd_lens.trace.values import Value

RULE = Rule("AL613", "data-changed-in-place", "error", "full", explains=("AL501", "AL301"))

_CHANGES = frozenset({"add_", "div_", "mul_", "sub_"})
_PARTS = frozenset({"narrow", "select", "slice", "unbind"})
_STAYED = 0.1  # of the elements, from a step to a later one: they are the same data


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the line that changes stored data."""
    found = [(step, *change) for step in evidence.full if (change := _change(step)) is not None]
    for (_, _, before), (step, kernel, data) in pairwise(found):
        if _same_data(before.value, data.value):
            yield _finding(evidence, step, kernel, data)
            return
    yield from _in_loader(evidence)


def _in_loader(evidence: Evidence) -> Iterator[Finding]:
    """An item of stored data that ``__getitem__``, or what it calls, changes in place."""
    source = evidence.loop
    tree = evidence.code(source).tree if source is not None else ast.Module([], [])
    functions = {one.name: one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)}
    kept = next(_transforms(tree), None)
    get = functions.get("__getitem__")
    for node in ast.walk(get) if get is not None else ():
        line = 0
        for name in _stored(node):
            line = line or _changed(get, name) or _changed_inside(get, name, functions, kept)
        if line and source is not None:
            place = Source.at(source.file, line, "__getitem__")
            yield RULE.finding(
                title="the stored data are changed in place",
                message=f"""`{ast.unparse(node)}` takes an item out of the data by its index, which
                    is a view of them, and `{evidence.line(place).strip()}` writes into it: the
                    data themselves change, and in the next epoch do so once more.""",
                fix="x = (x - mean) / std  # a new tensor, without the underscore",
                source=place,
            )
            return


def _stored(node: ast.AST) -> Iterator[str]:
    """The names that an assignment gives to plain items of ``self.data``."""
    for one, given in assignments(node):
        owner = ast.unparse(given.value) if isinstance(given, ast.Subscript) else ""
        if owner.startswith("self.") and isinstance(one, ast.Name):
            yield one.id


def _changed(function: ast.FunctionDef | None, name: str) -> int:
    """The line at which a function changes a name's tensor in place, 0 where it does not."""
    for node in ast.walk(function) if function is not None else ():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            plain = ast.unparse(node.func.value) == name
            if plain and node.func.attr.rstrip("_") + "_" in _CHANGES and called(node)[-1] == "_":
                return node.lineno
    return 0


def _changed_inside(
    function: ast.FunctionDef | None,
    name: str,
    known: Mapping[str, ast.FunctionDef],
    kept: ast.FunctionDef | None,
) -> int:
    """The same, in a function of the text, or an object of it, that the tensor is passed to."""
    for node in ast.walk(function) if function is not None else ():
        if not isinstance(node, ast.Call):
            continue
        own = ast.unparse(node.func).startswith("self.")
        inner = known.get(called(node)) or (kept if own else None)
        if inner is None:
            continue
        given = [place for place, one in enumerate(node.args) if ast.unparse(one) == name]
        names = [one.arg for one in inner.args.args if one.arg != "self"]
        if given and given[0] < len(names) and (line := _changed(inner, names[given[0]])):
            return line
    return 0


def _transforms(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    """``__call__`` of classes that change their argument in place and are used by themselves.

    One of a list of transforms may be given what another one has made.
    """
    inner = {
        called(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.List | ast.Tuple)
        for part in ast.walk(node)
        if isinstance(part, ast.Call)
    }
    for node in ast.walk(tree):
        for one in node.body if isinstance(node, ast.ClassDef) and node.name not in inner else ():
            if isinstance(one, ast.FunctionDef) and _changes_what_it_is_called_with(one):
                yield one


def _changes_what_it_is_called_with(function: ast.FunctionDef) -> bool:
    """Whether it is a ``__call__`` that changes its argument in place."""
    names = [one.arg for one in function.args.args][1:]
    return function.name == "__call__" and bool(names) and bool(_changed(function, names[0]))


def _change(step: Step) -> tuple[Kernel, TensorUse] | None:
    """A kernel that changes a part of what the step was given, and the whole of it."""
    tape, path = TapeIndex(step), training_path(step)
    for kernel in step.kernels:
        if operator_name(kernel) not in _CHANGES or kernel.index not in path:
            continue
        part = next(tensors(kernel.inputs))
        made = next((one for one in tape.views(part.tensor) if _makes(one, part.tensor)), None)
        data = next(tensors(made.inputs), None) if made is not None else None
        if made is None or data is None or operator_name(made) not in _PARTS:
            continue
        if data.spec.role == "input" and tape.maker(data.tensor, made.index) is None:
            return kernel, data
    return None


def _makes(kernel: Kernel, tensor: int) -> bool:
    return any(output.tensor == tensor for output in kernel.outputs)


def _same_data(one: Value | None, other: Value | None) -> bool:
    """Whether two steps read the same data, a part of which may have changed."""
    if one is None or other is None or not (one.complete and other.complete):
        return False
    return one.shape == other.shape and bool(np.mean(one.array == other.array) >= _STAYED)


def _finding(evidence: Evidence, step: Step, kernel: Kernel, data: TensorUse) -> Finding:
    return RULE.finding(
        title="the stored data are changed in place",
        message=f"""In step {step.index}, `{evidence.line(kernel.source)}` changed a part of the
            data {shape(data.spec.shape)} that the steps share: an index gives a view, and what is
            written into it is written into the data. In the next epoch it is done once more.""",
        fix="x = (x - mean) / std  # a new tensor, without the underscore",
        step=step.index,
        kernel=kernel,
    )
