"""What was used last is kept."""

from __future__ import annotations

from collections import OrderedDict

from hypothesis import given
from hypothesis import strategies as st

from autograd_lens.trace.cache import Recent


@given(st.integers(1, 4), st.lists(st.integers(0, 6)))
def test_it_keeps_what_was_used_last(most: int, keys: list[int]) -> None:
    kept: Recent[int, str] = Recent(most)
    order: OrderedDict[int, None] = OrderedDict()
    for key in keys:
        made: list[int] = []
        assert kept.made(key, lambda one, made=made: made.append(one) or str(one)) == str(key)
        assert bool(made) == (key not in order)
        order[key] = None
        order.move_to_end(key)
        while len(order) > most:
            order.popitem(last=False)
        assert len(kept) == len(order)
    for key in range(7):
        assert kept.get(key) == (str(key) if key in order else None)


def test_sizes_are_counted_and_the_newest_stays() -> None:
    kept: Recent[str, bytes] = Recent(10, len)
    kept.put("a", bytes(4))
    kept.put("b", bytes(4))
    assert kept.get("a") == bytes(4)
    kept.put("c", bytes(6))
    assert [kept.get(key) is None for key in "abc"] == [False, True, False]
    kept.put("a", bytes(1))
    kept.put("d", bytes(3))
    assert [kept.get(key) is None for key in "acd"] == [False, False, False]
    kept.put("e", bytes(99))
    assert [kept.get(key) is None for key in "acde"] == [True, True, True, False]


def test_what_is_forgotten_takes_no_room() -> None:
    kept: Recent[str, bytes] = Recent(10, len)
    kept.put("a", bytes(6))
    kept.forget("a")
    kept.forget("never there")
    kept.put("b", bytes(5))
    kept.put("c", bytes(5))
    assert len(kept) == 2
    kept.clear()
    assert (len(kept), kept.get("b")) == (0, None)
