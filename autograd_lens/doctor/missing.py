"""Errors that come from a ``.grad`` that is None."""

from __future__ import annotations

import re

from autograd_lens.doctor.evidence import Evidence

__all__ = ["missing_grad", "owner_of_grad"]

_READ = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*?)\.grad\b")


def missing_grad(evidence: Evidence) -> str:
    """The name whose ``.grad`` was None on the line where the run failed, else ``""``."""
    failure = evidence.failure
    if failure is None or "NoneType" not in failure.message:
        return ""
    return owner_of_grad(evidence.failed_at[1])


def owner_of_grad(line: str) -> str:
    """The name whose ``.grad`` a line reads first, else ``""``."""
    found = _READ.search(line)
    return found[1] if found else ""
