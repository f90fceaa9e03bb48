"""What the doctor finds, what it cries out over, and how long it takes.

    python tests/bench/doctor.py [--steps 5000]

Every program under ``tests/doctor/programs`` is recorded and examined. Recall counts the bad
programs that gave their own finding; a false alarm is any finding of a healthy program. Recall of
the programs under ``tests/doctor/reports``, which were written after public reports by someone
who had not read the rules, is shown apart. Then a linear regression of many steps is recorded and
examined: opening it and reading its losses is shown apart from the examination.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import autograd_lens
from autograd_lens.doctor import examine, rules
from autograd_lens.trace.reader import Trace

ROOT = Path(autograd_lens.__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.doctor.twins import REPORTS, Twins  # noqa: E402  the tests are no package elsewhere

PROGRAMS = ROOT / "tests" / "doctor" / "programs"


def diagnose(program: Path, folder: Path) -> list[str]:
    """Record a program in silence, and name what is wrong with it."""
    from autograd_lens.capture import run_script

    target = folder / "program.lens"
    silence = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with silence[0], silence[1], warnings.catch_warnings(record=True):
        warnings.simplefilter("always")  # torch's own are evidence
        run_script(str(program), [], target, force=True)
    with Trace(target) as trace:
        return [finding.name for finding in examine(trace)]


def print_recall(folder: Path) -> None:
    """One line a rule: how many of its bad programs it found."""
    found = total = 0
    for known in rules():
        bad = sorted((PROGRAMS / known.rule.name.replace("-", "_")).glob("bad*.py"))
        hits = sum(known.rule.name in diagnose(program, folder) for program in bad)
        print(f"{known.rule.code} {known.rule.name:32}{hits:3} of {len(bad)}")
        found, total = found + hits, total + len(bad)
    print(f"{'recall':38}{found:3} of {total}")


def print_false_alarms(folder: Path) -> None:
    """Healthy programs and good twins that gave a finding."""
    healthy = [*PROGRAMS.glob("*/good*.py"), *PROGRAMS.glob("healthy/*.py")]
    alarms = {program: names for program in healthy if (names := diagnose(program, folder))}
    for program, names in alarms.items():
        print(f"  {program.relative_to(PROGRAMS)}: {', '.join(names)}")
    print(f"{'false alarms':38}{len(alarms):3} of {len(healthy)}")


def print_reports(folder: Path) -> None:
    """How many faults of public reports are named, and how many corrected twins are not quiet."""
    all_twins = [Twins.read(path) for path in sorted(REPORTS.glob("*.py"))]
    missed = [one.name for one in all_twins if not diagnose(one.write_bug(folder), folder)]
    alarms = [one.name for one in all_twins if diagnose(one.write_fixed(folder), folder)]
    total = len(all_twins)
    print(f"{'recall of reported faults':38}{total - len(missed):3} of {total}", *missed)
    print(f"{'false alarms of their corrections':38}{len(alarms):3} of {total}", *alarms)


def print_time(folder: Path, steps: int) -> None:
    """Reading and examining a long run, in a process that has not imported torch."""
    script = folder / "long.py"
    script.write_text(
        "import torch\n"
        "torch.manual_seed(0)\n"
        "w1, b1 = torch.randn(1, 1, requires_grad=True), torch.randn(1, requires_grad=True)\n"
        "x = torch.rand(100, 1)\n"
        "y = 3 * x + 10 + torch.rand(100, 1)\n"
        "optimizer = torch.optim.SGD([w1, b1], lr=1e-2)\n"
        f"for t in range({steps}):\n"
        "    loss = ((x.mm(w1) + b1 - y) ** 2 / 2).mean()\n"
        "    loss.backward()\n"
        "    optimizer.step()\n"
        "    optimizer.zero_grad()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "AUTOGRAD_LENS_STATE": str(folder)}
    command = [sys.executable, "-m", "autograd_lens", "run", "long.py"]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    start = time.perf_counter()
    with Trace(folder / "long.lens") as trace:
        read = (len(trace.steps), trace.losses.sum(), trace.parameters)
        between = time.perf_counter()
        findings = examine(trace)
        end = time.perf_counter()
    print(
        f"{read[0]:,} steps: read {between - start:.2f} s, examined {end - between:.2f} s", end=""
    )
    print(f", {len(findings)} findings")


def main() -> None:
    parser = argparse.ArgumentParser(description="Recall, false alarms and time of the doctor.")
    parser.add_argument("--steps", type=int, default=5000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print_time(folder, arguments.steps)
        print_recall(folder)
        print_false_alarms(folder)
        print_reports(folder)


if __name__ == "__main__":
    main()
