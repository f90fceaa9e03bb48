"""The program freezes parameters in a way that has no effect.

What it finds:
    An attribute that only looks like ``requires_grad`` (``param.require_grad = False``), or
    ``module.requires_grad = False``, which is a plain attribute of a module; and parameters that
    go on being trained.

Why it is bad:
    PyTorch takes any attribute without a word. What was to be frozen is trained.

Evidence it needs:
    The assignment in the program's text; light steps in which the parameters get gradients and
    move.

Example:
    model.features.requires_grad = False

Corrected:
    model.features.requires_grad_(False)

When it is silent:
    Parameters that do not move.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.requires_grad_
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, listed
from autograd_lens.doctor.ledger import reached
from autograd_lens.trace.records import Source

RULE = Rule("AL215", "freezing-without-effect", "error", "light")

_RIGHT = "requires_grad"
_ALIKE = 0.85


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find attributes that freeze nothing."""
    backward = evidence.loop
    got = [index for index in reached(evidence) if _moves(evidence, index)]
    for node in ast.walk(evidence.code(backward).tree):
        if backward is None or not got or not isinstance(node, ast.Assign):
            continue
        target = node.targets[0]
        off = isinstance(node.value, ast.Constant) and node.value.value is False
        if off and isinstance(target, ast.Attribute):
            source = Source.at(backward.file, node.lineno)
            held = [one for one in got if _inside(evidence, one, ast.unparse(target.value))]
            if _typo(target.attr):
                yield _finding(evidence, source, held or got, target.attr, f"{_RIGHT} = False")
                return
            if target.attr == _RIGHT and held:
                yield _finding(evidence, source, held, _RIGHT, "requires_grad_(False)")
                return


def _typo(word: str) -> bool:
    alike = difflib.SequenceMatcher(None, word, _RIGHT).ratio()
    return word not in (_RIGHT, "requires_grad_") and alike >= _ALIKE


def _moves(evidence: Evidence, index: int) -> bool:
    return any(gap.updated for window in evidence.gaps(index) for gap in window)


def _inside(evidence: Evidence, index: int, owner: str) -> bool:
    """Whether a parameter is one of a module's, by the module's own words in the text."""
    parameter = evidence.parameters[index]
    names = (parameter.name, *parameter.aliases)
    own, inside = owner.removeprefix("self."), owner.startswith("self.")
    return any(name.startswith(f"{own}.") or (inside and f".{own}." in name) for name in names)


def _finding(evidence: Evidence, source: Source, held: list[int], word: str, right: str) -> Finding:
    names = listed(evidence.names(held))
    why = (
        "a module has no such switch: this makes an attribute that nothing reads"
        if word == _RIGHT
        else f"{word} is no attribute that PyTorch knows"
    )
    return RULE.finding(
        title=f"`{evidence.line(source)}` freezes nothing",
        message=f"""In line {source.line}, {why}. {names} got gradients and moved all the same.""",
        fix=right,
        step=0,
        events=("values of all steps",),
        source=source,
    )
