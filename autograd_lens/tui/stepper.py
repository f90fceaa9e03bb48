"""The debugger's screen: five panes, a timeline, a line of keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Static

from autograd_lens.errors import LensError
from autograd_lens.trace.records import Phase
from autograd_lens.trace.selection import select_step
from autograd_lens.tui.background import Opener, Player, Replay, Surveyor
from autograd_lens.tui.keys import bindings, help_page, key_lines
from autograd_lens.tui.pages import Pages
from autograd_lens.tui.session import Session
from autograd_lens.tui.widgets import Pane, Prompt, Reading, TimelineBar

__all__ = ["Stepper"]

_PHASES = {"forward": "forward", "backward": "backward", "update": "update",
           "zero_grad": "zeroing"}  # fmt: skip
_MOST_ROWS = 6  # of parameters, before the pane scrolls
_FIRST = 0.05  # seconds between the first picture and a look at the whole run
_FOLLOW = 0.5  # seconds between looks at a run that goes on
_WIDTHS = [(0, "-narrow"), (100, "-wide")]  # columns from which panes are laid out so
_HEIGHTS = [(0, "-short"), (32, "-tall")]
_PANES = ("source", "events", "detail", "parameters", "descent")


class Stepper(Screen[None]):
    """A walk through a recorded run.

    Args:
        session: The run and where we are in it.
        replay: Opens a light step in full, or None where nothing can.
        follow: Whether to show steps of a run that goes on as they land.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]
    # Textual declares these two as attributes of each screen, so they are no ClassVar.
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = _WIDTHS
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = _HEIGHTS
    DEFAULT_CSS = """
    Stepper #status { height: 1; }
    Stepper #timeline { height: 1; padding: 0 1; }
    Stepper #legend { height: auto; color: $text-muted; padding: 0 1; }
    Stepper #body { height: 1fr; }
    Stepper #left { width: 45%; border-right: solid $foreground 30%; }
    Stepper #right { width: 1fr; }
    Stepper.-wide #left { width: 40%; }
    Stepper #source { height: 2fr; }
    Stepper #events { height: 3fr; }
    Stepper #detail { height: 1fr; }
    Stepper #parameters { height: auto; max-height: 30%; min-height: 4; }
    Stepper #descent { height: 35%; }
    Stepper.-short #descent { display: none; }
    Stepper.-short #descent.-opened { display: block; height: 40%; }
    Stepper .-closed { display: none; }
    Stepper Pane.-maximized { height: 100% !important; max-height: 100% !important; }
    """

    def __init__(
        self, session: Session, replay: Replay | None = None, *, follow: bool = False
    ) -> None:
        super().__init__()
        self.session = session
        self._pages = Pages(session)
        self._follow = follow
        self._width = 0
        self._rows = 0
        self._player = Player(self, self._advance, self.draw_status)
        self._opener = Opener(self, session, replay, self.draw, self.draw_status)
        self._surveyor = Surveyor(self, session, self.draw)

    @property
    def settled(self) -> bool:
        """Whether the whole run was looked at and no step is being opened."""
        return self._surveyor.done and not self._opener.note

    def compose(self) -> ComposeResult:
        """The panes, with a line above and two below."""
        pages = self._pages
        yield Static(id="status", markup=False)
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield Pane("Source", pages.source, id="source")
                yield Pane("Events", pages.events, id="events", picks=True)
            with Vertical(id="right"):
                yield Pane("Detail", pages.detail, id="detail")
                yield Pane("Parameters", pages.parameters, id="parameters")
                yield Pane("Descent", pages.descent, id="descent")
        yield TimelineBar(id="timeline", markup=False)
        yield Static(id="legend")

    def on_mount(self) -> None:
        """Start at the list of events; look at the whole run once the screen is seen."""
        self.query_one("#events").focus()
        self.call_after_refresh(self.set_timer, _FIRST, self._surveyor.look)
        if self._follow:
            self.set_interval(_FOLLOW, self._look)

    def _look(self) -> None:
        try:
            changed = self.session.refresh()
        except LensError as error:
            self.notify(str(error), severity="error")
            return
        if changed:
            self.draw()
            self._surveyor.look()

    def on_resize(self) -> None:
        """The lines without a pane have to be written again as well."""
        self.call_after_refresh(self.draw)

    def draw(self) -> None:
        """Write everything again."""
        if not self.is_mounted:
            return
        self.draw_status()
        self._draw_lines()
        rows = min(len(self.session.trace.parameters), _MOST_ROWS) + 2
        if rows != self._rows:  # every change of a height lays the whole screen out again
            self._rows = rows
            self.query_one("#parameters").styles.height = rows
        for pane in self.query(Pane):
            if pane.display:
                pane.redraw()

    def _draw_lines(self) -> None:
        bar = self.query_one("#timeline", TimelineBar)
        width = bar.content_size.width
        if width:
            bar.update(self._pages.timeline(width), layout=False)
        if width and width != self._width:
            self._width = width
            self.query_one("#legend", Static).update(key_lines(width))

    def draw_status(self) -> None:
        """Write the first line again."""
        follow = "following" if self._follow else ""
        notes = (follow, self._surveyor.note, self._player.note, self._opener.note)
        status = self._pages.status("  ".join(part for part in notes if part))
        self.query_one("#status", Static).update(status, layout=False)

    def stop(self) -> None:
        """Stop playing."""
        self._player.stop()
        self.draw_status()

    def arrived(self, *, moved: bool, else_say: str = "") -> bool:
        """Show where we are now; say so where a move led nowhere."""
        if not moved and else_say:
            self.notify(else_say, timeout=2)
        if moved:
            self._opener.soon()
            self.draw()
        return moved

    def _advance(self) -> bool:
        return self.arrived(moved=self.session.advance())

    def on_pane_picked(self, message: Pane.Picked) -> None:
        """A line of the events was picked, by a click or by the arrow keys."""
        if message.pane.id != "events":
            return
        self._player.stop()
        if message.line is None:
            self.arrived(moved=self.session.within(message.by))
            return
        event = self._pages.event_at(message.line)
        if event is not None:
            self.arrived(moved=self.session.to_event(event))

    def on_timeline_bar_chosen(self, message: TimelineBar.Chosen) -> None:
        """A place on the timeline was clicked."""
        self._player.stop()
        self.arrived(moved=self.session.to_step(round(message.share * (self.session.steps - 1))))

    def action_event(self, by: int) -> None:
        """The next event, or the one before."""
        self._player.stop()
        moved = self.session.advance() if by > 0 else self.session.retreat()
        self.arrived(moved=moved, else_say="This is the end." if by > 0 else "This is the start.")

    def action_step(self, by: int) -> None:
        """The same event of the next step, or of the one before."""
        self._player.stop()
        moved = self.session.to_step(self.session.step + by)
        says = "This is the last step." if by > 0 else "This is the first step."
        self.arrived(moved=moved, else_say=says)

    def action_phase(self, phase: Phase) -> None:
        """The first event of a phase."""
        self._player.stop()
        moved = self.session.to_phase(phase)
        self.arrived(moved=moved, else_say=f"No {_PHASES[phase]} was recorded in this step.")

    def action_edge(self, last: int) -> None:
        """The start of the first step, or the end of the last one."""
        self._player.stop()
        session = self.session
        moved = session.to_step(session.steps - 1 if last else 0)
        opened = session.opened
        place = len(opened.events) - 1 if last and opened else 0
        self.arrived(moved=session.to_event(max(place, 0)) or moved)

    def action_play(self) -> None:
        """Play, or stop."""
        self._player.toggle()
        self.draw_status()

    def action_speed(self, by: int) -> None:
        """Play faster or slower."""
        self._player.change(by)
        self.draw_status()

    def action_open(self) -> None:
        """Open the current step in full."""
        self._opener.now()

    def action_explain(self) -> None:
        """Derive the gradient that the current event is about."""
        opened, current = self.session.opened, self.session.current
        if opened is None:
            return
        try:
            page, title = self._pages.explanation(opened, current)
        except LensError as error:
            self.notify(str(error), timeout=4)
            return
        self.app.push_screen(Reading(page, title))

    def action_finding(self) -> None:
        """Go to the doctor's next finding."""
        self.stop()
        if self.session.to_finding():
            self.arrived(moved=True)
        elif self._surveyor.done:
            self.notify("The doctor found nothing wrong.", timeout=2)
        else:
            self.notify("The doctor is still looking.", timeout=2)

    def action_goto(self) -> None:
        """Ask for a step and go there."""
        count = self.session.steps
        hint = f"0 to {count - 1:,}; -1 or last for the last one"
        self._ask("Go to step", hint, lambda text: select_step(text.strip(), count), self._go)

    def _go(self, answer: str) -> None:
        self.arrived(moved=self.session.to_step(select_step(answer.strip(), self.session.steps)))

    def action_search(self) -> None:
        """Ask for a condition and go to the next step where it holds."""
        before = self.session.search.text if self.session.search else ""
        hint = "loss > 10    abs(w1.grad) > 5    isnan(w1)    step % 100 == 0"
        self._ask("Find the next step where", hint, self.session.find, self._search, before)

    def _search(self, answer: str) -> None:
        self.session.search = self.session.find(answer)
        found = len(self.session.search.steps)
        self.draw()
        if found:
            self.notify(f"It holds in {found:,} step{'s' if found > 1 else ''}.", timeout=3)
            self._match(1, "None of them lies ahead; [ goes back.")
        else:
            self.notify("It holds in no step.", timeout=3)

    def action_match(self, by: int) -> None:
        """The next match, or the one before."""
        if self.session.search is None:
            self.notify("Search first, with /.", timeout=2)
        else:
            self._match(by, "No match ahead." if by > 0 else "No match before this.")

    def _match(self, by: int, else_say: str) -> None:
        self.stop()
        if self.session.search is not None:
            moved = self.session.to_match(self.session.search.steps, by)
            self.arrived(moved=moved, else_say=else_say)

    def action_break(self) -> None:
        """Ask for the breakpoints."""
        now = "; ".join(each.text for each in self.session.breaks)
        hint = "loss > 10; isnan(w1)    several with ;    empty clears"
        self._ask("Break where", hint, self._parse_breaks, self._set_breaks, now)

    def _parse_breaks(self, answer: str) -> None:
        for part in _parts(answer):
            self.session.find(part)

    def _set_breaks(self, answer: str) -> None:
        parts = _parts(answer)
        self.session.breaks = tuple(self.session.find(part) for part in parts)
        found = len(self.session.break_steps)
        steps = f"{found:,} step{'s' if found != 1 else ''}"
        self.notify(f"Breaks at {steps}; c goes on, r back." if parts else "No breaks.", timeout=3)
        self.draw()

    def action_continue(self, by: int) -> None:
        """On to the next break, or back to the one before."""
        self.stop()
        if not self.session.breaks:
            self.notify("Set a break first, with B.", timeout=2)
            return
        moved = self.session.to_match(self.session.break_steps, by)
        self.arrived(moved=moved, else_say="No break ahead." if by > 0 else "No break before.")

    def action_error(self) -> None:
        """The first step with a NaN, an Inf or an error."""
        self.stop()
        self._surveyor.then(self._to_error)

    def _to_error(self) -> None:
        bad = self.session.overview.bad
        if not len(bad):
            self.notify("No NaN, no Inf, no error in this run.", timeout=2)
            return
        says = "This is the first step with a NaN, Inf or error."
        self.arrived(moved=self.session.to_step(int(bad[0])), else_say=says)

    def _ask(
        self,
        question: str,
        hint: str,
        check: Callable[[str], object],
        then: Callable[[str], None],
        answer: str = "",
    ) -> None:
        self.stop()

        def answered(text: str | None) -> None:
            if text is not None:
                then(text)

        self.app.push_screen(Prompt(question, hint, check, answer), answered)

    def action_help(self) -> None:
        """Show every key."""
        self.app.push_screen(Reading(help_page(), "Keys"))

    def action_pane(self, number: int) -> None:
        """Close a pane, or open it again."""
        pane = self.query_one(f"#{_PANES[number - 1]}", Pane)
        closing = pane.display
        if closing and sum(each.display for each in self.query(Pane)) == 1:
            self.notify("The last pane stays open.", timeout=2)
            return
        pane.set_class(closing, "-closed").set_class(not closing, "-opened")
        for side in ("#left", "#right"):
            column = self.query_one(side)
            column.set_class(
                all(each.has_class("-closed") for each in column.query(Pane)), "-closed"
            )
        if closing and self.focused is pane:
            self.focus_next(Pane)
        self.call_after_refresh(self.draw)

    def action_zoom(self) -> None:
        """Give the focused pane the whole screen, or the panes their places back."""
        if self.maximized is not None:
            self.action_unzoom()
        elif isinstance(self.focused, Pane):
            self.maximize(self.focused)
            self.call_after_refresh(self.draw)

    def action_unzoom(self) -> None:
        """Give the panes their places back."""
        self.minimize()
        self.call_after_refresh(self.draw)

    def action_dark(self) -> None:
        """Dark or light."""
        dark = self.app.current_theme.dark
        self.app.theme = "textual-light" if dark else "textual-dark"
        self.call_after_refresh(self.draw)


def _parts(answer: str) -> list[str]:
    """Conditions with semicolons between them."""
    return [part.strip() for part in answer.split(";") if part.strip()]
