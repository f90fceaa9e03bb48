"""Going somewhere by asking: a step, a condition, a break, the first thing that went wrong."""

from __future__ import annotations

from collections.abc import Callable

from textual.screen import Screen

from autograd_lens.trace.selection import select_step
from autograd_lens.tui.prompts import Prompt
from autograd_lens.tui.session import Session

__all__ = ["Seeking"]


class Seeking(Screen[None]):
    """The part of the debugger's screen that asks where to go.

    Args:
        session: The run and where we are in it.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    def stop(self) -> None:
        """Stop whatever moves by itself."""
        raise NotImplementedError

    def draw(self) -> None:
        """Write everything again."""
        raise NotImplementedError

    def when_seen(self, action: Callable[[], None]) -> None:
        """Do something as soon as the whole run was looked at."""
        raise NotImplementedError

    def arrived(self, *, moved: bool, else_say: str = "") -> bool:
        """Show where we are now; say so where a move led nowhere."""
        raise NotImplementedError

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
        self.when_seen(self._to_error)

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


def _parts(answer: str) -> list[str]:
    """Conditions with semicolons between them."""
    return [part.strip() for part in answer.split(";") if part.strip()]
