"""Questions to the text of a program."""

from __future__ import annotations

from autograd_lens.doctor.source import Code

LOOP = Code(
    """\
params = model.parameters()
for epoch in range(10):
    optimizer.zero_grad()
    loss = loss_fn(model(x), y)
    loss.backward()
    if epoch % 2:
        optimizer.step()
    w = w - lr * w.grad
    for p in params:
        v = p - p.grad
"""
)


def test_the_calls_of_a_loop_are_those_of_every_turn() -> None:
    names = [name for _, name, _ in LOOP.calls(5)]
    assert "zero_grad" in names
    assert "backward" in names
    assert "step" not in names  # only in every second turn


def test_a_name_is_rebound_where_its_value_is_computed_from_itself() -> None:
    assert LOOP.rebinds(8) == "w"
    assert LOOP.rebinds(10) is None
    assert LOOP.rebinds(4) is None


def test_a_kept_generator_and_the_loop_that_uses_it_up() -> None:
    assert list(LOOP.generators()) == [("params", 1)]
    assert LOOP.loops_over("params") == 9
    assert LOOP.loops_over("model") is None


def test_text_that_is_no_python_tells_nothing() -> None:
    assert Code("%matplotlib inline").calls(1) == []
    assert Code("").statement(3) is None
