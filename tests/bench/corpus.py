"""What recording is worth on programs of other people's libraries: one row for each.

    python tests/bench/corpus.py [NAMES] [--quick] [--rounds 1] [--jobs 1] [--json rows.jsonl]
    python tests/bench/corpus.py --outside FOLDER train.py --arg 1

Every program of ``tests/corpus`` runs in subprocesses: bare, recorded light (``--full none``)
and with the default full steps, each in an empty folder of its own. Where these are not equal
it runs bare once more, and what two bare runs do not have in common (times, names of temporary
files) is not compared.
``--outside`` runs a script of any other place, in a copy of the folder that holds it and what
it needs, instead of the corpus.

Columns: ``same`` says whether standard output, exit status and written files are those of the
bare run; ``light`` and ``full`` are the CPU time of the loop against the bare one, from the line
``begin`` (or the first) to the last line that the program prints, and ``after`` the CPU
seconds from there to the end, beyond the bare run's; bytes a step are those of light and of
default recordings; then steps that ``verify`` proved, could not check, and found to differ, and
the doctor's findings. Reasons follow below the row. Ratios of loops under a second are rough.

Exit status 1: a program was disturbed, or a step was told to differ.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from difflib import unified_diff
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograd_lens.trace.outcomes import Verification

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "tests" / "corpus"
TORCHRUN = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--no-python")
LAUNCHED = {"ddp_gloo"}  # programs that torchrun starts twice
LONGEST = 300.0  # seconds a bare run may take; a recorded one may take ten times its bare run
EXAMINED = 300.0  # seconds that verify or the doctor may take

_BUILT_IN = sys.stdlib_module_names | {"torch", "numpy", "autograd_lens"}
_TOKENS = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|\w+|\S")


@dataclass(frozen=True, slots=True)
class Program:
    """A script of the corpus, or one of elsewhere with its folder.

    Attributes:
        name: What its row is called.
        script: The file.
        arguments: What comes behind it on the command line.
        folder: What is copied to where it runs; None for an empty folder.
    """

    name: str
    script: Path
    arguments: tuple[str, ...] = ()
    folder: Path | None = None

    @property
    def missing(self) -> list[str]:
        """The modules that it imports and that are not installed; of a foreign script none."""
        if self.folder is not None:
            return []
        return [one for one in sorted(_imports(self.script)) if not importlib.util.find_spec(one)]

    @property
    def quick(self) -> bool:
        """Whether it needs torch alone and runs in one process."""
        return _imports(self.script) <= _BUILT_IN and self.name not in LAUNCHED


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of a program.

    Attributes:
        status: Its exit status; None where it had to be ended.
        output: What it printed on standard output.
        errors: What it printed on standard error.
        loop: CPU seconds of the loop; None where it cannot be told.
        after: CPU seconds from the last line to the end.
        files: A digest of each file it wrote, by its path in its folder.
        trace: The recording, where there is one.
    """

    status: int | None
    output: str
    errors: str
    loop: float | None
    after: float
    files: Mapping[str, str]
    trace: Path | None


@dataclass(slots=True)
class Row:
    """What is printed of a program; see the head of this file."""

    name: str
    output: bool | None = None
    status: bool | None = None
    files: bool | None = None
    light: float | None = None
    full: float | None = None
    after: float | None = None
    light_bytes: int | None = None
    full_bytes: int | None = None
    steps: int = 0
    proved: int = 0
    unknown: int = 0
    differs: int = 0
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether no step is told to differ, and nine of ten are proved."""
        return not self.differs and self.proved >= 0.9 * self.steps > 0

    @property
    def bad(self) -> bool:
        """Whether the program was disturbed, or a step was told to differ."""
        return False in {self.output, self.status, self.files} or self.differs > 0


# -- running ----------------------------------------------------------------------------------


def run(program: Program, folder: Path, full: str | None, longest: float) -> Ran:
    """Run a program in a folder, bare or recorded.

    Args:
        program: The program.
        folder: Where; it is made, and stays.
        full: Which steps are recorded in full; None for the bare program.
        longest: Seconds after which it is ended.
    """
    place = folder / "run"
    if program.folder is not None:
        shutil.copytree(program.folder, place, ignore=shutil.ignore_patterns(".git"))
    else:
        place.mkdir(parents=True)
    script = program.script
    if program.folder is not None:
        script = place / script.relative_to(program.folder)
    there = _digests(place)
    with (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, *_command(program, script, folder, full)],
            cwd=script.parent if program.folder is not None else place,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        with process.stdout or contextlib.nullcontext():
            output, loop, after = _read(process, longest)
    traces = sorted(folder.glob("*.lens"))
    return Ran(
        status=process.returncode if process.returncode != -signal.SIGKILL else None,
        output=output.decode(errors="replace").replace(str(folder), ""),
        errors=(folder / "errors").read_text(errors="replace").replace(str(folder), ""),
        loop=loop,
        after=after,
        files={k: v for k, v in _digests(place).items() if there.get(k) != v},
        trace=traces[0] if traces else None,
    )


def _command(program: Program, script: Path, folder: Path, full: str | None) -> list[str]:
    lens = ["-m", "autograd_lens", "run", "--full", full or "", "-o"]
    if program.name in LAUNCHED:
        own = [sys.executable, str(script)]
        if full is not None:  # each process a recording of its own
            inner = " ".join([sys.executable, *lens, f"{folder}/$RANK.lens", str(script)])
            own = ["sh", "-c", inner]
        return [*TORCHRUN, *own]
    record = [*lens, str(folder / "run.lens")] if full is not None else []
    return [*record, str(script), *program.arguments]


def _environment(folder: Path) -> dict[str, str]:
    """One thread, no network, nothing written outside of the folder, lines as they are printed."""
    paths = [str(ROOT), *([str(PROGRAMS / "cpu")] if _odd_torchvision() else [])]
    changes = {
        "PYTHONPATH": os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
        "WANDB_MODE": "disabled",
        "MPLBACKEND": "Agg",
        "COLUMNS": "120",
        "AUTOGRAD_LENS_STATE": str(folder / "state"),
    }
    return {**os.environ, **changes}


def _odd_torchvision() -> bool:
    """Whether torch is a CPU build and torchvision is not."""
    try:
        builds = [importlib.metadata.version(name) for name in ("torch", "torchvision")]
    except importlib.metadata.PackageNotFoundError:
        return False
    return builds[0].endswith("+cpu") and not builds[1].endswith("+cpu")


def _read(process: subprocess.Popen[bytes], longest: float) -> tuple[bytes, float | None, float]:
    """Read a program's output to its end: the text, and CPU seconds of the loop and after it.

    A program that takes too long is killed with all that it started.
    """
    stream = process.stdout
    assert stream is not None
    text = bytearray()
    begun, last, now = None, 0.0, 0.0
    limit = time.monotonic() + longest
    while True:
        ready, _, _ = select.select([stream], [], [], 0.05)
        now = _cpu(process.pid) or now
        if ready:
            chunk = os.read(stream.fileno(), 1 << 16)
            if not chunk:
                break
            if begun is None or b"begin\n" in chunk:
                begun = now
            text += chunk
            last = now
        if time.monotonic() > limit:
            os.killpg(process.pid, signal.SIGKILL)
            break
    process.wait()
    return bytes(text), last - begun if begun is not None and last > begun else None, now - last


def _cpu(pid: int) -> float | None:
    """CPU seconds of all threads of a process so far, where the system says."""
    try:
        tasks = [task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    except OSError:
        return None
    return sum(int(task.split()[0]) for task in tasks) / 1e9 if tasks else None


def _digests(place: Path) -> dict[str, str]:
    return {
        str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(place.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


# -- comparing --------------------------------------------------------------------------------


def _alike(bare: Ran, recorded: Ran) -> bool:
    """Whether a recorded run is the bare one in all that is compared."""
    same = bare.output == recorded.output and bare.files == recorded.files
    return same and _messages(bare.errors) == _messages(recorded.errors)


def same_text(bare: str, again: str, recorded: str) -> bool:
    """Whether a text is the bare one, but for the words in which two bare ones differ."""
    first, second, third = (_TOKENS.findall(text) for text in (bare, again, recorded))
    if len(first) != len(third):
        return False
    agree = [a == b for a, b in zip_longest(first, second)]
    return all(a == c or not known for a, c, known in zip(first, third, agree, strict=False))


def same_files(bare: Ran, again: Ran, recorded: Ran) -> list[str]:
    """The files that are missing, added, or other than the bare runs agree on."""
    certain = {name for name, value in bare.files.items() if again.files.get(name) == value}
    present = bare.files.keys() & again.files.keys()
    missing = present - recorded.files.keys()
    added = recorded.files.keys() - bare.files.keys() - again.files.keys()
    if bare.files.keys() != again.files.keys():  # names with a time in them
        added = set()
    other = {n for n in certain - missing if recorded.files[n] != bare.files[n]}
    return sorted(missing | added | other)


def _messages(text: str) -> set[str]:
    """The lines of standard error without numbers and without our own."""
    lines = re.split(r"[\r\n]+", text)
    kept = (re.sub(r"[\d.,]+", "#", line).strip() for line in lines)
    own = ("Recorded ", "More: ", "AL#")
    return {line for line in kept if line and not line.startswith(own)}


# -- one program ------------------------------------------------------------------------------


def measure(program: Program, rounds: int = 1, ways: Sequence[str] = ("none", "default")) -> Row:
    """Run a program bare and recorded, and say what came of it.

    Args:
        program: The program.
        rounds: How often each way; of the times the shortest counts.
        ways: Which steps are recorded in full, in turn; the default one is examined.
    """
    row = Row(program.name)
    if program.missing:
        row.notes.append(f"not installed: {', '.join(program.missing)}")
        return row
    with tempfile.TemporaryDirectory(prefix="corpus-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        began = time.monotonic()
        bare = [run(program, folder / "bare0", None, LONGEST)]
        longest = 60 + 10 * (time.monotonic() - began)
        recorded: dict[str, list[Ran]] = {way: [] for way in ways}
        for number in range(rounds):
            if number:
                bare.append(run(program, folder / f"bare{number}", None, LONGEST))
            for way, rans in recorded.items():
                rans.append(run(program, folder / f"{way}{number}", way, longest))
        every = [one for rans in recorded.values() for one in rans]
        if len(bare) == 1 and not all(_alike(bare[0], one) for one in every):
            bare.append(run(program, folder / "again", None, LONGEST))
        _compare(row, bare, recorded)
        _time(row, bare, recorded)
        _examine(row, recorded)
    return row


def _compare(row: Row, bare: list[Ran], ways: Mapping[str, list[Ran]]) -> None:
    first, again = bare[0], bare[-1]
    if first.status != 0:
        row.notes.append(f"bare: exit {first.status}: {_last_line(first.errors)}")
    row.output = row.status = row.files = True
    for way, rans in ways.items():
        for one in rans:
            if one.status != first.status:
                row.status = False
                ended = "did not end" if one.status is None else f"exit {one.status}"
                row.notes.append(f"{way}: {ended} (bare {first.status}): {_last_line(one.errors)}")
            if not same_text(first.output, again.output, one.output):
                row.output = False
                row.notes.append(f"{way}: output differs: {_first_change(first, one)}")
            if odd := same_files(first, again, one):
                row.files = False
                row.notes.append(f"{way}: files differ: {', '.join(odd[:4])}")
        told = _messages(rans[0].errors) - _messages(first.errors) - _messages(again.errors)
        lost = (_messages(first.errors) & _messages(again.errors)) - _messages(rans[0].errors)
        row.notes += [f"{way}: stderr has: {line[:160]}" for line in sorted(told)[:6]]
        row.notes += [f"{way}: stderr lacks: {line[:160]}" for line in sorted(lost)[:3]]


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][:160] if lines else ""


def _first_change(bare: Ran, recorded: Ran) -> str:
    lines = unified_diff(bare.output.splitlines(), recorded.output.splitlines(), lineterm="", n=0)
    return " | ".join(
        [line[:120] for line in lines if not line.startswith(("---", "+++", "@@"))][:2]
    )


def _time(row: Row, bare: list[Ran], ways: Mapping[str, list[Ran]]) -> None:
    row.after = max(min(one.after for one in rans) for rans in ways.values())
    row.after -= min(one.after for one in bare)
    base = _shortest(bare)
    if base is None or row.name in LAUNCHED:  # its launcher's time says nothing
        return
    row.notes.append(f"bare loop {base:.2f} s")
    loops = {way: _shortest(rans) for way, rans in ways.items()}
    ratios = {way: loop / base for way, loop in loops.items() if loop is not None}
    row.light, row.full = ratios.get("none"), ratios.get("default")


def _shortest(rans: Iterable[Ran]) -> float | None:
    return min((one.loop for one in rans if one.loop), default=None)


def _examine(row: Row, ways: Mapping[str, list[Ran]]) -> None:
    traces = {way: rans[0].trace for way, rans in ways.items()}
    full = traces.get("default")
    if full is None:
        row.notes.append("no recording")
        return
    command = [sys.executable, __file__, "--examine", str(full)]
    try:
        done = subprocess.run(
            command,
            env=_environment(full.parent),
            capture_output=True,
            text=True,
            timeout=EXAMINED,
            check=False,
        )
    except subprocess.TimeoutExpired:
        row.notes.append(f"verify and doctor: not done after {EXAMINED:.0f} s")
        return
    if done.returncode:
        row.notes.append(f"verify or doctor: {_last_line(done.stderr)}")
        return
    found = json.loads(done.stdout.splitlines()[-1])
    row.notes += found.pop("notes")
    for name, value in found.items():
        setattr(row, name, value)
    sizes = {way: path.stat().st_size for way, path in traces.items() if path is not None}
    each = {way: size // row.steps for way, size in sizes.items() if row.steps}
    row.light_bytes, row.full_bytes = each.get("none"), each.get("default")


# -- in a process of its own ------------------------------------------------------------------


def examine(trace: Path) -> dict[str, object]:
    """Verify a recording, and ask the doctor: fields of its row."""
    from autograd_lens import open as open_trace
    from autograd_lens.doctor import examine as findings_of
    from autograd_lens.replay.verify import verify

    row = Row("")
    with open_trace(trace) as opened:
        row.steps = row.unknown = len(opened.steps)
        try:
            _count(row, verify(opened, range(row.steps)))
        except Exception as error:  # noqa: BLE001  what fails is what is measured here
            row.notes.append(f"verify failed: {error!r}")
        try:
            found = findings_of(opened)
            row.findings += [f"{one.code} {one.severity}: {one.message}" for one in found]
        except Exception as error:  # noqa: BLE001
            row.notes.append(f"doctor failed: {error!r}")
    names = ("steps", "proved", "unknown", "differs", "findings", "notes")
    return {name: getattr(row, name) for name in names}


def _count(row: Row, result: Verification) -> None:
    differing = {one.step for check in result.checks for one in check.mismatches}
    unknown = {n for check in result.checks for one in check.skipped for n in one.steps}
    row.differs, row.unknown = len(differing), len(unknown - differing)
    row.proved = row.steps - row.unknown - row.differs
    row.notes += [*_reasons(result), f"verified in {result.seconds:.1f} s"]


def _reasons(result: Verification) -> Iterator[str]:
    """Why steps are not proved, each reason once, and the first differences of each check."""
    where: dict[str, set[int]] = {}
    checks: dict[str, list[str]] = {}
    for check in result.checks:
        for one in check.skipped:
            reason = re.sub(r"\(kernel \d+\)", "(kernel N)", one.reason)
            where.setdefault(reason, set()).update(one.steps)
            checks.setdefault(reason, []).append(check.name)
    for reason, steps in sorted(where.items(), key=lambda pair: -len(pair[1]))[:8]:
        names = ", ".join(dict.fromkeys(checks[reason]))
        yield f"not known in {len(steps)} ({names}): {reason}"
    for check in result.checks:
        many = len({one.step for one in check.mismatches})
        for one in check.mismatches[:2]:
            what = f"step {one.step}, {one.name}{one.by and f', by {one.by}'}"
            yield f"differs in {many} ({check.name}): {what}"


# -- all of them ------------------------------------------------------------------------------


def corpus() -> list[Program]:
    """The programs of the corpus, in order of their names."""
    paths = sorted(PROGRAMS.glob("*.py"))
    return [Program(one.stem, one) for one in paths if not one.stem.startswith("test_")]


def _imports(script: Path) -> set[str]:
    """The top-level modules that a script imports absolutely."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.partition(".")[0])
    return found


HEAD = (
    f"{'program':28}{'same':>6}{'light':>7}{'full':>7}{'after':>7}{'B/step':>9}{'(full)':>10}"
    f"{'steps':>7}{'proved':>8}{'unknown':>9}{'differ':>8}  doctor"
)


def row_lines(row: Row) -> Iterator[str]:
    """A row as it is printed, and what there is to say below it."""
    same = "".join(
        letter if good else "!" if good is False else "-"
        for letter, good in zip("oxf", (row.output, row.status, row.files), strict=True)
    )
    times = [f"{x:.2f}" if x is not None else "-" for x in (row.light, row.full, row.after)]
    sizes = [f"{x:,}" if x is not None else "-" for x in (row.light_bytes, row.full_bytes)]
    codes = Counter(one.split()[0] for one in row.findings)
    doctor = " ".join(f"{code}" + (f"x{n}" if n > 1 else "") for code, n in codes.items())
    yield (
        f"{row.name:28}{same:>6}{times[0]:>7}{times[1]:>7}{times[2]:>7}{sizes[0]:>9}{sizes[1]:>10}"
        f"{row.steps:>7}{row.proved:>8}{row.unknown:>9}{row.differs:>8}  {doctor}"
    )
    yield from (f"      {note}" for note in row.notes)
    yield from (f"      doctor: {one[:200]}" for one in row.findings)


def _summary(rows: list[Row]) -> str:
    ran = [row for row in rows if row.output is not None]
    steps, proved = sum(row.steps for row in ran), sum(row.proved for row in ran)
    whole = sum(bool(row.steps) and row.proved == row.steps for row in ran)
    return (
        f"{len(ran)} programs ran, {sum(row.bad for row in ran)} disturbed or told to differ; "
        f"{proved:,} of {steps:,} steps proved, all of them in {whole} programs."
    )


def main() -> None:
    """Read the command line, run the programs, print the table."""
    parser = argparse.ArgumentParser(description="Programs of real libraries, bare and recorded.")
    parser.add_argument("names", nargs="*", help="programs of the corpus; all by default")
    parser.add_argument("--quick", action="store_true", help="those that need torch alone")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="programs at a time")
    parser.add_argument("--json", type=Path, help="append each row to this file, too")
    parser.add_argument("--examine", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--outside", nargs=argparse.REMAINDER, metavar="FOLDER SCRIPT ...")
    given = parser.parse_args()
    if given.examine:
        print(json.dumps(examine(given.examine)))
        return
    programs = _chosen(given)
    print(HEAD, flush=True)
    rows = []
    with ThreadPoolExecutor(given.jobs) as pool:
        for row in pool.map(lambda one: measure(one, given.rounds), programs):
            print("\n".join(row_lines(row)), flush=True)
            rows.append(row)
            if given.json:
                with given.json.open("a") as file:
                    file.write(json.dumps(asdict(row)) + "\n")
    print(_summary(rows))
    sys.exit(any(row.bad for row in rows))


def _chosen(given: argparse.Namespace) -> list[Program]:
    if given.outside:
        folder, script, *arguments = given.outside
        place = Path(folder).resolve()
        name = str(Path(script).with_suffix(""))
        return [Program(name, place / script, tuple(arguments), place)]
    programs = [one for one in corpus() if one.quick or not given.quick]
    unknown = set(given.names) - {one.name for one in programs}
    if unknown:
        sys.exit(f"No such programs: {', '.join(sorted(unknown))}.")
    return [one for one in programs if not given.names or one.name in given.names]


if __name__ == "__main__":
    main()
