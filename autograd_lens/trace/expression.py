"""Kernels read as formulas: what one computes, and what an update makes of a parameter.

What is written is the mathematics of a kernel, not its order of rounding:
``addcmul(v, g, g, value=0.001)`` reads ``v + 0.001 * g ** 2``.

NOTE [how the kernels of an update become one formula]
1. Views that show all elements (``detach``, ``view``) are the tensor they look at: each
   tensor has one *root*, and an in-place kernel on a view rewrites the root.
2. From the last kernel back to the first, only what the parameter depends on is kept. From a
   ``_foreach_`` kernel that is one element of each of its lists.
3. From first to last, each kernel's formula is built from those of its arguments. What no kept
   kernel made (parameters, gradients, the optimizer's state) is a name.
4. A formula that has grown long is given a name of its own and defined behind ``where``, so
   that repeated squaring (Newton's iteration in an update) does not double it each time. So is
   a gradient that was rewritten by means of others, as clipping does, and the norm of them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from autograd_lens.trace.expr import (
    CODE,
    ONE,
    SQRT,
    TEXT,
    TRANSPOSE,
    ZERO,
    Call,
    Expr,
    Function,
    Item,
    Listed,
    Name,
    Number,
    Op,
    Word,
    constant,
    difference,
    negative,
    power,
    product,
    quotient,
    sum_of,
    walk,
    write,
)
from autograd_lens.trace.graph import is_spoken, operator_name, tensors
from autograd_lens.trace.records import (
    Argument,
    Constant,
    Kernel,
    ParameterUpdate,
    Step,
    TensorUse,
)

__all__ = [
    "Update",
    "kernel_formula",
    "learning_rate",
    "notation",
    "results",
    "spoken_name",
    "update_expression",
    "update_formula",
]

Arguments = Mapping[str, Expr]
NameOf = Callable[[TensorUse], str]
Rule = Callable[[Arguments], Expr]
Given = TensorUse | Constant | tuple[TensorUse | Constant, ...]

_OPEN_ENDS = frozenset({0, 2**63 - 1})


# --- operators -----------------------------------------------------------------------------


def _combine(operator: str, arguments: Arguments) -> Expr:
    """What an operator makes of its arguments.

    Args:
        operator: Name without namespace, overload and in-place underscore: ``"add"``.
        arguments: The arguments by the name that the schema gives them, in order.
    """
    rule = _RULES.get(operator)
    return rule(arguments) if rule else _call(operator, arguments)


def _call(operator: str, arguments: Arguments) -> Expr:
    """A function; constants that come late are given by name."""
    bare = 0 if operator.startswith("_fused_") else 3  # their many constants need names
    items = list(arguments.items())
    late = {name for name, item in items[bare:] if _is_fixed(item)}
    given = tuple(item for name, item in items if name not in late)
    settings = tuple((name, item) for name, item in items if name in late)
    return Call(_ALONE.get(operator, Function(operator)), given, settings)


def _is_fixed(item: Expr) -> bool:
    return isinstance(item, Number) or item in (Word("True"), Word("False"))


def _operands(arguments: Arguments, count: int = 2) -> list[Expr]:
    return list(arguments.values())[:count]


def _same(arguments: Arguments) -> Expr:
    return next(iter(arguments.values()))


def _other(arguments: Arguments) -> Expr:
    return _operands(arguments)[1]


def _add(arguments: Arguments) -> Expr:
    left, right = _operands(arguments)
    return sum_of(left, product(arguments.get("alpha", ONE), right))


def _sub(arguments: Arguments) -> Expr:
    left, right = _operands(arguments)
    return difference(left, product(arguments.get("alpha", ONE), right))


def _rsub(arguments: Arguments) -> Expr:
    left, right = _operands(arguments)
    return difference(right, product(arguments.get("alpha", ONE), left))


def _mul(arguments: Arguments) -> Expr:
    left, right = _operands(arguments)
    squared = left == right and not isinstance(left, Number)
    return left**2 if squared else product(left, right)


def _div(arguments: Arguments) -> Expr:
    if "rounding_mode" in arguments:
        return _call("div", arguments)
    return quotient(*_operands(arguments))


def _scale(arguments: Arguments) -> Expr:
    return next((arguments[name] for name in ("value", "scalars") if name in arguments), ONE)


def _addcmul(arguments: Arguments) -> Expr:
    start, left, right = _operands(arguments, 3)
    scale = _scale(arguments)
    if left == right:
        return sum_of(start, product(scale, left**2))
    return sum_of(start, product(scale, left) * right)


def _addcdiv(arguments: Arguments) -> Expr:
    start, above, below = _operands(arguments, 3)
    return sum_of(start, quotient(product(_scale(arguments), above), below))


def _lerp(arguments: Arguments) -> Expr:
    start, end, weight = _operands(arguments, 3)
    if not isinstance(weight, Number):
        return sum_of(start, product(weight, difference(end, start)))
    kept = constant(1.0 - float(weight.text))
    return sum_of(product(kept, start), product(weight, end))


def _matmul(arguments: Arguments) -> Expr:
    left, right = _operands(arguments)
    return left @ right


def _addmm(arguments: Arguments) -> Expr:
    start, left, right = _operands(arguments, 3)
    beta, alpha = arguments.get("beta", ONE), arguments.get("alpha", ONE)
    return sum_of(product(beta, start), product(alpha, left @ right))


def _norm(arguments: Arguments) -> Expr:
    """The 2-norm of 2-norms is that of all numbers together, as clipping takes it."""
    given, *degree = _operands(arguments)
    if degree and not (isinstance(degree[0], Number) and degree[0].value == 2):
        return Call(_NORM, (given, degree[0]))
    inner = _normed(given)
    return Call(_NORM, (_shortened(inner) if inner else given,))


def _normed(given: Expr) -> tuple[Expr, ...]:
    """What the norms in a stack of norms are of; empty for anything else."""
    match given:
        case Call(Function("stack"), (Listed(parts), *_)):
            inner = [each for part in parts for each in _of_norm(part)]
            return tuple(inner) if len(inner) == len(parts) else ()
    return ()


def _of_norm(part: Expr) -> tuple[Expr, ...]:
    match part:
        case Call(function, (given,)) if function == _NORM:
            return (given,)
    return ()


def _shortened(items: Sequence[Expr]) -> Listed:
    """The first and the last of many."""
    return Listed((items[0], Word("…"), items[-1]) if len(items) > _FEW else tuple(items))


def _clamp(arguments: Arguments) -> Expr:
    """One bound alone is the smaller, or the larger, of two."""
    given, *bounds = _operands(arguments, 3)
    if len(bounds) == 1 and "max" in arguments:
        return Call(_ALONE["minimum"], (given, *bounds))
    if len(bounds) == 1 and "min" in arguments:
        return Call(_ALONE["maximum"], (given, *bounds))
    return _call("clamp", arguments)


def _item(operator: str, arguments: Arguments) -> Expr:
    whole, dim, *bounds = arguments.values()
    if not isinstance(dim, Number) or dim.text.startswith("-"):
        return _call(operator, arguments)
    leading = ":, " * int(dim.text)
    shown = ("" if _is_open(bound) else write(bound, CODE) for bound in bounds[:2])
    inner = ":".join(shown) if operator == "slice" else write(bounds[0], CODE)
    return Item(whole, f"{leading}{inner}")


def _is_open(bound: Expr) -> bool:
    return isinstance(bound, Number) and bound.value in _OPEN_ENDS


_FEW = 3  # items of a list that are all written
_NORM = Function("norm")

_ALONE: Mapping[str, Function] = {
    "abs": Function("abs", lambda _, number: np.abs(number), pointwise=True),
    "maximum": Function("maximum", lambda _, *both: np.maximum(*both), pointwise=True),
    "minimum": Function("minimum", lambda _, *both: np.minimum(*both), pointwise=True),
}

_RULES: Mapping[str, Rule] = {
    "_to_copy": _same,
    "add": _add,
    "addcdiv": _addcdiv,
    "addcmul": _addcmul,
    "addmm": _addmm,
    "bmm": _matmul,
    "clamp": _clamp,
    "clone": _same,
    "copy": _other,
    "div": _div,
    "dot": _matmul,
    "fill": _other,
    "lerp": _lerp,
    "linalg_vector_norm": _norm,
    "matmul": _matmul,
    "mm": _matmul,
    "mul": _mul,
    "mv": _matmul,
    "norm": _norm,
    "neg": lambda arguments: negative(_same(arguments)),
    "pow": lambda arguments: power(*_operands(arguments)),
    "reciprocal": lambda arguments: quotient(ONE, _same(arguments)),
    "rsub": _rsub,
    "select": lambda arguments: _item("select", arguments),
    "set": _other,
    "slice": lambda arguments: _item("slice", arguments),
    "sqrt": lambda arguments: Call(SQRT, (_same(arguments),)),
    "square": lambda arguments: _same(arguments) ** 2,
    "sub": _sub,
    "t": lambda arguments: Call(TRANSPOSE, (_same(arguments),)),
    "true_divide": _div,
    "zero": lambda _: ZERO,
    "zeros": lambda _: ZERO,
    "zeros_like": lambda _: ZERO,
}


# --- one kernel ----------------------------------------------------------------------------

# What PyTorch calls its kernels, and what the user called.
_SPOKEN_NAMES: Mapping[str, str] = {
    "_adaptive_avg_pool2d": "adaptive_avg_pool2d",
    "_log_softmax": "log_softmax",
    "_scaled_dot_product_flash_attention_for_cpu": "attention",
    "_softmax": "softmax",
    "_unsafe_view": "view",
    "convolution": "conv",
    "max_pool2d_with_indices": "max_pool2d",
    "native_batch_norm": "batch_norm",
    "_native_batch_norm_legit": "batch_norm",
    "native_dropout": "dropout",
    "native_layer_norm": "layer_norm",
    "nll_loss_forward": "nll_loss",
    "threshold": "relu",
}
# The methods that turn a tensor into another dtype.
_CASTS: Mapping[str, str] = {
    "float16": "half",
    "float32": "float",
    "float64": "double",
    "int32": "int",
    "int64": "long",
}
# Tensors of these say it all; their many constants would bury the names.
_TENSORS_ONLY = frozenset(
    {
        *("_native_batch_norm_legit", "convolution", "embedding", "native_batch_norm"),
        *("native_layer_norm", "nll_loss_forward"),
    }
)
# Of batch norm, which statistics it takes: the batch's, or those that were running along.
_MODES = frozenset({"training"})
# Of an update these are a change that the formula has to tell; alone, they are a call.
_CALLS = frozenset({"_to_copy", "true_divide", "zero", "zeros", "zeros_like"})


def kernel_formula(kernel: Kernel, name_of: NameOf) -> Expr:
    """What a kernel computes.

    Args:
        kernel: The kernel.
        name_of: Gives the name of a tensor.
    """
    operator = operator_name(kernel).removesuffix("_")
    dtype = kernel.outputs[0].spec.dtype if kernel.outputs else "float32"
    said = [each for each in kernel.inputs if is_spoken(each) and not _is_aside(each, kernel)]
    arguments = {each.name: _named(each.value, name_of, dtype) for each in said}
    if operator in _RULES and operator not in _CALLS:
        return _combine(operator, arguments)
    given = tuple(arguments[each.name] for each in said if _has_tensors(each))
    plain = [(each.name, arguments[each.name]) for each in said if not _has_tensors(each)]
    if operator in _TENSORS_ONLY:
        settings = tuple(each for each in plain if each[0] in _MODES)
    else:
        settings = tuple((name, item) for name, item in plain if item != Word("False"))
    return Call(Function(spoken_name(kernel)), given, settings)


def spoken_name(kernel: Kernel) -> str:
    """The operator as people call it: ``"log_softmax"`` for ``"aten._log_softmax.default"``."""
    operator = operator_name(kernel).removesuffix("_")
    if operator == "_to_copy" and kernel.outputs:
        return _casts(kernel)
    return _SPOKEN_NAMES.get(operator, operator)


def _casts(kernel: Kernel) -> str:
    """What a copy changes: ``half``, as the method of that name; ``to`` where it is no dtype."""
    made = kernel.outputs[0].spec.dtype
    given = next(tensors(kernel.inputs), None)
    return "to" if given is not None and given.spec.dtype == made else _CASTS.get(made, made)


def _is_aside(argument: Argument, kernel: Kernel) -> bool:
    """Whether it is a running statistic that batch norm keeps, but does not use in training."""
    modes = (each.value for each in kernel.inputs if each.name == "training")
    training = any(isinstance(mode, Constant) and mode.value is True for mode in modes)
    return training and argument.name in {"running_mean", "running_var"}


def notation(kernel: Kernel, name_of: NameOf) -> str:
    """What a kernel computes, on a line: ``x @ w1``, ``(y_pred - y)²``, ``mean(t8)``."""
    return write(kernel_formula(kernel, name_of), TEXT)


def results(kernel: Kernel, name_of: NameOf) -> str:
    """Names of what a kernel made, with commas."""
    return ", ".join(name_of(use) for use in kernel.outputs)


def _named(item: Given, name_of: NameOf, dtype: str) -> Expr:
    if isinstance(item, TensorUse):
        return Name(name_of(item), tensor=item.tensor)
    if isinstance(item, Constant):
        return constant(item.value, dtype)
    listed = tuple(_named(each, name_of, dtype) for each in item)
    single = len(item) == 1 and isinstance(item[0], Constant)  # dim=[0] reads dim=0
    return listed[0] if single else Listed(listed)


def _has_tensors(argument: Argument) -> bool:
    items = argument.value if isinstance(argument.value, tuple) else (argument.value,)
    return any(isinstance(item, TensorUse) for item in items)


# --- an update -----------------------------------------------------------------------------

Root = int | str

_LONG = 200  # characters; the update of every torch.optim optimizer stays below
_NAMED_ROLES = frozenset({"parameter", "gradient"})
_WHOLE_VIEWS = frozenset(
    {
        *("_reshape_alias", "_unsafe_view", "alias", "detach", "detach_", "expand"),
        *("lift_fresh", "squeeze", "unsqueeze", "view", "view_as"),
    }
)
_PARTIAL_VIEWS = frozenset({"narrow", "permute", "select", "slice", "split", "t", "transpose"})
_ON_LISTS = ("_foreach_", "_fused_")


@dataclass(frozen=True, slots=True)
class Update:
    """The new value of a parameter as arithmetic on what was there before.

    Attributes:
        value: The formula; None where no kernel wrote the parameter.
        changes: Parts that were overwritten, and what with.
        definitions: Names for long parts of the formula, and what they stand for.
        read: What the formula's names stood for, by the id in them.
    """

    value: Expr | None
    changes: tuple[tuple[Expr, Expr], ...] = ()
    definitions: tuple[tuple[Name, Expr], ...] = ()
    read: Mapping[int, TensorUse] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """For example ``"w1 - 0.01 * w1.grad"``; ``""`` where nothing wrote the parameter."""
        if self.value is None:
            return ""
        text = write(self.value, CODE)
        text += f" with {_pairs(self.changes)}" if self.changes else ""
        return f"{text} where {_pairs(self.definitions)}" if self.definitions else text


def _pairs(pairs: Sequence[tuple[Expr, Expr]]) -> str:
    return ", ".join(f"{write(left, CODE)} = {write(right, CODE)}" for left, right in pairs)


def update_expression(kernels: Sequence[Kernel], indexes: Sequence[int], parameter: str) -> str:
    """The text of ``update_formula``."""
    return update_formula(kernels, indexes, parameter).text


def update_formula(kernels: Sequence[Kernel], indexes: Sequence[int], parameter: str) -> Update:
    """What an update made of a parameter (NOTE above).

    Args:
        kernels: The step's tape.
        indexes: Positions on it of the kernels that computed the update.
        parameter: Name of the parameter.
    """
    chosen = [kernels[index] for index in indexes]
    roots = _Roots(chosen)
    target = roots.result(parameter)
    writer = _Writer(roots)
    for each in roots.needed(chosen, target):
        writer.evaluate(each)
    return writer.result(target)


def learning_rate(step: Step, names: Sequence[str]) -> float | None:
    """The one number that plain gradient descent multiplies all gradients by, or None."""
    updates = {update.parameter: update for update in step.updates}
    rate: float | None = None
    for name in names:  # the first that says otherwise decides: formulas of long tapes take long
        found = _rate(updates.get(name), step.kernels)
        if found is None or rate not in {None, found}:
            return None
        rate = found
    return rate


def _rate(update: ParameterUpdate | None, kernels: Sequence[Kernel]) -> float | None:
    """The rate where the update is ``w - rate * w.grad``, else None."""
    if update is None:
        return None
    name = update.parameter
    found = update_formula(kernels, update.kernels, name)
    match found.value:
        case Op("-", Name() as before, Op("*", Number() as rate, Name() as grad)):
            plain = (before.text, grad.text) == (name, f"{name}.grad") and not found.changes
            return float(rate.text) if plain else None
    return None


@dataclass(frozen=True, slots=True)
class _Call:
    """One kernel, or one element of a foreach kernel.

    Attributes:
        operator: Name without namespace and overload, for example ``"_foreach_add_"``.
        arguments: Arguments; of a foreach kernel's lists, the one element.
        targets: Tensors it wrote.
    """

    operator: str
    arguments: tuple[Argument, ...]
    targets: tuple[TensorUse, ...]


@dataclass(slots=True)
class _Roots:
    """Which tensors are one and the same memory."""

    chosen: Sequence[Kernel]
    aliases: dict[int, Root] = field(default_factory=dict)
    parts: dict[Root, Root] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kernel in self.chosen:
            operator = operator_name(kernel)
            if operator in _WHOLE_VIEWS and kernel.outputs:
                self.aliases[kernel.outputs[0].tensor] = self.of(_first_tensor(kernel))
            elif operator in _PARTIAL_VIEWS:
                self._split(self.of(_first_tensor(kernel)), kernel.outputs)

    def _split(self, whole: Root, views: Sequence[TensorUse]) -> None:
        for view in views:
            self.aliases[view.tensor] = view.tensor
            self.parts[view.tensor] = whole

    def of(self, use: TensorUse) -> Root:
        """The root of a tensor; parameters and gradients are known by name."""
        if use.tensor in self.aliases:
            return self.aliases[use.tensor]
        return self.named(use.spec.name) if _has_own_name(use) else use.tensor

    @staticmethod
    def named(name: str) -> Root:
        """The root of a parameter or gradient."""
        return f"={name}"

    def result(self, parameter: str) -> Root:
        """The root that holds the parameter's new value.

        ``param.data = new`` runs no kernel: then it is the last tensor computed from the
        parameter that has its shape.
        """
        target = self.named(parameter)
        shape: tuple[int, ...] | None = None
        derived: dict[Root, None] = {}
        for kernel in self.chosen:
            sources = {self.of(use): use.spec.shape for use in tensors(kernel.inputs)}
            if any(self._meets(use, {target}) for _, uses in _targets(kernel) for use in uses):
                return target
            shape = sources.get(target, shape)
            if target in sources or not derived.keys().isdisjoint(sources):
                derived.update(
                    (self.of(use), None) for use in kernel.outputs if use.spec.shape == shape
                )
        return next(reversed(derived), target)

    def needed(self, chosen: Sequence[Kernel], target: Root) -> list[_Call]:
        """The calls that ``target`` depends on, in the order they ran."""
        wanted = {target}
        kept: list[_Call] = []
        for kernel in reversed(chosen):
            for position, targets in _targets(kernel):
                if not any(self._meets(use, wanted) for use in targets):
                    continue
                found = _Call(operator_name(kernel), _arguments(kernel, position), targets)
                kept.append(found)
                wanted.update(self.of(use) for use in tensors(found.arguments))
        return kept[::-1]

    def _meets(self, use: TensorUse, wanted: set[Root]) -> bool:
        root = self.of(use)
        return root in wanted or self.parts.get(root) in wanted


@dataclass(slots=True)
class _Writer:
    """Builds formulas, call by call."""

    roots: _Roots
    terms: dict[Root, Expr] = field(default_factory=dict)
    states: dict[Root, str] = field(default_factory=dict)
    definitions: list[tuple[Name, Expr]] = field(default_factory=list)
    places: dict[Root, Expr] = field(default_factory=dict)
    patches: dict[Root, list[tuple[Expr, Expr]]] = field(default_factory=dict)
    written: set[Root] = field(default_factory=set)
    read: dict[int, TensorUse] = field(default_factory=dict)

    def evaluate(self, made: _Call) -> None:
        """Give what the call wrote its formula."""
        term = _combine(_plain(made.operator), self._arguments(made))
        if len(made.targets) == 1:
            self._write(made.targets[0], term, made)
            return
        for position, use in enumerate(made.targets):
            self._write(use, Item(term, str(position)), made)

    def result(self, target: Root) -> Update:
        """What is known of a root in the end."""
        if target not in self.written:
            return Update(None)
        value = self.terms.get(target) or Name(str(target)[1:])
        changes = tuple(self.patches.get(target, ()))
        return Update(value, changes, tuple(self.definitions), self.read)

    def _arguments(self, made: _Call) -> dict[str, Expr]:
        dtype = made.targets[0].spec.dtype
        return {
            argument.name: self._spoken(argument.value, dtype)
            for argument in made.arguments
            if is_spoken(argument)
        }

    def _write(self, use: TensorUse, term: Expr, made: _Call) -> None:
        root = self.roots.of(use)
        whole = self.roots.parts.get(root)
        if whole is not None and made.operator in _PARTIAL_VIEWS:
            self.places[root] = self._place(made)
        elif whole is not None:
            self._patch(whole, root, term)
            return
        clipped = use.spec.role == "gradient" and _is_of_others(use.spec.name, term)
        self.terms[root] = self._defined(term) if clipped else term
        self.written.add(root)

    def _place(self, made: _Call) -> Expr:
        """A part of a tensor as a place that can be written to: ``w[0]``."""
        arguments = self._arguments(made)
        viewed = next(tensors(made.arguments))
        base = self.places.get(self.roots.of(viewed)) or self._name(viewed)
        return _combine(made.operator, {**arguments, next(iter(arguments)): base})

    def _patch(self, whole: Root, part: Root, term: Expr) -> None:
        """A part was overwritten; ``w[0] -= g`` ends with writing ``w[0]`` onto itself."""
        self.written.add(whole)
        self.terms[part] = term
        change = (self.places[part], term)
        known = self.patches.setdefault(whole, [])
        if change not in known and write(change[0], CODE) != write(term, CODE):
            known.append(change)

    def _spoken(self, item: Given, dtype: str) -> Expr:
        if isinstance(item, TensorUse):
            return self._term(item)
        if isinstance(item, Constant):
            return constant(item.value, dtype)
        return Listed(tuple(self._spoken(each, dtype) for each in item))

    def _term(self, use: TensorUse) -> Expr:
        root = self.roots.of(use)
        if root not in self.terms:
            self.terms[root] = self._outside(use)
        elif len(write(self.terms[root], CODE)) > _LONG:
            self.terms[root] = self._defined(self.terms[root])
        return self.terms[root]

    def _defined(self, term: Expr) -> Name:
        name = Name(f"u{len(self.definitions) + 1}")
        self.definitions.append((name, term))
        return name

    def _outside(self, use: TensorUse) -> Expr:
        """What no kept kernel made: a name, or the number in a scalar without one."""
        if not use.spec.name and use.spec.shape == () and use.value and use.value.complete:
            return constant(use.value.item(), use.spec.dtype)
        return self._name(use)

    def _name(self, use: TensorUse) -> Name:
        self.read.setdefault(use.tensor, use)
        return Name(self._called(use), tensor=use.tensor)

    def _called(self, use: TensorUse) -> str:
        root = self.roots.of(use)
        if isinstance(root, str):
            return root[1:]
        if use.spec.name:
            return use.spec.name
        if use.spec.role != "state":
            return f"t{use.tensor}"
        return self.states.setdefault(root, f"state{len(self.states) + 1}")


def _is_of_others(name: str, term: Expr) -> bool:
    """Whether a gradient was rewritten by means of the gradients of other parameters."""
    read = (part.text for part in walk(term) if isinstance(part, Name))
    return any(each != name and each.endswith(".grad") for each in read)


def _plain(operator: str) -> str:
    """The operator's arithmetic: ``"add"`` for ``"_foreach_add_"``; fused ones stay whole."""
    if operator.startswith("_fused_"):
        return operator
    return operator.removeprefix("_foreach_").removesuffix("_")


def _has_own_name(use: TensorUse) -> bool:
    return use.spec.role in _NAMED_ROLES and bool(use.spec.name)


def _first_tensor(kernel: Kernel) -> TensorUse:
    return next(tensors(kernel.inputs))


def _targets(kernel: Kernel) -> Iterator[tuple[int | None, tuple[TensorUse, ...]]]:
    """What the kernel wrote; for a foreach kernel element by element, with its position."""
    operator = operator_name(kernel)
    if operator in _WHOLE_VIEWS:
        return
    in_place = operator.endswith("_") and not operator.endswith("__")
    written = tuple(tensors(kernel.inputs[:1])) if in_place else kernel.outputs
    if not operator.startswith(_ON_LISTS):
        yield None, written
        return
    for position, target in enumerate(written):
        yield position, (target,)


def _arguments(kernel: Kernel, position: int | None) -> tuple[Argument, ...]:
    """The kernel's arguments; at a position, that element of each list."""
    if position is None:
        return kernel.inputs
    return tuple(
        replace(argument, value=argument.value[position])
        if isinstance(argument.value, tuple) and argument.value
        else argument
        for argument in kernel.inputs
    )
