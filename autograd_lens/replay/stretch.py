"""Finding the plain steps of a recording, and proving them all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd_lens.errors import TraceError
from autograd_lens.replay.fast import FastProgram, compile_fast
from autograd_lens.replay.sources import Sources
from autograd_lens.trace.reader import Trace

__all__ = ["Stretches"]

Array = npt.NDArray[Any]
_CHUNK = 1000  # steps
_FEW = 32


class Stretches:
    """Proves the steps of a recording that need no more than their light rows.

    Args:
        trace: The recording.
        sources: Where tapes come from.
    """

    def __init__(self, trace: Trace, sources: Sources) -> None:
        self._trace = trace
        self._sources = sources

    def proved(self, steps: Sequence[int]) -> frozenset[int]:
        """The steps whose loss, gradients and update are bit for bit those recorded.

        Whatever is not among them has to be looked at one by one: it may differ, or only be
        less plain.
        """
        found: set[int] = set()
        try:
            for chosen in self._alike(steps):
                found.update(self._prove(chosen))
        except TraceError:  # parameters too large for tables
            return frozenset()
        return frozenset(found)

    def _alike(self, steps: Sequence[int]) -> Iterator[npt.NDArray[np.int64]]:
        """Light steps with one engine run each, those of one graph together."""
        rows = self._trace.rows
        asked = np.setdiff1d(np.array(steps, np.int64), np.array(sorted(self._sources.full)))
        numbers, first, counts = np.unique(rows.steps, return_index=True, return_counts=True)
        single = dict(zip(numbers[counts == 1].tolist(), first[counts == 1].tolist(), strict=True))
        graphs = rows.graphs
        groups: dict[int, list[int]] = {}
        for step in asked.tolist():
            # Of the last step the state behind it stands in the END row, which has its number.
            if step in single and single[step] + 1 < len(graphs):
                groups.setdefault(int(graphs[single[step]]), []).append(step)
        for graph, members in groups.items():
            if graph >= 0 and len(members) > _FEW:
                yield np.array(members, np.int64)

    def _prove(self, steps: npt.NDArray[np.int64]) -> Iterator[int]:
        middle = int(steps[len(steps) // 2])
        if self._sources.random(middle) is not None or self._sources.items(middle):
            return
        fast = compile_fast(self._sources.donor(middle))
        if fast is None:
            return
        histories = {name: self._trace.parameter(name) for name in fast.names}
        mode = "set" if fast.sets else "accumulate"
        there = np.all([history.modes[steps] == mode for history in histories.values()], axis=0)
        steps = steps[there]
        for chunk in np.array_split(steps, max(1, len(steps) // _CHUNK)):
            if len(chunk):
                yield from chunk[self._right(fast, chunk)].tolist()

    def _right(self, fast: FastProgram, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        histories = {name: self._trace.parameter(name) for name in fast.names}
        tables = fast.run(
            {name: history.values[steps] for name, history in histories.items()},
            {name: history.grads_before[steps] for name, history in histories.items()},
        )
        right: npt.NDArray[np.bool_] = tables.losses.astype(np.float64) == self._trace.losses[steps]
        for name, history in histories.items():
            right &= _same_bits(tables.grads[name], history.grads[steps])
            right &= _same_bits(tables.values[name], history.values[steps + 1])
        return right


def _same_bits(ours: Array, recorded: Array) -> npt.NDArray[np.bool_]:
    """For each row, whether all its bytes are the same."""
    left = np.ascontiguousarray(ours).reshape(len(ours), -1).view(np.uint8)
    right = np.ascontiguousarray(recorded).reshape(len(recorded), -1).view(np.uint8)
    same: npt.NDArray[np.bool_] = (left == right).all(axis=1)
    return same
