"""PyTorch's own databases of operators and modules as short programs that can be recorded.

``torch.testing`` lists for its own tests what inputs every operator and every module takes. Each
sample becomes a case: a step that computes and calls backward. Here every case runs bare, then
recorded, once in full and once light, and both recorded steps are replayed.
"""

from __future__ import annotations

import itertools
import tomllib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.utils._pytree import tree_leaves, tree_map

import autograd_lens as lens
from autograd_lens.capture.recorder import Limits
from autograd_lens.errors import ReplayError
from autograd_lens.replay.replayer import Attempt, Replayer
from autograd_lens.replay.values import to_value
from autograd_lens.replay.verify import unlike
from autograd_lens.trace.reader import Trace

__all__ = [
    "Case",
    "Outcome",
    "exceptions",
    "module_cases",
    "operator_cases",
    "operator_errors",
    "operators",
    "sweep",
]

_SEED = 7
_LARGE = 1 << 26  # bytes: no value of the databases is too large to be kept

# What a step leaves: its results and gradients, or the error it raised.
Seen = list[Any]
Step = Callable[[], list[torch.Tensor | None]]


@dataclass(frozen=True, slots=True)
class Case:
    """One sample of a database.

    Attributes:
        name: What it is a sample of.
        sample: Its number.
        start: Builds inputs and modules anew, and returns the step that works on them.
    """

    name: str
    sample: int
    start: Callable[[], Step] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.name}, sample {self.sample}"


@dataclass(slots=True)
class Outcome:
    """What a sweep over some cases found.

    Attributes:
        names: What was swept, each once.
        changed: Cases that recording changed, in words.
        missed: Cases that replay did not repeat bit for bit: name -> in words.
    """

    names: set[str] = field(default_factory=set)
    changed: list[str] = field(default_factory=list)
    missed: dict[str, list[str]] = field(default_factory=dict)


@cache
def exceptions(kind: str) -> dict[str, str]:
    """The list of what replay cannot repeat: name -> reason."""
    path = Path(__file__).parents[1] / "replay" / "database" / "exceptions.toml"
    found: dict[str, str] = tomllib.loads(path.read_text())[kind]
    return found


# -- operators ------------------------------------------------------------------------------


@cache
def operators() -> list[Any]:
    """Every operator with a float32 gradient on the CPU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    return [
        op
        for op in op_db
        if op.supports_autograd and torch.float32 in op.supported_backward_dtypes("cpu")
    ]


def _no_test_is_looked_for() -> AbstractContextManager[Any]:
    """Samples are drawn without a look for the ``unittest`` that asks: half of all the time."""
    return mock.patch("torch.testing._internal.common_utils.inspect.stack", list)


@_no_test_is_looked_for()
def operator_cases(op: Any, count: int) -> list[Case]:
    """The first samples of an operator whose result has a gradient.

    Every second one is given the gradients that backward begins with, the others end in a sum.
    """
    name = ".".join(filter(None, (op.name, op.variant_test_name)))
    torch.manual_seed(_SEED)
    found: list[Case] = []
    samples = op.sample_inputs("cpu", torch.float32, requires_grad=True)
    for number, sample in enumerate(itertools.islice(samples, 10 * count)):
        start = _operator_start(op.op, sample, given=len(found) % 2 == 1)
        torch.manual_seed(_SEED)
        try:
            if start()():
                found.append(Case(name, number, start))
        except RuntimeError:
            continue  # some samples of views are wider than a tensor's own memory
        if len(found) == count:
            break
    return found


def _operator_start(op: Callable[..., Any], sample: Any, *, given: bool) -> Callable[[], Step]:
    def start() -> Step:
        inputs = tree_map(_leaf, (sample.input, sample.args, sample.kwargs))

        def compute() -> Any:
            first, args, kwargs = tree_map(_copied, inputs)
            return op(first, *args, **kwargs)

        weights = _weights(_roots(compute())) if given else None

        def step() -> list[torch.Tensor | None]:
            _clear(inputs)
            return _differentiated(compute(), inputs, weights)

        return step

    return start


def operator_errors() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every call of an operator that the database says must fail, with its name."""
    with warnings.catch_warnings(), _no_test_is_looked_for():
        warnings.simplefilter("ignore")
        for op in operators():
            if op.error_inputs_func is None:
                continue
            torch.manual_seed(_SEED)
            for number, error in enumerate(op.error_inputs("cpu")):
                given = error.sample_input
                call = partial(op.op, given.input, *given.args, **given.kwargs)
                yield f"{op.name}, error {number}", call


# -- modules --------------------------------------------------------------------------------


def module_cases(count: int) -> dict[str, list[Case]]:
    """The first samples of every module, some in training and some in evaluation mode."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_modules import module_db
    return {info.name: list(_module_cases(info, count)) for info in module_db}


def _module_cases(info: Any, count: int) -> Iterator[Case]:
    torch.manual_seed(_SEED)
    kinds = {"device": "cpu", "dtype": torch.float32, "requires_grad": True}
    for training in (True, False):
        samples = info.module_inputs_func(info, training=training, **kinds)
        for number, sample in enumerate(samples[:count]):
            yield Case(f"{info.name}", number, _module_start(info, sample, training=training))


def _module_start(info: Any, sample: Any, *, training: bool) -> Callable[[], Step]:
    def start() -> Step:
        torch.manual_seed(_SEED)
        built, called = sample.constructor_input, sample.forward_input
        module = info.module_cls(*built.args, **built.kwargs).train(training)
        inputs = tree_map(_leaf, (called.args, called.kwargs))

        def step() -> list[torch.Tensor | None]:
            module.zero_grad()
            _clear(inputs)
            args, kwargs = tree_map(_copied, inputs)
            result = module(*args, **kwargs)
            return _differentiated(result, (inputs, list(module.parameters())), None)

        return step

    return start


# -- steps ----------------------------------------------------------------------------------


def _leaf(item: Any) -> Any:
    if isinstance(item, torch.Tensor) and item.requires_grad:
        return item.detach().clone().requires_grad_()
    return item


def _copied(item: Any) -> Any:
    """Some operators write into inputs that need no gradient."""
    if isinstance(item, torch.Tensor) and not item.requires_grad:
        return item.clone()
    return item


def _leaves(inputs: Any) -> list[torch.Tensor]:
    found = tree_leaves(inputs)
    return [one for one in found if isinstance(one, torch.Tensor) and one.requires_grad]


def _clear(inputs: Any) -> None:
    for leaf in _leaves(inputs):
        leaf.grad = None


def _roots(result: Any) -> list[torch.Tensor]:
    made = [one for one in tree_leaves(result) if isinstance(one, torch.Tensor)]
    return [one for one in made if one.requires_grad]


def _weights(roots: Sequence[torch.Tensor]) -> list[torch.Tensor] | None:
    if any(root.layout is not torch.strided for root in roots):
        return None
    generator = torch.Generator().manual_seed(_SEED)
    return [torch.randn(root.shape, generator=generator, dtype=root.dtype) for root in roots]


def _differentiated(
    result: Any, inputs: Any, weights: Sequence[torch.Tensor] | None
) -> list[torch.Tensor | None]:
    """Call backward; returns results and gradients, nothing where nothing has a gradient."""
    roots = _roots(result)
    if not roots:
        return []
    if weights is None:
        loss = sum(_sum(root) for root in roots)
        assert isinstance(loss, torch.Tensor)
        loss.backward()
    else:
        torch.autograd.backward(roots, weights)
    made = [one for one in tree_leaves(result) if isinstance(one, torch.Tensor)]
    return [*made, *(leaf.grad for leaf in _leaves(inputs))]


def _sum(root: torch.Tensor) -> torch.Tensor:
    dense = root if root.layout is torch.strided else root.to_dense()
    return (dense.abs() if dense.is_complex() else dense).sum()


# -- the sweep ------------------------------------------------------------------------------


def sweep(cases: Iterable[Case], path: Path, *, together: int = 16) -> Outcome:
    """Run cases bare and recorded, replay what was recorded, and compare bit for bit.

    Args:
        cases: The cases.
        path: Where recordings may be written, one after the other.
        together: How many cases share a recording.
    """
    outcome = Outcome()
    waiting = list(cases)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for first in range(0, len(waiting), together):
            _sweep(waiting[first : first + together], path, outcome)
    return outcome


def _sweep(cases: Sequence[Case], path: Path, outcome: Outcome) -> None:
    outcome.names.update(case.name for case in cases)
    bare = [seen for case in cases for seen in _twice(case.start())]
    steps = [step for case in cases for step in [case.start()] * 2]
    recorded: list[Seen] = []
    limits = Limits(light=_LARGE)
    torch.manual_seed(_SEED)
    with lens.record(path, full="every:2", force=True, limits=limits) as run:
        for index in run.steps(len(steps), progress=False):
            recorded.append(_see(steps[index]))
            torch.manual_seed(_SEED)
    for index, (before, after) in enumerate(zip(bare, recorded, strict=True)):
        if before != after:
            level = "light" if index % 2 else "full"
            outcome.changed.append(
                f"{cases[index // 2]}: recorded {level}: {_apart(before, after)}"
            )
    with Trace(path) as trace:
        _replay(trace, cases, recorded, outcome)


def _twice(step: Step) -> Iterator[Seen]:
    for _ in range(2):
        torch.manual_seed(_SEED)
        yield _see(step)


def _see(step: Step) -> Seen:
    """The bits of everything that a step returns, or its error."""
    try:
        return [None if one is None else to_value(one) for one in step()]
    except Exception as error:  # noqa: BLE001  any error has to be the same
        return [type(error), str(error)]


def _apart(before: Seen, after: Seen) -> str:
    if len(before) != len(after):
        return f"{len(before)} results bare, {len(after)} recorded"
    number = next(i for i, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1])
    return f"result {number} was {before[number]}, is {after[number]}"


class _Replayer(Replayer):
    """Keeps the last attempt, to compare every stored value with it."""

    def best(self, step: int, *, observe: bool) -> Attempt:
        self.last = super().best(step, observe=observe)
        return self.last


def _replay(trace: Trace, cases: Sequence[Case], seen: Sequence[Seen], outcome: Outcome) -> None:
    replayer = _Replayer(trace)
    for index in range(len(seen)):
        case = cases[index // 2]
        if seen[index] and isinstance(seen[index][0], type):
            continue  # it raised, bare as recorded
        try:
            replayed = replayer.step(index)
            wrong = [str(one) for one in replayed.differences]
            if index % 2 == 0:
                wrong += [f"value of {one}" for one in unlike(replayer.last)]
        except ReplayError as error:
            wrong = [str(error.args[0])]
        if wrong:
            outcome.missed.setdefault(case.name, []).append(f"{case}: {'; '.join(wrong[:3])}")
