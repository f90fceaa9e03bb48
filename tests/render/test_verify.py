"""The table of a verification and its verdict."""

from __future__ import annotations

from rich.console import Console

from autograd_lens.render.verify import render_verification, verdict
from autograd_lens.trace.outcomes import CheckResult, Mismatch, Skipped, Verification

FINE = CheckResult("loss", "bit for bit", 5000)
WRONG = CheckResult("updates", "bit for bit", 9, (Mismatch(4, "w1", "0.5 at [0, 0]"),))
OPEN = CheckResult("gradients", "bit for bit", 3, (), (Skipped("Its inputs are unknown.", (7,)),))


def text(result: Verification) -> str:
    console = Console(width=72, highlight=False, markup=False)
    with console.capture() as capture:
        console.print(render_verification(result, width=72))
    return capture.get()


def test_a_proof_is_one_line_below_the_table() -> None:
    lines = text(Verification(5000, (FINE,), 0.61)).splitlines()
    assert lines[0].split() == ["check", "steps", "compared", "with"]
    assert lines[1].split() == ["loss", "5,000", "equal", "bit", "for", "bit"]
    assert lines[-1] == "Proved: 5,000 steps, bit for bit in 0.6 s."


def test_a_difference_is_named_and_decides() -> None:
    shown = text(Verification(9, (FINE, WRONG)))
    assert "1 differ" in shown
    assert "updates: step 4, w1, by 0.5 at [0, 0]" in shown
    assert verdict(Verification(9, (FINE, WRONG))).startswith("The recording DIFFERS")


def test_what_was_not_checked_is_said() -> None:
    shown = text(Verification(4, (OPEN,)))
    assert "equal, 1 not checked" in shown
    assert "Not checked: gradients of step 7: Its inputs are unknown." in shown
    assert "not all of 4 steps" in shown


def test_checks_that_share_a_reason_are_named_together() -> None:
    other = CheckResult("loss", "bit for bit", 3, (), OPEN.skipped)
    assert "Not checked: gradients, loss of step 7" in text(Verification(4, (OPEN, other)))


def test_nothing_checked_is_no_proof() -> None:
    nothing = CheckResult("loss", "bit for bit", 0, (), (Skipped("Unknown.", (0,)),))
    assert verdict(Verification(1, (nothing,))) == "Nothing could be checked."
