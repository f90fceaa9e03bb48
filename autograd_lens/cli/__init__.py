"""The command line: one verb, one file.

A verb ``x`` is the click command ``command`` in ``autograd_lens.cli.x``. Nothing here imports
torch at the top of a module, and plots and tables are imported where they are drawn: reading a
trace must not wait for what it does not use.
"""

from __future__ import annotations

from autograd_lens.cli.group import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line with the arguments of this process."""
    app(prog_name="autograd-lens")
