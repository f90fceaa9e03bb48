"""How many deliberate breakages of what proves are noticed by the tests beside it.

    python tests/bench/mutants.py [--per-file 20] [--seed 0] [--only verify,check]

Needs the extra ``mutants`` (cosmic-ray, which makes the breakages). Each is made in a copy of
the checkout, one at a time, and those of the file's tests that reach its lines are run on it
until one fails, in a process that has loaded torch already. A breakage that changes no more than
an annotation or a docstring is none. Those that no test can notice are named, with the reason,
in ``equivalent_mutants.toml`` beside this file; they count neither way.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import multiprocessing
import os
import queue
import random
import shutil
import sys
import tempfile
import threading
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS: dict[str, tuple[str, ...]] = {
    "autograd_lens/replay/check.py": (
        "tests/replay/test_check.py",
        "tests/replay/test_verify.py",
        "tests/replay/test_step.py",
    ),
    "autograd_lens/replay/verify.py": ("tests/replay/test_verify.py",),
    "autograd_lens/replay/replayer.py": (
        "tests/replay/test_step.py",
        "tests/replay/test_verify.py",
        "tests/replay/test_promises.py",
    ),
    "autograd_lens/replay/execute.py": (
        "tests/replay/test_step.py",
        "tests/replay/test_verify.py",
        "tests/replay/test_hooks.py",
    ),
    "autograd_lens/replay/plan.py": (
        "tests/replay/test_plan.py",
        "tests/replay/test_step.py",
        "tests/replay/test_verify.py",
    ),
    "autograd_lens/replay/hooks.py": ("tests/replay/test_hooks.py",),
    "autograd_lens/replay/checkpoint.py": ("tests/replay/test_of_other_programs.py",),
    "autograd_lens/replay/functions.py": ("tests/replay/test_of_other_programs.py",),
    "autograd_lens/replay/optimizer.py": (
        "tests/capture/test_optimizer_notes.py",
        "tests/replay/test_step.py",
        "tests/replay/test_verify.py",
    ),
    "autograd_lens/live/template.py": (
        "tests/capture/test_full_step.py",
        "tests/capture/test_recorded_facts.py",
    ),
    "autograd_lens/doctor/evidence.py": (
        "tests/doctor/test_evidence.py",
        "tests/doctor/test_engine.py",
        "tests/doctor/test_light.py",
    ),
    "autograd_lens/analysis/conditions.py": ("tests/analysis/test_conditions.py",),
    "autograd_lens/trace/selection.py": ("tests/trace/test_selection.py",),
    "autograd_lens/trace/expr.py": ("tests/trace/test_expr.py",),
}
_SECONDS = 600  # for the tests of one mutant; one that does not end is noticed, too
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["__main__", "pytest", "torch", "numpy", "msgspec", "rich"])


@dataclass(frozen=True, slots=True)
class Mutant:
    """One deliberate breakage.

    Attributes:
        file: The file, from the root.
        code: The file with the breakage.
        diff: The lines that differ.
        lines: The lines of the statements that differ, as they are numbered in the file.
    """

    file: str
    code: str
    diff: str
    lines: frozenset[int]


def main() -> int:
    """Print the table; the exit status is 1 where less than the asked share is noticed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--per-file", type=int, default=20, help="mutants of each file")
    parser.add_argument("--seed", type=int, default=0, help="which of them")
    parser.add_argument("--only", default="", help="parts of file names, with commas between")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--least", type=float, default=0.9, help="share that has to be noticed")
    options = parser.parse_args()
    wanted = [part for part in options.only.split(",") if part]
    files = [name for name in TARGETS if not wanted or any(part in name for part in wanted)]
    chosen = [
        mutant
        for file in files
        for mutant in sample(file, options.per_file, random.Random(options.seed))  # noqa: S311  no secret
    ]
    survived = [mutant for mutant, noticed in run(chosen, options.jobs) if not noticed]
    return report(files, chosen, survived, options.least)


def sample(file: str, count: int, generator: random.Random) -> list[Mutant]:
    """Some breakages of a file, each of another place or kind."""
    source = (ROOT / file).read_text()
    tree, meaning = get_ast(source), _meaning(source)
    known = _equivalent(file)
    places = [
        (name, occurrence)
        for name in cosmic_ray.plugins.operator_names()
        if not (operator := cosmic_ray.plugins.get_operator(name)).arguments()
        for occurrence in range(
            sum(1 for node in ast_nodes(tree) for _ in operator().mutation_positions(node))
        )
    ]
    generator.shuffle(places)
    found: list[Mutant] = []
    for name, occurrence in places:
        if len(found) == count:
            break
        code = mutate_code(source, cosmic_ray.plugins.get_operator(name)(), occurrence)
        if code is None or _meaning(code) == meaning:
            continue
        diff = _difference(source, code)
        if diff not in known:
            found.append(Mutant(file, code, diff, _lines(source, code)))
    return found


def _lines(source: str, code: str) -> frozenset[int]:
    """The lines of the statements of a source that stand otherwise in a mutant."""
    matched = difflib.SequenceMatcher(None, source.splitlines(), code.splitlines(), autojunk=False)
    changed = {
        line
        for tag, first, last, *_ in matched.get_opcodes()
        if tag != "equal"
        for line in range(first + 1, max(last, first + 1) + 1)
    }
    heads = [_head(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
    return frozenset(
        line
        for one in changed
        for line in min(
            (head for head in heads if one in head), key=len, default=range(one, one + 1)
        )
    )


def _head(statement: ast.stmt) -> range:
    """The lines of a statement without those of the statements within it."""
    within = [one.lineno for one in ast.walk(statement) if isinstance(one, ast.stmt)]
    inner = [line for line in within if line > statement.lineno]
    last = min(inner) - 1 if inner else statement.end_lineno or statement.lineno
    return range(statement.lineno, last + 1)


def _meaning(code: str) -> str:
    """The code without what nothing depends on: annotations and docstrings."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return code
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value = ast.Constant(None)
    return ast.dump(tree)


def _difference(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def _equivalent(file: str) -> set[str]:
    listed = tomllib.loads(Path(__file__).with_name("equivalent_mutants.toml").read_text())
    return {one["diff"].strip("\n") for one in listed.get("mutant", ()) if one["file"] == file}


def run(mutants: Sequence[Mutant], jobs: int) -> Iterator[tuple[Mutant, bool]]:
    """Each mutant, and whether a test noticed it."""
    with tempfile.TemporaryDirectory() as folder:
        copies: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for number in range(jobs):
            copies.put(_copy(Path(folder, str(number))))
        named = dict.fromkeys(name for mutant in mutants for name in TARGETS[mutant.file])
        reached = {name: _reached(Path(folder, "0"), name) for name in named}

        def noticed(mutant: Mutant) -> bool:
            tests = [one for name in TARGETS[mutant.file] for one in reached[name].of(mutant)]
            copy = copies.get()
            path = copy / mutant.file
            try:
                path.write_text(mutant.code)
                return bool(tests) and _ended(_test, copy, tests) != 0
            finally:
                shutil.copy(ROOT / mutant.file, path)
                copies.put(copy)

        with ThreadPoolExecutor(jobs) as pool:
            for mutant, found in zip(mutants, pool.map(noticed, mutants), strict=True):
                sys.stderr.write("." if found else f"\n{mutant.file}\n{mutant.diff}\n")
                sys.stderr.flush()
                yield mutant, found
    sys.stderr.write("\n")


Line = tuple[str, int]  # a file, from the root, and the number of one of its lines


@dataclass(slots=True)
class Reached:
    """Which tests of a file come to which lines; what a plugin of pytest gathers.

    Attributes:
        files: The files whose lines are noted, each as its frames name it, with its name.
        tests: For each test its seconds and the lines that it came to.
        shared: Lines that are executed while tests are collected, prepared or cleaned up behind:
            they may matter to all of them.
    """

    files: dict[str, str]
    tests: dict[str, tuple[float, list[Line]]] = field(default_factory=dict)
    shared: list[Line] = field(default_factory=list)
    _now: set[Line] = field(default_factory=set)

    def of(self, mutant: Mutant) -> list[str]:
        """The tests that may notice a mutant, the quick ones first."""
        lines = {(mutant.file, line) for line in mutant.lines}

        def come(to: Iterable[Line]) -> bool:
            return not lines.isdisjoint(map(tuple, to))

        everywhere = come(self.shared)
        chosen = [test for test, (_, came) in self.tests.items() if everywhere or come(came)]
        return sorted(chosen, key=lambda test: self.tests[test][0])

    def frame(self, frame: FrameType, event: str, argument: object) -> object:
        """For ``sys.settrace``: the frames whose lines are watched."""
        del event, argument
        return self.line if frame.f_code.co_filename in self.files else None

    def line(self, frame: FrameType, event: str, argument: object) -> object:
        """For ``sys.settrace``: one line."""
        del event, argument
        self._now.add((self.files[frame.f_code.co_filename], frame.f_lineno))
        return self.line

    def pytest_collection_finish(self) -> None:
        """The tests of the file are known."""
        self._share()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test was prepared, run or cleaned up behind."""
        if report.when == "call":
            self.tests[report.nodeid] = report.duration, list(self._now)
            self._now.clear()
        else:
            self._share()

    def _share(self) -> None:
        self.shared.extend(self._now)
        self._now.clear()


def _reached(copy: Path, tests: str) -> Reached:
    """Which of a file's tests come to which lines; tests that fail anyway are refused."""
    kept = copy / "reached.json"
    if not (copy / tests).exists() or _ended(_watch, copy, (str(kept), tests)):
        sys.exit(f"{tests} is not there, or fails on the code as it is. Mend that first.")
    return Reached({}, *json.loads(kept.read_text()))


def _copy(target: Path) -> Path:
    ignored = shutil.ignore_patterns(".git", "__pycache__", ".mypy_cache", ".ruff_cache")
    shutil.copytree(ROOT, target, ignore=ignored)
    return target


def _ended(
    what: Callable[[Path, Sequence[str]], None], copy: Path, arguments: Sequence[str]
) -> int | None:
    """The exit status of what is done in a process of its own; ``None`` where it did not end."""
    process = _PROCESSES.Process(target=what, args=(copy, arguments))
    process.start()
    process.join(_SECONDS)
    ended = process.exitcode
    process.kill()
    process.join()
    return ended


def _test(copy: Path, tests: Sequence[str], watching: Reached | None = None) -> None:
    """Run the tests in this process, which ends with their status."""
    # imported here, as whoever makes the mutants needs no test to be at hand
    import pytest

    os.chdir(copy)
    os.environ.update(PYTHONPATH=str(copy), PYTHONDONTWRITEBYTECODE="1")
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(copy))
    with Path(os.devnull).open("w") as nowhere:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere.fileno(), stream.fileno())
    plugins = [watching] if watching else []
    status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests], plugins)
    if status:
        sys.exit(status)


def _watch(copy: Path, arguments: Sequence[str]) -> None:
    """Run the tests and keep which lines each came to, in the file that is named first."""
    kept, *tests = arguments
    watching = Reached({str(copy / name): name for name in TARGETS})
    sys.settrace(watching.frame)  # type: ignore[arg-type]  # a function of itself has no type
    threading.settrace(watching.frame)  # type: ignore[arg-type]
    _test(copy, tests, watching)
    sys.settrace(None)
    Path(kept).write_text(json.dumps([watching.tests, watching.shared]))


def report(
    files: Sequence[str], mutants: Sequence[Mutant], survived: Sequence[Mutant], least: float
) -> int:
    """Print what came out."""
    console = Console()
    table = Table("file", "mutants", "noticed", "share", box=None)
    for file in files:
        made = sum(one.file == file for one in mutants)
        left = sum(one.file == file for one in survived)
        table.add_row(file, str(made), str(made - left), _share(made - left, made))
    table.add_row(
        "all",
        str(len(mutants)),
        str(len(mutants) - len(survived)),
        _share(len(mutants) - len(survived), len(mutants)),
    )
    console.print(table)
    for one in survived:
        console.print(f"\nnot noticed, in {one.file}:", style="bold")
        console.print(one.diff, markup=False, highlight=False)
    return int(len(mutants) - len(survived) < least * len(mutants))


def _share(noticed: int, made: int) -> str:
    return f"{100 * noticed / made:.0f} %" if made else ""


if __name__ == "__main__":
    raise SystemExit(main())
