"""The arithmetic of a parameter's update, in the program's own names.

NOTE [how kernels become an expression]
1. Views that show all elements (``detach``, ``view``) are the tensor they look at: each
   tensor has one *root*, and an in-place kernel on a view rewrites the root.
2. From the last kernel back to the first, only what the parameter depends on is kept. From a
   ``_foreach_`` kernel that is one element of each of its lists.
3. From first to last, each kernel's term is built from those of its arguments. What no kept
   kernel made (parameters, gradients, the optimizer's state) is a name.
4. A term that has grown long is given a name of its own and defined behind ``where``, so
   that repeated squaring (Newton's iteration in an update) does not double the text each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from autograd_lens.trace.arithmetic import Term, atom, combine, number
from autograd_lens.trace.graph import is_spoken, operator_name, tensors
from autograd_lens.trace.records import Argument, Constant, Kernel, TensorUse

__all__ = ["update_expression"]

Root = int | str
Item = TensorUse | Constant | tuple[TensorUse | Constant, ...]

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


def update_expression(kernels: Sequence[Kernel], indexes: Sequence[int], parameter: str) -> str:
    """The new value of a parameter as arithmetic on what was there before.

    Args:
        kernels: The step's tape.
        indexes: Positions on it of the kernels that computed the update.
        parameter: Name of the parameter.

    Returns:
        For example ``"w1 - 0.01 * w1.grad"``; ``""`` where no kernel wrote the parameter.
    """
    chosen = [kernels[index] for index in indexes]
    roots = _Roots(chosen)
    target = roots.result(parameter)
    writer = _Writer(roots)
    for call in roots.needed(chosen, target):
        writer.evaluate(call)
    return writer.result(target)


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
                call = _Call(operator_name(kernel), _arguments(kernel, position), targets)
                kept.append(call)
                wanted.update(self.of(use) for use in tensors(call.arguments))
        return kept[::-1]

    def _meets(self, use: TensorUse, wanted: set[Root]) -> bool:
        root = self.of(use)
        return root in wanted or self.parts.get(root) in wanted


@dataclass(slots=True)
class _Writer:
    """Builds terms, call by call."""

    roots: _Roots
    terms: dict[Root, Term] = field(default_factory=dict)
    states: dict[Root, str] = field(default_factory=dict)
    definitions: list[str] = field(default_factory=list)
    places: dict[Root, str] = field(default_factory=dict)
    patches: dict[Root, list[str]] = field(default_factory=dict)
    written: set[Root] = field(default_factory=set)

    def evaluate(self, call: _Call) -> None:
        """Give what the call wrote its term."""
        term = combine(_plain(call.operator), self._arguments(call))
        if len(call.targets) == 1:
            self._write(call.targets[0], term, call)
            return
        for position, use in enumerate(call.targets):
            self._write(use, atom(f"{term.text}[{position}]"), call)

    def result(self, target: Root) -> str:
        """The finished text for a root, ``""`` where it was never written."""
        if target not in self.written:
            return ""
        text = self.terms[target].text if target in self.terms else str(target)[1:]
        changes = ", ".join(self.patches.get(target, ()))
        text = f"{text} with {changes}" if changes else text
        return f"{text} where {', '.join(self.definitions)}" if self.definitions else text

    def _arguments(self, call: _Call) -> dict[str, Term]:
        dtype = call.targets[0].spec.dtype
        return {
            argument.name: self._spoken(argument.value, dtype)
            for argument in call.arguments
            if is_spoken(argument)
        }

    def _write(self, use: TensorUse, term: Term, call: _Call) -> None:
        root = self.roots.of(use)
        whole = self.roots.parts.get(root)
        if whole is not None and call.operator in _PARTIAL_VIEWS:
            self.places[root] = self._place(call)
        elif whole is not None:
            self._patch(whole, root, term)
            return
        self.terms[root] = term
        self.written.add(root)

    def _place(self, call: _Call) -> str:
        """A part of a tensor as a place that can be written to: ``w[0]``."""
        arguments = self._arguments(call)
        viewed = next(tensors(call.arguments))
        name = self.places.get(self.roots.of(viewed)) or self._name(viewed)
        return combine(call.operator, {**arguments, next(iter(arguments)): atom(name)}).text

    def _patch(self, whole: Root, part: Root, term: Term) -> None:
        """A part was overwritten; ``w[0] -= g`` ends with writing ``w[0]`` onto itself."""
        self.written.add(whole)
        self.terms[part] = term
        change = f"{self.places[part]} = {term.text}"
        known = self.patches.setdefault(whole, [])
        if change not in known and self.places[part] != term.text:
            known.append(change)

    def _spoken(self, item: Item, dtype: str) -> Term:
        if isinstance(item, TensorUse):
            return self._term(item)
        if isinstance(item, Constant):
            return number(item.value, dtype)
        return atom(f"[{', '.join(self._spoken(each, dtype).text for each in item)}]")

    def _term(self, use: TensorUse) -> Term:
        root = self.roots.of(use)
        if root not in self.terms:
            self.terms[root] = self._outside(use)
        elif len(self.terms[root].text) > _LONG:
            self.terms[root] = self._defined(self.terms[root])
        return self.terms[root]

    def _defined(self, term: Term) -> Term:
        name = f"u{len(self.definitions) + 1}"
        self.definitions.append(f"{name} = {term.text}")
        return atom(name)

    def _outside(self, use: TensorUse) -> Term:
        """What no kept kernel made: a name, or the number in a scalar without one."""
        if not use.spec.name and use.spec.shape == () and use.value and use.value.complete:
            return number(use.value.item(), use.spec.dtype)
        return atom(self._name(use))

    def _name(self, use: TensorUse) -> str:
        root = self.roots.of(use)
        if isinstance(root, str):
            return root[1:]
        if use.spec.name:
            return use.spec.name
        if use.spec.role != "state":
            return f"t{use.tensor}"
        return self.states.setdefault(root, f"state{len(self.states) + 1}")


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
