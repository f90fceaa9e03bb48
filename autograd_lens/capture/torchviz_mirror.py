"""A torch-free mirror of an autograd graph, for torchviz to draw.

NOTE 1 [Why a mirror]: torchviz names nodes after memory addresses, unpacks the saved tensors
of custom functions (which runs the program's unpack hooks), and keeps every tensor it meets
alive while it works. So it is never shown the graph itself. We walk ``next_functions`` and
build plain objects that look like the graph to torchviz: the same type names, the same edges,
sizes instead of tensors. ``make_dot`` draws those.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from autograd_lens.live.doors import saved_data

__all__ = ["Mirror", "MirrorNode", "MirrorTensor"]


@dataclass(eq=False, slots=True)
class MirrorTensor:
    """What torchviz may know about a tensor: its name in the DOT, its sizes, its history."""

    key: str
    sizes: tuple[int, ...]
    grad_fn: MirrorNode | None = None
    base: MirrorTensor | None = None

    @property
    def _base(self) -> MirrorTensor | None:
        return self.base

    def size(self) -> tuple[int, ...]:
        """Answer as ``torch.Tensor.size``."""
        return self.sizes

    def _is_view(self) -> bool:
        return self.base is not None


@dataclass(eq=False)
class MirrorNode:
    """What torchviz may know about a node; subclasses carry the node's type name.

    Attributes:
        variable: Set on the mirror of ``AccumulateGrad`` alone: torchviz asks for its presence.
        saved_tensors: Likewise on the mirror of a custom function.
    """

    key: str
    next_functions: list[tuple[MirrorNode | None, int]] = field(default_factory=list)


class Mirror:
    """Builds the mirror of a graph.

    Attributes:
        nodes: All mirrored nodes, in the order of discovery.
        leaves: Mirror of the tensor of ``AccumulateGrad``, by the node's index.
    """

    def __init__(self, node_index: Mapping[object, int]) -> None:
        self.nodes: list[MirrorNode] = []
        self.leaves: dict[int, MirrorTensor] = {}
        self._index = node_index
        self._unknown = 0
        self._types: dict[str, type[MirrorNode]] = {}
        self._by_node: dict[object, MirrorNode] = {}
        self._by_tensor: dict[int, MirrorTensor] = {}
        self._met: list[torch.Tensor] = []  # an address names a tensor only while it lives

    def of_roots(self, tensors: Iterable[torch.Tensor]) -> tuple[MirrorTensor, ...]:
        """Mirror the graph behind some tensors; call it once."""
        roots = tuple(
            self._root(tensor, f"r{position}", f"v{position}")
            for position, tensor in enumerate(tensors)
        )
        self._met.clear()
        return roots

    def _root(self, tensor: torch.Tensor, key: str, base_key: str) -> MirrorTensor:
        known = id(tensor) in self._by_tensor
        root = self._tensor(tensor, key)
        if not known:
            root.grad_fn = self._of(tensor.grad_fn)
            base = tensor._base
            root.base = None if base is None else self._root(base, base_key, base_key)
        return root

    def _tensor(self, tensor: torch.Tensor, key: str) -> MirrorTensor:
        mirrored = self._by_tensor.get(id(tensor))
        if mirrored is None:
            mirrored = self._by_tensor[id(tensor)] = MirrorTensor(key, _sizes(tensor))
            self._met.append(tensor)
        return mirrored

    def _of(self, node: Any) -> MirrorNode | None:
        """Mirror a node and all that it leads to; no recursion, graphs can be deep."""
        if node is None:
            return None
        pending = [node]
        while pending:
            current = pending.pop()
            mirrored = self._mirrored(current)
            if mirrored.next_functions:  # the history of an earlier root
                continue
            for following, output_nr in current.next_functions:
                is_new = following is not None and following not in self._by_node
                target = None if following is None else self._mirrored(following)
                mirrored.next_functions.append((target, output_nr))
                if is_new:
                    pending.append(following)
        return self._by_node[node]

    def _mirrored(self, node: object) -> MirrorNode:
        if node not in self._by_node:
            self._by_node[node] = mirrored = self._bare(node)
            self.nodes.append(mirrored)
            self._add_tensors(node, mirrored)
        return self._by_node[node]

    def _bare(self, node: object) -> MirrorNode:
        name = type(node).__name__
        if name not in self._types:
            self._types[name] = type(name, (MirrorNode,), {})
        index = self._index.get(node)
        if index is None:
            self._unknown += 1
        return self._types[name](f"x{self._unknown - 1}" if index is None else f"n{index}")

    def _add_tensors(self, node: Any, mirrored: MirrorNode) -> None:
        suffix = mirrored.key.removeprefix("n")
        if type(node).__name__ == "AccumulateGrad":
            leaf = self._tensor(node.variable, f"p{suffix}")
            if leaf.key[0] == "s":  # a custom function that saved it was met first
                leaf.key = f"p{suffix}"
            vars(mirrored)["variable"] = leaf
            if node in self._index:
                self.leaves[self._index[node]] = leaf
        elif isinstance(node, torch.autograd.function.BackwardCFunction):
            vars(mirrored)["saved_tensors"] = tuple(
                self._tensor(tensor, f"s{suffix}_{position}")
                for position, tensor in _saved_by_custom_function(node)
            )


def _saved_by_custom_function(node: Any) -> list[tuple[int, torch.Tensor]]:
    """List the saved tensors, with positions, that can be seen without running a hook."""
    try:
        kept = [saved_data(each) for each in node._raw_saved_tensors]
    except (AttributeError, RuntimeError):  # freed already, or another torch
        return []
    return [(k, tensor) for k, tensor in enumerate(kept) if tensor is not None]


def _sizes(tensor: torch.Tensor) -> tuple[int, ...]:
    try:
        return tuple(int(size) for size in tensor.size())
    except (RuntimeError, TypeError, ValueError):  # nested and symbolic tensors have no plain size
        return ()
