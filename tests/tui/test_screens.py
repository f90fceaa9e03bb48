"""The main screens at 80x24, letter by letter. After a wanted change write them anew:

``LENS_WRITE_SCREENS=1 pytest tests/tui/test_screens.py``, then read the difference.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from autograd_lens.tui.app import StepperApp
from tests.tui.conftest import Walked

SCREENS = Path(__file__).parent / "screens"


def shot(run: Walked, keys: str) -> str:
    async def walk() -> str:
        app = StepperApp(run)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause(0.1)
            await pilot.press(*keys.split())
            await pilot.pause(0.1)
            strips = app.screen._compositor.render_strips()
            return "\n".join(strip.text.rstrip() for strip in strips) + "\n"

    return asyncio.run(walk())


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("start", ""),
        ("node", "n b right right right"),
        ("bias", "b right right right right right"),
        ("update", "n n u"),
        ("prompt", "slash l o s s"),
        ("zoomed_descent", "5 tab tab tab m"),
    ],
)
def test_a_screen_is_as_it_was_looked_at(run: Walked, name: str, keys: str) -> None:
    found, kept = shot(run, keys), SCREENS / f"{name}.txt"
    if os.environ.get("LENS_WRITE_SCREENS"):
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(found, encoding="utf-8")
    assert found == kept.read_text(encoding="utf-8")
