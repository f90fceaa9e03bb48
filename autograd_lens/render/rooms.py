"""A large graph as rooms: the program's modules, one sheet each, with repeats folded.

A sheet shows what is directly inside of one module: its child modules as boxes and the nodes
that stand between them. Where that is too much, nodes of one line of code become one box.
Whatever comes again in the same form (a block of a stack, the turn of a loop) is drawn once,
with how often it was there. A box may be drawn opened, with its own boxes inside.

NOTE 1 [Whose nodes]: a node belongs to the module whose forward made it, a leaf to what uses
it, and a view (the transposed weight of a linear layer) to its only user. Modules are
named as their paths name them; where the program trains several models, the parameter's name
tells whose module it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from autograd_lens.analysis.names import VIEWS
from autograd_lens.analysis.story import operation
from autograd_lens.errors import RenderError
from autograd_lens.render.graph_outline import Outline
from autograd_lens.trace.records import Kernel, Source

__all__ = ["Box", "Rooms", "Sheet", "framed"]

_Key = tuple[Hashable, ...]
_MOST = 24  # boxes of one sheet
_ACROSS, _DOWN = 0.30, 0.11  # of the page, a box of readable size
_LONGEST = 18  # boxes below one another, where inner boxes are shown
_PERIOD = 40  # boxes of the turn of a loop
_WORTH = 5  # nodes of a module that is opened
_TURNS = 3  # of a loop, to be folded
_ROUNDS = 12  # boxes where neither modules nor lines tell the nodes apart


@dataclass(frozen=True, slots=True)
class Box:
    """Nodes that are drawn as one.

    Attributes:
        kind: One ``"node"``, a ``"room"`` (a module), a ``"line"`` of code, a ``"part"`` where
            names do not help, or a ``"loop"``: boxes that come again together.
        name: Path of the room; number of the part; else ``""``.
        source: The line of a line.
        copies: The nodes of each repetition, in the forward's order; the same place in each is
            the same part of the structure. One where it is not repeated.
        names: Path of the room of each repetition.
        inside: The boxes that it is drawn open with.
    """

    kind: Literal["node", "room", "line", "part", "loop"]
    name: str
    source: Source | None
    copies: tuple[tuple[int, ...], ...]
    names: tuple[str, ...] = ()
    inside: tuple[Box, ...] = ()

    @property
    def nodes(self) -> tuple[int, ...]:
        """The nodes of the first repetition."""
        return self.copies[0]

    def leaves(self) -> Iterator[Box]:
        """The boxes that are drawn closed, itself where it is."""
        if not self.inside:
            yield self
        for each in self.inside:
            yield from each.leaves()


@dataclass(frozen=True, slots=True)
class Sheet:
    """One drawing.

    Attributes:
        room: Path of the module that it shows; ``""`` for the whole graph.
        boxes: What is in it, in the forward's order.
        leaves: The closed boxes.
        arrows: How many edges run between two closed boxes, by their places.
        box_of: The place of each node's closed box.
    """

    room: str
    boxes: tuple[Box, ...]
    leaves: tuple[Box, ...]
    arrows: Mapping[tuple[int, int], int]
    box_of: Mapping[int, int]

    def turns(self) -> list[tuple[tuple[int, ...], ...]]:
        """The nodes of each closed box in each repetition, its own or that of a loop around it."""
        found = [leaf.copies for leaf in self.leaves]
        place = {id(leaf): number for number, leaf in enumerate(self.leaves)}
        for box in framed(self.boxes):
            if box.inside and len(box.copies) > 1:
                where = {node: at for at, node in enumerate(box.nodes)}
                for leaf in box.leaves():
                    mine = [where[node] for node in leaf.nodes]
                    found[place[id(leaf)]] = tuple(
                        tuple(copy[at] for at in mine) for copy in box.copies
                    )
        return found

    @property
    def longest(self) -> int:
        """How many boxes stand below one another."""
        return self._longest(range(len(self.leaves)))

    def _longest(self, places: Sequence[int]) -> int:
        height = dict.fromkeys(places, 1)
        for tail, head in sorted(self.arrows):
            if tail < head and tail in height and head in height:
                height[head] = max(height[head], height[tail] + 1)
        return max(height.values(), default=0)

    def columns(self) -> list[int]:
        """The column of each leaf that a page of landscape format shows largest.

        A long chain is broken between boxes that stand in no frame, and goes on beside itself.
        """
        place, blocks = 0, list[range]()
        for box in self.boxes:
            count = sum(1 for _ in box.leaves())
            blocks.append(range(place, place + count))
            place += count
        tall = [self._longest(block) for block in blocks]
        broad = [-(-len(block) // high) for block, high in zip(blocks, tall, strict=True)]
        tried = (_broken(tall, broad, most) for most in range(max(tall), sum(tall) + 1))
        _, best = min(tried, key=lambda each: each[0])
        return [column for column, block in zip(best, blocks, strict=True) for _ in block]


def _broken(tall: Sequence[int], broad: Sequence[int], most: int) -> tuple[float, list[int]]:
    """Blocks in columns of so many rows at most, and how much a page must shrink them."""
    column, rows, wide, columns = 0, 0, [1], list[int]()
    for high, width in zip(tall, broad, strict=True):
        if rows and rows + high > most:
            column, rows = column + 1, 0
            wide.append(1)
        rows += high
        wide[-1] = max(wide[-1], width)
        columns.append(column)
    return max(sum(wide) * _ACROSS, most * _DOWN), columns


class Rooms:
    """The rooms of one graph.

    Args:
        of: The graph.
    """

    def __init__(self, of: Outline) -> None:
        self._of = of
        self._nodes = of.graph.nodes
        self.own = [node.index for node in self._nodes if node.name != "AccumulateGrad"]

    @cached_property
    def _places(self) -> list[Kernel | None]:
        """The forward kernel that places each node; one without is placed where it is used."""
        made = [self._of.kernel(node) for node in self._nodes]
        places = list(made)
        for edge in sorted(self._of.graph.edges, key=lambda edge: edge.from_node):
            user, known = places[edge.from_node], places[edge.to_node]
            if made[edge.to_node] is None and user is not None:
                places[edge.to_node] = user if known is None or user.index < known.index else known
        return places

    @cached_property
    def order(self) -> Mapping[int, tuple[int, int]]:
        """The forward's order of the nodes."""
        return {
            node: (-1 if (kernel := self._places[node]) is None else kernel.index, -node)
            for node in self.own
        }

    @cached_property
    def paths(self) -> Mapping[int, tuple[str, ...]]:
        """The module of each node, as the parts of its path; see NOTE 1."""
        plain = {node: self._module(node) for node in self.own}
        owners = {node: owner for node in self.own if (owner := self._owner(node, plain[node]))}
        if len(set(owners.values())) < 2:  # one model's modules are told apart
            return plain
        last: str | None = None
        found = {}
        for node in sorted(self.own, key=self.order.__getitem__):
            path = plain[node]
            last = owners.get(node, last)
            mine = owners.get(node) or (last if path and path[0].isdecimal() else None)
            found[node] = (mine, *path) if mine and path else path
        return found

    def _module(self, node: int) -> tuple[str, ...]:
        kernel = self._places[node]
        return tuple(kernel.module.split(".")) if kernel is not None and kernel.module else ()

    def _owner(self, node: int, path: tuple[str, ...]) -> str:
        """What stands before a module's path in the name of a parameter that it uses."""
        mine = ".".join(path)
        for name in self.parameters((node,)):
            before, found, _ = f".{name}".rpartition(f".{mine}.")
            if found and before and path:
                return before[1:]
        return ""

    def parameters(self, nodes: Sequence[int]) -> list[str]:
        """The parameters that nodes use, each once."""
        found: dict[str, None] = {}
        for node in nodes:
            for edge in self._leaving.get(node, ()):
                receiver = self._nodes[edge]
                if receiver.variable is not None:
                    found[receiver.variable] = None
                elif self._hosts.get(edge) == node:
                    found |= dict.fromkeys(self.parameters((edge,)))
        return list(found)

    @cached_property
    def _leaving(self) -> Mapping[int, list[int]]:
        found: dict[int, list[int]] = {}
        for edge in self._of.graph.edges:
            found.setdefault(edge.from_node, []).append(edge.to_node)
        return found

    @cached_property
    def _hosts(self) -> Mapping[int, int]:
        """The user of each node that shows the same numbers another way, and has one user.

        So does a cast of a parameter, which mixed precision makes of each.
        """
        users: dict[int, list[int]] = {}
        for edge in self._of.graph.edges:
            users.setdefault(edge.to_node, []).append(edge.from_node)
        found: dict[int, int] = {}
        for node in self.own:  # roots first, so that a user's own host is known
            name = operation(self._nodes[node], self._of.kernel(self._nodes[node]))
            given = self._leaving.get(node, [])
            leaf = bool(given) and all(self._nodes[each].variable is not None for each in given)
            shows = name in VIEWS or (leaf and self._nodes[node].name == "ToCopyBackward0")
            if shows and len(users.get(node, ())) == 1:
                user = users[node][0]
                if leaf or self._module(node) == self._module(user):
                    found[node] = found.get(user, user)
        return found

    # --- sheets ----------------------------------------------------------------------------

    def sheet(
        self, room: str = "", depth: int = 1, *, opened: frozenset[str] = frozenset()
    ) -> Sheet:
        """The sheet of a room.

        Args:
            room: Path of the module; ``""`` for the whole graph.
            depth: How many levels of modules are drawn.
            opened: Further modules that are drawn open.

        Raises:
            RenderError: The graph has no such room.
        """
        path = tuple(room.split(".")) if room else ()
        nodes = [node for node in self.own if self.paths[node][: len(path)] == path]
        if not nodes:
            msg = f"There is no module {room!r} in this graph."
            known = sorted({".".join(each) for each in self.paths.values() if each})
            hint = f"It has {', '.join(known[:12])}{', …' if len(known) > 12 else ''}."
            raise RenderError(msg, hint=hint if known else "It ran through no module at all.")
        return self._joined(room, self._boxes(nodes, path, depth, opened))

    def flat(self) -> Sheet:
        """Every node as a box of its own, those of leaves too."""
        boxes = tuple(Box("node", "", None, ((node.index,),)) for node in self._nodes)
        pairs = ((edge.to_node, edge.from_node) for edge in self._of.graph.edges)
        return Sheet("", boxes, boxes, Counter(pairs), {node: node for node in range(len(boxes))})

    def close(self) -> Sheet:
        """Every node as a box of its own, with the views and leaves that it alone uses."""
        members: dict[int, list[int]] = {}
        for node in sorted(self.own, key=self.order.__getitem__):
            members.setdefault(self._hosts.get(node, node), []).append(node)
        boxes = tuple(Box("node", "", None, ((*rest, main),)) for main, (*rest, _) in
                      sorted(members.items(), key=lambda item: self.order[item[0]]))  # fmt: skip
        return self._joined("", boxes)

    def fitting(self, room: str = "", most: int = _MOST) -> Sheet:
        """The sheet with as many modules open as a page has room for, large ones first."""
        best, opened, tried = self.sheet(room), frozenset[str](), set[str]()
        longest = max(_LONGEST, best.longest)
        while waiting := [
            leaf
            for leaf in best.leaves
            if leaf.kind == "room" and len(leaf.nodes) >= _WORTH and leaf.name not in tried
        ]:
            name = max(waiting, key=lambda leaf: len(leaf.copies) * len(leaf.nodes)).name
            tried.add(name)
            deeper = self.sheet(room, opened=opened | {name})
            if len(deeper.leaves) <= most and deeper.longest <= longest:
                best, opened = deeper, opened | {name}
        return best

    def _boxes(
        self, nodes: Sequence[int], path: tuple[str, ...], depth: int, opened: frozenset[str]
    ) -> tuple[Box, ...]:
        """What is directly inside of a room, as fine as there is room for."""
        nodes = sorted(nodes, key=self.order.__getitem__)
        found: tuple[Box, ...] = ()
        for lines, visits in ((False, True), (True, True), (True, False)):
            keys = self._keys(nodes, path, lines=lines, visits=visits)
            found = self._repeats(self._grouped(nodes, keys))
            told = _count(found) > 1 or len(found[0].copies) > 1 or len(nodes) == 1
            if told and _count(found) <= _MOST:
                break
        else:
            if _count(found) > _MOST or len(nodes) > _MOST:
                size = -(-len(nodes) // _ROUNDS)
                parts: list[_Key] = [("part", place // size) for place in range(len(nodes))]
                found = self._grouped(nodes, parts)
        return tuple(self._opened(box, depth, opened) for box in found)

    def _opened(self, box: Box, depth: int, opened: frozenset[str]) -> Box:
        if box.kind == "loop":
            return replace(
                box, inside=tuple(self._opened(each, depth, opened) for each in box.inside)
            )
        if box.kind != "room":
            return box
        inside = self._boxes(box.nodes, tuple(box.name.split(".")), max(depth - 1, 1), opened)
        if len(inside) == 1 and len(inside[0].copies) > 1 and len(box.copies) == 1:
            return inside[0]  # a stack is drawn as what it is a stack of
        wanted = depth > 1 or box.name in opened
        return replace(box, inside=inside) if wanted and _count(inside) > 1 else box

    def _keys(
        self, nodes: Sequence[int], path: tuple[str, ...], *, lines: bool, visits: bool
    ) -> list[_Key]:
        """What each node is grouped by; with visits, each time that the forward came there."""
        child = _doors({self.paths[node] for node in nodes}, path)
        found: dict[int, _Key] = {}
        before, visit, here = None, 0, set(nodes)
        for node in nodes:
            if self._hosts.get(node) in here:
                continue
            key = self._key(node, path, child, lines=lines)
            visit += key != before
            before = key
            found[node] = (*key, visit) if visits and key[0] != "node" else key
        return [found.get(node) or found[self._hosts[node]] for node in nodes]

    def _key(
        self,
        node: int,
        path: tuple[str, ...],
        child: Callable[[tuple[str, ...]], str],
        *,
        lines: bool,
    ) -> _Key:
        own, at = self.paths[node], self._places[node]
        if len(own) > len(path):
            return ("room", child(own))
        if not lines:
            return ("node", node)
        source = at.source if at else None
        return ("line", source.file if source else "", source.line if source else 0)

    def _grouped(self, nodes: Sequence[int], keys: Sequence[_Key]) -> tuple[Box, ...]:
        members: dict[_Key, list[int]] = {}
        for node, key in zip(nodes, keys, strict=True):
            members.setdefault(key, []).append(node)
        boxes = (self._box(key, each) for key, each in members.items())
        return tuple(sorted(boxes, key=lambda box: self.order[box.nodes[-1]]))

    def _box(self, key: _Key, nodes: Sequence[int]) -> Box:
        kind, name = str(key[0]), str(key[1])
        at = self._places[nodes[-1]]
        source = at.source if at is not None and kind in {"line", "node"} else None
        if kind == "room":
            return Box("room", name, None, (tuple(nodes),), (name,))
        if kind == "part":
            return Box("part", name, None, (tuple(nodes),))
        return Box("line" if kind == "line" else "node", "", source, (tuple(nodes),))

    def _signature(self, box: Box) -> Hashable:
        """What boxes have in common that are the same again."""
        name = re.sub(r"\d+", "#", box.name)
        line = (box.source.file, box.source.line) if box.source else None
        parts = tuple(self._kind(node) for node in box.nodes)
        return box.kind, name, line, parts

    def _kind(self, node: int) -> Hashable:
        kernel = self._of.kernel(self._nodes[node])
        outputs = tuple(use.spec.shape for use in kernel.outputs) if kernel else ()
        below = re.sub(r"\d+", "#", ".".join(self.paths[node]))
        return operation(self._nodes[node], kernel), outputs, below

    def _repeats(self, boxes: Sequence[Box]) -> tuple[Box, ...]:
        """Boxes with what comes again folded, longest savings first from the left."""
        signs = [self._signature(box) for box in boxes]
        found: list[Box] = []
        place = 0
        while place < len(boxes):
            period, turns = _repeat(signs, place, [box.kind == "room" for box in boxes])
            block = boxes[place : place + period * turns]
            if turns == 1:
                found.append(block[0])
            elif period == 1:
                found.append(_merged(block))
            else:
                found.append(_loop(block, period, turns))
            place += period * turns
        return tuple(found)

    def _joined(self, room: str, boxes: tuple[Box, ...]) -> Sheet:
        leaves = tuple(leaf for box in boxes for leaf in box.leaves())
        box_of = {
            node: place
            for place, leaf in enumerate(leaves)
            for copy in leaf.copies
            for node in copy
        }
        for box in framed(boxes):
            if box.inside:  # of a repeated box the first is drawn; the others are the same
                for copy in box.copies[1:]:
                    for first, other in zip(box.nodes, copy, strict=True):
                        if first in box_of:
                            box_of.setdefault(other, box_of[first])
        arrows: Counter[tuple[int, int]] = Counter()
        for edge in self._of.graph.edges:
            tail, head = box_of.get(edge.to_node), box_of.get(edge.from_node)
            if tail is not None and head is not None and tail != head:
                arrows[tail, head] += 1
        return Sheet(room, boxes, leaves, arrows, box_of)


def _doors(
    below: Collection[tuple[str, ...]], path: tuple[str, ...]
) -> Callable[[tuple[str, ...]], str]:
    """Gives the room of a path just below another one; a room with one door only is passed."""

    def child(own: tuple[str, ...]) -> str:
        length = len(path) + 1
        while len({each[: length + 1] for each in below if each[:length] == own[:length]}) == 1:
            if length >= len(own):
                break
            length += 1
        return ".".join(own[:length])

    return child


def framed(boxes: Sequence[Box]) -> Iterator[Box]:
    """Boxes and those inside of them, inner ones first."""
    for box in boxes:
        yield from framed(box.inside)
        yield box


def _count(boxes: Sequence[Box]) -> int:
    return sum(1 for box in boxes for _ in box.leaves())


def _repeat(signs: Sequence[Hashable], start: int, rooms: Sequence[bool]) -> tuple[int, int]:
    """The best repetition that begins at a place: length of its period, number of turns."""
    best, saved = (1, 1), 0
    room = min((len(signs) - start) // 2, _PERIOD)
    for period in range(1, room + 1):
        turns = 1
        first = signs[start : start + period]
        while signs[start + turns * period : start + (turns + 1) * period] == first:
            turns += 1
        least = 2 if period == 1 and rooms[start] else _TURNS
        if turns >= least and (turns - 1) * period > saved:
            best, saved = (period, turns), (turns - 1) * period
    return best


def _merged(block: Sequence[Box]) -> Box:
    """Repetitions of one box as one."""
    copies = tuple(box.nodes for box in block)
    return replace(block[0], copies=copies, names=tuple(box.name for box in block if box.name))


def _loop(block: Sequence[Box], period: int, turns: int) -> Box:
    """The turns of a loop as one box, with those of the first turn inside."""
    copies = tuple(
        tuple(node for box in block[turn * period : (turn + 1) * period] for node in box.nodes)
        for turn in range(turns)
    )
    return Box("loop", "", None, copies, (), tuple(block[:period]))
