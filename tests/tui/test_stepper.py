"""Every key of the debugger, pressed by Textual's pilot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from autograd_lens.errors import ReplayError
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Step
from autograd_lens.tui.app import StepperApp
from autograd_lens.tui.background import Player
from autograd_lens.tui.keys import KEYS, bindings
from autograd_lens.tui.stepper import Stepper
from autograd_lens.tui.widgets import Pane, Prompt, Reading, TimelineBar
from tests.support.linear_step import linear_steps
from tests.tui.conftest import Recorder, Walked

Story = Callable[[Pilot[None], StepperApp], Awaitable[None]]
EVENTS = 23  # of a full step of the linear regression


def play(app: StepperApp, story: Story, size: tuple[int, int] = (120, 40)) -> None:
    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause(0.1)
            await story(pilot, app)

    asyncio.run(run())


def place(app: StepperApp) -> tuple[int, int]:
    return app.session.step, app.session.event


def pane(app: StepperApp, name: str) -> Pane:
    return stepper(app).query_one(f"#{name}", Pane)


def stepper(app: StepperApp) -> Stepper:
    return next(screen for screen in app.screen_stack if isinstance(screen, Stepper))


def screen_text(app: StepperApp) -> str:
    """What is on the screen, as plain text."""
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    return "\n".join(line.text.rstrip() for line in lines[:height]) if width else ""


def notices(app: StepperApp) -> list[str]:
    return [notice.message for notice in app._notifications]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("right", (0, 1)),
        ("right right left", (0, 1)),
        ("left", (0, 0)),
        ("n", (1, 0)),
        ("right n n p", (1, 1)),
        ("p", (0, 0)),
        ("b", (0, 8)),
        ("u", (0, 19)),
        ("z", (0, 21)),
        ("z f", (0, 0)),
        ("b right n", (1, 9)),
        ("end", (13, EVENTS - 1)),
        ("end right", (13, EVENTS - 1)),
        ("end home", (0, 0)),
        ("n left", (0, EVENTS - 1)),
        ("down down up", (0, 1)),
        ("up", (0, 0)),
        ("g 7 enter", (7, 0)),
        ("g minus 2 enter", (12, 0)),
        ("g escape", (0, 0)),
    ],
)
def test_a_key_leads_where_a_hand_expects(
    run: Walked, keys: str, expected: tuple[int, int]
) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        await pilot.press(*keys.split())
        assert place(app) == expected

    play(StepperApp(run), story)


def test_300_events_forward_and_back_land_on_the_same_screen(run: Walked) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        while not stepper(app).settled:  # what is seen of the whole run is on the screen, too
            await pilot.pause(0.02)
        before = screen_text(app)
        assert "step 0" in before
        for _ in range(300):
            stepper(app).action_event(1)
        await pilot.pause()
        assert place(app) == divmod(300, EVENTS)
        far = screen_text(app)
        for _ in range(300):
            stepper(app).action_event(-1)
        await pilot.pause()
        assert screen_text(app) == before != far

    play(StepperApp(run), story)


def test_the_panes_show_the_current_event(run: Walked) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        await pilot.press("b", "right", "right")
        assert "◀ 18     return torch.mean((y_pred - y_true) ** 2 / 2)" in pane(app, "source").plain
        marked = [row for row in pane(app, "events").plain.splitlines() if "▶" in row]
        assert [row.split() for row in marked] == [["▶", "2", "DivBackward0", "pow", "/", "2"]]
        assert "= G / 2" in pane(app, "detail").plain
        assert "w1" in pane(app, "parameters").plain
        assert "loss" in pane(app, "descent").plain

    play(StepperApp(run), story)


def test_a_bias_says_why_the_batch_adds_up(run: Walked) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        await pilot.press("b", *["right"] * 5)
        assert "= G, summed over 100 rows" in pane(app, "detail").plain
        assert "b1 was used 100 times" in pane(app, "detail").plain

    play(StepperApp(run), story)


def test_search_goes_to_the_next_match_and_brackets_walk_them(run: Walked) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        await pilot.press("slash", *"step % 4 == 1", "enter")
        assert place(app)[0] == 1
        await pilot.press("right_square_bracket")
        assert place(app)[0] == 5
        await pilot.press("left_square_bracket", "left_square_bracket")
        assert place(app)[0] == 1
        assert "No match before this." in notices(app)

    play(StepperApp(run), story)


def test_a_mistake_in_a_condition_is_pointed_at_and_can_be_mended(run: Walked) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        await pilot.press("slash", *"loss = 1", "enter")
        assert isinstance(app.screen, Prompt)
        complaint = str(app.screen.query_one("#complaint", Static).render())
        assert complaint.splitlines()[0] == "     ▲"
        assert "For equality write ==." in complaint
        app.screen.query_one(Input).value = "step == 3"
        await pilot.press("enter")
        assert place(app)[0] == 3

    play(StepperApp(run), story)


def test_break_continue_and_reverse_continue(run: Walked) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        await pilot.press("c")
        assert notices(app) == ["Set a break first, with B."]
        await pilot.press("B", *"step == 4; abs(w1.grad) > 0 and step == 9", "enter")
        await pilot.press("c")
        assert place(app)[0] == 4
        await pilot.press("c")
        assert place(app)[0] == 9
        await pilot.press("c")
        assert place(app)[0] == 9
        await pilot.press("r")
        assert place(app)[0] == 4
        assert str(stepper(app).query_one(TimelineBar).render()).count("◆") == 1
        await pilot.press("B", "ctrl+u", "enter")
        assert app.session.breaks == ()

    play(StepperApp(run), story)


def test_e_finds_the_first_step_that_went_wrong(interrupted: Trace) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        await pilot.press("e")
        assert place(app)[0] == 3
        assert app.session.overview.bad.tolist() == [3, 5]
        await pilot.press("end")
        assert "KeyboardInterrupt" in pane(app, "detail").plain
        assert "interrupted" in str(stepper(app).query_one("#status", Static).render())

    play(StepperApp(interrupted), story)


def test_a_good_run_has_nothing_wrong(run: Walked) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        await pilot.press("e")
        assert notices(app) == ["No NaN, no Inf, no error in this run."]

    play(StepperApp(run), story)


def test_x_derives_the_gradient_of_the_current_event(run: Walked) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        await pilot.press("u", "x")
        assert isinstance(app.screen, Reading)
        assert "w1.grad, step 0" in screen_text(app)
        assert "MmBackward0" in screen_text(app)
        await pilot.press("escape", "f", "x")
        assert "from the inputs up" in screen_text(app)

    play(StepperApp(run), story, (120, 60))


def test_a_light_step_says_what_it_lacks(light_run: Walked) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        assert "recorded light" in " ".join(pane(app, "detail").plain.split())
        await pilot.press("x")
        assert "was recorded light" in notices(app)[0]
        await pilot.press("o")
        assert "Nothing here can replay this step." in notices(app)[1]

    play(StepperApp(light_run), story)


def test_a_light_step_opens_by_replay_without_waiting(light_run: Walked) -> None:
    from dataclasses import replace
    from threading import Event

    let_go, full = Event(), linear_steps(5, full=range(5))

    def replay(step: int) -> Step | None:
        assert let_go.wait(10)
        return replace(full[step], provenance="proved")

    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        await pilot.press("o")
        status = stepper(app).query_one("#status", Static)
        assert "opening step 0" in str(status.render())
        await pilot.press("right")  # the screen still answers
        assert place(app) == (0, 1)
        let_go.set()
        for _ in range(100):
            await pilot.pause(0.02)
            if app.session.opened and app.session.opened.step.level == "full":
                break
        assert "proved" in str(status.render())
        assert "MmBackward0" in pane(app, "events").plain

    play(StepperApp(light_run, replay), story)


def test_a_replay_that_fails_says_why_once(light_run: Walked) -> None:
    def replay(step: int) -> Step | None:
        msg = f"The batch of step {step} was not kept."
        raise ReplayError(msg)

    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        await pilot.press("o")
        for _ in range(100):
            await pilot.pause(0.02)
            if notices(app):
                break
        assert notices(app) == ["The batch of step 0 was not kept."]
        assert "opening" not in str(stepper(app).query_one("#status", Static).render())

    play(StepperApp(light_run, replay), story)


def test_space_plays_until_it_is_pressed_again(run: Walked) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        await pilot.press("plus", "plus", "plus", "space")
        assert "30 events/s" in str(stepper(app).query_one("#status", Static).render())
        for _ in range(100):
            await pilot.pause(0.02)
            if app.session.event > 1:
                break
        await pilot.press("space")
        stopped = place(app)
        assert stopped > (0, 1)
        await pilot.pause(0.1)
        assert place(app) == stopped
        await pilot.press("minus")
        assert notices(app)[-1] == "Plays 16 events a second."

    play(StepperApp(run), story)


def test_panes_close_open_and_zoom(run: Walked) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        for key, name in zip("12345", ("source", "events", "detail", "parameters", "descent"),
                             strict=True):  # fmt: skip
            assert pane(app, name).display
            await pilot.press(key)
            assert pane(app, name).display == (name == "descent")  # the last one stays open
        await pilot.press("1", "2", "3", "4")
        assert all(each.display for each in stepper(app).query(Pane))
        pane(app, "detail").focus()
        await pilot.press("m")
        await pilot.pause()
        assert pane(app, "detail").size.width > 110
        assert pane(app, "detail").size.height > 30
        await pilot.press("escape")
        await pilot.pause()
        assert pane(app, "detail").size.width < 90

    play(StepperApp(run), story)


def test_help_shows_every_key_and_the_palette_every_action(run: Walked) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        await pilot.press("question_mark")
        assert isinstance(app.screen, Reading)
        text = screen_text(app)
        assert all(key.help[1:] in text for key in KEYS)
        await pilot.press("escape")
        titles = [command.title for command in app.get_system_commands(app.screen)]
        assert titles == [key.help[:1].upper() + key.help[1:] for key in KEYS if key.action]

    play(StepperApp(run), story, (120, 60))


def test_every_key_stands_in_the_line_at_the_bottom(run: Walked) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:  # noqa: ARG001  looks only
        legend = str(stepper(app).query_one("#legend", Static).render())
        shown = {key.shown for key in KEYS if key.action}
        assert all(each in legend for each in shown)
        assert stepper(app).query_one("#legend").size.height <= 2

    play(StepperApp(run), story, (80, 24))


def test_every_key_has_an_action_that_exists() -> None:
    for binding in bindings():
        name = binding.action.partition("(")[0].rpartition(".")[2]
        owner: Any = StepperApp if binding.action.startswith("app.") else Stepper
        assert hasattr(owner, f"action_{name}"), binding


def test_d_turns_the_light_on(run: Walked) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        assert app.current_theme.dark
        await pilot.press("d")
        assert not app.current_theme.dark

    play(StepperApp(run), story)


def test_a_click_picks_an_event_a_step_and_a_key(run: Walked) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        await pilot.click("#events", offset=(5, 4))
        assert place(app) == (0, 2)
        bar = stepper(app).query_one(TimelineBar)
        await pilot.click("#timeline", offset=(bar.size.width, 0))
        assert place(app)[0] == 13
        await pilot.click("#legend", offset=(1, 0))
        assert place(app)[1] == 3

    play(StepperApp(run), story)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 48), (40, 12)])
def test_nothing_is_wider_than_the_screen_after_resizing(
    run: Walked, size: tuple[int, int]
) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        await pilot.press("b", "right")
        await pilot.resize_terminal(*size)
        await pilot.pause(0.1)
        rows = screen_text(app).splitlines()
        assert len(rows) == size[1]
        assert max(map(len, rows)) <= size[0]
        assert "MeanBackward0" in screen_text(app)
        assert "◀ 18" in screen_text(app)

    play(StepperApp(run), story, (100, 30))


def test_a_run_is_followed_while_it_is_written(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autograd_lens.tui import stepper as module

    monkeypatch.setattr(module, "_FOLLOW", 0.05)

    async def until(pilot: Pilot[None], app: StepperApp, steps: int) -> None:
        for _ in range(150):
            await pilot.pause(0.03)
            if app.session.steps >= steps:
                return
        pytest.fail(f"{app.session.steps} steps instead of {steps}")

    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        assert "no steps yet" in str(stepper(app).query_one("#status", Static).render())
        recorder.steps([5.0, 4.0])
        await until(pilot, app, 2)
        assert place(app)[0] == app.session.steps - 1
        await pilot.press("home")
        recorder.steps([3.0, 2.0])
        recorder.close()
        await until(pilot, app, 4)
        assert place(app) == (0, 0), "who went back is not torn away"

    play(StepperApp(Trace(recorder.writer.path), follow=True), story)


def test_200_000_steps_are_walked_as_50_are(recorder: Recorder) -> None:
    recorder.steps([1.0] * 200_000)
    recorder.close()

    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        await pilot.press("end")
        assert place(app)[0] == 199_999
        await pilot.press("slash", *"step == 150000", "enter", "left_square_bracket")
        assert place(app)[0] == 150_000

    play(StepperApp(Trace(recorder.writer.path)), story)


def test_playing_stops_at_the_end(run: Walked) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        player = Player(stepper(app), lambda: False, lambda: None)
        await pilot.press("end")
        player.toggle()
        player._next()
        assert player.note == ""

    play(StepperApp(run), story)


def test_q_quits(run: Walked) -> None:
    async def story(pilot: Pilot[None], app: StepperApp) -> None:
        await pilot.press("q")
        assert app._exit

    play(StepperApp(run), story)
