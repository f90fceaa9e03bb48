"""How quick the debugger is: ``python tests/bench/stepper.py``.

Prints the time from the command to the first picture, without torch; the median time of moving
one event, through Textual's pilot; and both for 50 and for 200,000 steps.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from autograd_lens.trace.reader import Trace  # noqa: E402
from autograd_lens.tui.app import StepperApp  # noqa: E402
from tests.tui.conftest import Recorder, begun  # noqa: E402

FIRST_PAINT = """
import asyncio, os, sys
from autograd_lens.trace.reader import Trace
from autograd_lens.tui.app import StepperApp

async def paint():
    app = StepperApp(Trace(sys.argv[1]))
    async with app.run_test(size=(120, 40)):
        while not any("\u25cf" in strip.text for strip in app.screen._compositor.render_strips()):
            await asyncio.sleep(0.002)
        assert "torch" not in sys.modules
        os._exit(0)  # what the debugger still reads meanwhile is no part of the first picture

asyncio.run(paint())
"""
MOVES = 200
FEWEST_RUNS = 5


def light_run(folder: Path, steps: int) -> Path:
    recorder: Recorder = begun(folder / f"{steps}.lens")
    recorder.steps([1 + 9 / (step + 1) for step in range(steps)])
    recorder.close()
    return folder / f"{steps}.lens"


def first_paint(trace: Path) -> float:
    """Seconds of the whole command up to its first picture, at best."""
    times = []
    for _ in range(FEWEST_RUNS):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", FIRST_PAINT, str(trace)], check=True, cwd=ROOT, timeout=60
        )
        times.append(time.perf_counter() - start)
    return min(times)


def moving(trace: Path) -> float:
    """Median seconds from a key to a screen that shows the next event.

    ``pilot.press`` sleeps 40 ms to be sure that nothing is left to do; here the key is sent, the
    pilot waits until every widget has answered, and the changed parts are painted at once.
    """

    async def walk() -> list[float]:
        times = []
        app = StepperApp(Trace(trace))
        async with app.run_test(size=(120, 40)) as pilot:
            while not app.screen.settled:
                await pilot.pause(0.05)
            for _ in range(MOVES):
                start = time.perf_counter()
                app.simulate_key("right")
                await pilot._wait_for_screen()
                app.screen._on_timer_update()
                times.append(time.perf_counter() - start)
            assert (app.session.step, app.session.event) != (0, 0)
        return times

    return statistics.median(asyncio.run(walk()))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        traces = {
            f"{steps:,} light steps": light_run(Path(folder), steps) for steps in (50, 200_000)
        }
        traces |= {Path(name).name: Path(name) for name in sys.argv[1:]}
        print(f"{'trace':<24} {'first paint':>12} {'one event':>12}")
        for name, trace in traces.items():
            print(f"{name:<24} {first_paint(trace):>10.2f} s {moving(trace) * 1000:>9.1f} ms")


if __name__ == "__main__":
    main()
