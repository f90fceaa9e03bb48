"""A model that is to say the next token sees it.

What it finds:
    A language model whose targets are its own inputs, one place later, and whose scores for a
    place change with the token of the next place: a mask that is turned over, or none, or a
    layer that reads in both directions. Or one that reads from left to right, and whose targets
    are its inputs as they are. Targets that are the inputs two places later, because they were
    shifted twice. A forecast whose targets are its inputs one place later, and that changes
    with the number it is to say; one whose target is the last number that it reads.

Why it is bad:
    Copying what it sees is the easiest way to a low loss. Where the next token has yet to be
    written, the model knows nothing.

Evidence it needs:
    A full step, which is executed again with the last token overwritten.

Example:
    hidden = torch.ones(n, n).tril(-1).bool()   # hides the past

Corrected:
    hidden = torch.ones(n, n).triu(1).bool()    # hides what is to come

When it is silent:
    Targets that are other tokens, models that see all places and whose targets are the inputs (they
    may be to compress them), inputs that are read twice (by an encoder, too), and
    traces that cannot be executed again.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Transformer.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, plural
from autograd_lens.doctor.tape import LOSSES, compared
from autograd_lens.trace.graph import VIEWS, TapeIndex, argument, constant, operator_name, tensors
from autograd_lens.trace.outcomes import Disturbance
from autograd_lens.trace.records import Kernel, Source, TensorUse

RULE = Rule("AL414", "answer-seen", "error", "full")

_LOSSES = frozenset({"nll_loss_forward", "nll_loss2d_forward"})
_FEWEST = 4  # places of a text
_LONG = 5  # places that tell a shift
_PAIR = 2
_SEVERAL = 3  # steps


@dataclass(frozen=True, slots=True)
class _Text:
    """A text that is read, and the scores for what follows each of its places.

    Attributes:
        loss: What compares the scores with the targets.
        reader: The embedding.
        tokens: What it was given: (texts, places).
        scorer: The softmax over the words.
        scores: What that was given.
        axis: The axis of places in the scores; 0 where texts and places are one axis.
        own: Whether each place's target is its own token, not the next one.
    """

    loss: Kernel
    reader: Kernel
    tokens: TensorUse
    scorer: Kernel
    scores: TensorUse
    axis: int
    own: bool


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first text whose scores change with what is to be said."""
    yield from told(RULE, evidence, lambda tape: [_last_place(tape)], fewest=_SEVERAL)
    for step in evidence.full:
        text = _text(TapeIndex(step))
        if text is None:
            series = _series(evidence, TapeIndex(step))
            if series is not None:
                yield series
                return
            twice = _two_later(TapeIndex(step))
            if twice is not None:
                yield _shifted_twice(step.index, *twice)
                return
            continue
        last = text.tokens.spec.shape[1] - 1
        changed = evidence.experiments.spread(
            Disturbance(
                step=step.index,
                kernel=text.reader.index,
                tensor=text.tokens.tensor,
                axis=1,
                reader=text.scorer.index,
                result=text.scores.tensor,
                row=last,
                other=0,
                along=text.axis,
            )
        )
        places = {row % (last + 1) for row in changed or ()}
        early = places - {last}  # its own place may change
        if text.own and places == {last}:
            yield _copies(step.index, text)
        elif not text.own and last - 1 in early:
            yield _finding(evidence, TapeIndex(step), text, early)
        return  # one step tells: the mask is the same in all of them


def _last_place(tape: TapeIndex) -> Case | None:
    """A forecast whose target is the last number of what the model reads."""
    for loss in tape.kernels:
        sides = compared(tape, loss) if loss.phase == "forward" and loss.requires_grad else None
        for given, target in (sides, sides[::-1]) if sides is not None else ():
            value = target.value
            if target.tensor in tape.differentiable or value is None or not value.complete:
                continue
            if not target.spec.shape or value.numel != target.spec.shape[0]:
                continue
            if np.unique(value.array).size < _LONG:
                continue
            for kernel in tape.ancestors(given.tensor, loss.index):
                for use in tensors(kernel.inputs):
                    if (
                        _ends_with(use, value.array.ravel())
                        and use.tensor not in tape.differentiable
                    ):
                        return Case(
                            loss,
                            "the forecast's target is the last number of its input",
                            """for each sample, the number that is to be foretold is the last one of
                            the sequence that the model reads: it has only to copy it""",
                            "x, y = series[i : i + n], series[i + n]  # the one behind the window",
                        )
    return None


def _ends_with(use: TensorUse, wanted: npt.NDArray[np.float64]) -> bool:
    """Whether the last places of sequences, (samples, places, 1), are just these numbers."""
    value, sizes = use.value, use.spec.shape
    series = len(sizes) > _PAIR and sizes[0] == wanted.size and sizes[1] >= _LONG and sizes[2] == 1
    if not series or value is None or not value.complete or value.array.dtype.kind != "f":
        return False
    return bool(np.array_equal(value.array[:, -1, 0], wanted))


def _copies(step: int, text: _Text) -> Finding:
    source = text.loss.source
    return RULE.finding(
        title="each place is to say the token that it is given",
        message=f"""The targets of step {step} are its inputs, place for place. Shown by executing
            it again with the last token overwritten: the scores of the last place changed, and of
            no other, so the model reads from left to right. It learns to copy the token, not to
            say the next one.""",
        fix="loss_fn(logits[:, :-1], tokens[:, 1:])  # what follows each place",
        step=step,
        kernel=text.loss,
        source=source,
    )


def _text(tape: TapeIndex) -> _Text | None:
    readers = [one for one in tape.kernels if operator_name(one) == "embedding"]
    for loss in tape.kernels:
        target = argument(loss, "target") if operator_name(loss) in _LOSSES else None
        for reader in readers if target is not None else ():
            tokens = argument(reader, "indices")
            if tokens is None or sum(_reads(one, tokens) for one in readers) > 1:
                continue
            ignored = constant(loss, "ignore_index")
            for later in (1, 0) if target is not None else ():
                if target is not None and _shifted(tokens, target, ignored, later):
                    return _scored(tape, loss, reader, tokens, own=not later)
    return None


def _series(evidence: Evidence, tape: TapeIndex) -> Finding | None:
    """A forecast whose places change with the number that they are to say."""
    for loss in tape.kernels:
        sides = compared(tape, loss) if loss.phase == "forward" and loss.requires_grad else None
        for given, target in (sides, sides[::-1]) if sides is not None else ():
            cut = tape.maker(target.tensor, loss.index)
            if cut is None or operator_name(cut) != "slice" or constant(cut, "start") != 1:
                continue
            base, axis = argument(cut, "self"), int(constant(cut, "dim") or 0)
            read = _read_part(tape, base, axis) if base is not None else None
            if read is None or given.spec.shape != target.spec.shape:
                continue
            reader, tensor = read
            last = target.spec.shape[axis] - 1
            changed = evidence.experiments.spread(
                Disturbance(
                    step=tape.step.index,
                    kernel=reader.index,
                    tensor=tensor,
                    axis=axis,
                    reader=loss.index if operator_name(loss) in LOSSES else _reader(tape, given),
                    result=given.tensor,
                    row=last,
                    other=0,
                    along=axis,
                )
            )
            if last - 1 in (changed or ()):
                return _foreseen(tape.step.index, reader, loss)
    return None


def _reader(tape: TapeIndex, use: TensorUse) -> int:
    return tape.readers(use.tensor)[0].index


def _read_part(tape: TapeIndex, base: TensorUse, axis: int) -> tuple[Kernel, int] | None:
    """The kernel that reads all of a series but its last place, and the id of that part."""
    for part in tape.readers(base.tensor):
        own = operator_name(part) == "slice" and not constant(part, "start")
        if own and int(constant(part, "dim") or 0) == axis and part.outputs:
            length = part.outputs[0].spec.shape[axis]
            readers = tape.readers(part.outputs[0].tensor)
            if length == base.spec.shape[axis] - 1 >= _FEWEST and readers:
                return readers[0], part.outputs[0].tensor
    return None


def _foreseen(step: int, reader: Kernel, loss: Kernel) -> Finding:
    return RULE.finding(
        title="a forecast changes with the number that it is to foresee",
        message=f"""The targets of step {step} are the inputs, one place later. Shown by executing
            it again with the last place of the inputs overwritten: the forecast of the place in
            front of it, which is to say just that number, changed. It can be copied.""",
        fix="x = F.pad(x, (reach, 0))  # the past alone: nothing on the right",
        step=step,
        kernel=reader,
        events=(f"kernel {reader.index} {reader.op}", f"kernel {loss.index} {loss.op}"),
    )


def _two_later(tape: TapeIndex) -> tuple[Kernel, int] | None:
    """A loss whose targets are the tokens, two places later, for scores from the first place on."""
    readers = [one for one in tape.kernels if operator_name(one) == "embedding"]
    for loss in tape.kernels:
        target = argument(loss, "target") if operator_name(loss) in _LOSSES else None
        scores = argument(loss, "self")
        if target is None or scores is None or len(readers) != 1 or not loss.requires_grad:
            continue
        tokens = argument(readers[0], "indices")
        place = _offset(tokens, target, constant(loss, "ignore_index"))
        if place and not _starts_later(tape, scores, loss):
            return loss, place
    return None


def _offset(tokens: TensorUse | None, target: TensorUse, ignored: float | None) -> int:
    """By how many places, 2 or 3, targets are behind the tokens; 0 where they are not."""
    one, other = tokens.value if tokens is not None else None, target.value
    if one is None or other is None or not (one.complete and other.complete):
        return 0
    if len(one.shape) != _PAIR or one.shape[1] < _LONG or other.numel % one.shape[0]:
        return 0
    read, wanted = one.array, other.array.reshape(one.shape[0], -1)
    fitting = [later for later in range(4) if _same_text(read, wanted, later, ignored)]
    return fitting[0] if len(fitting) == 1 and fitting[0] >= _PAIR else 0


def _same_text(
    read: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64], later: int, ignored: float | None
) -> bool:
    following = read[:, later : later + wanted.shape[1]]
    said = wanted[:, : following.shape[1]]
    counts = said != ignored
    return bool(counts.sum() > _LONG) and bool(np.all(following[counts] == said[counts]))


def _starts_later(tape: TapeIndex, scores: TensorUse, loss: Kernel) -> bool:
    """Whether the scores leave the first places out."""
    kernel = tape.maker(scores.tensor, loss.index)
    while kernel is not None and operator_name(kernel) in VIEWS | {"_log_softmax", "clone"}:
        if operator_name(kernel) in ("slice", "narrow") and constant(kernel, "start"):
            return True
        base = next(tensors(kernel.inputs), None)
        kernel = tape.maker(base.tensor, kernel.index) if base is not None else None
    return False


def _shifted_twice(step: int, loss: Kernel, places: int) -> Finding:
    return RULE.finding(
        title=f"each place is to say the token {places} places later",
        message=f"""The targets of step {step} are its inputs, {places} places later, and its scores
            begin with the first place: the targets were shifted twice, as where the data are
            shifted and the loss shifts them again. The next token is never asked for.""",
        fix="labels = tokens  # where the loss shifts them itself",
        step=step,
        kernel=loss,
    )


def _reads(reader: Kernel, tokens: TensorUse) -> bool:
    """Whether an embedding reads these tokens."""
    own = argument(reader, "indices")
    return own is not None and (own.tensor == tokens.tensor or own.value == tokens.value)


def _shifted(tokens: TensorUse, target: TensorUse, ignored: float | None, later: int) -> bool:
    """Whether targets are the tokens, one place later or none."""
    one, other = tokens.value, target.value
    if len(tokens.spec.shape) != _PAIR or tokens.spec.shape[1] < _FEWEST:
        return False
    if one is None or other is None or not (one.complete and other.complete):
        return False
    if one.numel != other.numel:
        return False
    texts, places = tokens.spec.shape
    read, wanted = (value.array.reshape(texts, places) for value in (one, other))
    following, said = read[:, later:], wanted[:, : places - later]
    counts = said != ignored
    varied = bool(np.any(read[:, 1:] != read[:, :-1]))
    return varied and bool(counts.any()) and bool(np.all(following[counts] == said[counts]))


def _scored(
    tape: TapeIndex, loss: Kernel, reader: Kernel, tokens: TensorUse, *, own: bool
) -> _Text | None:
    """The scores behind a loss, where their axes are clear."""
    logs = argument(loss, "self")
    scorer = tape.through_views(logs.tensor, loss.index) if logs is not None else None
    if scorer is None or operator_name(scorer) != "_log_softmax":
        return None
    scores, dim = next(tensors(scorer.inputs)), constant(scorer, "dim")
    sizes, (texts, places) = scores.spec.shape, tokens.spec.shape
    if dim is None:
        return None
    rest = [size for axis, size in enumerate(sizes) if axis != int(dim) % len(sizes)]
    if rest == [texts * places]:
        return _Text(loss, reader, tokens, scorer, scores, 0, own)
    if rest == [texts, places] and texts != places:
        axis = next(a for a, size in enumerate(sizes) if size == places and a != int(dim))
        return _Text(loss, reader, tokens, scorer, scores, axis, own)
    return None


def _finding(evidence: Evidence, tape: TapeIndex, text: _Text, early: set[int]) -> Finding:
    places = text.tokens.spec.shape[1]
    kernel, source = _cause(evidence, tape, places, text)
    return RULE.finding(
        title="the scores for a place change with the token that is to be said there",
        message=f"""The targets of step {tape.step.index} are its inputs, one place later. Shown by
            executing it again with the last of {places} tokens overwritten: the scores of
            {plural(len(early), "place")} in front of it changed, and among them those of the place
            that is to predict this very token. What is to be predicted can be copied.""",
        fix="mask = torch.ones(n, n).triu(1).bool()  # True hides: all that is to come",
        step=tape.step.index,
        kernel=kernel,
        source=source,
    )


def _cause(
    evidence: Evidence, tape: TapeIndex, places: int, text: _Text
) -> tuple[Kernel, Source | None]:
    """The line that makes the mask, else the one that attends, else the one that reads."""
    for kernel in tape.kernels[text.reader.index : text.scorer.index]:
        for use in tensors(kernel.inputs):
            square = use.spec.shape[-_PAIR:] == (places, places) and use.spec.name
            if (square and not kernel.requires_grad) or (square and use.spec.role == "input"):
                source = kernel.source
                line = _assigned(evidence, source, use.spec.name)
                if source is not None and line:
                    return kernel, Source.at(source.file, line)
    meets = [
        one
        for one in tape.kernels[text.reader.index : text.scorer.index]
        if "scaled_dot_product" in operator_name(one) or operator_name(one) == "_softmax"
    ]
    kernel = meets[0] if meets else text.reader
    return kernel, kernel.source


def _assigned(evidence: Evidence, source: Source | None, name: str) -> int:
    """The line that gives a variable its value."""
    for node in ast.walk(evidence.code(source).tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return node.lineno
    return 0
