"""A layer of the model is never used.

What it finds:
    A parameter that no kernel of any full step reads and no backward of the run ever reached,
    though the optimizer owns it, or the other parameters of its model are trained.

Why it is bad:
    It stays at its random start. Mostly a line is missing in ``forward``, or another layer
    is used twice where this one was meant.

Evidence it needs:
    Full steps, which show that nothing reads it; light steps, which show that its gradient is
    None throughout.

Example:
    x = torch.relu(self.fc1(x))
    return self.out(x)             # and self.fc2?

Corrected:
    x = torch.relu(self.fc1(x))
    x = torch.relu(self.fc2(x))
    return self.out(x)

When it is silent:
    Frozen parameters (they are read), copies of a model that stand aside, with their optimizer
    or without, runs of one or two steps.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, listed, plural
from autograd_lens.doctor.ledger import ever_reached
from autograd_lens.trace.graph import tensors
from autograd_lens.trace.kept import noted_numbers
from autograd_lens.trace.records import Parameter

RULE = Rule("AL205", "unused-parameter", "warning", "full")

_STEPS = 3


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find parameters that nothing reads."""
    if len(evidence.losses) < _STEPS or not any(step.kernels for step in evidence.full):
        return
    trained = ever_reached(evidence)
    models = {_model(evidence.parameters[index]) for index in trained} - {""}
    acted = {first for _, first, _ in noted_numbers(evidence.trace)}
    acting = (
        one for one in evidence.optimizers if not one.groups or next(iter(one.holds), None) in acted
    )
    held = {index for one in acting for index in one.holds}
    read = _read(evidence)
    unused = [
        index
        for index, parameter in enumerate(evidence.parameters)
        if index not in trained and parameter.name not in read
        if index in held or _model(parameter) in models
    ]
    if unused:
        inside = _model(evidence.parameters[unused[0]]) in models
        yield _finding(evidence, unused, inside=inside)


def _finding(evidence: Evidence, indexes: list[int], *, inside: bool) -> Finding:
    unused = [evidence.parameters[index].name for index in indexes]
    layer = unused[0].rpartition(".")[0] or unused[0]
    given = f"Is {layer} missing in forward()?" if inside else _held(evidence, indexes)
    step = evidence.full[-1].index
    return RULE.finding(
        title=f"{listed(unused)}: nothing ever uses {'it' if len(unused) == 1 else 'them'}",
        message=f"""No kernel of the {plural(len(evidence.full), "full step")} examined read
            {listed(unused)}, and in {plural(len(evidence.losses), "step")} no gradient reached
            {"it" if len(unused) == 1 else "them"}: .grad is None, and what is there is the
            random start. {given}""",
        fix=f"x = self.{layer}(x)  # in forward(), or remove {layer}"
        if inside
        else f"y = {layer}(x)  # on the way to the loss, or leave it out of the optimizer",
        step=step,
        events=(f"all kernels of step {step}", "all backwards"),
        look=f"autograd-lens step {{file}} --at {step}:forward",
    )


def _held(evidence: Evidence, unused: list[int]) -> str:
    names = [one.name for one in evidence.optimizers if not set(unused).isdisjoint(one.holds)]
    return f"{listed(names)} {'was' if len(names) == 1 else 'were'} given what is never used."


def _model(parameter: Parameter) -> str:
    """The variable that holds the model of a parameter, ``""`` for a tensor of its own."""
    names = (parameter.name, *parameter.aliases)
    return max(names, key=len).partition(".")[0] if parameter.aliases else ""


def _read(evidence: Evidence) -> set[str]:
    return {
        use.spec.name
        for step in evidence.full
        for kernel in step.kernels
        for use in tensors(kernel.inputs)
        if use.spec.role == "parameter"
    }
