"""The loss counts padding.

What it finds:
    A cross-entropy over the words of an embedding with ``padding_idx``, whose targets end in
    that very index and which does not ignore it. A class that the loss ignores and that words
    have; one number for padding and for the end of a text, all of which the loss ignores.

Why it is bad:
    A part of the loss, often the largest, is about predicting padding behind padding. It is
    learned in no time, the mean over all places looks good, and the words get less.

Evidence it needs:
    A full step: the embedding's kernel, and the targets.

Example:
    F.cross_entropy(scores.transpose(1, 2), text[:, 1:])

Corrected:
    F.cross_entropy(scores.transpose(1, 2), text[:, 1:], ignore_index=pad)

When it is silent:
    Embeddings without ``padding_idx``, targets in which the index stands between others, losses
    that are masked afterwards, and targets of another vocabulary.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number, plural
from autograd_lens.trace.graph import argument, constant, operator_name
from autograd_lens.trace.records import Kernel, Source, Step

RULE = Rule("AL413", "padding-in-the-loss", "warning", "full", explains=("AL226",))

_LOSSES = frozenset({"nll_loss_forward", "nll_loss2d_forward"})
_NONE = 0  # torch's number for reduction="none"
_SOME = 0.05  # of the words
_KINDS = 2
_PAD = re.compile(r"pad", re.IGNORECASE)
_END = re.compile(r"(^|[._])(eos|end)", re.IGNORECASE)
_LONG = 2  # places of padding in a row


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first loss that counts padding."""
    yield from _end_ignored(evidence)
    for step in evidence.full:
        words = _left_out(step)
        if words is not None:
            yield _of_words(step, *words)
            return
        pads = dict(_pads(step))
        for kernel in step.kernels if pads else ():
            scores = argument(kernel, "self") if operator_name(kernel) in _LOSSES else None
            if scores is None or constant(kernel, "reduction") == _NONE:
                continue
            classes = scores.spec.shape[1] if len(scores.spec.shape) > 1 else 0
            pad = pads.get(classes)
            if pad is None or constant(kernel, "ignore_index") == pad[0]:
                continue
            share = _share(kernel, *pad)
            if share:
                yield _finding(step, kernel, pad[0], share)
                return


def _left_out(step: Step) -> tuple[Kernel, int, float] | None:
    """A loss that ignores a class which words in the middle of a text have, and the share."""
    texts = [
        argument(one, "indices")
        for one in step.kernels
        if operator_name(one) == "embedding" and one.phase == "forward"
    ]
    for kernel in step.kernels:
        ignored = constant(kernel, "ignore_index") if operator_name(kernel) in _LOSSES else None
        target = argument(kernel, "target")
        labels = target.value if target is not None else None
        if ignored is None or ignored < 0 or labels is None or not labels.complete:
            continue
        for text in texts if len(texts) == 1 else ():
            words = text.value if text is not None else None
            if words is None or not words.complete or len(words.shape) <= 1:
                continue
            if words.numel != labels.numel:
                continue
            share = _real_share(words.array, labels.array.reshape(words.shape) == ignored)
            if share > _SOME:
                return kernel, int(ignored), share
    return None


def _real_share(words: npt.NDArray[np.int64], left: npt.NDArray[np.bool_]) -> float:
    """How many of the words that are there are left out, of several kinds; else 0."""
    ends = np.logical_and.accumulate(left[:, ::-1], axis=1)[:, ::-1]
    there = ~ends
    middle = left & there
    several = np.unique(words[middle]).size >= _KINDS
    return float(middle.sum() / max(there.sum(), 1)) if several else 0.0


def _of_words(step: Step, kernel: Kernel, ignored: int, share: float) -> Finding:
    return RULE.finding(
        title=f"class {ignored} is ignored, and words have it",
        message=f"""In step {step.index}, the loss has ignore_index={ignored}, and
            {number(100 * share)} % of the words in front of the padding, of several kinds, have
            that class: it is never learnt.""",
        fix="labels.masked_fill(padding, -100)  # a number that is no class",
        step=step.index,
        kernel=kernel,
    )


def _end_ignored(evidence: Evidence) -> Iterator[Finding]:
    """One number for padding and for the end of a text, and all of them ignored."""
    source = evidence.loop
    tree = evidence.code(source).tree
    given = {
        ast.unparse(target): node
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
    }
    for name, node in given.items():
        value = ast.unparse(node.value)
        if not _PAD.search(name) or not _END.search(value) or source is None:
            continue
        for one in ast.walk(tree):
            ignores = isinstance(one, ast.Assign) and ast.unparse(one.value) == "-100"
            target = ast.unparse(one.targets[0]) if isinstance(one, ast.Assign) else ""
            if ignores and f"== {name}]" in target:
                yield RULE.finding(
                    title="the end of a text is ignored with the padding",
                    message=f"""Line {node.lineno} makes {name} the same as {value}, and
                        `{ast.unparse(one)}` leaves all of these out of the loss, the end of each
                        text too: the model never learns to end one.""",
                    fix="# another number for padding, or ignore only what stands behind the end",
                    events=("the program's text",),
                    source=Source.at(source.file, node.lineno),
                )
                return


def _pads(step: Step) -> Iterator[tuple[int, tuple[int, int]]]:
    """Size of a vocabulary -> the index of its padding, and how many steps its texts have."""
    for kernel in step.kernels:
        if operator_name(kernel) != "embedding" or kernel.phase != "forward":
            continue
        pad, words = constant(kernel, "padding_idx"), argument(kernel, "weight")
        text = argument(kernel, "indices")
        texts = text is not None and len(text.spec.shape) > 1
        if pad is not None and pad >= 0 and words is not None and text is not None and texts:
            yield words.spec.shape[0], (int(pad), text.spec.shape[-1])


def _share(kernel: Kernel, pad: int, length: int) -> float:
    """How much of the targets is padding, where it stands at the ends of rows only; else 0."""
    target = argument(kernel, "target")
    value = target.value if target is not None else None
    if value is None or not value.complete or value.numel % length:
        return 0.0
    empty = value.array.reshape(-1, length) == pad
    ends = bool(np.all(np.diff(empty.astype(np.int8), axis=1) >= 0))
    longest = int(empty.sum(1).max(initial=0))
    words = not empty.all(1).any()
    return float(empty.mean()) if ends and words and longest >= _LONG else 0.0


def _finding(step: Step, kernel: Kernel, pad: int, share: float) -> Finding:
    target = argument(kernel, "target")
    count = target.value.numel if target is not None and target.value is not None else 0
    return RULE.finding(
        title=f"{number(100 * share)} % of the targets are padding, and count",
        message=f"""In step {step.index}, {plural(round(share * count), "target")} of {count} are
            {pad}, the padding_idx of the embedding, all of them at the ends of their rows. The
            loss has ignore_index={number(constant(kernel, "ignore_index") or 0)}, so that they
            count as words.""",
        fix=f"F.cross_entropy(scores, target, ignore_index={pad})",
        step=step.index,
        kernel=kernel,
    )
