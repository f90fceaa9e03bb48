"""The program's text: from the client's disk where that is what ran, else as it was recorded.

A recording names files as its program knew them. What stands at such a place is read only where
it is a file of the recorded size, and told of only where it is the recorded text.
"""

from __future__ import annotations

import os
import stat
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from autograd_lens.errors import LensError
from autograd_lens.servers.dap.requests import SourceOf
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Source
from autograd_lens.trace.tape import Template

__all__ = ["Sources"]


class Sources:
    """The files of a recorded program.

    Args:
        trace: The recording.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._unchanged: dict[str, bool] = {}

    @cached_property
    def files(self) -> tuple[str, ...]:
        """All of them, by their recorded names."""
        return tuple(sorted(self._trace.items.keys("source")))

    def described(self, file: str) -> dict[str, object]:
        """A file as the protocol tells of it."""
        name = file.replace("\\", "/").rpartition("/")[2]
        path = self._path(file)
        if self._is_unchanged(file):
            return {"name": name, "path": str(path)}
        if file not in self.files:
            return {"name": name, "presentationHint": "deemphasize", "origin": "not recorded"}
        number = self.files.index(file) + 1
        there = "it has changed on disk" if path.is_file() else "it is not on this disk"
        origin = f"recorded; {there}"
        return {"name": name, "path": str(path), "sourceReference": number, "origin": origin}

    def text(self, number: int) -> str:
        """A recorded text.

        Raises:
            LensError: There is none of that number.
        """
        file = self.files[number - 1] if 0 < number <= len(self.files) else None
        text = self._trace.source(file) if file is not None else None
        if text is None:
            msg = f"There is no recorded text {number}."
            raise LensError(msg, hint=f"There are {len(self.files)}, counted from 1.")
        return text

    def found(self, asked: SourceOf) -> str | None:
        """The recorded file that a client means, or None."""
        if asked.source_reference and asked.source_reference <= len(self.files):
            return self.files[asked.source_reference - 1]
        if not asked.path:
            return None
        path = Path(asked.path)
        for file in self.files:
            if os.path.normcase(self._path(file)) == os.path.normcase(path):
                return file
        alike = [file for file in self.files if Path(file).name == path.name]
        return next((file for file in alike if _holds(path, self._trace.source(file) or "")), None)

    def _path(self, file: str) -> Path:
        """Where the program had it."""
        path = Path(self._trace.info.cwd, file)
        try:
            return Path(os.path.normpath(path))
        except ValueError:
            return path

    def _is_unchanged(self, file: str) -> bool:
        if file not in self._unchanged:
            text = self._trace.source(file)
            self._unchanged[file] = text is not None and _holds(self._path(file), text)
        return self._unchanged[file]

    def has_node(self, name: str) -> bool:
        """Whether a node of any recorded graph has this name."""
        return name in self._nodes

    @cached_property
    def _nodes(self) -> frozenset[str]:
        graphs = (backward.nodes for one in self._templates() for backward in one.backwards)
        return frozenset(node.name for nodes in graphs for node in nodes)

    def _templates(self) -> Iterator[Template]:
        items = self._trace.items
        for number in items.numbers("template"):
            template = items.record("template", str(number), Template)
            if template is not None:
                yield template

    @cached_property
    def _lines(self) -> Mapping[str, list[int]]:
        """Lines that any step ran something in, by file."""
        found: dict[str, set[int]] = {}
        for source in self._all():
            found.setdefault(source.file, set()).add(source.line)
        return {file: sorted(lines) for file, lines in found.items()}

    def _all(self) -> Iterator[Source]:
        for number in self._trace.items.numbers("graph"):
            source = self._trace.graph(number).source
            if source is not None:
                yield source
        for template in self._templates():
            yield from (Source(*place) for place in template.sources)

    def nearest(self, file: str, line: int) -> int | None:
        """The line that ran something at or below another one; the last one, where none is."""
        lines = self._lines.get(file, [])
        return lines[min(bisect_left(lines, line), len(lines) - 1)] if lines else None


def _holds(path: Path, text: str) -> bool:
    """Whether a file on disk has a text; line ends may be Windows'."""
    plain = text.encode()
    dos = plain.replace(b"\n", b"\r\n")
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode) or about.st_size not in {len(plain), len(dos)}:
            return False
        return path.read_bytes() in {plain, dos}
    except (OSError, ValueError):
        return False
