"""The lines around the panes: the timeline, and the keys at the bottom."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual import events
from textual.message import Message
from textual.widgets import Static

from autograd_lens.tui.keys import legend

__all__ = ["TimelineBar", "key_lines"]


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


def key_lines(width: int) -> Text:
    """The keys, as many to a line as fit; each can be clicked."""
    rows = [Text()]
    for keys, words in legend():
        group = Text()
        for place, key in enumerate(keys):
            group.append(" " if place and len(key.shown) > 1 else "")
            group.append(key.shown, style=Style(bold=True, meta=_click(key.action)))
        group.append(f" {words}")
        if rows[-1] and rows[-1].cell_len + 2 + group.cell_len > width:
            rows.append(group)
        else:
            rows[-1].append("  " if rows[-1] else "").append_text(group)
    return Text("\n").join(rows)


def _click(action: str) -> dict[str, str]:
    return {"@click": action if "." in action else f"screen.{action}"} if action else {}
