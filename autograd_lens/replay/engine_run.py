"""One call of the autograd engine, made again as the program made it.

NOTE 1 [The engine's own door]: backward is called through the engine object, not through
``Tensor.backward``: a program that is being recorded while it looks at a trace must not find
our backwards among its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.patterns import parse, resolve, tensors_in
from autograd_lens.replay.situation import first_line

__all__ = ["EngineRun"]

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EngineRun:
    """One call of backward or ``torch.autograd.grad``.

    Attributes:
        backward: The call, as the template describes it.
        live: All tensors by id.
        leaves: The parameters by name.
        obstacle: Why kernels before it could not be executed, else ``""``.
    """

    backward: Json
    live: list[torch.Tensor | None]
    leaves: Mapping[str, torch.Tensor]
    obstacle: str

    def roots(self) -> list[torch.Tensor]:
        """The tensors that backward is called on.

        Raises:
            ReplayError: One of them cannot be made again.
        """
        roots = [resolve(parse(enc), self.live, ()) for enc in self.backward["roots"]]
        if any(root is None or not root.requires_grad for root in roots):
            msg = "A tensor that backward was called on cannot be made again."
            if self.backward["nodes"] and self.backward["nodes"][0]["kernel"] is None:
                name = self.backward["nodes"][0]["name"]
                msg = f"{msg} Its node, {name}, was made by no kernel of the tape."
            msg += self.obstacle
            raise ReplayError(msg)
        return roots

    def run(self, roots: list[torch.Tensor]) -> None:
        """Call the engine.

        Raises:
            ReplayError: It raises, or something that it was given is not there.
        """
        arguments = (
            tuple(roots),
            tuple(self._first_gradients(roots)),
            self.backward["retain_graph"],
            self.backward["create_graph"],
        )
        grad = self.backward["kind"] == "grad"
        asked = self._asked()
        inputs = tuple(self.leaves[name] for name in asked)
        try:
            found = _engine().run_backward(
                *arguments, inputs, allow_unreachable=True, accumulate_grad=not grad
            )
        except RuntimeError as error:
            msg = f"The replayed backward raised an error: {first_line(error)}"
            raise ReplayError(msg) from error
        if grad:
            self._keep_results(dict(zip(asked, found, strict=True)))

    def _first_gradients(self, roots: list[torch.Tensor]) -> list[torch.Tensor]:
        """What backward was called with, or ones where that was not recorded."""
        encs = self.backward.get("gradients", ())
        given = [resolve(parse(enc), self.live, ()) for enc in encs]
        if any(one is None and enc is not None for one, enc in zip(given, encs, strict=True)):
            msg = f"A gradient that backward was given is not there.{self.obstacle}"
            raise ReplayError(msg)
        given += [None] * (len(roots) - len(given))
        return [
            torch.ones_like(root) if one is None else one
            for root, one in zip(roots, given, strict=True)
        ]

    def _asked(self) -> list[str]:
        """The leaves that backward was restricted to; none where it was not."""
        nodes = self.backward["nodes"]
        if self.backward["kind"] == "grad":
            sent = (nodes[end]["variable"] for _, end in _sent(self.backward))
            return list(dict.fromkeys(name for name in sent if name))
        reached = [node["variable"] for node in nodes if node["variable"]]
        written = {write["parameter"] for write in self.backward["writes"]}
        written |= {nodes[run["node"]]["variable"] for run in self.backward["runs"]}
        return [] if written >= set(reached) else [name for name in reached if name in written]

    def _keep_results(self, found: Mapping[str, Any]) -> None:
        """Give the results of ``torch.autograd.grad`` the ids they had."""
        for enc, end in _sent(self.backward):
            name = self.backward["nodes"][end]["variable"]
            if name in found:
                for place in tensors_in(parse(enc)):
                    self.live[place.tensor] = found[name]


def _sent(backward: Json) -> Iterator[tuple[Any, int]]:
    """Every gradient that a node passed on, and the node it went to."""
    runs = {run["node"]: run["grad_inputs"] for run in backward["runs"]}
    for start, position, end, _ in backward["edges"]:
        gradients = runs.get(start, ())
        if position < len(gradients) and gradients[position] is not None:
            yield gradients[position], end


def _engine() -> Any:
    return torch.autograd.Variable._execution_engine
