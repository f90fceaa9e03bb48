"""Learning rates and their limit, in words."""

from __future__ import annotations

from autograd_lens.analysis.rates import RateGroup, Rates
from autograd_lens.render.rates import rates_facts, rates_sentence
from autograd_lens.trace.kept import Curvature

LINE = Curvature(2000, 0.06, 1.23959968, 0)
WITH = "SGD with momentum 0.9 .. 0.85 .. 0.9 and weight decay 0.0005"
PLAIN = RateGroup(((0, 0.01),), "SGD", ("w1", "b1"))


def test_the_limit_stands_beside_the_rate_in_use() -> None:
    rates = Rates((PLAIN,), LINE)
    assert rates_facts(rates) == [
        ("rate", "lr 0.01, SGD"),
        ("stable", "up to lr 1.6134 = 2 / 1.2396 in plain gradient descent"),
        ("curvature", "1.2396 at most, at step 2,000 with its batch"),
    ]
    assert rates_sentence(rates) == (
        "lr 0.01, SGD; curvature 1.2396 at most at step 2,000; "
        "stable up to lr 1.6134 = 2 / 1.2396 in plain gradient descent"
    )


def test_groups_with_their_own_rates_are_told_with_their_parameters() -> None:
    settings = (("momentum", (0.9, 0.85, 0.9)), ("weight_decay", (0.0005,)))
    body = RateGroup(((0, 0.01),), "SGD", ("a", "b", "c", "d", "e"), settings)
    head = RateGroup(((0, 0.1), (5, 0.05)), "SGD", ("head",), settings)
    assert rates_facts(Rates((body, head))) == [
        ("rate", f"lr 0.01, {WITH}: a, b, c and 2 more"),
        ("", f"lr scheduled 0.1 .. 0.05, {WITH}: head"),
    ]
    assert rates_sentence(Rates((body, head))) == "lr scheduled 0.01 and 0.1 .. 0.05 in 2 groups"


def test_a_schedule_shows_its_ends_and_its_top() -> None:
    warm = RateGroup(((0, 0.0), (1, 0.05), (2, 0.1), (9, 0.02), (10, 1.8e-13)), "Adam")
    assert rates_sentence(Rates((warm,))) == "lr scheduled 0 .. 0.1 .. 1.8e-13, Adam"
    dip = RateGroup(((0, 0.1), (1, 0.001), (2, 0.2)))
    assert rates_sentence(Rates((dip,))) == "lr scheduled 0.1 .. 0.001 .. 0.2"
    read_off = RateGroup(((0, 0.1), (50, 0.01)), sampled=True)
    assert rates_sentence(Rates((read_off,))) == "lr scheduled 0.1 .. 0.01 in the full steps"


def test_the_rate_of_a_step_is_the_one_that_holds_there() -> None:
    group = RateGroup(((3, 0.1), (7, 0.01)))
    assert [group.at(step) for step in (0, 3, 6, 7, 99)] == [0.1, 0.1, 0.1, 0.01, 0.01]
    assert Rates((group, PLAIN)).at(5) == (0.01, 0.1)
    assert Rates((group, PLAIN)).at(7) == (0.01,)


def test_a_loss_that_curves_down_has_no_limit() -> None:
    facts = dict(rates_facts(Rates((), Curvature(3, 1.0, -2.0, 0))))
    assert facts["stable"] == "at any lr: the loss does not curve up"


def test_what_could_not_be_measured_says_why() -> None:
    rates = Rates((), None, "No step with a backward was recorded in full.")
    why = "not known: No step with a backward was recorded in full."
    assert rates_facts(rates) == [("curvature", why)]
    said = "curvature not known: `info --curvature` says why"
    assert rates_sentence(rates) == said, "a heading has no room for it"


def test_very_many_groups_are_cut_short() -> None:
    groups = tuple(RateGroup(((0, number / 100),)) for number in range(1, 12))
    assert rates_facts(Rates(groups))[-1] == ("", "and 3 more groups")
    assert rates_sentence(Rates(groups)) == "lr between 0.01 and 0.11 in 11 groups"
