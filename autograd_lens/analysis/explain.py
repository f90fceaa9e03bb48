"""The derivation of one gradient, from the loss down; and of the loss, from its inputs up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from autograd_lens.analysis.events import BOOKKEEPING
from autograd_lens.analysis.node_story import NameOf, NodeStory, node_story
from autograd_lens.errors import NotRecordedError
from autograd_lens.trace.graph import operator_name, tensors
from autograd_lens.trace.records import Backward, GradWrite, Graph, Kernel, Step
from autograd_lens.trace.values import Value

__all__ = [
    "Check",
    "Derivation",
    "Evaluation",
    "Group",
    "explain_gradient",
    "explain_loss",
    "folded",
    "module_of",
]

_CLOSE = 1e-4  # share; float32 sums in another order differ by less


@dataclass(frozen=True, slots=True)
class Check:
    """Whether two numbers that should agree do.

    Attributes:
        what: What was compared, a short phrase.
        holds: Whether they agree; None where a number was not kept.
        found: The outcome in words.
    """

    what: str
    holds: bool | None
    found: str


@dataclass(frozen=True, slots=True)
class Derivation:
    """How the gradient of one parameter came about.

    Attributes:
        parameter: Its name.
        step: The step.
        backward: Which backward of the step.
        root: What the backward started from.
        links: The nodes between loss and parameter in engine order, each with those of its
            outgoing gradients that lead there.
        write: What became of ``.grad``.
        checks: Comparisons with the rest of the record.
    """

    parameter: str
    step: int
    backward: int
    root: Value | None
    links: tuple[NodeStory, ...]
    write: GradWrite
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How the loss came about.

    Attributes:
        step: The step.
        loss: Its value.
        kernels: The kernels that it depends on and a gradient flows through, in order.
        prepared: How many more there were, on data that no gradient flows through.
    """

    step: int
    loss: float | None
    kernels: tuple[Kernel, ...]
    prepared: int


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbours in a derivation that one module made.

    Attributes:
        module: Path of the module, ``""`` outside of all.
        first: Position of the first one.
        count: How many there are.
        folded: Whether only the count is shown.
    """

    module: str
    first: int
    count: int
    folded: bool


def explain_gradient(step: Step, parameter: str, name_of: NameOf) -> Derivation:
    """Derive the gradient that a step's last backward gave a parameter.

    Args:
        step: The step, recorded in full.
        parameter: Name of the parameter.
        name_of: Gives the name of a tensor.

    Raises:
        NotRecordedError: The step is light, or no backward reached the parameter.
    """
    backward, write = _last_write(step, parameter)
    graph = _graph(step, backward)
    leading = _leading_to(graph, parameter)
    links = tuple(
        _narrowed(node_story(step, backward, run, name_of), leading)
        for run in backward.node_runs
        if run.node in leading
    )
    root = backward.roots[0] if backward.roots else None
    checks = tuple(_checks(step, links, write))
    return Derivation(parameter, step.index, backward.index, root, links, write, checks)


def _last_write(step: Step, parameter: str) -> tuple[Backward, GradWrite]:
    for backward in reversed(step.backwards):
        for write in backward.grad_writes:
            if write.parameter == parameter:
                return backward, write
    reached = list(dict.fromkeys(w.parameter for b in step.backwards for w in b.grad_writes))
    hint = f"Reached were {', '.join(reached[:6])}." if reached else "Nothing was reached at all."
    msg = f"No backward of step {step.index} reached {parameter}."
    raise NotRecordedError(msg, hint=hint)


def _graph(step: Step, backward: Backward) -> Graph:
    if backward.graph is None:
        msg = f"Step {step.index} was recorded light: the nodes of its backward are not there."
        again = f"Record it in full with: autograd-lens run --full default,{step.index}"
        raise NotRecordedError(msg, hint=step.omitted[-1] if step.omitted else again)
    return backward.graph


def _leading_to(graph: Graph, parameter: str) -> frozenset[int]:
    """Nodes from which the parameter's AccumulateGrad can be reached, itself included."""
    sources = defaultdict(list)
    for edge in graph.edges:
        sources[edge.to_node].append(edge.from_node)
    waiting = [node.index for node in graph.nodes if node.variable == parameter]
    found = set(waiting)
    while waiting:
        for source in sources[waiting.pop()]:
            if source not in found:
                found.add(source)
                waiting.append(source)
    return frozenset(found)


def _narrowed(story: NodeStory, leading: frozenset[int]) -> NodeStory:
    """Only the gradients that go on towards the parameter."""
    kept = [out for out in story.outgoing if out.receiver and out.receiver.index in leading]
    return replace(story, outgoing=tuple(kept))


def _checks(step: Step, links: Sequence[NodeStory], write: GradWrite) -> Iterable[Check]:
    arrived = links[-1].incoming[0].value if links and links[-1].incoming else None
    yield _same("what the chain gave is what arrived at .grad", arrived, write.incoming)
    kept = step.parameters.get(write.parameter)
    yield _same("what was written is what the step kept as .grad", write.after,
                kept.grad if kept else None)  # fmt: skip
    known = [out for link in links for out in link.outgoing if out.difference is not None]
    if known:
        worst = max(out.difference or 0.0 for out in known)
        words = f"{len(known)} formulas, largest difference {worst:.1g} of the gradient"
        yield Check("textbook formulas give the recorded numbers", worst < _CLOSE, words)


def _same(what: str, one: Value | None, other: Value | None) -> Check:
    if one is None or other is None:
        return Check(what, None, "not kept")
    same = one == other
    return Check(what, same, "bit for bit" if same else "they differ")


def explain_loss(step: Step) -> Evaluation:
    """The forward kernels that the last backward's root depends on.

    Raises:
        NotRecordedError: The step is light, or has no backward.
    """
    if not step.backwards:
        msg = f"Step {step.index} has no backward, so nothing says what its loss was."
        raise NotRecordedError(msg)
    graph = _graph(step, step.backwards[-1])
    forward = [kernel for kernel in step.kernels if kernel.phase == "forward"]
    last = graph.nodes[0].forward_kernel if graph.nodes else None
    end = next((place for place, each in enumerate(forward) if each.index == last), -1)
    needed = _needed(forward[: end + 1])
    chosen = tuple(kernel for kernel in needed if kernel.node is not None)
    return Evaluation(step.index, step.loss, chosen, len(needed) - len(chosen))


def _needed(kernels: Sequence[Kernel]) -> list[Kernel]:
    """Kernels that the last one depends on, that one included."""
    wanted = {use.tensor for use in kernels[-1].outputs} if kernels else set()
    found: list[Kernel] = []
    for kernel in reversed(kernels):
        if wanted.intersection(use.tensor for use in kernel.outputs):
            wanted.update(use.tensor for use in tensors(kernel.inputs))
            if operator_name(kernel) not in BOOKKEEPING:
                found.append(kernel)
    return found[::-1]


def folded(
    modules: Sequence[str], *, depth: int | None = None, opened: str | None = None, most: int = 16
) -> list[Group]:
    """Neighbours of one module as groups, so that a long chain can be read.

    Args:
        modules: The module of each link, in order.
        depth: How many parts of a module's path count; by default all, and a chain of up to
            ``most`` links is not folded at all.
        opened: A module whose links are all shown; the others are folded.
        most: How long a chain may be before it is folded by itself.
    """
    fold = depth is not None or opened is not None or len(modules) > most
    cut = depth if depth is not None else 2 if fold else None
    groups, first = [], 0
    for module, members in groupby(modules, lambda name: _cut(name, cut)):
        count = len(list(members))
        shown = not fold or not module or count == 1 or _inside(module, opened)
        groups.append(Group(module, first, count, not shown))
        first += count
    return groups


def _cut(module: str, depth: int | None) -> str:
    return module if depth is None else ".".join(module.split(".")[:depth])


def _inside(module: str, opened: str | None) -> bool:
    return opened is not None and f"{module}.".startswith(f"{opened}.")


def module_of(story: NodeStory) -> str:
    """The module whose forward made a node."""
    return story.kernel.module if story.kernel else ""
