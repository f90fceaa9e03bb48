"""A recurrent layer reads on through the padding before its state is used.

What it finds:
    Sequences that end in ``padding_idx``, a GRU, LSTM or RNN that is given all of it, and a loss
    that depends on what the layer made of the padding: ``out[:, -1]``, or the mean over all steps.

Why it is bad:
    The state of a short sequence has read padding last, and as much of it as the longest one in
    the batch is longer: what the model says of it depends on the others beside it, and what it
    read first is forgotten.

Evidence it needs:
    A full step: the indices, and the gradient that comes back to the embedding of each of them.

Example:
    out, _ = self.gru(self.embedding(tokens))
    return self.head(out[:, -1])

Corrected:
    out, _ = self.gru(self.embedding(tokens))
    return self.head(out[torch.arange(len(tokens)), lengths - 1])

When it is silent:
    Padding in front, packed sequences, layers of both directions, losses of each word, and batches
    of which less than a quarter is padded by a few places.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_padded_sequence.html
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.trace.graph import TapeIndex, argument, constant, operator_name, tensors
from autograd_lens.trace.records import Kernel
from autograd_lens.trace.values import Value

RULE = Rule("AL226", "state-behind-padding", "warning", "full")

_PAIR = 2
_SOME = 3  # places of padding at the end
_SHARE = 0.25  # of the sequences
_MOST = 0.5

Tokens = npt.NDArray[np.int64]


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find embeddings of padding that a loss depends on, and results that are read there."""
    yield from told(RULE, evidence, lambda tape: (_last_place(tape, k) for k in tape.kernels))
    yield from told(RULE, evidence, _cases)


def _last_place(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """``values[:, -1]`` of texts whose last place is padding in most rows."""
    place, given = constant(kernel, "index"), argument(kernel, "self")
    last = operator_name(kernel) == "select" and constant(kernel, "dim") == 1 and place is not None
    if not last or given is None or not kernel.requires_grad or len(given.spec.shape) < _PAIR:
        return None
    rows, places = given.spec.shape[:_PAIR]
    if place not in (-1, places - 1) or any("pack" in operator_name(one) for one in tape.kernels):
        return None
    recurrent = any("weight_hh" in use.spec.name for k in tape.kernels for use in tensors(k.inputs))
    behind = list(tape.ancestors(given.tensor, kernel.index))
    attends = any("softmax" in one.op or "scaled_dot" in one.op for one in behind)
    for reader in behind if not recurrent and not attends else ():
        tokens = argument(reader, "indices") if operator_name(reader) == "embedding" else None
        padding, value = constant(reader, "padding_idx"), tokens.value if tokens else None
        if value is None or not value.complete or value.shape != (rows, places):
            continue
        if padding is None or padding < 0:
            return None
        empty = _behind(value.array, int(padding), 1)[:, -1]
        if empty.mean() >= _MOST:
            return Case(
                kernel,
                "the last place is read, and it is padding",
                f"""{empty.mean():.0%} of the texts end in padding, and what the model says
                of a text is read at the last of {places} places: behind its end""",
                "last = (ids != pad).sum(1) - 1; values.gather(1, last[:, None])",
            )
    return None


def _cases(tape: TapeIndex) -> Iterator[Case | None]:
    hidden = {
        use.spec.name
        for kernel in tape.kernels
        for use in tensors(kernel.inputs)
        if use.spec.role == "parameter" and "weight_hh" in use.spec.name
    }
    if any(_of_words(kernel) for kernel in tape.kernels):
        return  # what is said of each word is not read at the end
    if hidden and not any("reverse" in name for name in hidden):
        for kernel in tape.kernels:
            if operator_name(kernel) == "embedding" and kernel.phase == "forward":
                yield _case(tape, kernel)


def _of_words(kernel: Kernel) -> bool:
    """Whether it is a loss with several targets for each row, or with some that do not count."""
    target = argument(kernel, "target") if "nll_loss" in operator_name(kernel) else None
    ignored = constant(kernel, "ignore_index")
    several = target is not None and len(target.spec.shape) > 1
    return kernel.phase == "forward" and (several or (target is not None and (ignored or 0) >= 0))


def _case(tape: TapeIndex, kernel: Kernel) -> Case | None:
    indices, padding = argument(kernel, "indices"), constant(kernel, "padding_idx")
    value = indices.value if indices is not None else None
    if value is None or not value.complete or len(value.shape) != _PAIR or padding is None:
        return None
    node = tape.node_of(kernel)
    run = tape.run_of(node.index) if node is not None else None
    came = run.grad_outputs[0] if run is not None and run.grad_outputs else None
    reader = _recurrence(tape, kernel)
    for axis in (0, 1) if came is not None and padding >= 0 and reader is not None else ():
        behind = _behind(value.array, int(padding), axis)
        rows = behind.sum(axis) >= _SOME
        if rows.mean() >= _SHARE and reader is not None and _counts(came, behind):
            return Case(
                reader,
                "the state is read behind the padding",
                f"""{int(rows.sum()):,} of {rows.size:,} sequences end in padding, by up to
                {int(behind.sum(axis).max()):,} places; the layer reads all of it, and the loss
                depends on what it made of that: a gradient comes back to the padding""",
                "out[torch.arange(len(lengths)), lengths - 1]  # or pack_padded_sequence",
            )
    return None


def _behind(tokens: Tokens, padding: int, axis: int) -> npt.NDArray[np.bool_]:
    """Where nothing but padding follows, in sequences that have something else: (sequences, T)."""
    pads = tokens == padding
    reverse = np.flip(pads, axis)
    tail = np.flip(np.logical_and.accumulate(reverse, axis), axis)
    found: npt.NDArray[np.bool_] = np.logical_and(tail, ~pads.all(axis, keepdims=True))
    return found


def _counts(came: Value | None, behind: npt.NDArray[np.bool_]) -> bool:
    """Whether what came back to these places is known, and not zero."""
    if came is None or not came.complete or came.shape[:_PAIR] != behind.shape:
        return False
    return bool(np.any(came.array[behind]))


def _recurrence(tape: TapeIndex, embedding: Kernel) -> Kernel | None:
    """What reads the states that a recurrent layer makes of an embedding, unless it is packed."""
    if any("pack" in operator_name(one) for one in tape.kernels):
        return None
    recurrent = {
        kernel.module
        for kernel in tape.kernels
        if _forward(kernel) and any("weight_hh" in use.spec.name for use in tensors(kernel.inputs))
    }
    runs = [one.index for one in tape.kernels if one.module in recurrent and _forward(one)]
    if not runs or runs[-1] < embedding.index:
        return None
    later = tape.kernels[runs[-1] + 1 :]
    return next((one for one in later if _forward(one) and any(tensors(one.inputs))), None)


def _forward(kernel: Kernel) -> bool:
    return kernel.phase == "forward" and bool(kernel.requires_grad)
