"""What the debugger's screen is made of: panes, the timeline, a line to type in, pages to read."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

from rich.console import RenderableType
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.geometry import Region, Size
from textual.message import Message
from textual.screen import ModalScreen
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Input, Label, Static

from autograd_lens.errors import ConditionError, LensError

__all__ = ["Page", "Pane", "Prompt", "Reading", "TimelineBar", "Writer"]


class Page(NamedTuple):
    """What a pane shows.

    Attributes:
        lines: The lines.
        marked: The line to mark, or None.
        title: Title behind the pane's name.
    """

    lines: list[Text]
    marked: int | None = None
    title: str = ""


Writer = Callable[[int, int], Page]
"""Writes a page for some columns and lines."""


class Pane(ScrollView, can_focus=True, inherit_bindings=False):
    """Lines of text that a writer writes for the pane's own size, scrolled to the marked one.

    Args:
        name: What the pane is called, in its title.
        writer: Writes it.
        id: Its id.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "line(-1)", "Up", show=False),
        Binding("down", "line(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"pane--marked"}
    DEFAULT_CSS = """
    Pane {
        border-top: solid $foreground 30%;
        border-title-color: $foreground 70%;
        border-title-style: none;
        padding: 0 1;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-gutter: stable;
    }
    Pane:focus {
        border-top: heavy $accent;
        border-title-color: $text-accent;
        border-title-style: bold;
    }
    Pane > .pane--marked { background: $accent 30%; }
    """

    class Picked(Message):
        """A line was clicked, or asked for by a key.

        Attributes:
            pane: The pane.
            line: The line that was clicked, or None.
            by: How many lines the keys asked to move.
        """

        def __init__(self, pane: Pane, line: int | None, by: int = 0) -> None:
            super().__init__()
            self.pane = pane
            self.line = line
            self.by = by

        @property
        def control(self) -> Pane:
            """The pane."""
            return self.pane

    def __init__(self, name: str, writer: Writer, *, id: str, picks: bool = False) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id)
        self._called = name
        self._writer = writer
        self._picks = picks
        self._page = Page([])
        self._style = self._marked_style = Style()

    @property
    def plain(self) -> str:
        """All lines as plain text."""
        return "\n".join(line.plain.rstrip() for line in self._page.lines)

    def redraw(self) -> None:
        """Write the page again, and scroll to what it marks."""
        size = self.scrollable_content_region.size
        if not size.width or not size.height:
            return
        self._page = self._writer(size.width, size.height)
        extra = f"  {self._page.title}" if self._page.title else ""
        title = f"{self._called}{extra}"
        if self.border_title != title:
            self.border_title = title
        # a page that fits keeps its size: a change lays the whole screen out again
        self.virtual_size = Size(size.width, max(len(self._page.lines), size.height))
        self._show_marked(size.height)
        self.refresh()

    def _show_marked(self, height: int) -> None:
        """The marked line in the middle, wherever we come from; else the page's start."""
        marked = self._page.marked
        top = 0 if marked is None else max(marked - height // 2, 0)
        self.scroll_to(y=top, animate=False, force=True, immediate=True)
        self.vertical_scrollbar.position = self.scroll_y  # it may not be shown yet

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of the screen; their styles are looked up once for all of them."""
        self._style = self.rich_style
        self._marked_style = self.get_component_rich_style("pane--marked")
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        place = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        if not 0 <= place < len(self._page.lines):
            return Strip.blank(width, self._style)
        text = self._page.lines[place].copy()
        text.truncate(width, overflow="ellipsis")
        segments = [part for part in text.render(self.app.console) if part.text != "\n"]
        style = self._style + self.app.console.get_style(text.style)
        strip = Strip(Segment.apply_style(segments, style))
        strip = strip.adjust_cell_length(width, self._style)
        if place != self._page.marked:
            return strip
        return Strip(Segment.apply_style(strip, post_style=self._marked_style))

    def on_resize(self) -> None:
        """Write for the new size."""
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        """Pick the line."""
        offset = event.get_content_offset(self)
        if offset is not None:
            self.post_message(self.Picked(self, offset.y + self.scroll_offset.y))

    def action_line(self, by: int) -> None:
        """A line down or up: to the next entry of a list, else scrolling."""
        if self._picks:
            self.post_message(self.Picked(self, None, by))
        else:
            self.scroll_relative(y=by, animate=False)

    def action_page(self, by: int) -> None:
        """A page down or up."""
        height = max(self.scrollable_content_region.height - 1, 1)
        if self._picks:
            self.post_message(self.Picked(self, None, by * height))
        else:
            self.scroll_relative(y=by * height, animate=False)


class TimelineBar(Static):
    """All steps on one line; a click goes there."""

    class Chosen(Message):
        """A place on the line was clicked.

        Attributes:
            share: How far along, from 0 to 1.
        """

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    def on_click(self, event: events.Click) -> None:
        """Go there."""
        self.post_message(self.Chosen(event.x / max(self.size.width - 1, 1)))


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
