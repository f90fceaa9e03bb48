"""What light rows of one graph have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from autograd_lens.trace.records import Source
from autograd_lens.trace.schema import damaged
from autograd_lens.trace.typed import as_shape, as_source

__all__ = ["LightGraph", "parse_graph"]


@dataclass(frozen=True, slots=True)
class LightGraph:
    """One engine run's circumstances, as its rows share them.

    Attributes:
        kind: ``"backward"`` or ``"grad"``.
        source: The line that called it, or None.
        fingerprint: Id of the graph's structure.
        roots: dtype and shape of the tensors it started from.
        retain_graph: As given or defaulted.
        create_graph: As given or defaulted.
        reached: Indexes of the parameters whose ``.grad`` it wrote.
        loss: Which root the rows hold, or None.
        error: The exception it raised, else ``""``.
    """

    kind: Literal["backward", "grad"]
    source: Source | None
    fingerprint: str
    roots: tuple[tuple[str, tuple[int, ...]], ...]
    retain_graph: bool
    create_graph: bool
    reached: tuple[int, ...]
    loss: int | None
    error: str


def parse_graph(plain: Mapping[str, Any]) -> LightGraph:
    """A description out of JSON.

    Raises:
        KeyError: A field is missing.
        NotATraceError: A field is wrong.
    """
    kind, loss = plain["kind"], plain["loss"]
    roots = tuple((str(dtype), as_shape(sizes)) for dtype, sizes in plain["roots"])
    if kind not in ("backward", "grad") or (loss is not None and not 0 <= loss < len(roots)):
        damaged("the description of a graph is wrong")
    return LightGraph(
        kind=kind,
        source=as_source(plain["source"]),
        fingerprint=str(plain["fingerprint"]),
        roots=roots,
        retain_graph=bool(plain["retain_graph"]),
        create_graph=bool(plain["create_graph"]),
        reached=as_shape(plain["reached"]),
        loss=loss,
        error=str(plain["error"]),
    )
