"""A picture of the screen, drawn without a terminal."""

from __future__ import annotations

import re

from autograd_lens.tui.app import StepperApp
from autograd_lens.tui.place import Place
from autograd_lens.tui.screenshot import screenshot
from tests.tui.conftest import Walked


def test_a_picture_of_the_screen_fetches_nothing(run: Walked) -> None:
    svg = screenshot(StepperApp(run, place=Place(1, "backward")), (100, 30), "a title")
    assert "a&#160;title" in svg or "a title" in svg
    assert "MeanBackward0" in svg
    assert "AccumulateGrad" in svg
    assert set(re.findall(r"https?://[^\"' )]+", svg)) == {"http://www.w3.org/2000/svg"}
