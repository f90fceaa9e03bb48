"""Nothing of the recording is in the program's modules, tensors, tracebacks or compiled code."""

from __future__ import annotations

import copy
import io
import pickle
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.hooks import RemovableHandle

import autograd_lens as lens
from autograd_lens.replay.verify import verify


def lines_printed(program: Callable[[], list[Any]], path: Path, full: str) -> tuple[Any, Any]:
    """What a program gives bare and recorded."""
    torch.manual_seed(0)
    bare = program()
    torch.manual_seed(0)
    with lens.record(path, full=full):
        recorded = program()
    return bare, recorded


def saves_and_copies() -> list[Any]:
    model = nn.Sequential(nn.Linear(4, 2), nn.Tanh())
    optimizer = torch.optim.Adam(model.parameters())
    found: list[Any] = []
    for _ in range(4):  # batches differ, so that inputs are observed
        model(torch.randn(3, 4)).pow(2).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        file = io.BytesIO()
        torch.save(model, file)
        twin = copy.deepcopy(model)
        found += [len(file.getvalue()), len(pickle.dumps(model)), len(pickle.dumps(optimizer))]
        found += [sorted(vars(twin)), [len(one._forward_pre_hooks) for one in model.modules()]]
    return found


def prints_its_errors() -> list[Any]:
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(_ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x * 2

        @staticmethod
        def backward(_ctx: Any, *_gradients: torch.Tensor) -> torch.Tensor:
            msg = "in backward"
            raise ValueError(msg)

    found = []
    w = torch.ones(2, requires_grad=True)
    for _ in range(2):
        (w * w).sum().backward()
        for attempt in (lambda: w @ torch.ones(3), lambda: Fails.apply(w).sum().backward()):
            try:
                attempt()
            except (RuntimeError, ValueError):
                found.append(traceback.format_exc())
    return found


def hooks_and_warnings() -> list[Any]:
    start = RemovableHandle.next_id
    model = nn.Linear(3, 1)
    found: list[Any] = []
    note = found.append
    model.register_full_backward_hook(lambda *_: note("backward"))
    for _ in range(3):
        out = model(torch.ones(2, 3))
        out.register_hook(lambda _: note("tensor"))
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            out.sum().backward()
        found += [Path(one.filename).name for one in told]
    found.append(RemovableHandle.next_id - start)
    found.append(len(nn.modules.module._global_forward_pre_hooks))
    found.append(torch._C._len_torch_dispatch_stack())
    return found


def sparse_gradients() -> list[Any]:
    s = torch.eye(3).to_sparse().requires_grad_()
    found = []
    for _ in range(3):
        s.grad = None
        torch.sparse.mm(s, torch.ones(3, 2)).sum().backward()
        assert s.grad is not None
        found.append((s.grad.is_coalesced(), s.grad._version))
    return found


class Logged(torch.Tensor):
    """A tensor around another one that notes every kernel it is asked for."""

    log: list[str]
    inner: torch.Tensor

    @staticmethod
    def __new__(cls: Any, inner: torch.Tensor, _log: list[str]) -> Any:
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

    def __init__(self, inner: torch.Tensor, log: list[str]) -> None:
        self.inner, self.log = inner, log

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        log = next(one.log for one in args if isinstance(one, Logged))
        log.append(str(func))
        plain = [one.inner if isinstance(one, Logged) else one for one in args]
        made = func(*plain, **(kwargs or {}))
        return Logged(made, log) if isinstance(made, torch.Tensor) else made


def subclass_with_kernels_of_its_own() -> list[Any]:
    log: list[str] = []
    w = nn.Parameter(Logged(torch.ones(3), log))
    for _ in range(3):
        (w * 2).sum().backward()
        w.grad = None
    return log


def batches(steps: int) -> Iterator[tuple[nn.Module, Callable[[], float]]]:
    """A model, and what trains it a step further on another batch; given back after each step."""
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.2), nn.Linear(3, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def step() -> float:
        optimizer.zero_grad()
        loss = model(torch.randn(6, 4)).square().mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    for _ in range(steps):
        step()
        yield model, step


def scored(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return model(x).sum()


def traces_its_model() -> list[Any]:
    found: list[Any] = []
    for model, step in batches(4):
        x = torch.randn(2, 4)
        model.eval()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            graph = torch.jit.trace(model, x).inlined_graph
            found.append([node.kind() for node in graph.nodes()])
        found += [str(one.message) for one in told if one.category is not DeprecationWarning]
        found.append(make_fx(partial(scored, model))(x).code)
        found.append(str(torch.export.export(model, (x,)).graph))
        model.train()
        found.append(step())
    return found


def profiles_its_steps() -> list[Any]:
    found: list[Any] = []

    def note(profile: Any) -> None:
        met = {one.key: one.count for one in profile.key_averages()}
        found.append(sorted((k, n) for k, n in met.items() if k.startswith(("aten", "Python"))))

    when = torch.profiler.schedule(wait=3, warmup=1, active=2, repeat=2)
    with torch.profiler.profile(schedule=when, on_trace_ready=note, acc_events=True) as profile:
        for _ in batches(14):
            profile.step()
    for _, step in batches(4):
        with torch.autograd.profiler.profile() as profile:
            step()
        note(profile)
        step()
        step()
    return found


PROGRAMS = [
    profiles_its_steps,
    traces_its_model,
    saves_and_copies,
    prints_its_errors,
    hooks_and_warnings,
    sparse_gradients,
    subclass_with_kernels_of_its_own,
]


@pytest.mark.parametrize("full", ["none", "all", "default"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_program_finds_what_it_finds_bare(
    program: Callable[[], list[Any]], full: str, tmp_path: Path
) -> None:
    bare, recorded = lines_printed(program, tmp_path / "run.lens", full)
    assert recorded == bare


@pytest.mark.parametrize("full", ["default", "all"])
def test_steps_that_are_profiled_open_by_replay(tmp_path: Path, full: str) -> None:
    torch.manual_seed(0)
    with lens.record(tmp_path / "run.lens", full=full):
        profiles_its_steps()
    with lens.open(tmp_path / "run.lens") as trace:
        assert len(trace.steps) == 30
        assert verify(trace, range(30)).complete


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_code_is_compiled_and_runs_as_bare(backend: str, tmp_path: Path) -> None:
    def program() -> list[Any]:
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        x = torch.ones(5, 4)
        found: list[Any] = []

        def turn(forward: Callable[[torch.Tensor], torch.Tensor]) -> None:
            optimizer.zero_grad()
            loss = (forward(x) - 1).pow(2).mean()
            loss.backward()
            optimizer.step()
            found.append(loss.item())

        turn(model)
        compiled = torch.compile(model, backend=backend, fullgraph=True)
        for _ in range(3):
            turn(compiled)
        counters = torch._dynamo.utils.counters
        return [*found, dict(counters["stats"]), dict(counters["graph_break"])]

    bare, recorded = lines_printed(program, tmp_path / "run.lens", "all")
    assert recorded == bare
    with lens.open(tmp_path / "run.lens") as trace:
        assert len(trace.steps) == 4
        graph = trace.steps[2].backwards[0].graph
        assert graph is not None
        names = [node.name for node in graph.nodes]
        assert ("CompiledFunctionBackward" in names) == (backend == "aot_eager")


def test_weak_proxies_do_not_end_the_recording(tmp_path: Path) -> None:
    model = nn.Linear(2, 1)
    proxy: Any = weakref.proxy(model)
    path = tmp_path / "run.lens"
    with lens.record(path):
        for _ in range(3):
            proxy(torch.ones(4, 2)).sum().backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.sub_(parameter.grad)
            proxy.zero_grad()
    with lens.open(path) as trace:
        assert len(trace.steps) == 3
        assert set(trace.parameters) == {"weight", "bias"}


def test_an_evaluation_between_two_steps_is_left_out(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    path = tmp_path / "run.lens"
    with lens.record(path, full="all"):
        for turn in range(3):
            optimizer.zero_grad()
            model(torch.ones(2, 3)).sum().backward()
            optimizer.step()
            if turn == 0:
                with torch.no_grad():
                    for _ in range(400):
                        model(torch.ones(2, 3))
    with lens.open(path) as trace:
        counts = [len(step.kernels) for step in trace.steps]
        assert max(counts) < 100
        assert [len(step.updates) for step in trace.steps] == [4, 4, 4]
