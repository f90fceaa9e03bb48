"""The application around the debugger's screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.screen import Screen

from autograd_lens.tui.keys import KEYS
from autograd_lens.tui.opening import Replay
from autograd_lens.tui.place import Place
from autograd_lens.tui.session import Session, SessionTrace
from autograd_lens.tui.stepper import Stepper

__all__ = ["StepperApp"]


class StepperApp(App[None]):
    """Walks through a recorded run.

    Args:
        trace: The run.
        replay: Opens a light step in full, or None where nothing can.
        follow: Whether to show steps of a run that goes on as they land.
        place: Where to start.
    """

    TITLE = "autograd-lens"
    BINDINGS: ClassVar[list[BindingType]] = []
    ENABLE_COMMAND_PALETTE = True

    def __init__(
        self,
        trace: SessionTrace,
        replay: Replay | None = None,
        *,
        follow: bool = False,
        place: Place | None = None,
    ) -> None:
        super().__init__()
        self.session = Session(trace)
        (place or Place(0)).go(self.session)
        self.stepper = Stepper(self.session, replay, follow=follow)

    def get_default_screen(self) -> Screen[None]:
        """The debugger."""
        return self.stepper

    def get_system_commands(self, screen: Screen[object]) -> Iterator[SystemCommand]:
        """Every key's action by name, for the command palette."""
        for key in KEYS:
            if key.action:
                action = key.action if "." in key.action else f"screen.{key.action}"
                title = f"{key.help[:1].upper()}{key.help[1:]}"
                yield SystemCommand(title, f"Key {key.shown}", self._runner(screen, action))

    def _runner(self, screen: Screen[object], action: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
        async def run() -> None:
            await screen.run_action(action)

        return run
