"""The gallery's commands run and print what the page says; make.py makes all of it again.

    python examples/make.py --check                     # all of it, in processes: minutes
    python -m pytest -m gallery tests/examples          # the sections that take seconds

Numbers are compared roughly: another processor adds in another order.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from autograd_lens.cli import app
from examples.make import COMMANDS, HERE, PAGE, PICTURE, SECTION, run

SECTIONS = {
    text.splitlines()[0].removeprefix("## "): text
    for text in SECTION.findall(PAGE.read_text(encoding="utf-8"))
}
NUMBER = re.compile(r"[-−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
SPARK = re.compile(r"[▁-█]")
QUICK = {
    "Gradient accumulation",
    "Mixed precision",
    "A custom Function",
    "A bug, found by the doctor",
}
MARKED = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.gallery) for name in SECTIONS
]


def test_the_gallery_has_what_it_names() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert len(SECTIONS) == 15
    assert {*SECTIONS} >= QUICK
    for section in SECTIONS.values():
        assert COMMANDS.search(section)
        assert PICTURE.search(section)
    anchors = set(re.findall(r"\(#([\w-]+)\)", page))
    assert anchors == {re.sub(r"[^\w ]", "", name.lower()).replace(" ", "-") for name in SECTIONS}


def test_its_programs_are_short_and_its_pictures_small() -> None:
    for name in set(re.findall(r"\]\((\w+\.py)\)", PAGE.read_text(encoding="utf-8"))):
        assert len((HERE / name).read_text(encoding="utf-8").splitlines()) <= 60, name
    kept = {path.name: path.stat().st_size for path in (HERE / "pictures").iterdir()}
    assert {*PICTURE.findall(PAGE.read_text(encoding="utf-8"))} <= kept.keys()
    assert sum(kept.values()) < 2_000_000


@pytest.mark.parametrize("name", MARKED)
def test_a_section_prints_what_it_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for script in HERE.glob("*.py"):
        shutil.copy(script, tmp_path)
    for block in COMMANDS.finditer(SECTIONS[name]):
        printed = [line for command in block[1].splitlines() for line in output(command)]
        if block[2] is not None:
            assert_alike(block[2].splitlines(), printed)
    for picture in PICTURE.findall(SECTIONS[name]):
        path = tmp_path / picture
        assert (path if path.exists() else path.with_suffix(".html")).stat().st_size > 5_000


def output(command: str) -> list[str]:
    """The lines that a command prints, in this process where it is ours; a pipe filters nothing."""
    words = shlex.split(command.partition(" | ")[0])
    if words[0] != "autograd-lens":
        return run(command, Path.cwd()).splitlines()
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code in {0, 1, 3}, done.output
    return [line.rstrip() for line in done.output.splitlines()]


def assert_alike(told: list[str], printed: list[str]) -> None:
    """Every line that is told was printed, with about the same numbers, in this order.

    grep puts "--" between what it finds.
    """
    lines = iter(printed)
    for line in told:
        assert line == "--" or any(alike(line, other) for other in lines), (line, printed)


def alike(first: str, second: str) -> bool:
    """Whether two lines have the same words, and numbers that rounding may explain."""
    if words(first) != words(second):
        return False
    pairs = zip(NUMBER.findall(first), NUMBER.findall(second), strict=True)
    numbers = [[float(text.replace(",", "").replace("−", "-")) for text in pair] for pair in pairs]
    return all(np.isclose(a, b, rtol=0.2, atol=1e-3) for a, b in numbers)


def words(line: str) -> list[str]:
    """What stands in a line beside numbers and sparklines."""
    return SPARK.sub("", NUMBER.sub("0", line)).split()
