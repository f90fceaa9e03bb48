"""Records come back from their bytes as they were."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_lens.errors import NotATraceError
from autograd_lens.trace.info import RunInfo
from autograd_lens.trace.kept import Curvature, Curvatures
from autograd_lens.trace.records import Event, Parameter, Source
from autograd_lens.trace.rows import LightGraph
from autograd_lens.trace.stored import from_bytes, to_bytes

SEEN = st.text(st.characters(exclude_categories=["C"]) | st.sampled_from("\n\t"), max_size=20)
SIZES = st.lists(st.integers(0, 1 << 40), max_size=4).map(tuple)
NUMBERS = st.integers(0, 1 << 62)


@given(
    st.builds(Parameter, SEEN, SIZES, SEEN, SEEN, st.lists(SEEN, max_size=2).map(tuple), NUMBERS)
    | st.builds(Event, SEEN, st.none() | NUMBERS, SEEN, SEEN)
    | st.builds(
        RunInfo,
        program=SEEN,
        argv=st.lists(SEEN, max_size=3).map(tuple),
        started=st.floats(allow_nan=False),
        ended=st.none() | st.floats(allow_nan=False),
        seed=st.none() | st.integers(-(1 << 63), (1 << 64) - 1),
        options=st.dictionaries(SEEN, SEEN, max_size=2),
    )
    | st.builds(
        LightGraph,
        source=st.none() | st.builds(Source, SEEN, *[st.integers(-1, 1 << 40)] * 4, SEEN),
        roots=st.lists(st.tuples(SEEN, SIZES), max_size=2).map(tuple),
        reached=SIZES,
    )
)
def test_records_come_back(record: object) -> None:
    assert from_bytes(to_bytes(record), type(record), "a record") == record


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_numbers_that_json_has_no_words_for_come_back(number: float) -> None:
    known = Curvatures((Curvature(3, number, 1.5, 0),))
    back = Curvatures.from_bytes(known.to_bytes())
    assert repr(back) == repr(known)
    assert repr(from_bytes(to_bytes({"k": [number, None]}), dict, "a dict")) == repr(
        {"k": [number, None]}
    )


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{"kind":1,"step":null,"message":""}', r"`str`, got `int` - at `\$\.kind`"),
        (b'{"step":null,"message":""}', "missing required field `kind`"),
        (b'{"kind":"x","step":1.5,"message":""}', r"at `\$\.step`"),
        (b'{"kind":"\\u001b","step":[],"message":""}', r"at `\$\.step`"),
        (b"{", "an event cannot be understood"),
        (b"\xff", "an event cannot be understood"),
        (b"[" * 100_000, "an event cannot be understood"),
        (b'"\\u001b"' + b"[" * 100_000, "an event cannot be understood"),
    ],
)
def test_what_is_no_record_is_refused_with_the_place_of_the_fault(data: bytes, says: str) -> None:
    with pytest.raises(NotATraceError, match=says):
        from_bytes(data, Event, "an event")
