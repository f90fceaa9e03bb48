"""What opens over the debugger: a line to type in, and pages to read."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.console import RenderableType
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from autograd_lens.errors import ConditionError, LensError

__all__ = ["Prompt", "Reading"]


class Prompt(ModalScreen[str | None]):
    """Asks for one line; what cannot be understood is pointed at, and can be mended.

    Args:
        question: What is asked for.
        hint: How an answer looks.
        check: Raises a LensError where an answer cannot be understood.
        answer: What the line holds at first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "Close")]
    DEFAULT_CSS = """
    Prompt { align: center bottom; background: transparent; }
    Prompt > Vertical {
        height: auto; padding: 0 1; background: $surface; border-top: heavy $accent;
    }
    Prompt Input, Prompt Input:focus {
        border: none; padding: 0; height: 1; background: $surface;
    }
    Prompt #complaint { color: $text-error; height: auto; }
    Prompt #hint { color: $text-muted; }
    """

    def __init__(
        self, question: str, hint: str, check: Callable[[str], object], answer: str = ""
    ) -> None:
        super().__init__()
        self._question = question
        self._hint = hint
        self._check = check
        self._answer = answer

    def compose(self) -> ComposeResult:
        """The question, the line, and room for a complaint."""
        with Vertical():
            yield Label(self._question, markup=False)
            yield Input(self._answer, id="answer")
            yield Static("", id="complaint", markup=False)
            yield Label(self._hint, id="hint", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Answer, or say why not."""
        try:
            self._check(event.value)
        except LensError as error:
            self.query_one("#complaint", Static).update(_complaint(error))
            if isinstance(error, ConditionError):
                event.input.cursor_position = error.position
            return
        self.dismiss(event.value)

    def action_close(self) -> None:
        """Close without an answer."""
        self.dismiss(None)


def _complaint(error: LensError) -> str:
    """The error; a condition's with an arrow under the character, in few words."""
    if not isinstance(error, ConditionError):
        return str(error)
    words = str(error).partition(": ")[2] or str(error)
    return f"{' ' * error.position}▲\n{words[:1].upper()}{words[1:]}"


class Reading(ModalScreen[None]):
    """A page to read, scrolled by the arrow keys.

    Args:
        page: What it shows.
        title: Its title.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,x,enter", "close", "Close")
    ]
    DEFAULT_CSS = """
    Reading { align: center middle; }
    Reading > VerticalScroll {
        width: 96%; max-width: 110; height: auto; max-height: 94%; padding: 0 1;
        background: $surface; border: round $accent; border-title-style: bold;
        border-subtitle-color: $text-muted;
    }
    """

    def __init__(self, page: RenderableType, title: str) -> None:
        super().__init__()
        self._page = page
        self._called = title

    def compose(self) -> ComposeResult:
        """The page."""
        with VerticalScroll(can_focus=True) as scroll:
            scroll.border_title = self._called
            scroll.border_subtitle = "↑ ↓ scroll   esc close"
            yield Static(self._page)

    def action_close(self) -> None:
        """Close the page."""
        self.dismiss(None)
