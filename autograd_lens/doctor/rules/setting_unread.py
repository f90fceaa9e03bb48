"""A setting of the loss is kept and never read.

What it finds:
    An attribute with the name of a coefficient, a weight or a temperature that a class of the
    program keeps, and that nothing in the program ever reads.

Why it is bad:
    Whatever it is set to, the training is the same.

Evidence it needs:
    The program's text.

Example:
    self.kl_coeff = kl_coeff
    ...
    loss = recon + kl

Corrected:
    loss = recon + self.kl_coeff * kl

When it is silent:
    Attributes that are read anywhere by name, classes whose attributes are read all at once, and
    those with bases that may read them.

References:
    https://docs.python.org/3/tutorial/classes.html
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, of_a_library
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.trace.records import Source

RULE = Rule("AL519", "setting-unread", "warning", "light")

_SETTING = re.compile(
    r"(\w+_)?(coeff?|coefficient|lambda|lambd|lam|beta|alpha|gamma|temperature|temp|tau|margin|"
    r"label_smoothing)(_\w+)?|\w+_weight"
)
_ALL_AT_ONCE = re.compile(r"getattr|vars\(|__dict__|asdict|save_hyperparameters|hparams")
_BASES = frozenset({"Module", "object", "Optimizer", "Function", "Sequential"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such attribute."""
    source = evidence.loop
    if source is None or of_a_library(source):
        return
    tree = evidence.code(source).tree
    if _ALL_AT_ONCE.search(ast.unparse(tree)):
        return
    read = {
        node.attr
        for file in _files(evidence) | {source.file}
        for node in ast.walk(evidence.code_of(file).tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    for owner, name, line in _kept(tree):
        if name not in read and _SETTING.fullmatch(name):
            yield RULE.finding(
                title=f"{owner} keeps {name} and never reads it",
                message=f"""Line {line} keeps what {owner} was given as {name}, and nothing in the
                    program reads it: the loss does not depend on it.""",
                fix=f"loss = first + self.{name} * second",
                events=("the program's text",),
                source=Source.at(source.file, line),
            )
            return


def _files(evidence: Evidence) -> set[str]:
    """The files whose lines ran kernels."""
    return {
        kernel.source.file
        for step in evidence.full
        for kernel in step.kernels
        if kernel.source is not None
    }


def _kept(tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    """Class, attribute and line of ``self.name = name`` in an ``__init__`` that is given it."""
    for owner in ast.walk(tree):
        plain = isinstance(owner, ast.ClassDef) and _plain(owner)
        for method in getattr(owner, "body", ()) if plain else ():
            if not isinstance(method, ast.FunctionDef) or method.name != "__init__":
                continue
            given = {one.arg for one in (*method.args.args, *method.args.kwonlyargs)}
            for node in ast.walk(method):
                own = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
                if own and isinstance(node, ast.Attribute) and node.attr in given:
                    yield getattr(owner, "name", ""), node.attr, node.lineno


def _plain(owner: ast.ClassDef) -> bool:
    """Whether a class has no bases that may read what it keeps, beside those of torch."""
    return all(ast.unparse(base).rpartition(".")[2] in _BASES for base in owner.bases)
