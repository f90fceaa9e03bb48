"""A setting or a mask is given and never read.

What it finds:
    An attribute with the name of a coefficient, a weight or a temperature that a class of the
    program keeps, and that nothing in the program ever reads. A function that is given a mask,
    lengths, weights of samples, ends of episodes or such a setting, and never reads it. A dropout
    or a loss that is made and never used, a number of the program with such a name.

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
    those with bases that may read them. Functions of which there are several with one name, or
    that something else than the program calls, and what is given as None.

References:
    https://docs.python.org/3/tutorial/classes.html
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, of_a_library
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.source import called
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
    yield from _arguments(evidence, source, tree)
    yield from _made(source, tree, read)


_PARTS = re.compile(r"(Alpha)?Dropout[123]?d?|\w+Loss")
_NUMBERS = re.compile(
    _SETTING.pattern
    + r"|weight_decay|momentum|dropout|(grad_)?clip(_norm)?|max_(grad_)?norm|warmup\w*"
)


def _made(source: Source, tree: ast.Module, read: set[str]) -> Iterator[Finding]:
    """The first dropout, loss or number of the program that is made and never read."""
    names = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    text = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    for name, line in _parts(tree):
        if name not in names | read and name not in text:
            yield RULE.finding(
                title=f"{name} is made and never used",
                message=f"""Line {line} makes {name}, and nothing in the program reads it: the
                    training is the same without it.""",
                fix=f"# use {name} where it was meant to count",
                events=("the program's text",),
                source=Source.at(source.file, line),
            )
            return


def _parts(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Names that hold a dropout or a loss of torch, and settings of the whole program."""
    for node in ast.walk(tree):
        call = node.value if isinstance(node, ast.Assign) else None
        made = isinstance(call, ast.Call) and _PARTS.fullmatch(called(call))
        target = node.targets[0] if isinstance(node, ast.Assign) and made else None
        if isinstance(target, ast.Name | ast.Attribute):
            yield ast.unparse(target).rpartition(".")[2], target.lineno
    classes = [one.body for one in tree.body if isinstance(one, ast.ClassDef)]
    for body in (tree.body, *classes):
        for one in body:
            bound: ast.expr | None = one.target if isinstance(one, ast.AnnAssign) else None
            bound = one.targets[0] if isinstance(one, ast.Assign) else bound
            value = getattr(one, "value", None)
            number = isinstance(value, ast.Constant) and isinstance(value.value, int | float)
            if isinstance(bound, ast.Name) and number and _NUMBERS.fullmatch(bound.id.lower()):
                yield bound.id, one.lineno


def _arguments(evidence: Evidence, source: Source, tree: ast.Module) -> Iterator[Finding]:
    """The first argument of a function that ran which was given and is not read."""
    ran = {
        kernel.source.line
        for step in evidence.full
        for kernel in step.kernels
        if kernel.source is not None and kernel.source.file == source.file
    }
    for function, name in _unread(tree):
        body = range(function.lineno, (function.end_lineno or function.lineno) + 1)
        given = _given(tree, function, name)
        if ran & {*body} and given:
            yield RULE.finding(
                title=f"{function.name} is given {name} and never reads it",
                message=f"""`{given}` gives `{function.name}` its {name}, and no line of the
                    function reads it: whatever it holds, the result is the same.""",
                fix=f"# use {name} in {function.name}, where it was meant to count",
                events=("the program's text",),
                source=Source.at(source.file, function.lineno),
            )
            return


_GIVEN = re.compile(
    r"(\w+_)?(masks?|lengths|lens|dones?|terminals?|sample_weights?|(class_|loss_)?weights?)(_\w+)?"
)


def _unread(tree: ast.AST) -> Iterator[tuple[ast.FunctionDef, str]]:
    """Functions, one of a name, with the arguments that they never read."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    names = [one.name for one in functions]
    for one in functions:
        read = {node.id for node in ast.walk(one) if isinstance(node, ast.Name)}
        whole = read & {"locals", "super"} or one.decorator_list or one.args.kwarg
        if whole or names.count(one.name) > 1 or len(one.body) <= 1 or one.name == "__init__":
            continue
        for given in (*one.args.args, *one.args.kwonlyargs):
            if given.arg not in read and (
                _GIVEN.fullmatch(given.arg) or _SETTING.fullmatch(given.arg)
            ):
                yield one, given.arg


def _given(tree: ast.AST, function: ast.FunctionDef, name: str) -> str:
    """A call of a function that gives an argument a value, ``""`` for none."""
    names = [one.arg for one in function.args.args]
    method = bool(names) and names[0] == "self"
    place = names.index(name) - method if name in names else -1
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        word = called(node)
        if word != function.name and not (function.name == "forward" and _fits(node, names)):
            continue
        value = node.args[place] if 0 <= place < len(node.args) else None
        value = next((one.value for one in node.keywords if one.arg == name), value)
        if value is not None and not isinstance(value, ast.Constant):
            return ast.unparse(node)
    return ""


def _fits(call: ast.Call, names: list[str]) -> bool:
    """Whether a call gives a forward as much as it takes, by these names."""
    given = [ast.unparse(one).rpartition(".")[2] for one in call.args]
    return len(given) == len(names) - 1 > 1 and bool({*given} & {*names})


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
