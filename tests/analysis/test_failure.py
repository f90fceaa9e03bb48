"""The line of the program that an exception came from."""

from __future__ import annotations

import pytest

from autograd_lens.analysis.failure import raised_at
from tests.support.lesson_run import regression_run

TRACEBACK = """Traceback (most recent call last):
  File "{own}", line 3, in main
    step()
  File "/lib/site-packages/torch/_tensor.py", line 9, in backward
    run(self)
  File "/elsewhere/helper.py", line 7, in helped
    raise ValueError
ValueError
"""


class Recording:
    """A recording that holds one file's text."""

    def source(self, file: str) -> str | None:
        return "" if file == "p.py" else None

    def line(self, _: object) -> str:
        return ""


@pytest.mark.parametrize(("own", "line", "text"), [("p.py", 3, "step()"), ("q.py", 7, "helped()")])
def test_a_file_that_was_recorded_comes_before_others(own: str, line: int, text: str) -> None:
    traceback = TRACEBACK.format(own=own).replace("raise ValueError", text)
    place, said = raised_at(Recording(), traceback)  # type: ignore[arg-type]
    assert place is not None
    assert (place.line, said) == (line, text)


def test_no_traceback_names_no_place() -> None:
    assert raised_at(regression_run(1), "") == (None, "")  # type: ignore[arg-type]
