"""What the doctor finds, what it cries out over, and how long it takes.

    python tests/bench/doctor.py [--steps 5000] [--fixes]

Every program under ``tests/doctor/programs`` is recorded and examined. Recall counts the bad
programs that gave their own finding; a false alarm is any finding of a healthy program. Recall of
the programs under ``tests/doctor/reports`` and ``tests/bench/reports``, which were written after
public reports by someone who had not read the rules, is shown apart, and beside that of the second
round what the first try was. Then a linear regression of
many steps is recorded and examined: opening it and reading its losses is shown apart from the
examination.

With ``--fixes`` each fix that is code is put into its bad program, which then has to run without
that finding.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import autograd_lens
from autograd_lens.doctor import Finding, examine, rules
from autograd_lens.trace.reader import Trace

ROOT = Path(autograd_lens.__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.doctor.fixes import applied  # noqa: E402  the tests are no package elsewhere
from tests.doctor.twins import REPORTS, Twins  # noqa: E402

PROGRAMS = ROOT / "tests" / "doctor" / "programs"
MORE_REPORTS = ROOT / "tests" / "bench" / "reports"
ROW = re.compile(r"^\| (\w+) \| https://\S+ \| .+ \| .* \| .* \|$", re.MULTILINE)
FIRST_TRY = {
    "second": 9,
    "third": 26,
    "fourth": 13,
    "fifth": 19,
    "sixth": 12,
    "seventh": 16,
}  # before anything was done about them
# rows of the tests' own table
TESTED = {"third": slice(-26, -16), "fourth": slice(-16, -10), "fifth": slice(-10, None)}
TURNS = 3  # lines that findings of one rule are about, one after the other


def examined(program: Path, folder: Path) -> tuple[Finding, ...]:
    """Record a program in silence, and examine it as the command does: with replay."""
    from autograd_lens.capture import run_script

    target = folder / "program.lens"
    silence = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with silence[0], silence[1], warnings.catch_warnings(record=True):
        warnings.simplefilter("always")  # torch's own are evidence
        run_script(str(program), [], target, force=True)
    with autograd_lens.open(target) as trace:
        return examine(trace)


def diagnose(program: Path, folder: Path) -> list[str]:
    """Name what is wrong with a program."""
    return [finding.name for finding in examined(program, folder)]


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
    healthy = [
        *PROGRAMS.glob("*/good*.py"),
        *PROGRAMS.glob("healthy/*.py"),
        *MORE_REPORTS.glob("healthy/*.py"),
    ]
    alarms = {program: names for program in healthy if (names := diagnose(program, folder))}
    for program, names in alarms.items():
        print(f"  {program.parent.name}/{program.name}: {', '.join(names)}")
    print(f"{'false alarms':38}{len(alarms):3} of {len(healthy)}")


def own(path: Path) -> bool:
    """Whether a program was written together with the rule that it is for."""
    return path.stem.startswith("own_")


def rounds() -> list[tuple[str, list[Path]]]:
    """The programs after public reports, by the round in which they were written."""
    parts = re.split(
        r"^## (\w+) round$", (MORE_REPORTS / "README.md").read_text("utf-8"), flags=re.MULTILINE
    )
    pairs = zip(parts[1::2], parts[2::2], strict=True)  # of a title and its table
    listed = {name.lower(): set(ROW.findall(text)) for name, text in pairs}
    tested = (REPORTS / "README.md").read_text("utf-8")
    known = re.findall(r"^\| (\w+) \| https", tested, re.MULTILINE)
    for name, rows in TESTED.items():
        listed[name].update(known[rows])
    paths = sorted((*REPORTS.glob("*.py"), *MORE_REPORTS.glob("*.py")))
    before = [path for path in paths if path.stem not in set().union(*listed.values())]
    return [
        ("reported faults", [path for path in before if path.parent == REPORTS]),
        ("more of these", [p for p in before if p.parent == MORE_REPORTS and not own(p)]),
        ("kinds of our own, after the rules", [path for path in before if own(path)]),
        *(
            (f"a {name} round, {FIRST_TRY[name]} at first", [p for p in paths if p.stem in names])
            for name, names in listed.items()
        ),
    ]


def print_reports(folder: Path) -> None:
    """How many faults of public reports are named, and how many corrected twins are not quiet."""
    for name, paths in rounds():
        all_twins = [Twins.read(path) for path in paths]
        missed = [one.name for one in all_twins if not diagnose(one.write_bug(folder), folder)]
        alarms = [one.name for one in all_twins if diagnose(one.write_fixed(folder), folder)]
        total = len(all_twins)
        print(f"{f'recall of {name}':44}{total - len(missed):3} of {total}", *missed)
        print(f"{'false alarms of their corrections':44}{len(alarms):3} of {total}", *alarms)


def print_fixes(folder: Path) -> None:
    """How many printed fixes can be put in by rule, and which of these do not help."""
    programs = [*PROGRAMS.glob("*/bad*.py")]
    for reports in (REPORTS, MORE_REPORTS):
        programs += [Twins.read(path).write_bug(folder) for path in reports.glob("*.py")]
    tried, stay = 0, list[str]()
    for program in sorted(programs):
        for finding in examined(program, folder):
            left = after_fixes(program.read_text("utf-8"), finding, folder)
            tried += left is not None
            if left:
                stay.append(f"{program.parent.name}/{program.stem} ({finding.code}: {left})")
    print(f"{'fixes that are code and help':38}{tried - len(stay):3} of {tried}", *stay)


def after_fixes(text: str, finding: Finding, folder: Path) -> str | None:
    """What is still found once a fix is applied, line after line; None where it cannot be."""
    fixed, found = applied(text, finding), [finding]
    if fixed is None:
        return None
    for _ in range(TURNS):
        program = folder / "fixed.py"
        program.write_text(fixed, "utf-8")
        found = list(examined(program, folder))
        again = [one for one in found if one.code == finding.code]
        fixed = applied(fixed, again[0]) if again else None
        if fixed is None:
            break
    return ", ".join(one.code for one in found)


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
    parser.add_argument("--fixes", action="store_true", help="apply what is printed as a fix")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print_time(folder, arguments.steps)
        print_recall(folder)
        print_false_alarms(folder)
        print_reports(folder)
        if arguments.fixes:
            print_fixes(folder)


if __name__ == "__main__":
    main()
