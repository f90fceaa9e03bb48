"""Large values that are kept without a name and found by their digest."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import xxhash

from autograd_lens.trace.reader import Trace
from autograd_lens.trace.values import Summary, Value, summarize
from autograd_lens.trace.writer import RunInfo, TraceWriter


def test_a_summary_whose_bytes_were_kept_is_made_whole(tmp_path: Path) -> None:
    value = np.arange(5000, dtype=np.float32)
    summary = summarize(value, "float32")
    writer = TraceWriter.create(tmp_path / "run.lens", RunInfo(program="train.py"))
    writer.keep(0, [value.tobytes()])
    writer.close("finished")
    with Trace(tmp_path / "run.lens") as trace:
        assert trace.whole(summary) == value.tobytes()


def test_a_summary_of_other_bytes_stays_one(tmp_path: Path) -> None:
    writer = TraceWriter.create(tmp_path / "run.lens", RunInfo(program="train.py"))
    writer.keep(0, [b"\x01" * 5000])
    writer.close("finished")
    other = Summary(digest=xxhash.xxh3_128_hexdigest(b"\x02" * 5000), norm=1.0)
    with Trace(tmp_path / "run.lens") as trace:
        assert trace.whole(other) is other
        assert trace.whole(b"whole") == b"whole"
        assert trace.whole(None) is None


def test_equal_values_are_kept_once(tmp_path: Path) -> None:
    sizes = []
    for name, times in (("once", 1), ("often", 9)):
        path = tmp_path / f"{name}.lens"
        writer = TraceWriter.create(path, RunInfo(program="train.py"))
        noise = np.random.default_rng(0).bytes(100_000)
        for _ in range(times):
            writer.keep(0, [noise])
        writer.close("finished")
        sizes.append(path.stat().st_size)
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("dtype", ["object", "quint8", "float8_unheard_of", "int4"])
def test_values_of_types_that_numpy_lacks_count_as_not_kept(dtype: str) -> None:
    value = Value(dtype, (2,), b"\x01\x02")
    assert not value.complete
    assert math.isnan(value.norm)
    assert math.isnan(Value(dtype, (), b"\x01").norm)
