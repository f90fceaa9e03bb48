"""The model was switched to evaluation and never back.

What it finds:
    Early training steps with dropout or batch statistics, later ones without, though the
    program asks for ``eval()`` and nowhere for ``train()`` afterwards. Batch normalisation that
    trains in evaluation mode from the first step on, with statistics that no batch ever
    changed.

Why it is bad:
    After the first validation the model trains without dropout, and batch normalisation
    neither uses nor learns the statistics of its batches.

Evidence it needs:
    Full steps before and after, and the program's text.

Example:
    for epoch in range(10):
        train_one_epoch(model)
        model.eval()
        validate(model)

Corrected:
    for epoch in range(10):
        model.train()
        train_one_epoch(model)
        model.eval()
        validate(model)

When it is silent:
    Models in evaluation mode from the beginning (frozen statistics), and programs that call
    ``train()`` in a loop.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, is_zero
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.source import Code
from autograd_lens.doctor.tape import training_kernel
from autograd_lens.trace.graph import argument, operator_name, tensors
from autograd_lens.trace.records import Kernel, Source, Step

RULE = Rule("AL601", "stuck-in-eval", "warning", "full")

_STEPS = 2  # and both running numbers


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the step from which on the model trains in evaluation mode."""
    steps = [step for step in evidence.full if step.backwards and step.kernels]
    training = [training_kernel(step) for step in steps]
    if not training or training[0] is None or training[-1] is not None:
        found = list(_in_between(evidence, steps)) or list(_from_the_start(evidence, steps))
        yield from found
        return
    switched = next(place for place, kernel in enumerate(training) if kernel is None)
    if any(training[switched:]) or len(steps) - switched < 2:  # seen twice
        return
    first = training[0]
    code = evidence.code(steps[0].backwards[0].source)
    if not _updated(steps[:switched]) <= _updated(steps[switched:]):
        return  # something else trains by now
    if _calls(code, "eval") and (not _trains_in_loop(code) or _switched(steps, switched)):
        yield _finding(evidence, steps[switched - 1], steps[switched], first)


def _switched(steps: list[Step], place: int) -> bool:
    """Whether all that trains was in training mode before, and the same is in evaluation mode."""
    modes = [_modes(step) for step in steps]
    whole = all(mode == {True} for mode in modes[:place])
    return whole and all(mode == {False} for mode in modes[place:])


def _updated(steps: list[Step]) -> set[str]:
    return {update.parameter for step in steps for update in step.updates}


def _in_between(evidence: Evidence, steps: list[Step]) -> Iterator[Finding]:
    """Steps that update in evaluation mode, in front of others that do so in training mode."""
    modes = [_modes(step) for step in steps]
    switched = [
        step for step, mode in zip(steps, modes, strict=True) if mode == {False} and step.updates
    ]
    trains = [
        step
        for step, mode in zip(steps, modes, strict=True)
        if mode == {True} and training_kernel(step) is not None
    ]
    code = evidence.code(steps[0].backwards[0].source) if steps else Code("")
    if switched and trains and trains[0].index < switched[0].index and _calls(code, "eval"):
        yield _finding_between(trains[0], switched[0])


def _from_the_start(evidence: Evidence, steps: list[Step]) -> Iterator[Finding]:
    """Batch normalisation that trains with the statistics that it was made with, all the time."""
    found = [
        [one for one in step.kernels if _untouched(one)] if _modes(step) == {False} else []
        for step in steps
    ]
    if len(steps) < _STEPS or not all(found):
        return
    kernel = found[0][0]
    yield RULE.finding(
        title=f"{kernel.module} trains in evaluation mode with no statistics",
        message=f"""In every step that was recorded in full, {kernel.module} normalised with a
            running mean of 0 and a running variance of 1, which is what it was made with: it is in
            evaluation mode from the beginning, and no batch was ever counted. It normalises
            nothing.""",
        fix="model.train()  # before the loop",
        step=steps[0].index,
        kernel=kernel,
        source=_switch(evidence, kernel),
    )


def _untouched(kernel: Kernel) -> bool:
    """Whether a normalisation that trains is in evaluation mode, and its statistics are new."""
    if "batch_norm" not in operator_name(kernel) or not kernel.requires_grad:
        return False
    mean, spread = argument(kernel, "running_mean"), argument(kernel, "running_var")
    weight = argument(kernel, "weight")
    pair = [one.value for one in (mean, spread) if one is not None and one.value is not None]
    learns = weight is not None and weight.spec.role == "parameter"
    known = len(pair) == _STEPS and all(one.complete for one in pair)
    new = known and is_zero(pair[0]) and bool((pair[1].array == 1).all())
    return kernel.training is False and learns and new


def _modes(step: Step) -> set[bool]:
    """The modes of the modules that the gradient went through."""
    return {
        kernel.training
        for kernel in step.kernels
        if kernel.phase == "forward"
        and kernel.requires_grad
        and kernel.training is not None
        and any(use.spec.role == "parameter" for use in tensors(kernel.inputs))
    }


def _finding_between(before: Step, after: Step) -> Finding:
    first = next(k for k in after.kernels if k.phase == "forward" and k.requires_grad)
    return RULE.finding(
        title=f"step {after.index} trains in evaluation mode",
        message=f"""Step {before.index} ran in training mode. In step {after.index}, all layers are
            in evaluation mode, and the parameters are updated: an evaluation in the middle of an
            epoch switched the mode and nothing switched it back.""",
        fix="model.train()  # at the end of the evaluation",
        step=after.index,
        events=(f"step {before.index}", f"step {after.index} kernel {first.index} {first.op}"),
        source=first.source,
        look=f"autograd-lens trace {{file}} --steps {before.index},{after.index} --phase forward",
    )


def _calls(code: Code, method: str) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr == method for node in ast.walk(code.tree)
    )


def _trains_in_loop(code: Code) -> bool:
    """Whether ``train()`` is called anywhere but at the top level, where it runs once."""
    top = [node for node in code.tree.body if isinstance(node, ast.Expr)]
    once = {id(node) for statement in top for node in ast.walk(statement)}
    return any(
        isinstance(node, ast.Attribute) and node.attr == "train" and id(node) not in once
        for node in ast.walk(code.tree)
    )


def _switch(evidence: Evidence, kernel: Kernel) -> Source | None:
    """The one line that calls ``eval()``; the layer's own where there are several."""
    calls = [one for one in evidence.code(evidence.loop).makes({"eval"}) if not one.args]
    if evidence.loop is None or len(calls) != 1:
        return kernel.source
    line = calls[0].lineno
    return Source.at(evidence.loop.file, line)


def _finding(evidence: Evidence, before: Step, after: Step, kernel: Kernel) -> Finding:
    layer, source = kernel.module, _switch(evidence, kernel)
    return RULE.finding(
        title=f"training goes on in evaluation mode from step {after.index} at the latest",
        message=f"""Up to step {before.index}, {layer} ran in training mode
            ({operator_name(kernel)}); in step {after.index} and all full steps after it, it does
            not. The program called eval(), and nothing called train() since.""",
        fix="model.train()  # at the beginning of every epoch",
        step=after.index,
        events=(f"step {before.index} kernel {kernel.index} {kernel.op}", f"step {after.index}"),
        source=source,
        look=f"autograd-lens trace {{file}} --steps {before.index},{after.index} --phase forward",
    )
