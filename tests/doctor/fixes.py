"""Applies what a finding prints as its fix to the program, where that is code.

Four kinds of fix are code that can be put into a text by rule: a rate (``lr=0.1``), a statement
with the place behind it (``# before loss.backward()``), a statement that does what the finding's
line was to do, and an expression for a name of that line.
"""

from __future__ import annotations

import ast
import re

from autograd_lens.doctor import Finding

__all__ = ["applied"]

_RATE = re.compile(r"lr=[-+.\de]+")
_SET = re.compile(r"\b(lr|rate)\s*=\s*[-+.\de]+(?=[,)\s]|$)", re.MULTILINE)
_BESIDE = re.compile(r"(?P<code>[^#\n]+?)  # (?P<side>before|after) (?P<what>[\w.]+\(\))")


def applied(text: str, finding: Finding) -> str | None:
    """The corrected program; None where the fix is no code that can be put in by rule."""
    lines = text.splitlines()
    for way in (_rate, _beside, _instead, _within):
        found = way(lines, finding)
        text = "\n".join(found or []) + "\n"
        if found is not None and found != lines and _parses(text):
            return text
    return None


def _rate(lines: list[str], finding: Finding) -> list[str] | None:
    if not _RATE.fullmatch(finding.fix):
        return None
    value = finding.fix.removeprefix("lr=")
    text, count = _SET.subn(lambda found: f"{found[1]}={value}", "\n".join(lines), count=1)
    return text.splitlines() if count else None


def _beside(lines: list[str], finding: Finding) -> list[str] | None:
    """Put a statement in front of a line or behind it, or move it there."""
    found = _BESIDE.match(finding.fix)
    if found is None or not _parses(found["code"]):
        return None
    last = finding.source.line if finding.source else len(lines)
    code = found["code"].strip()
    lines = ["" if line.strip() == code else line for line in lines]
    places = [n for n, line in enumerate(lines) if found["what"] in line]
    if not places:
        return None
    at = min(places, key=lambda n: abs(n + 1 - last))
    indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
    at += found["side"] == "after"
    return [*lines[:at], indent + code, *lines[at:]]


def _instead(lines: list[str], finding: Finding) -> list[str] | None:
    """Put a statement in the place of the finding's line, which gives the same name or call."""
    line = finding.source.line - 1 if finding.source else -1
    moved = "before" in finding.fix.partition("#")[2]
    parses = _parses(finding.fix) and 0 <= line < len(lines) and _parses(lines[line].strip())
    if moved or not parses:
        return None
    new, old = ast.parse(finding.fix).body, ast.parse(lines[line].strip()).body
    if not new or not old or "..." in finding.fix or _subject(new[0]) != _subject(old[0]):
        return None
    if ast.dump(new[0]) == ast.dump(old[0]):
        return None
    indent = lines[line][: len(lines[line]) - len(lines[line].lstrip())]
    return [*lines[:line], *(indent + one for one in finding.fix.splitlines()), *lines[line + 1 :]]


def _within(lines: list[str], finding: Finding) -> list[str] | None:
    """Put ``name.method(...)`` in the place of the name, in the finding's line."""
    line = finding.source.line - 1 if finding.source else -1
    code, _, remark = finding.fix.partition("  # ")
    name = re.match(r"(?!torch|nn)(\w+)\.\w+\(", code)
    if not 0 <= line < len(lines) or name is None or not _parses(code):
        return None
    if remark.startswith("and "):  # half of it
        return None
    head, sign, value = lines[line].partition("=")
    if name[1] not in value:
        return None
    return [*lines[:line], head + sign + value.replace(name[1], code, 1), *lines[line + 1 :]]


def _parses(code: str) -> bool:
    try:
        return bool(ast.parse(code).body)
    except SyntaxError:
        return False


def _subject(node: ast.stmt) -> str:
    """What a statement is about: the name it gives, the call it makes, what it changes."""
    while isinstance(node, ast.With):
        node = node.body[0]
    match node:
        case ast.Assign(targets=[target]):
            return ast.unparse(target)
        case ast.AugAssign(target=target):
            return ast.unparse(target)
        case ast.Expr(value=ast.Call(func=function)):
            return ast.unparse(function)
        case ast.Expr(value=ast.Attribute() as named):
            return ast.unparse(named)
        case ast.For(iter=over):
            return ast.unparse(over).replace(".state_dict()['param_groups']", ".param_groups")
    return ast.dump(node)
