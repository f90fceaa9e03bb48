"""What fails in a recording must not fail the program."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

__all__ = ["Guard"]


class Guard:
    """Reports an exception instead of raising it: ``with guard: ...``.

    What ends a program, as KeyboardInterrupt and SystemExit, passes. A guard remembers nothing, so
    that one serves many places, also within one another.

    Args:
        report: Takes the exception.
    """

    __slots__ = ("report",)

    def __init__(self, report: Callable[[Exception], None]) -> None:
        self.report = report

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self.report(error)
        return True
