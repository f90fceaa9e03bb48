"""Steps whose inputs light rows cannot hold keep their tape, and what it read from outside."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, dropout

import autograd_lens as lens
from autograd_lens.capture import Limits
from autograd_lens.replay.verify import verify
from autograd_lens.trace.tape import NumberSlot, Template, TensorSlot, numbers_in, tensors_in

STEPS = 12
DATA = torch.arange(40.0).reshape(20, 2) / 20
TARGETS = DATA @ torch.tensor([[1.0], [-2.0]])
LABELS = (TARGETS[:, 0] > -0.5).long()

Loss = Callable[[torch.Tensor, int], torch.Tensor]


def train(path: Path, loss_of: Loss, **options: str) -> tuple[lens.Trace, list[float]]:
    """Record a descent by hand; the losses are those that the program saw."""
    torch.manual_seed(0)
    w = torch.ones(2, 1, requires_grad=True)
    losses = []
    with lens.record(path, **options):
        for turn in range(STEPS):
            loss = loss_of(w, turn)
            loss.backward()
            losses.append(loss.item())
            w.data -= 0.1 * w.grad
            w.grad.zero_()
    return lens.open(path), losses


def classified(w: torch.Tensor, turn: int) -> torch.Tensor:
    """Its batch and labels are cut by hand, and both are saved by nodes of its graph."""
    start = turn % 5 * 4
    scores = DATA[start : start + 4] @ torch.cat([w, -w], 1)
    return cross_entropy(scores, LABELS[start : start + 4].view(-1))


def at_drawn_places(w: torch.Tensor, _turn: int) -> torch.Tensor:
    """As language models cut their text: at numbers that were drawn and read."""
    places = torch.randint(0, 16, (3,))
    rows = torch.stack([DATA[i : i + 2] for i in places]).flatten(0, 1)
    labels = torch.stack([LABELS[i : i + 2] for i in places])
    return cross_entropy(dropout(rows @ torch.cat([w, -w], 1)), labels.view(-1))


def whole(w: torch.Tensor, _turn: int) -> torch.Tensor:
    return ((DATA @ w - TARGETS) ** 2).mean()


def a_slice(w: torch.Tensor, turn: int) -> torch.Tensor:
    start = turn % 5 * 4
    return ((DATA[start : start + 4] @ w - TARGETS[start : start + 4]) ** 2).mean()


def drawn(w: torch.Tensor, _turn: int) -> torch.Tensor:
    rows = torch.randint(0, 20, (4,))
    return ((DATA[rows] @ w - TARGETS[rows]) ** 2).mean()


def two_graphs(w: torch.Tensor, turn: int) -> torch.Tensor:
    loss = ((DATA @ w - TARGETS + torch.rand(())) ** 2).mean()
    return loss if turn % 5 else loss.exp().log()


def from_numpy(w: torch.Tensor, turn: int) -> torch.Tensor:
    noise = torch.from_numpy(np.random.RandomState(turn).rand(4, 2).astype(np.float32))
    shift = torch.from_numpy(np.random.RandomState(turn).rand(4, 1).astype(np.float32))
    return ((noise @ w + shift) ** 2).mean()  # no node saves what is added


def a_number(w: torch.Tensor, turn: int) -> torch.Tensor:
    return ((DATA @ w - TARGETS) ** 2).mean() * math.exp(-turn)


def drawn_in_between(w: torch.Tensor, turn: int) -> torch.Tensor:
    torch.rand(turn + 1)  # an evaluation, or a loader that shuffles
    mask = torch.bernoulli(torch.full((20, 2), 0.5))
    return (((DATA * mask) @ w - TARGETS) ** 2).mean()


@pytest.mark.parametrize("loss_of", [a_slice, from_numpy, a_number, drawn_in_between])
def test_every_step_keeps_its_tape_where_steps_read_what_changes(
    tmp_path: Path, loss_of: Loss
) -> None:
    trace, losses = train(tmp_path / "run.lens", loss_of)
    assert sorted({*trace.full_steps, *trace.lean_steps}) == list(range(STEPS))
    assert trace.lean_steps
    assert trace.losses.tolist() == losses


def test_a_kernel_of_an_opened_lean_step_names_its_node(tmp_path: Path) -> None:
    trace, _ = train(tmp_path / "run.lens", a_slice)
    recorded, opened = trace.steps[trace.full_steps[1]], trace.steps[trace.lean_steps[0]]
    assert [(one.op, one.node) for one in opened.kernels] == [
        (one.op, one.node) for one in recorded.kernels
    ]
    assert any(one.node is not None for one in opened.kernels if one.phase == "forward")


@pytest.mark.parametrize("loss_of", [whole, drawn])
def test_a_program_that_reads_and_draws_alike_in_every_step_stays_light(
    tmp_path: Path, loss_of: Loss
) -> None:
    trace, _ = train(tmp_path / "run.lens", loss_of)
    assert trace.full_steps == (0, 1, 2, 5, 10)
    assert not trace.lean_steps
    assert all(check.steps and not check.skipped for check in verify(trace, range(STEPS)).checks)


@pytest.mark.parametrize("loss_of", [classified, at_drawn_places])
def test_a_batch_cut_by_hand_is_kept_where_the_graph_has_saved_it(
    tmp_path: Path, loss_of: Loss
) -> None:
    trace, losses = train(tmp_path / "run.lens", loss_of)
    assert trace.full_steps == (0, 1, 2, 5, 10)
    assert not trace.lean_steps
    assert trace.losses.tolist() == losses
    assert all(check.steps == STEPS for check in verify(trace, range(STEPS)).checks[:3])


def test_a_step_that_goes_on_from_an_earlier_one_keeps_its_tape(tmp_path: Path) -> None:
    state = torch.zeros(4, 2)

    def carried(w: torch.Tensor, turn: int) -> torch.Tensor:
        nonlocal state
        start = turn % 5 * 4
        state = (DATA[start : start + 4] + 0.5 * state.detach()) * w.view(-1)
        return cross_entropy(state, LABELS[start : start + 4])

    trace, _ = train(tmp_path / "run.lens", carried)
    assert sorted({*trace.full_steps, *trace.lean_steps}) == list(range(STEPS))
    assert all(check.steps == STEPS for check in verify(trace, range(STEPS)).checks[:3])


def test_a_graph_that_came_once_is_kept_until_it_comes_again(tmp_path: Path) -> None:
    trace, _ = train(tmp_path / "run.lens", two_graphs)
    assert trace.full_steps == (0, 1, 2, 5, 10)
    assert trace.lean_steps == (3, 4)  # step 5 is as step 0 was
    assert all(check.steps and not check.skipped for check in verify(trace, range(STEPS)).checks)


def test_a_norm_that_is_read_behind_the_turn_of_the_loop_is_not_asked_for(tmp_path: Path) -> None:
    w = torch.ones(2, 1, requires_grad=True)
    norm = torch.zeros(())
    with lens.record(tmp_path / "run.lens"):
        for turn in range(STEPS):
            float(norm)  # the first thing that a step reads was made by the one before
            a_slice(w, turn).backward()
            norm = w.grad.norm() * 2
            w.data -= 0.1 * w.grad
            w.grad.zero_()
    trace = lens.open(tmp_path / "run.lens")
    assert trace.lean_steps
    assert all(check.steps == STEPS for check in verify(trace, range(STEPS)).checks[:3])


def lean(path: Path, loss_of: Loss, step: int = 7) -> tuple[Template, list[object]]:
    trace, _ = train(path, loss_of)
    found = trace.encoded(step)
    assert found is not None
    return found.template, list(found.slots)


def test_a_lean_step_holds_what_it_read_and_not_what_it_computed(tmp_path: Path) -> None:
    template, slots = lean(tmp_path / "run.lens", from_numpy)
    assert template.lean
    first, *_ = [kernel for kernel in template.kernels if kernel.op == "aten.mm.default"]
    noise, w = (argument.value for argument in first.args)
    assert isinstance(noise, TensorSlot)
    assert isinstance(w, TensorSlot)
    expected = np.random.RandomState(7).rand(4, 2).astype(np.float32)
    readings = [use.slot for k in template.kernels for use in k.reads if use.tensor == noise.tensor]
    assert slots[readings[0]] == expected.tobytes()
    assert all(slots[slot] is None for slot in readings[1:]), "it did not change"
    assert slots[w.slot] is None, "parameters stand in the light rows"
    made = [use.slot for kernel in template.kernels for use in kernel.makes]
    assert all(slots[slot] is None for slot in made)


def test_its_numbers_stand_in_slots_so_that_steps_share_a_structure(tmp_path: Path) -> None:
    trace, _ = train(tmp_path / "run.lens", a_slice)
    steps = (7, 8, 9)
    found = [trace.encoded(step) for step in steps]
    assert len({one.number for one in found if one}) == 1
    slices = [k for k in found[-1].template.kernels if k.op == "aten.slice.Tensor"]  # type: ignore[union-attr]
    starts = [argument.value for argument in slices[0].args if argument.name == "start"]
    (start,) = starts
    assert isinstance(start, NumberSlot)
    values = [one.slots[start.slot] for one in found if one]
    assert values == [step % 5 * 4 for step in steps]


def test_the_generator_is_kept_as_each_first_draw_found_it(tmp_path: Path) -> None:
    template, slots = lean(tmp_path / "run.lens", drawn_in_between)
    states = [kernel.generator for kernel in template.kernels if kernel.generator is not None]
    assert len(states) == 2, "of the numbers drawn in between, and of the mask"
    assert isinstance(slots[states[0]], bytes)
    assert slots[states[1]] is None, "it goes on from the draw before"
    generator = torch.Generator()
    generator.set_state(torch.frombuffer(bytearray(slots[states[0]]), dtype=torch.uint8))  # type: ignore[arg-type]
    torch.manual_seed(0)
    for turn in range(7):
        torch.rand(turn + 1)
        torch.bernoulli(torch.full((20, 2), 0.5))
    assert torch.equal(generator.get_state(), torch.default_generator.get_state())


def test_what_the_budget_does_not_reach_is_a_digest(tmp_path: Path) -> None:
    big = [torch.rand(2000, 2) for _ in range(STEPS)]
    w = torch.ones(2, 1, requires_grad=True)
    with lens.record(tmp_path / "run.lens", limits=Limits(inputs=40_000)):
        for turn in range(STEPS):
            ((big[turn] @ w - 0.1 * turn) ** 2).mean().backward()
            w.data -= 0.1 * w.grad
            w.grad.zero_()
    trace = lens.open(tmp_path / "run.lens")
    kept = []
    for step in trace.lean_steps:
        found = trace.encoded(step)
        assert found is not None
        kept.append(any(slot == big[step].numpy().tobytes() for slot in found.slots))
    assert 0 < sum(kept) < len(kept)
    assert kept == sorted(kept, reverse=True)


def test_every_number_and_tensor_of_a_lean_tape_has_its_own_slot(tmp_path: Path) -> None:
    template, slots = lean(tmp_path / "run.lens", drawn_in_between)
    used = [
        one.slot
        for kernel in template.kernels
        for argument in kernel.args
        for one in (*tensors_in(argument.value), *numbers_in(argument.value))
    ]
    assert len(used) == len(set(used))
    assert max(used) < len(slots) == template.slots


def test_opened_it_tells_of_its_backward_what_a_full_step_tells(tmp_path: Path) -> None:
    lean, _ = train(tmp_path / "lean.lens", from_numpy)
    full, _ = train(tmp_path / "full.lens", from_numpy, full="all")
    assert 7 in lean.lean_steps
    (ours,), (theirs,) = lean.steps[7].backwards, full.steps[7].backwards
    assert [write.mode for write in ours.grad_writes] == ["accumulate"]
    assert ours.grad_writes == theirs.grad_writes
    assert ours.graph is not None
    assert theirs.graph is not None
    for one, other in zip(ours.graph.nodes, theirs.graph.nodes, strict=True):
        assert (one.name, one.formula, one.variable) == (other.name, other.formula, other.variable)
        assert one.forward_kernel == other.forward_kernel
    gradients = [(run.grad_outputs, run.grad_inputs) for run in ours.node_runs]
    assert gradients == [(run.grad_outputs, run.grad_inputs) for run in theirs.node_runs]


def test_numbers_that_kernels_return_make_no_new_structure(tmp_path: Path) -> None:
    def cut(w: torch.Tensor, _turn: int) -> torch.Tensor:
        at = torch.randint(0, 16, (2,))
        rows = torch.cat([DATA[i : i + 4] for i in at])
        wanted = torch.cat([TARGETS[i : i + 4] for i in at])
        return ((rows @ w - wanted) ** 2).mean()

    trace, _ = train(tmp_path / "run.lens", cut, full="0,1")
    with trace:
        assert len(trace.lean_steps) > 8
        assert len(trace.items.numbers("template")) <= 5
        for check in verify(trace, trace.lean_steps).checks:
            assert not check.skipped
            assert not check.mismatches
