"""Summaries as bytes: fixed fields first, then only the optional ones that are there."""

from __future__ import annotations

import struct

from autograd_lens.trace.schema import damaged
from autograd_lens.trace.values import Summary

__all__ = ["pack_summary", "unpack_summary"]

_FIXED = struct.Struct("<16sdBB")  # digest, norm, which optional fields, size of sample
_OPTIONAL = ("minimum", "maximum", "mean", "nan_count", "inf_count")
_FORMATS = ("d", "d", "d", "q", "q")


def pack_summary(summary: Summary) -> bytes:
    """The summary as bytes."""
    digest = bytes.fromhex(summary.digest)
    values = [getattr(summary, name) for name in _OPTIONAL]
    present = sum(1 << bit for bit, value in enumerate(values) if value is not None)
    fixed = _FIXED.pack(digest, summary.norm, present, len(summary.sample))
    return fixed + struct.pack(
        _layout(present, len(summary.sample)),
        *(value for value in values if value is not None),
        *summary.sample,
    )


def unpack_summary(data: bytes) -> Summary:
    """The summary that ``pack_summary`` was given.

    Raises:
        NotATraceError: The bytes are none.
    """
    if len(data) < _FIXED.size:
        damaged("a summary is cut short")
    digest, norm, present, samples = _FIXED.unpack_from(data)
    layout = _layout(present, samples)
    if len(data) != _FIXED.size + struct.calcsize(layout):
        damaged("a summary has the wrong size")
    rest = struct.unpack_from(layout, data, _FIXED.size)
    names = [name for bit, name in enumerate(_OPTIONAL) if present >> bit & 1]
    optional = dict(zip(names, rest, strict=False))
    return Summary(digest.hex(), norm, **optional, sample=tuple(rest[len(names) :]))


def _layout(present: int, samples: int) -> str:
    fields = "".join(form for bit, form in enumerate(_FORMATS) if present >> bit & 1)
    return f"<{fields}{samples}d"
