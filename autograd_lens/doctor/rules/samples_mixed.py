"""Samples of a batch influence each other inside the model.

What it finds:
    A softmax, a mean, a norm, a recurrence, attention, a position code or a reshape along the
    batch axis:
    what the model says of one sample depends on which others are in the batch with it.

Why it is bad:
    The axis is the wrong one. The model may well learn something, but it fails on single samples
    and on batches of another size or order.

Evidence it needs:
    A full step: the shapes of all tensors, from the data on.

Example:
    weights = torch.softmax(self.score(words), dim=0)   # words: (batch, length, width)

Corrected:
    weights = torch.softmax(self.score(words), dim=1)

When it is silent:
    Batch normalisation, also by hand; losses that compare samples with each other, or columns
    (a correlation of features); tensors of
    which two axes are as long as the batch.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.axes import BatchAxis, Meeting
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, plural, shape
from autograd_lens.doctor.tape import LOSSES
from autograd_lens.trace.graph import operator_name, tensors
from autograd_lens.trace.outcomes import Disturbance
from autograd_lens.trace.records import Source, Step

RULE = Rule("AL406", "samples-mixed", "error", "full")

_STEPS = 2
_WHAT = {
    "softmax": (
        "a softmax runs over the batch",
        "the numbers of one sample compete with those of the others",
        "torch.softmax(x, dim=-1)  # an axis of the sample's own",
    ),
    "mean": (
        "a mean over the batch is part of what the model computes for each sample",
        "it is taken over the samples too, and then combined with each of them",
        "x.mean(dim=1, keepdim=True)  # only the sample's own axes",
    ),
    "norm": (
        "rows are scaled by norms that run over the batch, and then compared with each other",
        "each number is divided by the norm of its column, over all samples",
        "# F.normalize(..., dim=1): each sample's own length",
    ),
    "recurrence": (
        "a recurrent layer takes the batch for time",
        "it goes through the samples one after the other, each the next step of the same sequence",
        "nn.LSTM(..., batch_first=True)  # or x.transpose(0, 1)",
    ),
    "attention": (
        "attention runs over the batch",
        "each sample attends to the others, and never to the steps of its own",
        "nn.MultiheadAttention(..., batch_first=True)  # or x.transpose(0, 1)",
    ),
    "reshape": (
        "a reshape tears the batch apart",
        "the rows of the result hold parts of several samples",
        "x.transpose(0, 1)  # or permute: a view never moves an axis",
    ),
    "positions": (
        "a position code runs along the batch",
        "each sample gets the code of its place in the batch, the same for all its steps",
        "x + table[:, : x.size(1)]  # along the axis of the steps",
    ),
}


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find where samples meet."""
    seen: dict[tuple[str, int], list[tuple[Step, Meeting]]] = {}
    steps = [step for step in evidence.full if step.backwards]
    for step in steps:
        axes = BatchAxis(step)
        for meeting in (*axes.meetings(), *axes.lengths()):
            source = meeting.kernel.source
            places = seen.setdefault((meeting.how, source.line if source else 0), [])
            if not places or places[-1][0] is not step:
                places.append((step, meeting))
    for places in seen.values():
        if len(places) >= min(_STEPS, len(steps)):
            rows = _changed_rows(evidence, *places[0])
            if rows != (0,):  # the others did not change: nothing meets there
                yield _finding(evidence, *places[0], rows or ())
                return


def _changed_rows(evidence: Evidence, step: Step, meeting: Meeting) -> tuple[int, ...] | None:
    """The rows of the prediction that change with the first sample; None where not known.

    Batch normalisation changes them all, whatever else does, and a code of places none.
    """
    names = {operator_name(kernel) for kernel in step.kernels}
    if meeting.how in ("positions", "norm") or any("batch_norm" in name for name in names):
        return None
    size = meeting.tensor.spec.shape[meeting.axis]
    made = meeting.kernel.outputs[0].tensor
    for kernel in step.kernels[meeting.kernel.index + 1 :]:
        seen = next(tensors(kernel.inputs), None)
        if seen is None or seen.spec.shape[:1] != (size,):
            continue
        if operator_name(kernel) in LOSSES or (meeting.how == "softmax" and seen.tensor == made):
            return evidence.experiments.spread(
                Disturbance(
                    step=step.index,
                    kernel=meeting.kernel.index,
                    tensor=meeting.tensor.tensor,
                    axis=meeting.axis,
                    reader=kernel.index,
                    result=seen.tensor,
                )
            )
    return None


def _finding(evidence: Evidence, step: Step, meeting: Meeting, rows: tuple[int, ...]) -> Finding:
    shown = (
        f"""Shown by executing step {step.index} again with the first sample overwritten there:
        what comes of it changed in {plural(len(rows), "row")}, not in the first alone."""
        if rows
        else ""
    )
    title, what, fix = _WHAT[meeting.how]
    kernel = meeting.kernel
    source = _layer(evidence, kernel.source) if meeting.how == "recurrence" else kernel.source
    return RULE.finding(
        title=title,
        message=f"""In step {step.index}, {operator_name(kernel).strip("_")} was given a tensor of
            shape {shape(meeting.tensor.spec.shape)}, whose axis {meeting.axis} is the batch:
            {what}. {shown}""",
        fix=fix,
        step=step.index,
        kernel=kernel,
        source=source,
    )


def _layer(evidence: Evidence, source: Source | None) -> Source | None:
    """The line that makes the recurrent layer with time in front, else where it is called."""
    for call in evidence.code(source).makes({"LSTM", "GRU", "RNN"}):
        first = any(word.arg == "batch_first" for word in call.keywords)
        if not first and source is not None:
            return Source.at(source.file, call.lineno)
    return source
