"""Two weights that the program ties have come apart.

What it finds:
    The program makes one weight the other (``out.weight = embed.weight``), and yet they are two
    parameters, equal at first: either they differ later, or they share one memory, which two
    updates change one after the other.

Why it is bad:
    Each of the two has its own gradient and its own state in the optimizer: the weight does not
    learn from the sum of both.

Evidence it needs:
    The assignment in the program's text; light steps with the values of both.

Example:
    self.out.weight = self.embed.weight
    ...
    model.load_state_dict(stored, assign=True)

Corrected:
    model.load_state_dict(stored)    # copies into the one weight

When it is silent:
    Weights that are one parameter, and two that were never equal.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.load_state_dict
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, same_bytes
from autograd_lens.doctor.finding import Finding, Rule, largest_difference, number
from autograd_lens.trace.records import Source

RULE = Rule("AL213", "tied-weights-apart", "error", "light")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find tied weights that are two parameters."""
    backward = evidence.loop
    tree = evidence.code(backward).tree
    for node in ast.walk(tree):
        pair = _tie(node)
        places = [_place(evidence, name) for name in pair]
        if len(places) > 1 and None not in places and len(set(places)) > 1:
            finding = _apart(evidence, [one for one in places if one is not None], tree, backward)
            if finding is not None:
                yield finding
                return


def _tie(node: ast.AST) -> tuple[str, ...]:
    """The two last words of both sides of ``a.out.weight = a.embed.weight``."""
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return ()
    sides = (node.targets[0], node.value)
    if not all(isinstance(one, ast.Attribute) and one.attr == "weight" for one in sides):
        return ()
    return tuple(".".join(ast.unparse(one).split(".")[-2:]) for one in sides)


def _place(evidence: Evidence, name: str) -> int | None:
    """The one parameter whose name ends so."""
    found = [
        index
        for index, one in enumerate(evidence.parameters)
        if one.name == name or one.name.endswith(f".{name}")
    ]
    return found[0] if len(found) == 1 else None


def _apart(
    evidence: Evidence, places: list[int], tree: ast.AST, backward: Source | None
) -> Finding | None:
    one, other = ([gap for window in evidence.gaps(index) for gap in window] for index in places)
    if not one or not other or not same_bytes(one[0].value, other[0].value):
        return None
    mine, its = one[-1].value, other[-1].value
    grads = one[-1].grad, other[-1].grad
    if mine is None or its is None or None in grads or same_bytes(*grads):
        return None
    names, step = evidence.names(places), one[-1].run.row.step
    source = _loader(tree, backward) or backward
    became = (
        "they share one memory, and each update changes it with the gradient of one of them alone"
        if same_bytes(mine, its)
        else f"they differ by up to {number(largest_difference(mine, its))}"
    )
    return RULE.finding(
        title=f"{names[0]} and {names[1]} are tied in the text and two parameters in the run",
        message=f"""In step {one[0].run.row.step} they were equal to the last bit, and got two
            gradients. In step {step}, {became}. What tied them was undone after the model was
            made.""",
        fix="model.load_state_dict(state)  # without assign=True; or tie them again after it",
        step=step,
        events=(f"{names[0]} and {names[1]} in all steps",),
        source=source,
    )


def _loader(tree: ast.AST, backward: Source | None) -> Source | None:
    for node in ast.walk(tree):
        words = {one.arg for one in node.keywords} if isinstance(node, ast.Call) else set()
        if "assign" in words and backward is not None and isinstance(node, ast.Call):
            return Source.at(backward.file, node.lineno)
    return None
