"""How many deliberate breakages of what proves are noticed by the tests beside it.

    python tests/bench/mutants.py [--per-file 20] [--seed 0] [--only verify,check]

Needs the extra ``mutants`` (cosmic-ray, which makes the breakages). Each is made in a copy of
the checkout, one at a time, and the tests that belong to the file are run on it until one
fails. A breakage that changes no more than an annotation or a docstring is none. Those that no
test can notice are named, with the reason, in ``equivalent_mutants.toml`` beside this file;
they count neither way.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
TARGETS: dict[str, tuple[str, ...]] = {
    "autograd_lens/replay/check.py": ("tests/replay/test_verify.py", "tests/replay/test_step.py"),
    "autograd_lens/replay/verify.py": ("tests/replay/test_verify.py",),
    "autograd_lens/replay/replayer.py": (
        "tests/replay/test_step.py",
        "tests/replay/test_verify.py",
    ),
    "autograd_lens/replay/execute.py": ("tests/replay/test_step.py", "tests/replay/test_verify.py"),
    "autograd_lens/replay/hooks.py": ("tests/replay/test_hooks.py",),
    "autograd_lens/replay/checkpoint.py": ("tests/replay/test_of_other_programs.py",),
    "autograd_lens/replay/functions.py": ("tests/replay/test_of_other_programs.py",),
    "autograd_lens/replay/optimizer.py": (
        "tests/replay/test_step.py",
        "tests/replay/test_verify.py",
    ),
    "autograd_lens/live/template.py": (
        "tests/capture/test_full_step.py",
        "tests/capture/test_recorded_facts.py",
    ),
    "autograd_lens/doctor/evidence.py": (
        "tests/doctor/test_engine.py",
        "tests/doctor/test_light.py",
    ),
    "autograd_lens/analysis/conditions.py": ("tests/analysis/test_conditions.py",),
    "autograd_lens/trace/selection.py": ("tests/trace/test_selection.py",),
    "autograd_lens/trace/expr.py": ("tests/trace/test_expr.py",),
}
_SECONDS = 600  # for the tests of one mutant; one that does not end is noticed, too


@dataclass(frozen=True, slots=True)
class Mutant:
    """One deliberate breakage.

    Attributes:
        file: The file, from the root.
        code: The file with the breakage.
        diff: The lines that differ.
    """

    file: str
    code: str
    diff: str


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
    tree = get_ast(source)
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
        if code is None or _meaning(code) == _meaning(source):
            continue
        diff = _difference(source, code)
        if diff not in known:
            found.append(Mutant(file, code, diff))
    return found


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

        def noticed(mutant: Mutant) -> bool:
            copy = copies.get()
            path = copy / mutant.file
            try:
                path.write_text(mutant.code)
                return _tests_fail(copy, TARGETS[mutant.file])
            finally:
                shutil.copy(ROOT / mutant.file, path)
                copies.put(copy)

        _refuse_failing(Path(folder, "0"), {TARGETS[mutant.file] for mutant in mutants})
        with ThreadPoolExecutor(jobs) as pool:
            for mutant, found in zip(mutants, pool.map(noticed, mutants), strict=True):
                sys.stderr.write("." if found else "S")
                sys.stderr.flush()
                yield mutant, found
    sys.stderr.write("\n")


def _refuse_failing(copy: Path, chosen: Iterable[Sequence[str]]) -> None:
    """Tests that fail anyway notice everything."""
    for tests in chosen:
        missing = [one for one in tests if not (copy / one).exists()]
        if missing or _tests_fail(copy, tests):
            what = (
                f"are not there: {', '.join(missing)}" if missing else "fail on the code as it is"
            )
            sys.exit(f"These tests {what} ({', '.join(tests)}). Mend that first.")


def _copy(target: Path) -> Path:
    ignored = shutil.ignore_patterns(".git", "__pycache__", ".mypy_cache", ".ruff_cache")
    shutil.copytree(ROOT, target, ignore=ignored)
    return target


def _tests_fail(copy: Path, tests: Sequence[str]) -> bool:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ended = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    return ended.returncode != 0


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
