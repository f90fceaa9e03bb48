"""What the doctor says of a step, in the pane of its details."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from autograd_lens.render.layout import CODE, NAME, QUIET, folded

if TYPE_CHECKING:
    from autograd_lens.doctor.finding import Finding

__all__ = ["finding_lines"]

_STYLES = {"error": "bold red", "warning": "bold yellow"}


def finding_lines(finding: Finding, width: int) -> list[Text]:
    """A finding: what it is, what happened, why it is bad, and the fix.

    Args:
        finding: The finding.
        width: Columns.
    """
    head = Text.assemble(
        ("▼ ", _STYLES[finding.severity]),
        (f"{finding.code} {finding.name}  ", "bold"),
        (finding.severity, _STYLES[finding.severity]),
    )
    fix = [part for line in finding.fix.splitlines() for part in folded(line, width - 4, CODE)]
    return [
        head,
        *folded(finding.title, width, NAME),
        *folded(finding.message, width),
        Text("fix", style=QUIET),
        *(Text("    ") + part for part in fix),
    ]
