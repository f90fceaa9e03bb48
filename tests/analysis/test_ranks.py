"""Recordings of processes that train together: the rank, the step and what is wrong are named."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

import autograd_lens as lens
from autograd_lens.analysis.ranks import Ranks, compare_ranks
from autograd_lens.cli import app

ROOT = Path(__file__).parents[2]
STEPS = 8


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.branch, self.last = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 1)

    def forward(self, x: torch.Tensor, *, whole: bool = True) -> torch.Tensor:
        h = self.first(x).tanh()
        result: torch.Tensor = self.last(self.branch(h) if whole else h)
        return result


class Fault:
    """What one rank does otherwise."""

    def __init__(self, **otherwise: Any) -> None:
        self.seed = 0
        self.data: Callable[[int, int], torch.Tensor] = _another_batch
        self.averaged: Callable[[str], bool] = lambda _name: True
        self.whole: Callable[[int], bool] = lambda _t: True
        self.rate = 0.1
        self.steps = STEPS
        for name, value in otherwise.items():
            setattr(self, name, value)


def _another_batch(rank: int, t: int) -> torch.Tensor:
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(1000 * rank + t))


def trained(folder: Path, faults: list[Fault]) -> Ranks:
    """Train one after the other what processes would together: each gradient is a given mean."""
    paths = [_trained(folder, rank, fault) for rank, fault in enumerate(faults)]
    with lens.open(paths[0]) as one, lens.open(paths[1]) as other:
        return compare_ranks([one, other])


def _trained(folder: Path, rank: int, fault: Fault) -> Path:
    torch.manual_seed(fault.seed)
    model, path = Net(), folder / f"run.rank{rank}.lens"
    update = torch.optim.SGD(model.parameters(), lr=fault.rate)
    with lens.record(path):
        for t in range(fault.steps):
            x = fault.data(rank, t)
            model.zero_grad()
            loss = (model(x, whole=fault.whole(t)) - x.sum(1, keepdim=True)).pow(2).mean()
            with _averaging(model, fault, t):
                loss.backward()
            update.step()
    return path


class _averaging:  # noqa: N801  reads as a word
    """Puts the mean in place of each gradient while backward runs, as a reducer does."""

    def __init__(self, model: Net, fault: Fault, t: int) -> None:
        self._pairs = [
            (p, torch.full_like(p, 0.01 * (t + 1)))
            for name, p in model.named_parameters()
            if fault.averaged(name)
        ]
        self._hooks: list[Any] = []

    def __enter__(self) -> None:
        for p, mean in self._pairs:
            hook = p.register_hook(lambda grad, mean=mean: mean + 0 * torch.nan_to_num(grad))
            self._hooks.append(hook)

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()


def kinds(found: Ranks) -> set[str]:
    return {remark.kind for remark in found.remarks}


def test_ranks_that_do_as_they_should_have_no_remark(tmp_path: Path) -> None:
    found = trained(tmp_path, [Fault(), Fault()])
    assert found.remarks == ()
    assert not found.faulty


@pytest.mark.parametrize(
    ("fault", "kind", "step", "words"),
    [
        ({"seed": 1}, "start", 0, "of rank 1 begins at other values"),
        ({"rate": 0.2}, "setting", 0, "lr is not the same on all ranks: rank 0: 0.1, rank 1: 0.2"),
        ({"averaged": lambda name: "last" not in name}, "gradient", 0, "last.weight, last.bias"),
        (
            {"whole": lambda t: t != 5},
            "unused",
            5,
            "branch.weight, branch.bias are not used on rank 1",
        ),
        ({"data": lambda _rank, t: _another_batch(0, t)}, "batch", 1, "the same batch in 7 of 8"),
        (
            {"data": lambda r, t: _another_batch(r, t % 4)},
            "epoch",
            5,
            "Rank 1 is handed the same 4 batches",
        ),
        ({"steps": STEPS - 2}, "length", STEPS - 2, "rank 0: 8, rank 1: 6"),
        (
            {"data": lambda r, t: _another_batch(r, t) * (float("nan") if t == 3 else 1)},
            "nan",
            3,
            "The loss of rank 1 is not finite in step 3. The others' is finite.",
        ),
    ],
    ids=["seed", "rate", "left out", "branch", "same data", "epoch", "length", "nan"],
)
def test_a_fault_of_one_rank_is_named(
    fault: dict[str, Any], kind: str, step: int, words: str, tmp_path: Path
) -> None:
    found = trained(tmp_path, [Fault(), Fault(**fault)])
    (remark,) = (one for one in found.remarks if one.kind == kind)
    assert remark.step == step
    assert words in remark.text


def test_they_are_printed_side_by_side(tmp_path: Path) -> None:
    trained(tmp_path, [Fault(), Fault(seed=1)])
    words = ["ranks", *map(str, sorted(tmp_path.glob("run.rank*.lens"))), "--width", "100"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    told = " ".join(result.output.split())
    assert "of rank 1 begins at other values: another seed, or no broadcast." in told
    assert "finished" in result.output


PROGRAM = """\
import datetime
import sys
import torch, torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

fault, how = sys.argv[1], sys.argv[2]
dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=8))
rank, size = dist.get_rank(), dist.get_world_size()
torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.branch, self.last = nn.Linear(3, 8), nn.Linear(8, 8), nn.Linear(8, 1)

    def forward(self, x, whole=True):
        h = self.first(x).tanh()
        return self.last(self.branch(h) if whole else h)


net = Net()
beside = nn.Linear(1, 1) if fault == "left out" else None
if how == "ddp":
    model = DistributedDataParallel(net)
else:
    model = fully_shard(net, mesh=init_device_mesh("cpu", (size,)))
trained = [*model.parameters(), *(beside.parameters() if fault == "left out" else ())]
optimizer = torch.optim.SGD(trained, lr=0.1)
torch.manual_seed(rank)
x = torch.randn(16 * size, 3, generator=torch.Generator().manual_seed(7))
part = {"num_replicas": 1, "rank": 0} if fault == "sampler" else {}
sampler = DistributedSampler(TensorDataset(x), seed=3, **part)
loader = DataLoader(TensorDataset(x), batch_size=4, sampler=sampler)
for epoch in range(3):
    if fault != "epoch":
        sampler.set_epoch(epoch)
    for t, (batch,) in enumerate(loader):
        guess = model(batch, whole=not (fault == "branch" and rank == 1 and t == 2))
        guess = beside(guess) if fault == "left out" else guess
        optimizer.zero_grad()
        (guess - batch.sum(1, keepdim=True)).pow(2).mean().backward()
        optimizer.step()
        if fault == "barrier" and rank == 0 and (epoch, t) == (1, 1):
            dist.barrier()
dist.barrier()
dist.destroy_process_group()
"""


def under_torchrun(folder: Path, processes: int, fault: str, how: str) -> tuple[int, list[Path]]:
    """Record the program on some processes; its exit status, and the files."""
    (folder / "train.py").write_text(PROGRAM)
    words = ["torch.distributed.run", "--nproc-per-node", str(processes), "-m", "autograd_lens"]
    done = subprocess.run(
        [sys.executable, "-m", *words, "run", "train.py", fault, how],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, sorted(folder.glob("train.rank*.lens"))


@pytest.mark.processes
@pytest.mark.parametrize("processes", [2, 4])
@pytest.mark.parametrize(
    ("program", "kind", "words"),
    [
        (("none", "ddp"), "", ""),
        (("none", "fsdp"), "", ""),
        (("sampler", "ddp"), "batch", "are handed the same batch"),
        (("sampler", "fsdp"), "batch", "are handed the same batch"),
        (("epoch", "ddp"), "epoch", "was set_epoch forgotten?"),
        (("epoch", "fsdp"), "epoch", "was set_epoch forgotten?"),
        (("left out", "ddp"), "gradient", "beside.weight, beside.bias is not averaged"),
        (("branch", "ddp"), "unused", "branch.weight, module.branch.bias are not used on rank 1"),
        (("barrier", "ddp"), "collective", "waited in different places"),
        (("barrier", "fsdp"), "collective", "waited in different places"),
    ],
)
def test_a_fault_among_real_processes_is_named(
    program: tuple[str, str], kind: str, words: str, processes: int, tmp_path: Path
) -> None:
    _, files = under_torchrun(tmp_path, processes, *program)
    assert len(files) == processes
    with contextlib.ExitStack() as stack:
        found = compare_ranks([stack.enter_context(lens.open(file)) for file in files])
    assert {remark.kind for remark in found.remarks} >= ({kind} if kind else set())
    assert found.faulty is bool(kind)
    assert any(words in remark.text for remark in found.remarks) or not words


def test_under_torchrun_each_process_writes_a_file_and_collectives_are_kernels(
    tmp_path: Path,
) -> None:
    status, files = under_torchrun(tmp_path, 2, "none", "ddp")
    assert status == 0
    assert [file.name for file in files] == ["train.rank0.lens", "train.rank1.lens"]
    with lens.open(files[0]) as one, lens.open(files[1]) as other:
        found = compare_ranks([other, one])
        kernels = one.steps[1].kernels
    assert found.remarks == ()
    assert [rank.number for rank in found.ranks] == [0, 1]
    assert found.timed == 11
    assert len({round(norm, 6) for norm in found.gradients[0][1]}) == 2
    (reduced,) = (kernel for kernel in kernels if kernel.op == "c10d.allreduce_.default")
    groups = [getattr(argument.value, "value", None) for argument in reduced.inputs]
    assert "ranks 0, 1" in groups
