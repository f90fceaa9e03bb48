"""Derivations for handouts and notebooks: LaTeX and plain data."""

from __future__ import annotations

from typing import Any

from autograd_lens.analysis.explain import Derivation, Evaluation, module_of
from autograd_lens.analysis.node_story import NodeStory, Outgoing
from autograd_lens.render.numbers import scalar
from autograd_lens.render.step_view import StepView
from autograd_lens.trace.values import Value

__all__ = ["derivation_data", "derivation_latex", "evaluation_data"]

_FEW = 4  # elements that are written out
_ESCAPES = {"_": r"\_", "&": r"\&", "%": r"\%", "#": r"\#"}


def derivation_latex(derivation: Derivation) -> str:
    """The chain rule as an ``align*`` environment, for documents that load amsmath."""
    rows = [r"\frac{\partial L}{\partial L} &= 1"]
    for link in derivation.links:
        rows += [_latex_row(outgoing) for outgoing in link.outgoing]
    body = " \\\\\n  ".join(rows)
    return f"\\begin{{align*}}\n  {body}\n\\end{{align*}}"


def _latex_row(outgoing: Outgoing) -> str:
    names = {key: _latex_name(name) for key, name in outgoing.names.items()}
    parts = [outgoing.rule.worded_latex(names)] if outgoing.rule else []
    if outgoing.broadcast and parts:
        parts = [rf"\sum_{{\text{{rows}}}} {parts[0]}"]
    parts += [_latex_value(outgoing.value)]
    left = rf"\frac{{\partial L}}{{\partial {_latex_name(outgoing.name)}}}"
    return f"{left} &= {' = '.join(part for part in parts if part)}"


def _latex_name(name: str) -> str:
    if len(name) == 1 or name.replace(".", "", 1).replace("-", "", 1).isdigit():
        return name
    escaped = "".join(_ESCAPES.get(each, each) for each in name)
    return rf"\mathrm{{{escaped}}}"


def _latex_value(value: Value | None) -> str:
    if value is None or not value.complete or value.numel > _FEW:
        return ""
    numbers = [scalar(float(number)) for number in value.array.ravel()]
    return numbers[0] if len(numbers) == 1 else rf"({', '.join(numbers)})"


def derivation_data(view: StepView, derivation: Derivation) -> dict[str, Any]:
    """A derivation as what JSON can hold; values are nested lists, or null where not kept."""
    return {
        "parameter": derivation.parameter,
        "step": derivation.step,
        "backward": derivation.backward,
        "loss": _data(derivation.root),
        "links": [_link(view, link) for link in derivation.links],
        "write": {
            "mode": derivation.write.mode,
            "before": _data(derivation.write.before),
            "incoming": _data(derivation.write.incoming),
            "after": _data(derivation.write.after),
        },
        "checks": [
            {"what": check.what, "holds": check.holds, "found": check.found}
            for check in derivation.checks
        ],
    }


def _link(view: StepView, story: NodeStory) -> dict[str, Any]:
    kernel = story.kernel
    return {
        "node": story.node.name,
        "order": story.run.order,
        "module": module_of(story),
        "operation": view.notation(kernel) if kernel else "",
        "line": kernel.source.line if kernel and kernel.source else None,
        "grad_outputs": [
            {"name": each.name, "value": _data(each.value), "terms": len(each.terms)}
            for each in story.incoming
        ],
        "grad_inputs": [_outgoing(each) for each in story.outgoing],
    }


def _outgoing(outgoing: Outgoing) -> dict[str, Any]:
    return {
        "name": outgoing.name,
        "textbook": outgoing.wording,
        "pytorch": outgoing.formula,
        "summed_over": list(outgoing.broadcast),
        "difference": outgoing.difference,
        "value": _data(outgoing.value),
    }


def evaluation_data(view: StepView, evaluation: Evaluation) -> dict[str, Any]:
    """The loss's evaluation as what JSON can hold."""
    return {
        "step": evaluation.step,
        "loss": evaluation.loss,
        "operations": [
            {
                "result": view.results(kernel),
                "operation": view.notation(kernel),
                "op": kernel.op,
                "module": kernel.module,
                "line": kernel.source.line if kernel.source else None,
                "value": _data(kernel.outputs[0].value) if kernel.outputs else None,
            }
            for kernel in evaluation.kernels
        ],
    }


def _data(value: Value | None) -> Any:  # noqa: ANN401  nested lists of numbers
    if value is None or not value.complete:
        return None
    try:
        array = value.array
    except TypeError:
        return None  # a type that NumPy lacks
    return str(array.tolist()) if array.dtype.kind == "c" else array.tolist()
