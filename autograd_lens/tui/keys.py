"""Every key of the debugger: bindings, the line at the bottom, the help page."""

from __future__ import annotations

from typing import NamedTuple

from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual.binding import Binding

from autograd_lens.analysis.conditions import FUNCTIONS
from autograd_lens.render.stepper.descent import LEGEND

__all__ = ["KEYS", "Key", "bindings", "help_page", "key_lines"]


class Key(NamedTuple):
    """A key.

    Attributes:
        keys: What Textual calls it; several with commas.
        shown: What a reader calls it.
        action: What it does.
        short: In the line at the bottom; ``""`` where the key before says it.
        help: On the help page.
    """

    keys: str
    shown: str
    action: str
    short: str
    help: str


KEYS = (
    Key("right,l", "→", "event(1)", "", "next event, on into the next step"),
    Key("left,h", "←", "event(-1)", "event", "event before, back into the step before"),
    Key("n", "n", "step(1)", "", "same event, next step"),
    Key("p", "p", "step(-1)", "", "same event, step before"),
    Key("g", "g", "goto", "step", "go to a step: 137, -1, last"),
    Key("f", "f", "phase('forward')", "", "forward of this step"),
    Key("b", "b", "phase('backward')", "", "backward of this step"),
    Key("u", "u", "phase('update')", "", "update of this step"),
    Key("z", "z", "phase('zero_grad')", "part", "zeroing of this step"),
    Key("home", "home", "edge(0)", "", "first step of the run"),
    Key("end", "end", "edge(1)", "ends", "last step of the run"),
    Key("space", "space", "play", "", "play; any move stops it"),
    Key("plus,equals_sign", "+", "speed(1)", "", "play faster"),
    Key("minus", "-", "speed(-1)", "play", "play slower"),
    Key("slash", "/", "search", "", "find a condition: loss > 10"),
    Key("left_square_bracket", "[", "match(-1)", "", "match before"),
    Key("right_square_bracket", "]", "match(1)", "find", "next match"),
    Key("B", "B", "break", "", "set, change or clear a breakpoint"),
    Key("c", "c", "continue(1)", "", "continue to the next break"),
    Key("r", "r", "continue(-1)", "break", "back to the break before"),
    Key("e", "e", "error", "", "first NaN, Inf or error"),
    Key("w", "w", "finding", "wrong", "what is wrong: the doctor's next finding"),
    Key("x", "x", "explain", "why", "derive this gradient from the loss down"),
    Key("o", "o", "open", "open", "open a light step in full, by replay"),
    Key("1,2,3,4,5", "1-5", "", "", "close or open a pane"),
    Key("m", "m", "zoom", "pane", "zoom the pane that has the focus"),
    Key("tab", "tab", "", "", "focus the next pane"),
    Key("down,up", "↑ ↓", "", "", "move inside the pane that has the focus"),
    Key("d", "d", "dark", "light", "dark or light"),
    Key("ctrl+p", "ctrl+p", "", "", "all commands by name"),
    Key("question_mark", "?", "help", "help", "this page"),
    Key("q", "q", "app.quit", "quit", "quit"),
)


_ON_THE_HELP_PAGE = frozenset({"tab", "down,up", "ctrl+p"})


def bindings() -> list[Binding]:
    """Bindings of all keys that have an action."""
    found = [
        Binding(key.keys, key.action, key.help, key_display=key.shown, show=False)
        for key in KEYS
        if key.action
    ]
    panes = [Binding(str(number), f"pane({number})", show=False) for number in range(1, 6)]
    return [*found, *panes, Binding("escape", "unzoom", "Leave the zoom", show=False)]


def help_page() -> Table:
    """All keys, how conditions are written, what the marks mean."""
    page = Table.grid(padding=(0, 2))
    page.add_column(style="bold", justify="right", no_wrap=True)
    page.add_column()
    for key in KEYS:
        page.add_row(key.shown, key.help[:1].upper() + key.help[1:])
    page.add_row("", "")
    page.add_row("marks", Text(LEGEND))
    page.add_row("conditions", Text("loss > 10    abs(w1.grad) > 5 and step % 100 == 0"))
    page.add_row("", Text("w1.mode == 'accumulate'    isnan(w1)    layer.weight[0,3] < 0"))
    page.add_row("names", Text("step, loss, parameters, with .grad .grad_before .after .mode"))
    page.add_row("functions", Text(", ".join(FUNCTIONS)))
    return page


def key_lines(width: int) -> Text:
    """The keys, as many to a line as fit; each can be clicked."""
    rows = [Text()]
    for keys, words in _legend():
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


def _legend() -> list[tuple[list[Key], str]]:
    """Keys that belong together, and what they do."""
    groups: list[tuple[list[Key], str]] = []
    keys: list[Key] = []
    for key in KEYS:
        if key.keys in _ON_THE_HELP_PAGE:
            continue
        keys.append(key)
        if key.short:
            groups.append((keys, key.short))
            keys = []
    return groups
