"""Learning rates and their limit, in words."""

from __future__ import annotations

from autograd_lens.analysis.rates import Rates
from autograd_lens.render.rates import rates_facts, rates_sentence
from autograd_lens.trace.kept import Curvature

LINE = Curvature(2000, 0.06, 1.23959968, 0)


def test_the_limit_stands_beside_the_rate_in_use() -> None:
    rates = Rates((0.01,), ("SGD",), LINE)
    assert rates_facts(rates) == {
        "rate": "lr 0.01, SGD",
        "stable": "up to lr 1.6134 = 2 / 1.2396 in plain gradient descent",
        "curvature": "1.2396 at most, at step 2,000 with its batch",
    }
    assert rates_sentence(rates) == (
        "lr 0.01, SGD; curvature 1.2396 at most at step 2,000; "
        "stable up to lr 1.6134 = 2 / 1.2396 in plain gradient descent"
    )


def test_groups_with_their_own_rates_show_the_range() -> None:
    facts = rates_facts(Rates((0.01, 0.1), ("SGD with momentum",), None))
    assert facts == {"rate": "lr 0.01 to 0.1, SGD with momentum"}


def test_a_loss_that_curves_down_has_no_limit() -> None:
    facts = rates_facts(Rates((), (), Curvature(3, 1.0, -2.0, 0)))
    assert facts["stable"] == "at any lr: the loss does not curve up"


def test_what_could_not_be_measured_says_why() -> None:
    rates = Rates((), (), None, "No step with a backward was recorded in full.")
    assert rates_facts(rates) == {
        "curvature": "not known: No step with a backward was recorded in full."
    }
    assert rates_sentence(rates) == (
        "curvature not known: No step with a backward was recorded in full."
    )


def test_nothing_is_said_where_nobody_measured() -> None:
    assert rates_sentence(Rates((0.1,), ("SGD",), None)) == ""
