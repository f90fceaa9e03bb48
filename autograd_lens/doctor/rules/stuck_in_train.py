"""The model is evaluated in training mode.

What it finds:
    Dropout or batch normalisation in a model that the program evaluates without ever calling
    ``eval()``.

Why it is bad:
    With dropout the evaluation is random and too bad; with batch normalisation it depends on
    which samples share a batch, and changes the statistics that the model keeps.

Evidence it needs:
    Full steps with such layers in training mode up to the end, and the program's text: a call of
    the same model under ``no_grad``, and no ``eval()`` or ``train(False)`` anywhere.

Example:
    with torch.no_grad():
        accuracy = (model(x).argmax(1) == y).float().mean()

Corrected:
    model.eval()
    with torch.no_grad():
        accuracy = (model(x).argmax(1) == y).float().mean()
    model.train()

When it is silent:
    Models without such layers, programs that call ``eval()`` anywhere, other models that are
    called under ``no_grad``, and the same input many times over (dropout as a measure of doubt).

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.eval
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.source import Code
from autograd_lens.doctor.tape import training_kernel
from autograd_lens.trace.graph import operator_name
from autograd_lens.trace.records import Kernel, Source, Step

RULE = Rule("AL603", "stuck-in-train", "warning", "full")

_BUILTINS = frozenset(dir(builtins))
_SWITCHES = frozenset({"no_grad", "inference_mode", "set_grad_enabled"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find a model with such layers that is called under ``no_grad`` in training mode."""
    steps = [step for step in evidence.full if step.backwards and step.kernels]
    kernels = [training_kernel(step) for step in steps]
    if not steps or kernels[-1] is None or kernels[0] is None:
        return
    source = steps[-1].backwards[0].source
    code = evidence.code(source)
    call = _evaluation(code)
    if call is not None and source is not None:
        yield _finding(steps[-1], kernels[-1], (source, call))


def _evaluation(code: Code) -> ast.Call | None:
    """A call under ``no_grad`` of something that is called elsewhere too, if nothing evals."""
    attributes = {node.attr for node in ast.walk(code.tree) if isinstance(node, ast.Attribute)}
    if "eval" in attributes or _calls_train_false(code):
        return None
    quiet = [call for block in _blocks(code) for call in _model_calls(block)]
    quiet = [call for call in quiet if id(call) not in _samples(code)]
    names = {ast.unparse(call.func) for call in quiet}
    inside = set(map(id, quiet))
    loud = {ast.unparse(call.func) for call in _model_calls(code.tree) if id(call) not in inside}
    models = (names & (loud | _by_phase(code))) - _functions(code)
    return next((call for call in quiet if ast.unparse(call.func) in models), None)


def _blocks(code: Code) -> Iterator[ast.AST]:
    """Bodies of ``with torch.no_grad()`` and of functions that it decorates."""
    for node in ast.walk(code.tree):
        heads: list[ast.expr] = []
        if isinstance(node, ast.With):
            heads = [item.context_expr for item in node.items]
        elif isinstance(node, ast.FunctionDef):
            heads = node.decorator_list
        if any(_SWITCHES & {_last(part) for part in ast.walk(head)} for head in heads):
            yield node


def _by_phase(code: Code) -> set[str]:
    """What is called with and without gradients on one line: ``set_grad_enabled(training)``."""
    return {
        ast.unparse(call.func)
        for node in ast.walk(code.tree)
        if isinstance(node, ast.With)
        for item in node.items
        if isinstance(item.context_expr, ast.Call)
        and _last(item.context_expr.func) == "set_grad_enabled"
        and not all(isinstance(one, ast.Constant) for one in item.context_expr.args)
        for call in _model_calls(node)
    }


def _samples(code: Code) -> set[int]:
    """Calls repeated with the very same arguments: dropout is left on to see how they differ."""
    found = set[int]()
    for node in ast.walk(code.tree):
        if isinstance(node, ast.ListComp | ast.GeneratorExp):
            turning = {name.id for one in node.generators for name in _names(one.target)}
            for call in _model_calls(node.elt):
                if turning.isdisjoint(name.id for name in _names(call)):
                    found.add(id(call))
    return found


def _names(node: ast.AST) -> Iterator[ast.Name]:
    return (one for one in ast.walk(node) if isinstance(one, ast.Name))


def _last(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _model_calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls of plain names that may hold a model."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.args and node.func.id not in _BUILTINS:
            yield node


def _functions(code: Code) -> set[str]:
    """Names that are functions, classes or imports: no models."""
    found = set[str]()
    for node in ast.walk(code.tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    return found


def _calls_train_false(code: Code) -> bool:
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "train"
        and node.args
        for node in ast.walk(code.tree)
    )


def _finding(step: Step, kernel: Kernel, place: tuple[Source, ast.Call]) -> Finding:
    source, call = place
    model = ast.unparse(call.func)
    here = Source.at(source.file, call.lineno)
    return RULE.finding(
        title=f"{model} is evaluated in training mode",
        message=f"""In step {step.index}, layer {kernel.module} still ran in training mode
            ({operator_name(kernel)}), and nothing in the program calls eval(). So it did so in
            line {call.lineno} as well, where `{model}` is called under no_grad: what is
            measured there is not the model that will be used.""",
        fix=f"{model}.eval()  # and {model}.train() before training goes on",
        step=step.index,
        kernel=kernel,
        source=here,
    )
