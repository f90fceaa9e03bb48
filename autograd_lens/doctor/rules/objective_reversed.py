"""The training makes worse what it is to make better: a sign is wrong.

What it finds:
    A loss that cannot be negative, as cross-entropy, behind a minus; log-probabilities of the
    labels that are minimised; a divergence of a VAE with the wrong sign; log-probabilities of
    actions times a reward or an advantage, without the minus; a clipped ratio of policies of
    which the loss takes the better side, or which is upside down; a policy's entropy that is
    minimised; scores of a linear layer that all count with the same sign, as a critic's of real
    and fake samples; an actor that lowers the value which its critic learns from rewards; a
    penalty on weights behind a minus; an overlap (Dice, IoU) or a cosine with the target that
    is minimised; a head whose only loss stands behind a minus, while one optimizer trains all.
    A ratio of policies that is clipped before it meets the advantage; a critic's scores that go
    through a sigmoid and are subtracted from each other as they are. The smaller of a value's
    error and of its clipped twin; a quantile loss that is turned over; the larger of two
    critics' values in a target.

Why it is bad:
    The optimizer goes down: what should shrink grows without end, and the number that is printed
    falls all the way.

Evidence it needs:
    A full step: the terms of the loss and the factor of each.

Example:
    loss = F.log_softmax(model(x), 1).gather(1, label).mean()

Corrected:
    loss = -F.log_softmax(model(x), 1).gather(1, label).mean()

When it is silent:
    A loss with a minus in programs with several optimizers or calls of backward, where one network
    may work against another, and where something other than weights is trained, as in an attack
    on the inputs.

References:
    https://docs.pytorch.org/docs/stable/optim.html
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import islice

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.numbers import is_unit
from autograd_lens.doctor.source import assignments, called
from autograd_lens.doctor.tape import (
    LOSSES,
    bootstrapped,
    compared,
    made_of,
    parameters_behind,
)
from autograd_lens.doctor.terms import Term, is_logarithm, likelihoods, loss_terms
from autograd_lens.trace.graph import TapeIndex, argument, operator_name, tensors
from autograd_lens.trace.records import Kernel, Source

RULE = Rule("AL415", "objective-reversed", "error", "full", explains=("AL501", "AL505"))

_MATRICES = {"mm": "mat2", "addmm": "mat2", "convolution": "weight", "bmm": "mat2"}
_CLAMPS = frozenset({"clamp", "clamp_max", "clamp_min"})
_GAIN = re.compile(r"reward|return|advantage|\badv|gain|payoff", re.IGNORECASE)
_PAIR = 2
_ERRORS = frozenset({"pow", "mse_loss", "smooth_l1_loss", "huber_loss", "abs"})
_SIZES = frozenset({"pow", "abs", "linalg_vector_norm", "norm", "square"})
_PASSED = frozenset({"add", "sub", "mul", "clamp", "clamp_min", "rsub"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find objectives with a wrong sign."""
    yield from _pinball(evidence)
    yield from islice(told(RULE, evidence, lambda tape: _cases(evidence, tape)), 1)


_SAID = re.compile(r"(y_?)?(pred(iction|s|icted)?s?|outputs?|out|hat|quantiles?|q_hat|yhat)")


def _pinball(evidence: Evidence) -> Iterator[Finding]:
    """``max(q * e, (q - 1) * e)`` of an error e that is the prediction minus the target."""
    source = evidence.loop
    tree = evidence.code(source).tree
    errors = {
        ast.unparse(target): value
        for node in ast.walk(tree)
        for target, value in assignments(node)
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Sub)
    }
    for call in ast.walk(tree):
        known = isinstance(call, ast.Call) and called(call) in ("max", "maximum")
        sides = call.args if known and isinstance(call, ast.Call) else []
        found = [_product(one) for one in sides]
        if len(found) != _PAIR or None in found or source is None:
            continue
        (level, error), (less, other) = sorted(filter(None, found), key=lambda one: len(one[0]))
        value = errors.get(error)
        if error != other or less != f"{level} - 1" or value is None:
            continue
        left, right = (ast.unparse(one).partition("[")[0] for one in (value.left, value.right))
        if _SAID.fullmatch(left) and not _SAID.fullmatch(right):
            yield RULE.finding(
                title="the quantile loss is turned over",
                message=f"""`{ast.unparse(call)}` counts an error above 0 with {level}, which is to
                    be the target minus the prediction; {error} is `{ast.unparse(value)}`. So the
                    level 0.9 trains what is the level 0.1.""",
                fix=f"{error} = {right} - {left}",
                events=("the program's text",),
                source=Source.at(source.file, value.lineno),
            )
            return


def _product(node: ast.expr) -> tuple[str, str] | None:
    """The level and the error of ``q * e`` or ``(q - 1) * e``."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Mult):
        return None
    left, right = ast.unparse(node.left), ast.unparse(node.right)
    return (right, left) if "- 1" in right else (left, right)


def _cases(evidence: Evidence, tape: TapeIndex) -> Iterator[Case | None]:
    for backward in range(len(tape.step.backwards)):
        terms = loss_terms(tape, backward)
        yield _divergence(terms) or _reward(evidence, tape, terms)
        yield _unbounded(tape, terms, backward)
        yield from (_clipped(tape, term) or _grown(term) for term in terms)
        yield from (_overlap(tape, term) for term in terms)
        yield _lowered(evidence, tape, terms, backward)
        yield _certain(tape, terms)
        yield _squeezed(tape, terms)
        yield from (_larger_of_two(tape, one) for one in tape.kernels)
        if _alone(evidence, tape):
            yield _maximised(tape, terms) or _adversary(tape, terms) or _apart(tape, terms)


def _larger_of_two(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """A target with the larger of what two networks say of the next state."""
    target = bootstrapped(tape, kernel)
    for one in tape.ancestors(target.tensor, kernel.index) if target is not None else ():
        if operator_name(one) != "maximum":
            continue
        sides = [made_of(tape, use.tensor, one.index) for use in tensors(one.inputs)]
        if all(sides) and not set.intersection(*sides):
            return Case(
                one,
                "the target takes the larger of two networks' values",
                """two networks judge the next state so that the smaller of their values can be
                taken, which keeps them from believing their own errors; the target takes the
                larger one""",
                "torch.min(first, second)",
            )
    return None


def _alone(evidence: Evidence, tape: TapeIndex) -> bool:
    """Whether nothing else trains, and what trains is weights."""
    lines = {one.source.line for one in evidence.graphs if one.source and one.kind == "backward"}
    return len(lines) == 1 and len(evidence.optimizers) <= 1 and _trains_weights(tape)


def _trains_weights(tape: TapeIndex) -> bool:
    """Whether an updated parameter is the matrix or the filter of a kernel."""
    updated = {update.parameter for update in tape.step.updates}
    given = (
        argument(kernel, _MATRICES[operator_name(kernel)])
        for kernel in tape.kernels
        if kernel.phase == "forward" and operator_name(kernel) in _MATRICES
    )
    return any(
        base in updated for use in given if use is not None for base in _behind_views(tape, use)
    )


def _behind_views(tape: TapeIndex, use: object) -> Iterator[str]:
    """The name of a tensor, and of the one that it is a view of."""
    spec = getattr(use, "spec", None)
    if spec is not None:
        yield spec.name
        for kernel in tape.views(getattr(use, "tensor", -1)):
            yield from (one.spec.name for one in tensors(kernel.inputs))


def _maximised(tape: TapeIndex, terms: list[Term]) -> Case | None:
    """Every term is a loss with a minus, or the logarithm of a probability without one."""
    found = [one for one in terms if _turned(tape, one)]
    if not found or len(found) < len(terms):
        return None
    term = found[0]
    name = operator_name(term.kernel).removesuffix("_forward").strip("_")
    if name in {one.removesuffix("_forward") for one in LOSSES}:
        return Case(
            term.by or _last(tape),
            f"{name} is maximised",
            f"""{name} is never negative and goes into the loss with the factor {term.weight:.4g}:
            going down, the optimizer makes it larger, without end""",
            "loss = loss_fn(prediction, target)  # without the minus",
        )
    return Case(
        _last(tape),
        "the logarithm of the labels' probability is minimised",
        f"""the loss is made of logarithms of probabilities with the factor {term.weight:.4g}: the
        lower it falls, the less probable is what the model is to say""",
        "loss = -log_probabilities.gather(1, label).mean()",
    )


def _turned(tape: TapeIndex, term: Term) -> bool:
    if operator_name(term.kernel) in LOSSES:
        return term.weight < 0
    return term.weight > 0 and any(likelihoods(tape, term.use, term.kernel.index + 1))


def _last(tape: TapeIndex) -> Kernel:
    return tape.loss_kernel() or tape.kernels[-1]


def _divergence(terms: list[Term]) -> Case | None:
    """``exp(v)`` falls while ``v`` rises: the divergence of a Gaussian, upside down."""
    for term in terms:
        if operator_name(term.kernel) != "exp" or term.weight >= 0:
            continue
        logarithm = next(tensors(term.kernel.inputs)).tensor
        if any(one.use.tensor == logarithm and one.weight > 0 for one in terms):
            return Case(
                term.kernel,
                "the divergence has the wrong sign",
                f"""the loss holds v with a plus and exp(v) with the factor {term.weight:.4g}: that
                is the divergence from the unit Gaussian with a minus in front. It is never above
                0, and the optimizer makes it fall without end""",
                "kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1).mean()",
            )
    return None


def _unbounded(tape: TapeIndex, terms: list[Term], backward: int) -> Case | None:
    """Nothing but results of one linear layer with a bias, all with the same sign."""
    scores = [_score(tape, term) for term in terms]
    biases = {bias for bias, _ in scores}
    if len(terms) < _PAIR or len(biases) > 1 or "" in biases:
        return None
    signs = {up for _, up in scores}
    (bias,), last = biases, tape.loss_kernel(backward)
    if len(signs) > 1 or bias not in _updated_next(tape, backward) or last is None:
        return None
    return Case(
        last,
        "all scores go up together, or down",
        f"""the loss is made of {len(terms)} results of one linear layer, all with the same sign:
        its bias {bias} alone can make it fall without end, and nothing is told apart""",
        "loss = fake_scores.mean() - real_scores.mean()",
    )


_RISING = frozenset({"relu", "clamp_min", "softplus", "relu_"})
_LINEAR = frozenset({"neg", "rsub", "sub", "add"})


def _score(tape: TapeIndex, term: Term) -> tuple[str, bool]:
    """The bias of the linear layer behind a term, and whether the loss rises with its score.

    Through the hinge or the softplus of a score, which rise with it as well.
    """
    kernel, up = term.kernel, term.weight > 0
    if operator_name(kernel) in _RISING:
        kernel = tape.through_views(next(tensors(kernel.inputs)).tensor, kernel.index) or kernel
        while operator_name(kernel) in _LINEAR:
            given = list(tensors(kernel.inputs))
            if len(given) != 1:
                return "", up
            up = up != (operator_name(kernel) in ("neg", "rsub"))
            made = tape.through_views(given[0].tensor, kernel.index)
            if made is None:
                return "", up
            kernel = made
    return _bias(kernel), up


def _bias(kernel: Kernel) -> str:
    """The bias of a linear layer or convolution, ``""`` for other kernels."""
    place = {"addmm": "self", "convolution": "bias"}.get(operator_name(kernel), "")
    given = argument(kernel, place)
    return given.spec.name if given is not None and given.spec.role == "parameter" else ""


def _updated_next(tape: TapeIndex, backward: int) -> set[str]:
    """The parameters that are updated between a backward and the next."""
    runs = [one.index for one in tape.kernels if one.phase == "backward"]
    mine = [i for i in runs if tape.kernels[i].backward == backward]
    after = min((i for i in runs if tape.kernels[i].backward > backward), default=len(tape.kernels))
    span = range(max(mine, default=0), after)
    updates = tape.step.updates
    return {one.parameter for one in updates if any(kernel in span for kernel in one.kernels)}


def _reward(evidence: Evidence, tape: TapeIndex, terms: list[Term]) -> Case | None:
    """``log_prob * advantage`` without the minus."""
    for term in terms:
        pair = list(tensors(term.kernel.inputs)) if operator_name(term.kernel) == "mul" else []
        if len(pair) != _PAIR or term.weight <= 0:
            continue
        for use, other in (pair, pair[::-1]):
            gain = other.spec.name or evidence.line(term.kernel.source)
            chosen = any(likelihoods(tape, use, term.kernel.index))
            if chosen and _GAIN.search(gain) and not _negated(tape, other.tensor, term.kernel):
                return Case(
                    term.kernel,
                    "the reward is minimised",
                    """log-probabilities of actions are multiplied with what they earned, and the
                    product goes into the loss without a minus: what earned most becomes least
                    probable""",
                    "loss = -(log_prob * advantage).mean()",
                )
    return None


def _negated(tape: TapeIndex, tensor: int, before: Kernel) -> bool:
    return any(operator_name(one) == "neg" for one in tape.ancestors(tensor, before.index))


def _clipped(tape: TapeIndex, term: Term) -> Case | None:
    """The smaller of ``ratio * gain`` and its clipped twin has to be maximised."""
    name, ratio = operator_name(term.kernel), _ratio(tape, term.kernel)
    if ratio is None or not term.weight:
        return _before_gain(tape, term) or _smaller_error(tape, term)
    if _inverted(tape, ratio):
        return Case(
            ratio,
            "the ratio of the policies is upside down",
            """the probability that is trained stands below the fraction line: where an action
            earned much, the loss falls with its probability""",
            "ratio = torch.exp(new_log_prob - old_log_prob)",
        )
    if operator_name(ratio) in ("sub", "add", "sum"):
        return Case(
            ratio,
            "what is clipped around 1 is a difference, not a ratio",
            """the difference of two logarithms of probabilities is clipped and multiplied with the
            advantage as if it were their ratio: it lies around 0, not around 1""",
            "ratio = torch.exp(new_log_prob - old_log_prob)",
        )
    if (name == "minimum") == (term.weight < 0):
        return None
    return Case(
        term.kernel,
        "the clipped ratio is taken where it is the better of the two",
        f"""the loss holds the {name} of a ratio and of its clipped twin with the factor
        {term.weight:.4g}. So of both it takes what makes it smaller: where the ratio is too far
        off, clipping no longer limits it""",
        "loss = -torch.min(ratio * gain, ratio.clamp(1 - eps, 1 + eps) * gain).mean()",
    )


def _smaller_error(tape: TapeIndex, term: Term) -> Case | None:
    """``min(error, clipped error)`` is minimised: clipping lets the larger one out."""
    if operator_name(term.kernel) != "minimum" or term.weight <= 0:
        return None
    makers = [tape.maker(use.tensor, term.kernel.index) for use in tensors(term.kernel.inputs)]
    errors = [one for one in makers if one is not None and operator_name(one) in _ERRORS]
    if len(errors) != _PAIR:
        return None
    clipped = [
        any(
            operator_name(one) in _CLAMPS and one.requires_grad
            for one in islice(tape.ancestors(next(tensors(error.inputs)).tensor, error.index), 4)
        )
        for error in errors
    ]
    if sorted(clipped) != [False, True]:
        return None
    return Case(
        term.kernel,
        "of an error and its clipped twin the smaller one is minimised",
        """a value is clipped to stay near the old one, and the loss takes the smaller of both
        errors: where the value has gone too far in the right direction nothing holds it, and
        where the clipped one is nearer there is no gradient""",
        "loss = torch.max(error, clipped_error).mean()",
    )


def _before_gain(tape: TapeIndex, term: Term) -> Case | None:
    """``min(ratio, clip(ratio)) * gain``: the smaller one is taken before the gain has a sign."""
    for use in tensors(term.kernel.inputs) if operator_name(term.kernel) == "mul" else ():
        smaller = tape.through_views(use.tensor, term.kernel.index)
        if smaller is None or operator_name(smaller) != "minimum":
            continue
        one, other = [*tensors(smaller.inputs), None, None][:_PAIR]
        for ratio, twin in ((one, other), (other, one)):
            clamp = tape.maker(twin.tensor, smaller.index) if ratio and twin else None
            own = clamp is not None and operator_name(clamp) in _CLAMPS
            if own and clamp and ratio and next(tensors(clamp.inputs)).tensor == ratio.tensor:
                return Case(
                    smaller,
                    "the ratio is clipped before it meets the advantage",
                    """the smaller of a ratio and of its clipped twin is taken first and multiplied
                    with the advantage then: where that is below 0, the ratio is not bounded where
                    it should be""",
                    "loss = -torch.min(ratio * gain, ratio.clamp(1 - eps, 1 + eps) * gain).mean()",
                )
    return None


def _ratio(tape: TapeIndex, kernel: Kernel) -> Kernel | None:
    """The kernel that made a ratio, of which two products are compared, one of them clipped."""
    if operator_name(kernel) not in ("minimum", "maximum"):
        return None
    makers = [tape.through_views(use.tensor, kernel.index) for use in tensors(kernel.inputs)]
    products = [one for one in makers if one is not None and operator_name(one) == "mul"]
    factors = {use.tensor for one in products for use in tensors(one.inputs)}
    for tensor in factors if len(products) == _PAIR else ():
        clamp = tape.maker(tensor, kernel.index)
        if clamp is not None and operator_name(clamp) in _CLAMPS and clamp.requires_grad:
            given = next(tensors(clamp.inputs))
            if given.tensor in factors:
                return tape.through_views(given.tensor, clamp.index)
    return None


def _inverted(tape: TapeIndex, ratio: Kernel) -> bool:
    """Whether it is made of ``old - new``, of which the second alone carries a gradient."""
    difference = ratio
    if operator_name(ratio) == "exp":
        found = tape.through_views(next(tensors(ratio.inputs)).tensor, ratio.index)
        difference = found if found is not None and operator_name(found) == "sub" else ratio
    if operator_name(difference) not in ("sub", "div"):
        return False
    return [use.tensor in tape.differentiable for use in tensors(difference.inputs)] == [
        False,
        True,
    ]


def _certain(tape: TapeIndex, terms: list[Term]) -> Case | None:
    """``p * log(p)`` with a minus, beside what the same policy's actions earned."""
    policies = {one.index for term in terms for one in _policy(tape, term)}
    for term in terms if policies else ():
        logarithms = _entropy(tape, term.kernel) if term.weight < 0 else None
        if logarithms is not None and logarithms.index in policies:
            return Case(
                term.by or term.kernel,
                "the policy's entropy is minimised",
                f"""the entropy of the policy goes into the loss with the factor
                {-term.weight:.4g}: the optimizer makes the policy certain, where a bonus for
                entropy is to keep it trying""",
                "loss = policy_loss - beta * entropy",
            )
    return None


def _policy(tape: TapeIndex, term: Term) -> Iterator[Kernel]:
    """The logarithms of which a term takes those of the actions, times what they earned."""
    pair = list(tensors(term.kernel.inputs)) if operator_name(term.kernel) == "mul" else []
    for use, other in (pair, pair[::-1]) if len(pair) == _PAIR else ():
        if other.tensor not in tape.differentiable:
            yield from likelihoods(tape, use, term.kernel.index)
    ratio = _ratio(tape, term.kernel)
    if ratio is not None:
        behind = tape.ancestors(ratio.outputs[0].tensor, ratio.index + 1)
        yield from (one for one in behind if operator_name(one) in ("_log_softmax", "sub", "log"))


def _entropy(tape: TapeIndex, kernel: Kernel) -> Kernel | None:
    """The kernel that made log(p), where another multiplies it with p."""
    pair = list(tensors(kernel.inputs)) if operator_name(kernel) == "mul" else []
    makers = [_unclamped(tape, use.tensor, kernel) for use in pair]
    for one, other in (makers, makers[::-1]) if len(makers) == _PAIR else ():
        probable = other is not None and operator_name(other) in ("_softmax", "exp")
        if one is not None and probable and is_logarithm(tape, one):
            return one
    return None


def _unclamped(tape: TapeIndex, tensor: int, before: Kernel) -> Kernel | None:
    made = tape.through_views(tensor, before.index)
    while made is not None and operator_name(made) in _CLAMPS:
        made = tape.through_views(next(tensors(made.inputs)).tensor, made.index)
    return made


def _grown(term: Term) -> Case | None:
    """A square, a norm or a size of weights, behind a minus."""
    first = next(tensors(term.kernel.inputs), None)
    if operator_name(term.kernel) not in _SIZES or term.weight >= 0 or first is None:
        return None
    if term.by is not None and any(u.spec.role == "parameter" for u in tensors(term.by.inputs)):
        return None  # a multiplier that is learned, as that of a constraint
    name = first.spec.name if first.spec.role == "parameter" else ""
    if not name:
        return None
    return Case(
        term.by or term.kernel,
        f"the penalty on {name} has the wrong sign",
        f"""the size of {name} goes into the loss with the factor {term.weight:.4g}: the larger the
        weights, the lower the loss, without end""",
        "loss = loss + strength * penalty",
    )


def _overlap(tape: TapeIndex, term: Term) -> Case | None:
    """``2 * (p * t).sum() / (p.sum() + t.sum())`` without ``1 -``."""
    pair = list(tensors(term.kernel.inputs)) if operator_name(term.kernel) == "div" else []
    if len(pair) != _PAIR or term.weight <= 0:
        return None
    above, below = (_summed(tape, use.tensor, term.kernel.index) for use in pair)
    for product in above:
        made = tape.through_views(product, term.kernel.index)
        sides = list(tensors(made.inputs)) if made and operator_name(made) == "mul" else []
        given = [side.tensor for side in sides]
        data = [side for side in sides if side.tensor not in tape.differentiable]
        if len(given) == _PAIR and len(data) == 1 and set(given) <= below:
            return Case(
                term.kernel,
                "the overlap with the target is minimised",
                f"""the share in which prediction and target overlap goes into the loss with the
                factor {term.weight:.4g}: the loss is lowest where they do not overlap at all""",
                "loss = 1 - dice",
            )
    return None


def _summed(tape: TapeIndex, tensor: int, before: int) -> set[int]:
    """What was summed up on the way to a tensor, through sums, numbers and clamps."""
    waiting, found = [(tensor, before)], set[int]()
    while waiting:
        kernel = tape.through_views(*waiting.pop())
        name = operator_name(kernel).rstrip("_") if kernel is not None else ""
        given = list(tensors(kernel.inputs)) if kernel is not None else []
        if kernel is not None and name == "sum":
            base = tape.through_views(given[0].tensor, kernel.index)
            while base is not None and operator_name(base) == "sum":
                given = list(tensors(base.inputs))
                base = tape.through_views(given[0].tensor, base.index)
            found.add(tape.memory(given[0].tensor))
        elif kernel is not None and name in _PASSED:
            waiting += [(use.tensor, kernel.index) for use in given]
    return found


def _lowered(evidence: Evidence, tape: TapeIndex, terms: list[Term], backward: int) -> Case | None:
    """The value of a critic that is trained towards rewards, with a plus, in another's loss."""
    if len(terms) != 1 or terms[0].weight <= 0:
        return None
    bias, text = _bias(terms[0].kernel), evidence.code(terms[0].kernel.source)
    if not bias or bias in _updated_next(tape, backward) or text.says("cost"):
        return None
    for kernel in tape.kernels:
        target = bootstrapped(tape, kernel)
        sides = compared(tape, kernel) if target is not None else None
        for side in sides or ():
            if side is not target and bias in made_of(tape, side.tensor, kernel.index):
                return Case(
                    tape.loss_kernel(backward) or terms[0].kernel,
                    "the actor lowers the value of its actions",
                    f"""the loss is what the critic says (its last bias is {bias}) with a plus, and
                    the critic is trained towards rewards and the value of the next state: going
                    down, the actor looks for the actions that earn least""",
                    "actor_loss = -critic(state, actor(state)).mean()",
                )
    return None


def _squeezed(tape: TapeIndex, terms: list[Term]) -> Case | None:
    """Sigmoids of one layer's scores, of both signs, as they are."""
    ends = [one for one in terms if operator_name(one.kernel) == "sigmoid"]
    given = [(next(tensors(one.kernel.inputs)).tensor, one.kernel.index) for one in ends]
    makers = [tape.through_views(*one) for one in given]
    biases = {_bias(one) if one is not None else "" for one in makers}
    signs = {one.weight > 0 for one in ends}
    if len(signs) < _PAIR or len(biases) > 1 or "" in biases:
        return None
    return Case(
        ends[0].kernel,
        "a critic's scores are squeezed between 0 and 1",
        """the loss is the difference of means of a layer's results that went through a sigmoid, and
        no logarithm is taken: the difference can never be more than 1, and where the sigmoid is
        flat no gradient comes back""",
        "# no sigmoid behind the critic's last layer",
    )


def _adversary(tape: TapeIndex, terms: list[Term]) -> Case | None:
    """Parameters that nothing but a loss behind a minus reaches, and the one optimizer updates."""
    updated = {update.parameter for update in tape.step.updates}
    reached = [parameters_behind(tape, one.use.tensor, one.kernel.index + 1) for one in terms]
    for place, term in enumerate(terms):
        others = set().union(*reached[:place], *reached[place + 1 :])
        alone = sorted((reached[place] - others) & updated)
        if operator_name(term.kernel) in LOSSES and term.weight < 0 and others and alone:
            name = operator_name(term.kernel).removesuffix("_forward").strip("_")
            return Case(
                term.by or _last(tape),
                f"{alone[0]} is trained to be wrong",
                f"""{name} goes into the loss with the factor {term.weight:.4g}, and one optimizer
                trains all: not only what lies in front of {alone[0]} is to make that loss larger,
                but the part that it belongs to as well, which can do so without end""",
                "# an optimizer of its own for that part, or a gradient reversal in front of it",
            )
    return None


def _apart(tape: TapeIndex, terms: list[Term]) -> Case | None:
    """Nothing but cosines with vectors that are no result of what is trained, with a plus."""
    if not terms or not all(one.weight > 0 and _cosine(tape, one) for one in terms):
        return None
    return Case(
        terms[0].kernel,
        "the cosine with the target is minimised",
        """the loss is the cosine of the prediction and of a target, with a plus: it is lowest where
        they point into opposite directions""",
        "loss = 1 - F.cosine_similarity(prediction, target).mean()",
    )


def _cosine(tape: TapeIndex, term: Term) -> bool:
    """Whether a term multiplies unit vectors, of which one side alone carries a gradient."""
    pair = list(tensors(term.kernel.inputs)) if operator_name(term.kernel) == "mul" else []
    carried = sorted(use.tensor in tape.differentiable for use in pair)
    return carried == [False, True] and all(is_unit(use.value) for use in pair)
