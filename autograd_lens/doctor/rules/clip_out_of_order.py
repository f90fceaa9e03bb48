"""Gradients are clipped where it does not do what it should.

What it finds:
    Clipping after the update has used the gradients, before they are unscaled, once for each
    backward of an accumulation, before backward() has written them, or of no gradient at all.
    Clipping to a norm of 0.

Why it is bad:
    The update uses gradients that are as large as before, or, where the clipped ones are divided
    by a loss scale afterwards, next to nothing.

Evidence it needs:
    Full steps, whose tapes hold the order of writing, clipping, unscaling, using and clearing.
    Clipping that ran no kernel is known from the program's text beside a tape without it.

Example:
    loss.backward()
    optimizer.step()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)

Corrected:
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()

When it is silent:
    Clipping of gradients that a later update uses, and clipping that is not in the loop's plain
    course, as behind an ``if``.

References:
    https://docs.pytorch.org/docs/stable/notes/amp_examples.html#gradient-clipping
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, is_zero, warned
from autograd_lens.doctor.finding import Finding, Rule, plural
from autograd_lens.doctor.source import Code
from autograd_lens.doctor.tape import Touch, is_clip, life_lines
from autograd_lens.trace.graph import TapeIndex, operator_name
from autograd_lens.trace.records import Source, Step

RULE = Rule("AL108", "clip-out-of-order", "error", "full")

_STEPS = 2
_Case = tuple[str, str, str]  # title, what happens, fix
_FIX = "torch.nn.utils.clip_grad_norm_(parameters, 1.0)  # between backward() and step()"

_PARTS: _Case = (
    "gradients are clipped after each backward of an accumulation",
    """another backward added to them before the update: what is bounded is a part of the sum,
    not what the update uses""",
    _FIX,
)

_NOTHING: _Case = (
    "gradients are clipped to zero",
    "all that was left of them is zero: the largest norm that is allowed is 0",
    _FIX,
)


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find clipping out of order."""
    steps = [step for step in evidence.full if step.backwards]
    seen: dict[str, list[tuple[Step, Touch, _Case]]] = {}
    for step in steps:
        found = _of_step(step)
        if found is not None:
            seen.setdefault(found[1][0], []).append((step, *found))
    for places in seen.values():
        if len(places) >= min(_STEPS, len(steps)):
            step, touch, case = places[-1]
            yield _finding(evidence, step, touch.kernel.source, case, touch)
            return
    yield from _told_by_torch(evidence, steps) or _of_nothing(evidence, steps)


def _of_step(step: Step) -> tuple[Touch, _Case] | None:
    tape = TapeIndex(step)
    for name, touches in life_lines(step).items():
        for place, touch in enumerate(touches):
            if touch.kind == "changed" and is_clip(tape, touch.kernel):
                if _to_nothing(touch):
                    return touch, _NOTHING
                behind = _until_used(touches[place + 1 :])
                case = _case(step, name, touches[:place], behind)
                if case is not None:
                    return touch, case
    return None


def _to_nothing(touch: Touch) -> bool:
    """Whether a gradient that was not zero is zero behind the clipping."""
    made = [one.value for one in touch.kernel.outputs if one.tensor == touch.grad.tensor]
    before = touch.grad.value
    return before is not None and not is_zero(before) and bool(made) and all(map(is_zero, made))


def _until_used(touches: list[Touch]) -> list[Touch]:
    """What was done to a gradient until an update used it; all, where none did."""
    end = next((n for n, one in enumerate(touches) if one.kind in ("used", "cleared")), None)
    return touches if end is None else touches[: end + 1]


def _case(step: Step, name: str, front: list[Touch], behind: list[Touch]) -> _Case | None:
    used = bool(behind) and behind[-1].kind == "used"
    if not used:
        late = any(touch.kind == "used" for touch in front)
        if late and _cleared_behind(step, name, behind):
            return (
                "gradients are clipped after the update has used them",
                "the update had used them already, and they are cleared before the next one",
                _FIX,
            )
        written = any(touch.kind == "written" for touch in front)
        return _PARTS if written and not late and _goes_on(step, name) else None
    for touch in behind:
        if touch.kind == "changed" and "unscale" in operator_name(touch.kernel):
            return (
                "gradients are clipped while they are still scaled",
                """only then the loss scale was taken out of them: what was bounded is the scaled
                gradient, so the update used next to nothing""",
                "scaler.unscale_(optimizer)  # before the clipping",
            )
    if any(touch.kind == "written" for touch in behind) and _rhythm(front, behind):
        return _PARTS
    return None


def _goes_on(step: Step, name: str) -> bool:
    """Whether the next step's backward adds to a gradient that no update has used."""
    state = step.parameters.get(name)
    if state is None or state.zeroed is not False or state.before is None:
        return False
    return state.before == state.after


def _rhythm(front: list[Touch], behind: list[Touch]) -> bool:
    """Whether it was clipped more than once before one update."""
    return any(touch.kind == "changed" for touch in (*front, *behind))


def _cleared_behind(step: Step, name: str, behind: list[Touch]) -> bool:
    if behind and behind[-1].kind == "cleared":
        return True
    zeroed = step.parameters[name].zeroed if name in step.parameters else None
    return bool(zeroed)


def _told_by_torch(evidence: Evidence, steps: list[Step]) -> list[Finding]:
    """PyTorch's own warning that there was nothing to clip."""
    told = warned(evidence, "`parameters` is an empty generator")
    if told is None or told[1] is None or not steps:
        return []
    place = told[1]
    name, made = _iterator(evidence, place)
    code, what = evidence.code(place), f"`{evidence.line(place)}` was given a generator"
    return [
        _finding(
            evidence,
            steps[-1],
            Source.at(place.file, made) if made else place,
            (
                "nothing is clipped: the iterator is empty",
                f"{what} that gives each parameter once, and had given them before",
                f"{name or 'parameters'} = list({_made_of(code, made) or 'model.parameters()'})",
            ),
            None,
        )
    ]


def _of_nothing(evidence: Evidence, steps: list[Step]) -> Iterator[Finding]:
    """Clipping in the loop's plain course that no tape shows, the first step's perhaps aside."""
    if len(steps) <= _STEPS:
        return
    source = steps[-1].backwards[-1].source
    code = evidence.code(source)
    calls = code.calls(source.line) if source else []
    for _, method, line in calls:
        if not method.startswith("clip_grad") or source is None:
            continue
        place = Source.at(source.file, line, function=source.function)
        acted = [step for step in steps if _acts(step, place)]
        if any(step is not steps[0] for step in acted):
            return
        step = steps[-1]
        if acted:
            name, made = _iterator(evidence, place)
            if not name:
                return
            yield _finding(
                evidence,
                step,
                Source.at(source.file, made),
                (
                    "after the first step nothing is clipped: the iterator is empty",
                    f"""`{evidence.line(place)}` changed gradients in step 0 and none since: {name}
                    is a generator, which gives each parameter once and is empty then""",
                    f"{name} = list({_made_of(code, made) or name})",
                ),
                None,
            )
        elif line < source.line:
            yield _finding(
                evidence,
                step,
                place,
                (
                    "gradients are clipped before backward() has written them",
                    "it found no gradient to clip: backward() comes after it",
                    _FIX,
                ),
                None,
            )
        return


def _acts(step: Step, place: Source) -> bool:
    """Whether kernels of a line changed gradients that were not zero."""
    return any(
        touch.kind == "changed"
        and touch.kernel.source is not None
        and (touch.kernel.source.file, touch.kernel.source.line) == (place.file, place.line)
        and not is_zero(touch.grad.value)
        for touches in life_lines(step).values()
        for touch in touches
    )


def _made_of(code: Code, line: int) -> str:
    """What the statement on a line gives its name, as text."""
    statement = code.statement(line)
    return ast.unparse(statement.value) if isinstance(statement, ast.Assign) else ""


def _iterator(evidence: Evidence, place: Source) -> tuple[str, int]:
    """The name of a bare ``.parameters()`` in a line, with the line that made it."""
    text = evidence.line(place)
    for name, line in evidence.code(place).generators():
        if name in text:
            return name, line
    return "", 0


def _finding(
    evidence: Evidence, step: Step, source: Source | None, case: _Case, touch: Touch | None
) -> Finding:
    title, what, fix = case
    kernel = touch.kernel if touch else None
    where = f"`{evidence.line(kernel.source)}` clipped the gradients, but " if kernel else ""
    return RULE.finding(
        title=title,
        message=f"""In step {step.index}, {where}{what}. It is so in every step that was
            recorded in full ({plural(len(evidence.full), "step")}).""",
        fix=fix,
        step=step.index,
        events=(f"kernel {kernel.index} {kernel.op}",) if kernel else ("all kernels",),
        source=source,
    )
