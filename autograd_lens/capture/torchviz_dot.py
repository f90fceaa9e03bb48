"""torchviz's picture of a live autograd graph, as DOT with our node ids.

NOTE 1 [A private copy of torchviz.dot]: the installed file is executed as a module of our
own, with three names bound differently: ``distutils`` (gone in Python 3.12, and deprecated
aloud before) is answered by a stand-in, ``id`` gives our stable names, and ``Variable`` is
our mirror of a tensor. The ``torchviz`` the program may import itself stays as it is.

NOTE 2 [Deep graphs]: ``make_dot`` recurses once per level and fails near 1,000. The mirror
is cut into bands of ``_BAND`` levels, each drawn by its own ``make_dot``; an edge out of a
band ends in a stub, a node without edges that has the name of the one it stands for. A graph
of fewer levels is drawn in one go, and its DOT is what torchviz writes, line by line.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import importlib.machinery
import importlib.util
import logging
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import torch

from autograd_lens.capture.parameters import ParameterRegistry
from autograd_lens.capture.torchviz_mirror import Mirror, MirrorNode, MirrorTensor
from autograd_lens.live.graph_walk import GraphWalk
from autograd_lens.live.guard import Guard

__all__ = ["GraphDots", "graph_dot"]

_MAX_DOTS = 64  # distinct graphs; one that grows with each step has thousands
_MAX_NODES = 20_000
_BAND = 64
_CUT = "cut"  # name of the tensors that only hold a band's nodes for torchviz; none is drawn


class GraphDots:
    """Draws the graphs of a recording, each once.

    Args:
        registry: The parameters.
        on_failure: Reports a failure; a picture must not cost the recording.
    """

    def __init__(
        self, registry: ParameterRegistry, on_failure: Callable[[Exception], None]
    ) -> None:
        self._registry = registry
        self._guard = Guard(on_failure)
        self._drawn: dict[Hashable, str] = {}

    def draw(self, outputs: Sequence[object], walk: GraphWalk) -> tuple[str, bool]:
        """DOT of a graph, ``""`` where it is not drawn, and whether it is a new one.

        Args:
            outputs: What backward starts from.
            walk: The graph behind it.
        """
        key = (tuple([type(node) for node in walk.nodes]), walk.edges)
        new = key not in self._drawn
        if new:
            self._drawn[key] = self._dot(outputs, walk)
        return self._drawn[key], new

    def _dot(self, outputs: Sequence[object], walk: GraphWalk) -> str:
        if len(self._drawn) >= _MAX_DOTS or len(walk.nodes) > _MAX_NODES:
            return ""
        tensors = [output for output in outputs if isinstance(output, torch.Tensor)]
        names = {
            position: self._registry.records[index].name
            for position, variable in walk.variables.items()
            if (index := self._registry.index_of(variable)) is not None
        }
        with self._guard:
            return graph_dot(tensors, walk.index, names)
        return ""


def graph_dot(
    root_tensors: Sequence[torch.Tensor],
    node_index: Mapping[object, int],
    leaf_names: Mapping[int, str] | None = None,
) -> str:
    """Draw the graph behind some tensors as torchviz does.

    Nothing is unpacked that a saved-tensor hook has packed, no kernel runs, and nothing of
    the graph is held after the return.

    Args:
        root_tensors: The tensors that backward starts from.
        node_index: Our index of each autograd node (``grad_fn`` and what it leads to).
        leaf_names: Name of the parameter of each ``AccumulateGrad``, by the node's index.

    Returns:
        DOT source. Node i is ``n<i>``, the tensor of ``AccumulateGrad`` i is ``p<i>``, the
        k-th tensor saved by custom function i is ``s<i>_<k>``, root k is ``r<k>``, and a
        base that a root is a view of is ``v<k>``. A node that is not in ``node_index``
        (only the history of a base can hold one) is ``x<j>`` in the order of discovery.
        Empty where torchviz cannot be loaded.
    """
    torchviz = _load_torchviz()
    if torchviz is None:
        return ""
    mirror = Mirror(node_index)
    roots = mirror.of_roots(root_tensors)
    params = {
        name.replace("\\", "\\\\"): tensor  # a backslash starts an escape in DOT
        for index, name in (leaf_names or {}).items()
        if (tensor := mirror.leaves.get(index)) is not None
    }
    if len(bands := _bands(mirror.nodes)) > 1:
        return _draw_bands(torchviz, roots, bands, params)
    return str(torchviz.make_dot(roots, params=params).source)


# --- drawing a deep graph ---


def _bands(nodes: Sequence[MirrorNode]) -> list[list[MirrorNode]]:
    """Sort the nodes by height over the leaves: ``_BAND`` heights to a band, highest first."""
    heights = _heights(nodes)
    bands: dict[int, list[MirrorNode]] = {}
    for node in nodes:
        bands.setdefault(heights[node] // _BAND, []).append(node)
    return [bands[number] for number in sorted(bands, reverse=True)]


def _heights(nodes: Sequence[MirrorNode]) -> dict[MirrorNode, int]:
    """Measure the longest way from each node to a leaf."""
    heights: dict[MirrorNode, int] = {}
    pending = list(reversed(nodes))
    while pending:
        targets = [target for target, _ in pending[-1].next_functions if target is not None]
        missing = [target for target in targets if target not in heights]
        if missing:
            pending.extend(missing)
        else:
            heights[pending.pop()] = 1 + max((heights[target] for target in targets), default=-1)
    return heights


def _draw_bands(
    torchviz: ModuleType,
    roots: tuple[MirrorTensor, ...],
    bands: Sequence[Sequence[MirrorNode]],
    params: Mapping[str, MirrorTensor],
) -> str:
    for band in bands:
        _cut(band)
    drawing = torchviz.make_dot(tuple(map(_with_stub, roots)), params=params)
    body = list(drawing.body)
    for band in bands:
        holders = tuple(MirrorTensor(_CUT, (), node) for node in band)
        body.extend(filter(_is_drawn, torchviz.make_dot(holders, params=params).body))
    drawing.body[:] = _nodes_once(body)
    torchviz.resize_graph(drawing)
    return str(drawing.source)


def _cut(band: Sequence[MirrorNode]) -> None:
    inside = set(band)
    for node in band:
        node.next_functions[:] = [
            (target if target is None or target in inside else _stub(target), output_nr)
            for target, output_nr in node.next_functions
        ]


def _stub(node: MirrorNode) -> MirrorNode:
    return type(node)(node.key)


def _with_stub(root: MirrorTensor) -> MirrorTensor:
    grad_fn = None if root.grad_fn is None else _stub(root.grad_fn)
    base = None if root.base is None else _with_stub(root.base)
    return MirrorTensor(root.key, root.sizes, grad_fn, base)


def _is_drawn(line: str) -> bool:
    return _CUT not in line.split(maxsplit=3)[:3]


def _nodes_once(body: Iterable[str]) -> Iterator[str]:
    """Leave out repeated nodes; repeated edges are real (``x * x`` has two)."""
    seen: set[str] = set()
    for line in body:
        if line.split(maxsplit=2)[1] == "->":
            yield line
        elif line not in seen:
            seen.add(line)
            yield line


# --- loading torchviz ---


@functools.cache
def _load_torchviz() -> ModuleType | None:
    """Execute our copy of ``torchviz.dot`` (NOTE 1); None where it is missing or has changed."""
    try:
        package = importlib.util.find_spec("torchviz")
        folder = (package.submodule_search_locations or [""])[0] if package else ""
        loader = importlib.machinery.SourceFileLoader(f"{__name__}.copy", f"{folder}/dot.py")
        module = ModuleType(loader.name)
        vars(module)["__builtins__"] = vars(builtins) | {"__import__": _import_for_torchviz}
        with _unheard("graphviz"):  # it tells what is deprecated, to a program that logs all
            loader.exec_module(module)
    except (ImportError, OSError, AttributeError):
        return None
    vars(module).update(id=_key, Variable=MirrorTensor)
    return module


@contextlib.contextmanager
def _unheard(name: str) -> Iterator[None]:
    """Keep what a library logs out of the program's own log."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _import_for_torchviz(name: str, *args: Any, **kwargs: Any) -> Any:
    if name.startswith("distutils"):
        # torchviz compares torch's version with 1.9, before which it lacks some attributes
        return SimpleNamespace(LooseVersion=_release)
    return builtins.__import__(name, *args, **kwargs)


def _release(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:2]]


def _key(mirrored: MirrorTensor | MirrorNode) -> str:
    return mirrored.key
