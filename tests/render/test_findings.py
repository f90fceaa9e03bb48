"""What the doctor found, for people and for machines."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from autograd_lens.doctor.engine import find_rule, rules
from autograd_lens.doctor.finding import Finding
from autograd_lens.render.findings import (
    finding_json,
    finding_line,
    render_findings,
    render_page,
    render_rules,
)
from autograd_lens.trace.records import Source

STALE = Finding(
    code="AL101",
    name="stale-gradient",
    severity="error",
    title="b: updated with gradients of earlier steps still in .grad",
    message="Nothing clears b.grad between an update and the next backward. In step 1, backward() "
    "found 0.66 there.",
    fix="b.grad = None  # after the update",
    step=1,
    events=("b.grad before and after backward()",),
    source=Source("train.py", 12, 12, 4, 19, "<module>"),
    line="loss.backward()",
    look="autograd-lens trace {file} --steps 0:2",
)


def printed(content: Any, width: int = 80) -> str:
    console = Console(file=StringIO(), width=width, highlight=False, markup=False)
    console.print(content)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_a_finding_with_its_line_its_story_and_the_fix() -> None:
    shown = printed(render_findings([STALE], file="train.lens", steps=15))
    assert [line.rstrip() for line in shown.splitlines()] == [
        "train.lens ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 15 steps examined",
        "",
        "AL101 stale-gradient ───────────────────────────────────────────────────── error",
        "     │ b: updated with gradients of earlier steps still in .grad",
        "     │ train.py, line 12  loss.backward()",
        "     │",
        "     │ Nothing clears b.grad between an update and the next backward. In step",
        "     │ 1, backward() found 0.66 there.",
        "     │",
        "     │ fix   b.grad = None  # after the update",
        "     │ seen  step 1; b.grad before and after backward()",
        "     │ look  autograd-lens trace train.lens --steps 0:2",
    ]


def test_a_healthy_run_says_so() -> None:
    shown = printed(render_findings([], file="train.lens", steps=1))
    assert "1 step examined" in shown
    assert "Nothing wrong was found." in shown


@pytest.mark.parametrize("width", [40, 80, 120])
def test_prose_keeps_within_the_width(width: int) -> None:
    shown = printed(render_findings([STALE], file="train.lens", steps=15), width)
    assert max(map(len, shown.splitlines())) <= width


def test_the_line_at_the_end_of_a_run() -> None:
    assert finding_line(STALE) == (
        "AL101 stale-gradient: b: updated with gradients of earlier steps still in .grad "
        "(train.py, line 12)"
    )


def test_json_has_every_field_and_the_command_with_the_file() -> None:
    plain = json.loads(json.dumps(finding_json(STALE, "train.lens")))
    assert plain["code"] == "AL101"
    assert plain["source"]["line"] == 12
    assert plain["look"] == "autograd-lens trace train.lens --steps 0:2"


def test_a_page_folds_its_prose_and_keeps_its_code() -> None:
    shown = printed(render_page(find_rule("AL101"), 60), 60)
    assert "     │     loss.backward()\n     │     optimizer.step()\n" in shown
    assert max(map(len, shown.splitlines())) <= 100  # an address may be longer than the width
    assert "When it is silent" in shown


def test_the_list_has_a_line_for_every_rule() -> None:
    lines = printed(render_rules(rules(), 100), 100).splitlines()
    assert len(lines) == len(rules())
    assert lines[0].startswith("AL101  stale-gradient")
