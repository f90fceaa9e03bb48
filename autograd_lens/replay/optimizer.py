"""Updates made again by PyTorch's own optimizers.

NOTE 1 [Why not by the tape]: Adam and others compute some numbers in Python, from the count of
steps. On the tape they stand as constants of the recorded step; for another step they have to
be computed again, in the same order of operations. So the optimizer itself is built from what
the trace knows of it (its class, the numbers of its first group, its state) and makes one step.
Whether that is what happened is, as everywhere in replay, compared bit for bit.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from autograd_lens.errors import ReplayError
from autograd_lens.replay.program import Program

__all__ = ["Update", "is_known"]

Json = Mapping[str, Any]
Leaves = Mapping[str, torch.Tensor]
Live = list[torch.Tensor | None]


def is_known(description: Json) -> bool:
    """Whether a description names an optimizer of ``torch.optim``."""
    kind = getattr(torch.optim, str(description.get("class")), None)
    known = isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)
    return known and kind is not torch.optim.Optimizer and kind is not torch.optim.LBFGS


@dataclass(frozen=True, slots=True)
class Update:
    """An update on the tape that an optimizer made.

    Attributes:
        program: The tape.
        block: Its kernels; those of gradient clipping may stand before the optimizer's own.
        description: The optimizer; see ``described.DescribedOptimizers``.
    """

    program: Program
    block: range
    description: Json

    def start(self, leaves: Leaves, live: Live) -> tuple[int, Json]:
        """The first kernel of the block that the optimizer itself runs, and how it runs them.

        Returns:
            The kernel's index, and the arguments that choose the implementation seen there.

        Raises:
            ReplayError: The optimizer runs other kernels than those on the tape.
        """
        recorded = [self.program.instructions[index].op for index in self.block]
        for implementation in self._implementations(recorded):
            seen = self._rehearse(leaves, live, implementation)
            if len(seen) <= len(recorded) and recorded[-len(seen) :] == seen:
                return self.block.stop - len(seen), implementation
        msg = f"{self.description['class']} runs other kernels than were recorded."
        raise ReplayError(msg)

    def _rehearse(self, leaves: Leaves, live: Live, implementation: Json) -> list[str]:
        """The kernels that one step on copies runs."""
        with _disable_current_modes():
            copies = {name: _copy(leaf) for name, leaf in leaves.items()}
            states: Live = [None] * len(live)  # activations, which are large, it does not touch
            for number, _, _ in self._states(self._names()):
                tensor = live[number]
                states[number] = None if tensor is None else tensor.detach().clone()
            with _Names() as names:
                self._step(self._build(copies, states, implementation))
        seen: list[str] = names.seen
        return seen

    def _implementations(self, recorded: Sequence[str]) -> list[Json]:
        accepted = inspect.signature(getattr(torch.optim, self.description["class"])).parameters
        marks = {"foreach": "aten._foreach_", "fused": "aten._fused_"}
        seen = [name for name, mark in marks.items() if any(op.startswith(mark) for op in recorded)]
        plain: dict[str, Any] = {"foreach": False} if "foreach" in accepted else {}
        return [*({name: True} for name in seen if name in accepted), plain]

    def run(self, leaves: Leaves, live: Live, implementation: Json) -> None:
        """Let the optimizer make its step, without the hooks and profiling marks around it.

        Raises:
            ReplayError: It cannot.
        """
        with _disable_current_modes():
            optimizer = self._build(leaves, live, implementation)
        self._step(optimizer)
        for number, owner, what in self._states(self._names()):
            made = optimizer.state[leaves[owner]].get(what)
            live[number] = made if isinstance(made, torch.Tensor) else live[number]

    def _step(self, optimizer: torch.optim.Optimizer) -> None:
        step: Any = inspect.unwrap(type(optimizer).step)
        try:
            with torch.no_grad():
                step(optimizer)
        except (RuntimeError, TypeError, ValueError, KeyError) as error:
            msg = f"{self.description['class']} cannot make its step again: {error}"
            raise ReplayError(msg) from error

    def _build(self, leaves: Leaves, live: Live, implementation: Json) -> torch.optim.Optimizer:
        """The optimizer with the state it had."""
        kind: Any = getattr(torch.optim, self.description["class"])
        names = self._names()
        try:
            optimizer: torch.optim.Optimizer = kind(
                [*self._groups(leaves, names, inspect.signature(kind).parameters)],
                **implementation,
            )
        except (TypeError, ValueError, KeyError) as error:
            msg = f"{self.description['class']} cannot be built again: {error}"
            raise ReplayError(msg) from error
        for number, owner, what in self._states(names):
            if number in self.program.outside and number not in self._fresh():
                optimizer.state[leaves[owner]][what] = live[number]
        return optimizer

    def _groups(
        self, leaves: Leaves, names: Sequence[str], accepted: Container[str]
    ) -> Iterator[dict[str, Any]]:
        """Its parameter groups; one of all that is updated where it is not known which it has."""
        groups = self.description.get("groups", ())
        if len(groups) < 2:  # noqa: PLR2004  a single group holds all
            groups = [{**self.description, "names": names}]
        for group in groups:
            params = [leaves[name] for name in group["names"] if name in names]
            if params:
                options = _options(group.get("options", {}), accepted)
                yield {"params": params, **_numbers(group["attributes"], accepted), **options}

    def _states(self, names: Sequence[str]) -> Iterator[tuple[int, str, str]]:
        """The optimizer's state on the tape: id, parameter and name of each tensor."""
        for number, spec in enumerate(self.program.specs):
            owner, _, what = spec.name.rpartition(".")
            if spec.role == "state" and owner in names:
                yield number, owner, what

    def _fresh(self) -> frozenset[int]:
        """Tensors that the update itself makes from a number: the first step's counters."""
        block = (self.program.instructions[index] for index in self.block)
        made = (one.makes for one in block if one.op == "aten.lift_fresh.default")
        return frozenset(number for makes in made for number in makes)

    def _names(self) -> list[str]:
        """The parameters that the block updates, in order."""
        updates = self.program.template["updates"]
        block = set(self.block)
        return [one["parameter"] for one in updates if not block.isdisjoint(one["kernels"])]


class _Names(TorchDispatchMode):
    """Notes the kernels that run."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Note one kernel and run it."""
        if func.namespace != "profiler":
            self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


def _copy(leaf: torch.Tensor) -> torch.Tensor:
    copy = leaf.detach().clone().requires_grad_(leaf.requires_grad)
    copy.grad = None if leaf.grad is None else leaf.grad.detach().clone()
    return copy


def _numbers(attributes: Mapping[str, float], accepted: Container[str]) -> dict[str, Any]:
    """``betas[0]`` and ``betas[1]`` become one tuple."""
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        match = re.fullmatch(r"(\w+)\[\d+\]", name)
        if match and match[1] in accepted:
            found[match[1]] = (*found.get(match[1], ()), value)
        elif name in accepted:
            found[name] = value
    return found


def _options(options: Json, accepted: Container[str]) -> dict[str, Any]:
    """Switches and the like; which implementation runs is seen on the tape instead."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in options.items()
        if name in accepted and name not in {"foreach", "fused"}
    }
