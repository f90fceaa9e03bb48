"""Which graphs are gone after, so that one of each is recorded in full.

A graph that was seen at light level alone is recorded when it appears again. When that will be is
not known, so the mode stays on for the next steps; those that bring nothing new are not written.
Some graphs never come while it is on, as the mode makes ``reshape`` and others choose other
kernels: so no graph is chased for ever, and one on a line of which another is recorded only once;
and for a moment only, where none that is recorded has been met on that line while the mode was
off.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterable
from functools import partial

import torch

from autograd_lens.live.frames import Site

__all__ = ["Chase", "Graphs"]

Graphs = tuple[str, ...]  # the fingerprints of a step's backwards
_LONG, _MOMENT = 20, 2  # steps
_TIMES = 3


class Chase:
    """Knows which graphs were recorded in full, and for how long the mode stays on for others.

    Attributes:
        alarmed: Whether something is gone or has come that no full step holds: then the next step
            is recorded in full, whatever is due.
    """

    def __init__(self) -> None:
        self.alarmed = False
        self._left = 0  # steps
        self._begun = Counter[tuple[str, bool]]()  # of a graph, and whether for a moment
        self._recorded, self._met_light = set[str](), set[Site]()
        self._sites = set[Site]()  # where a graph was recorded
        self._held: dict[Graphs, list[weakref.ref[torch.Tensor]]] = {}
        self._again = Counter[Graphs]()  # times that graphs were recorded anew for the sake of some

    @property
    def goes_on(self) -> bool:
        """Whether the mode stays on for graphs that may come."""
        return self._left > 0

    def knows(self, fingerprint: str) -> bool:
        """Whether a graph was recorded in full."""
        return fingerprint in self._recorded

    def records(self, site: Site, fingerprint: str | None) -> None:
        """A backward on a line is recorded; with its graph, where that is done in full."""
        self._sites.add(site)
        if fingerprint is not None:
            self._recorded.add(fingerprint)

    def meets(self, site: Site) -> None:
        """A graph that was recorded in full was met at light level."""
        self._met_light.add(site)

    def begins(self, fingerprint: str, site: Site) -> bool:
        """A graph was seen at light level alone: whether the mode is to be switched on for it."""
        elsewhere = site not in self._sites
        moment = not elsewhere and site not in self._met_light
        if self._begun[fingerprint, moment] >= (_TIMES if elsewhere else 1):
            return False
        self._begun[fingerprint, moment] += 1
        self._left = max(self._left, _MOMENT if moment else _LONG)
        return True

    def turns(self, *, room: bool) -> None:
        """A backward has ended; there may be room for another full step."""
        self._left -= 1
        if self.alarmed and room:
            self._left = _LONG

    def restarts(self) -> None:
        """An optimizer came that no tape holds: all graphs are to be recorded once more."""
        if self._recorded:
            self.begins_anew(())

    def begins_anew(self, graphs: Graphs) -> bool:
        """Record all graphs once more, for some a few times at most; tells whether it will."""
        if self._again[graphs] >= _TIMES:
            return False
        self._again[graphs] += 1
        self._recorded.clear()
        self.alarmed = True
        return True

    def forgets(self, graphs: Graphs) -> None:
        """The trace does not hold them in full any more."""
        self._recorded.difference_update(graphs)

    def watches(self, graphs: Graphs, read: Iterable[torch.Tensor | None]) -> None:
        """Record graphs once more when something that they read is gone, a few times at most."""
        if self._again[graphs] >= _TIMES:
            self._held.pop(graphs, None)
            return
        gone = partial(self._lets_go, graphs)
        self._held[graphs] = [weakref.ref(one, gone) for one in read if one is not None]

    def _lets_go(self, graphs: Graphs, _reference: weakref.ref[torch.Tensor]) -> None:
        """The program let go of something that a full step read."""
        if self._held.pop(graphs, None):
            self._again[graphs] += 1
            self._recorded.difference_update(graphs)
            self.alarmed = True
