"""The answers as tools of an MCP server, with what an assistant is told of each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from autograd_lens import __version__
from autograd_lens.errors import LensError
from autograd_lens.servers.mcp import answers
from autograd_lens.servers.mcp.reading import Folder
from autograd_lens.servers.mcp.records import (
    Descended,
    Diagnosis,
    Diff,
    Explained,
    Found,
    Printed,
    Run,
    Verified,
)
from autograd_lens.trace.records import Phase
from autograd_lens.trace.schema import as_text, visible

__all__ = ["serve"]

_INSTRUCTIONS = """\
Reads recordings of PyTorch training runs (*.lens, made by `autograd-lens run train.py`): every
step, what loss.backward() computed node by node, every .grad, every update. Begin with info; then
doctor for what is wrong, find for the first step in which something holds, explain for where a
gradient comes from, trace for a step line by line. what_if, verify and steps that were not
recorded in full execute recorded kernels again; no program is run. Each answer says how it is
known: recorded, proved by executing it again, differs, or not known. What is not known was not
kept: say so rather than guess. Leave file out for the latest recording of the folder.
"""
_LONGEST = 2_000  # characters of an error

File = Annotated[str, Field(description="Recording, from the served folder; empty: the latest.")]
OneStep = Annotated[str | int, Field(description='One step: "12", "-1", "last".')]
FirstLine = Annotated[int, Field(ge=0, description="Line of the text to begin with.")]
Rules = Annotated[
    list[str] | None, Field(description='Codes of rules, their beginnings ("AL1") or names.')
]
Phases = Annotated[list[Phase] | None, Field(description="Only these parts of the step.")]
Quantity = Annotated[
    str, Field(description='"loss", or a gradient such as "w1.grad"; empty: the first gradient.')
]
Condition = Annotated[
    str,
    Field(
        description="As in Python: isnan(loss), loss > 10, norm(w1.grad) < 1e-6 and step % 10 == 0,"
        " not isfinite(layer.weight). Fields of a parameter: grad, grad_before, after, mode."
    ),
]
Changes = Annotated[
    dict[str, float],
    Field(description='New values: {"lr": 0.1}, {"w1": -5}, {"layer.weight[0,3]": 1}.'),
]
Steps = Annotated[str, Field(description='Steps: "0:100", "every:10", "0,5,-1", "last".')]


class Tools:
    """The tools of a server.

    Args:
        folder: What may be read.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    @contextmanager
    def _answering(self) -> Iterator[Folder]:
        """One answer; an error of ours becomes one line that the assistant reads."""
        try:
            with self._folder.answering():
                yield self._folder
        except LensError as error:
            words = as_text(visible(" ".join(str(error).split())))
            raise ToolError(words[:_LONGEST]) from error

    def info(self, file: File = "") -> Run:
        """What is in a recording: program, how it ended, steps, losses, rates, parameters."""
        with self._answering() as folder, folder.open(file, replay=False) as opened:
            return answers.info(opened)

    def trace(
        self,
        file: File = "",
        step: OneStep = "0",
        phases: Phases = None,
        *,
        kernels: Annotated[bool, Field(description="Show every ATen kernel, too.")] = False,
        first_line: FirstLine = 0,
    ) -> Printed:
        """One step line by line, with numbers: forward, backward, .grad, update, zeroing."""
        with self._answering() as folder, folder.open(file) as opened:
            return answers.trace(
                opened, str(step), phases or (), kernels=kernels, first_line=first_line
            )

    def explain(
        self,
        file: File = "",
        quantity: Quantity = "",
        step: OneStep = "0",
        first_line: FirstLine = 0,
    ) -> Explained:
        """Derive one gradient from the loss down, or the loss from its inputs up."""
        with self._answering() as folder, folder.open(file) as opened:
            return answers.explain(opened, quantity, str(step), first_line=first_line)

    def find(self, file: File = "", condition: Condition = "not isfinite(loss)") -> Found:
        """The first step in which a condition holds, and the chain of causes behind it."""
        with self._answering() as folder, folder.open(file) as opened:
            return answers.find(opened, condition)

    def diff(
        self,
        one: Annotated[str, Field(description="A recording, from the served folder.")],
        other: Annotated[str, Field(description="Another one.")],
        tolerance: Annotated[
            float, Field(description="Absolute differences up to this count as none.")
        ] = 0.0,
    ) -> Diff:
        """Where two recordings first part: step, kernel, line, values, and whether by rounding."""
        with (
            self._answering() as folder,
            folder.open(one) as left,
            folder.open(other) as right,
        ):
            return answers.diff(left, right, tolerance)

    def doctor(
        self,
        file: File = "",
        select: Rules = None,
        ignore: Rules = None,
        *,
        experiments: Annotated[
            bool, Field(description="Try what a finding says by executing steps again, for 10 s.")
        ] = True,
    ) -> Diagnosis:
        """What is wrong with the training, where, how the recording shows it, and a fix."""
        with self._answering() as folder, folder.open(file, whole=False) as opened:
            return answers.doctor(opened, select or (), ignore or (), experiments=experiments)

    def what_if(
        self,
        changes: Changes,
        file: File = "",
        step: OneStep = "0",
        steps: Annotated[int, Field(description="How many steps to make.")] = 50,
    ) -> Descended:
        """Descend again from a recorded step with another learning rate, constant or start."""
        with self._answering() as folder, folder.open(file) as opened:
            return answers.what_if(opened, changes, str(step), steps)

    def verify(self, file: File = "", steps: Steps = "0:100") -> Verified:
        """Execute recorded steps again and compare them with the recording, bit for bit."""
        with self._answering() as folder, folder.open(file) as opened:
            return answers.verify(opened, steps)


def serve(folder: Folder) -> MCPServer[object]:
    """The server, not yet running.

    Args:
        folder: What it may read.
    """
    server: MCPServer[object] = MCPServer(
        "autograd-lens", instructions=_INSTRUCTIONS, version=__version__, log_level="WARNING"
    )
    tools = Tools(folder)
    harmless = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
    for tool in (
        *(tools.info, tools.trace, tools.explain, tools.find),
        *(tools.diff, tools.doctor, tools.what_if, tools.verify),
    ):
        server.add_tool(tool, annotations=harmless, structured_output=True)
    return server
