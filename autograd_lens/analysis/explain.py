"""The derivation of one gradient, from the loss down; and of the loss, from its inputs up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from autograd_lens.analysis.events import BOOKKEEPING
from autograd_lens.analysis.names import Names
from autograd_lens.analysis.story import Check, NodeStory, Outgoing, Stories, compared
from autograd_lens.errors import NotRecordedError
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Backward, GradWrite, Graph, Kernel, Step
from autograd_lens.trace.values import Value

__all__ = [
    "Derivation",
    "Evaluation",
    "Group",
    "explain_gradient",
    "explain_loss",
    "folded",
]


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


def explain_gradient(step: Step, parameter: str, names: Names) -> Derivation:
    """Derive the gradient that a step's last backward gave a parameter.

    Args:
        step: The step, recorded in full.
        parameter: Name of the parameter.
        names: Names of the step's tensors.

    Raises:
        NotRecordedError: The step is light, or no backward reached the parameter.
    """
    backward, write = _last_write(step, parameter)
    leading = _leading_to(_graph(step, backward), parameter)
    stories = Stories(TapeIndex(step), names, backward.index)
    runs = (run for run in backward.node_runs if run.node in leading)
    links = tuple(_narrowed(stories.of(run.node), leading) for run in runs)
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


def _checks(step: Step, links: Sequence[NodeStory], write: GradWrite) -> Iterator[Check]:
    arrived = links[-1].incoming[0].value if links and links[-1].incoming else None
    yield compared("what the chain gave is what arrived at .grad", arrived, write.incoming)
    kept = step.parameters.get(write.parameter)
    grad = kept.grad if kept else None
    yield compared("what was written is what the step kept as .grad", write.after, grad)
    yield from _formulas([out for link in links for out in link.outgoing])


def _formulas(given: Sequence[Outgoing]) -> Iterator[Check]:
    """What the textbook says of the gradients, and of which it says nothing."""
    known = [out for out in given if out.difference is not None]
    if known:
        worst = max(out.difference or 0.0 for out in known)
        count = f"{len(known)}" if len(known) == len(given) else f"{len(known)} of {len(given)}"
        words = f"{count} formulas, largest difference {worst:.1g} of the gradient"
        holds = all(out.check.holds for out in known)
        yield Check("textbook formulas give the recorded numbers", holds, words)
    missing: dict[str, list[str]] = {}
    for out in given:
        if out.difference is None:
            missing.setdefault(out.check.found, []).append(out.node.name)
    for reason, nodes in missing.items():
        yield Check(f"what {_listed(dict.fromkeys(nodes))} gave", None, reason)


def _listed(names: Iterable[str], most: int = 4) -> str:
    names = list(names)
    more = f" and {len(names) - most} others" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def explain_loss(step: Step) -> Evaluation:
    """The forward kernels that the loss depends on.

    Raises:
        NotRecordedError: The step is light, or has no backward.
    """
    if not step.backwards:
        msg = f"Step {step.index} has no backward, so nothing says what its loss was."
        raise NotRecordedError(msg)
    graph = _graph(step, step.backwards[step.main_backward])
    forward = [kernel for kernel in step.kernels if kernel.phase == "forward"]
    index = TapeIndex(step)
    forward = [kernel for kernel in step.kernels if kernel.phase == "forward"]
    last = index.kernel_of(graph.nodes[0]) if graph.nodes else None
    needed = _needed([kernel for kernel in forward if last and kernel.index <= last.index])
    inside = {kernel.index for node in graph.nodes for kernel in index.function_kernels(node)}
    chosen = tuple(each for each in needed if index.node_of(each) or each.index in inside)
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
