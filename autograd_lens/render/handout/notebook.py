"""A document as a Jupyter notebook that opens the recording and can be run."""

from __future__ import annotations

import json
from typing import Any

from autograd_lens.render.handout.blocks import Document
from autograd_lens.render.handout.markdown import cells

__all__ = ["notebook"]

_OPEN = """\
import autograd_lens as lens

trace = lens.open({path!r})
print(len(trace.steps), "steps, losses", trace.losses[0], "to", trace.losses[-1])"""
_FOLLOW = """\
for name in list(trace.parameters)[:4]:
    history = trace.parameter(name)
    print(name, history.values[0].ravel()[:3], "to", history.values[-1].ravel()[:3])"""


def notebook(document: Document, path: str) -> str:
    """The document as notebook JSON; its code cells read the recording.

    Args:
        document: What it says.
        path: Path of the recording, as the notebook will find it.
    """
    made = [_cell("code", _OPEN.format(path=path)), _cell("code", _FOLLOW)]
    written = [_cell("markdown", text) for _, text in cells(document)]
    found = [written[0], *made, *written[1:]]
    plain = {
        "cells": [{**each, "id": f"cell-{place}"} for place, each in enumerate(found)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "title": document.title,
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(plain, ensure_ascii=False, indent=1) + "\n"


def _cell(kind: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "metadata": {}, "source": text}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})
