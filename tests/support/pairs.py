"""Pairs of programs of which the second has some lines of the first otherwise."""

from __future__ import annotations

import re
import runpy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import autograd_lens as lens

__all__ = ["Lines", "changed_lines", "recorded", "rewritten"]


def rewritten(program: str, changes: Mapping[str, str]) -> str:
    """A program with some of its lines, each there once, written otherwise.

    Args:
        program: The text.
        changes: What stands in place of a line, by the line without its indent; ``""`` leaves it
            out.
    """
    for old, new in changes.items():
        pattern = re.compile(rf"^( *){re.escape(old)}\n", re.MULTILINE)
        assert len(pattern.findall(program)) == 1, f"{old!r} is not one line of the program"
        lines = new.splitlines()
        program = pattern.sub(
            lambda match, lines=lines: "".join(f"{match[1]}{line}\n" for line in lines), program
        )
    return program


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines that differ, counted from 1, in each text."""

    one: frozenset[int]
    other: frozenset[int]


def changed_lines(one: str, other: str) -> Lines:
    """The lines of two texts that are not in the other, where they stand."""
    from difflib import SequenceMatcher

    left, right = one.splitlines(), other.splitlines()
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    changed = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    return Lines(
        frozenset(line + 1 for _, i1, i2, _, _ in changed for line in range(i1, i2)),
        frozenset(line + 1 for _, _, _, j1, j2 in changed for line in range(j1, j2)),
    )


def recorded(text: str, path: Path, full: str = "default") -> Path:
    """Record a program that is given as text; the script lies beside the recording."""
    script = path.with_suffix(".py")
    script.write_text(text)
    with lens.record(path, full=full, force=True):
        runpy.run_path(str(script), run_name="__main__")
    return path
