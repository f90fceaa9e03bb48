"""``run_script`` runs a script as ``python script`` does, down to the last line on stderr."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import IO, NamedTuple

import pytest

import autograd_lens as lens
from autograd_lens.capture import run_script
from autograd_lens.errors import RecordingError, TraceExistsError

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(lens.__file__).parents[1])}

# Scripts that need no torch are compared with python itself.
PLAIN = {
    "nested_exception": """
        def inner():
            try:
                1 / 0
            except ZeroDivisionError as error:
                raise ValueError("outer") from error
        try:
            inner()
        finally:
            print("finally")
    """,
    "exception_while_handling": """
        try:
            {}["key"]
        except KeyError:
            raise RuntimeError("while handling")
    """,
    "exception_group": """
        def fail():
            raise KeyError(1)
        caught = []
        try:
            fail()
        except KeyError as error:
            caught.append(error)
        raise ExceptionGroup("several", caught)
    """,
    "exception_with_note": """
        error = ValueError("value")
        error.add_note("a note")
        raise error
    """,
    "exit_with_number": "raise SystemExit(3)",
    "exit_with_text": "print('out'); raise SystemExit('text')",
    "exit_with_nothing": "import sys; sys.exit()",
    "exit_with_a_large_number": "raise SystemExit(300)",
    "exit_with_a_negative_number": "raise SystemExit(-1)",
    "exit_with_true": "raise SystemExit(True)",
    "exit_in_finally": """
        import sys
        try:
            raise ValueError("lost")
        finally:
            sys.exit(4)
    """,
    "own_excepthook": """
        import sys
        sys.excepthook = lambda kind, error, tb: print("hook", kind.__name__, error)
        raise ValueError("value")
    """,
    "broken_excepthook": """
        import sys
        def hook(kind, error, tb):
            raise RuntimeError("in the hook")
        sys.excepthook = hook
        raise ValueError("value")
    """,
    "stdout_is_closed": """
        import sys
        sys.stdout.close()
        raise ValueError("value")
    """,
    "module_globals": """
        import sys
        print(__name__, __file__, __doc__, __package__, __spec__, __cached__, __annotations__)
        print(sorted(globals()), type(__builtins__), type(__loader__))
        print(sys.argv, sys.path[0], vars(sys.modules["__main__"]) is globals())
    """,
    "future_annotations": """
        from __future__ import annotations
        number: unknown_name = 1
        print(__annotations__)
    """,
    "pickling_and_source": """
        import inspect, pickle
        class Point:
            x = 1
        copy = pickle.loads(pickle.dumps(Point()))
        print(type(copy) is Point, Point.__module__, inspect.getsource(Point))
    """,
    "processes": """
        import multiprocessing
        def square(x):
            return x * x
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(2) as pool:
                print(pool.map(square, [1, 2, 3]))
    """,
    "warnings": """
        import warnings
        def old():
            warnings.warn("old", DeprecationWarning)
        warnings.warn("first")
        old()
        old()
    """,
    "the_stack": """
        import asyncio, inspect, logging, sys, threading, traceback, warnings
        def deep():
            traceback.print_stack(file=sys.stdout)
            logging.warning("where", stack_info=True)
            warnings.warn("of nobody's", stacklevel=9)
            print(len(inspect.stack()))
            try:
                sys._getframe(2)
            except ValueError as error:
                print(error)
        async def waits():
            await asyncio.sleep(0)
            traceback.print_stack(file=sys.stdout)
        deep()
        asyncio.run(waits())
        thread = threading.Thread(target=deep)
        thread.start()
        thread.join()
        print(list(globals()))
    """,
    "context_variables": """
        import asyncio, atexit, contextvars, decimal
        number = contextvars.ContextVar("number", default=0)
        async def look():
            return number.get()
        atexit.register(lambda: print(decimal.getcontext().prec, number.get()))
        print(len(contextvars.copy_context()), number.set(3).old_value)
        decimal.getcontext().prec = 9
        print(asyncio.run(look()), len(contextvars.copy_context()))
    """,
    "tracing": """
        import sys
        seen = []
        def traced():
            return 1
        def tracer(frame, event, value):
            seen.append((event, frame.f_code.co_name))
            return tracer
        sys.settrace(tracer)
        traced()
        sys.settrace(None)
        sys.setprofile(tracer)
        traced()
        sys.setprofile(None)
        print(seen)
    """,
    "encoding": "# -*- coding: latin-1 -*-\nprint('\xe9')\nraise ValueError('\xe9')",
    "neighbour": "import neighbouring_module; print(neighbouring_module.VALUE)",
}

TORCH = {
    "error_in_user_code": (
        """
        import torch
        def loss(w):
            return (w * 2).nope()
        loss(torch.ones(2, requires_grad=True))
        """,
        """
        Traceback (most recent call last):
          File "{file}", line 4, in <module>
            loss(torch.ones(2, requires_grad=True))
          File "{file}", line 3, in loss
            return (w * 2).nope()
                   ^^^^^^^^^^^^
        AttributeError: 'Tensor' object has no attribute 'nope'
        """,
    ),
    "error_in_a_kernel": (
        """
        import torch
        torch.ones(2, requires_grad=True).sum().backward()
        torch.ones(2).view(3)
        """,
        """
        Traceback (most recent call last):
          File "{file}", line 3, in <module>
            torch.ones(2).view(3)
        RuntimeError: shape '[3]' is invalid for input of size 2
        """,
    ),
}

TRAINS = """
    import argparse, torch
    from torch.utils.data import DataLoader, Dataset

    class Numbers(Dataset):
        def __len__(self):
            return 8
        def __getitem__(self, index):
            return torch.full((2,), float(index)) * 2 + torch.rand(2)

    if __name__ == "__main__":
        parser = argparse.ArgumentParser()
        parser.add_argument("--lr", type=float)
        torch.manual_seed(0)
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=parser.parse_args().lr / 100)
        for epoch in range(2):
            for x in DataLoader(Numbers(), batch_size=4, num_workers=1, shuffle=True):
                optimizer.zero_grad()
                loss = model(x).pow(2).mean()
                loss.backward()
                optimizer.step()
                print(loss.item())
"""


class Ended(NamedTuple):
    code: int
    out: str
    err: str


class ForkServer:
    """Records scripts in forks of one process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "programs" / "fork_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )

    def record(self, script: str, level: str) -> Ended:
        asking, answering = self._pipes()
        asking.write(json.dumps([str(self.folder), script, level]) + "\n")
        asking.flush()
        code = int(answering.readline())
        out, err = ((self.folder / name).read_bytes().decode() for name in ("out", "err"))
        return Ended(code, out, err)

    def stop(self) -> None:
        for pipe in self._pipes():
            pipe.close()
        self._process.wait()

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "neighbouring_module.py").write_text("VALUE = 5\n")
    started = ForkServer(folder)
    yield started
    started.stop()


def write(folder: Path, name: str, text: str) -> str:
    encoding = "latin-1" if "latin-1" in text else "utf-8"
    (folder / f"script_{name}.py").write_bytes(dedent(text).lstrip().encode(encoding))
    return f"script_{name}.py"


def plain_python(folder: Path, script: str) -> Ended:
    done = subprocess.run(
        [sys.executable, script, "--lr", "1"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("name", PLAIN)
def test_script_ends_as_under_python(name: str, server: ForkServer) -> None:
    script = write(server.folder, name, PLAIN[name])
    assert server.record(script, "all") == plain_python(server.folder, script)


@pytest.mark.parametrize("level", ["none", "all"])
@pytest.mark.parametrize("name", TORCH)
def test_tracebacks_show_only_the_programs_frames(
    name: str, level: str, server: ForkServer
) -> None:
    text, expected = TORCH[name]
    script = write(server.folder, name, text)
    shown = dedent(expected).lstrip().format(file=server.folder / script)

    assert server.record(script, level) == Ended(1, "", shown)

    with lens.open(server.folder / f"script_{name}.lens") as trace:
        assert trace.info.status == "exception"
        assert trace.events[-1].message == shown.splitlines()[-1]
        assert trace.events[-1].detail == shown


def test_training_with_loader_processes_prints_the_same_numbers(server: ForkServer) -> None:
    script = write(server.folder, "trains", TRAINS)
    plain = plain_python(server.folder, script)

    assert server.record(script, "all") == plain
    with lens.open(server.folder / "script_trains.lens") as trace:
        assert list(trace.losses) == [float(line) for line in plain.out.split()]
        assert trace.info.argv == ("--lr", "1")
        assert set(trace.parameters) == {"weight", "bias"}
        assert trace.full_steps == (0, 1, 2, 3)


def test_ctrl_c_leaves_a_readable_trace(server: ForkServer) -> None:
    script = write(server.folder, "stopped", "raise KeyboardInterrupt")

    ended = server.record(script, "none")

    assert ended.code == 130
    assert ended.err.endswith("KeyboardInterrupt\n")
    with lens.open(server.folder / "script_stopped.lens") as trace:
        assert (trace.info.status, trace.events[-1].kind) == ("interrupted", "interrupt")


def test_main_argv_and_path_are_as_before(tmp_path: Path) -> None:
    before = sys.modules["__main__"], list(sys.argv), list(sys.path)
    script = tmp_path / write(tmp_path, "quiet", "import sys; sys.argv.append(1); sys.path.clear()")

    result = run_script(str(script), ["a"], tmp_path / "run.lens")

    assert (result.exit_code, result.steps, result.complete) == (0, 0, True)
    assert (sys.modules["__main__"], sys.argv, sys.path) == before


def test_a_module_runs_as_under_python_m(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "trains_as_module"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text("NAME = 'part'")
    (package / "__main__.py").write_text("from . import part\nprint(__name__, part.NAME)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    result = run_script("trains_as_module", [], tmp_path / "run.lens", module=True)

    assert (result.exit_code, capsys.readouterr().out) == (0, "__main__ part\n")


def test_what_cannot_be_run_is_told(tmp_path: Path) -> None:
    broken = tmp_path / write(tmp_path, "broken", "x = (")
    with pytest.raises(RecordingError, match="does not compile"):
        run_script(str(broken), [], tmp_path / "run.lens")
    with pytest.raises(RecordingError, match="cannot be read"):
        run_script(str(tmp_path / "missing.py"), [], tmp_path / "run.lens")
    with pytest.raises(RecordingError, match="no module"):
        run_script("no_such_module_here", [], tmp_path / "run.lens", module=True)
    (tmp_path / "run.lens").write_text("keep me")
    fine = tmp_path / write(tmp_path, "fine", "")
    with pytest.raises(TraceExistsError):
        run_script(str(fine), [], tmp_path / "run.lens")
    assert (tmp_path / "run.lens").read_text() == "keep me"


def test_a_program_that_logs_everything_logs_nothing_of_ours(tmp_path: Path) -> None:
    logs = """
        import logging, sys, torch
        logging.basicConfig(stream=sys.stdout, level=logging.DEBUG)
        w = torch.ones(2, requires_grad=True)
        for _ in range(3):
            w.square().sum().backward()
        print(w.grad.tolist())
    """
    script = write(tmp_path, "logs", logs)
    command = [sys.executable, "-m", "autograd_lens", "run", "-o", "logs.lens", script]
    # A process of its own: what has been imported once logs nothing again.
    done = subprocess.run(
        command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[6.0, 6.0]\n"
