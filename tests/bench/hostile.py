"""What every verb does with damaged traces: how many are read rightly, refused, or do harm.

    python tests/bench/hostile.py [--seeds 3000] [--first 0] [--verbs trace,info] [--jobs 2]

Each seed makes one damaged file (``tests/support/hostile.py``) out of a recording of the linear
regression, and verbs are run on it, each in a process of its own that was forked from one which
has everything imported: the quick ones on all files, of the others one in turn, where
``--verbs`` does not name what to run on all. A verb must end with its answer or with one line of
error, within 5 s of processor time and 500 MB; where no seal was made again its answer must be
that of the sound file.
The table counts what happened, and the places of failures are listed with a seed of each.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing import Pool
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.support.hostile import SORTS, mutant, sort_of  # noqa: E402

SECONDS = 5
MEGABYTES = 500
UNSEALED = ("bytes", "pages", "sql")  # damage that the seals must show
OUTCOMES = ("right", "refused", "other", "WRONG", "TRACEBACK", "HANG", "BLOW-UP")
VERBS: dict[str, list[str]] = {
    "info": ["info", "FILE", "--width", "100"],
    "trace": ["trace", "FILE", "--steps", "0,1,last", "--kernels", "--width", "100"],
    "export": ["export", "FILE"],
    "explain": ["explain", "FILE", "w1.grad", "--width", "100"],
    "doctor": ["doctor", "FILE", "--width", "100"],
    "graph": ["graph", "FILE", "--step", "0", "-o", "g.dot", "-f"],
    "svg": ["graph", "FILE", "--step", "0", "-o", "g.svg", "-f"],
    "path": ["path", "FILE", "-o", "p.svg", "-f"],
    "handout": ["handout", "FILE", "-o", "h.html", "-f"],
    "markdown": ["handout", "FILE", "-o", "h.md", "-f"],
    "verify": ["verify", "FILE", "--steps", "0:4", "--width", "100"],
    "whatif": ["whatif", "FILE", "--steps", "3", "--set", "lr=0.1", "-o", "w.svg", "-f"],
    "step": ["step", "FILE", "--screenshot", "s.svg", "-f"],
}
TURNS = (
    "export",
    "svg",
    "path",
    "handout",
    "markdown",
    "verify",
    "whatif",
    "step",
)  # the dear ones
TIMED = ("path", "whatif", "step")
PROGRAM = """
import torch
torch.manual_seed(0)
w1, b1 = torch.randn(1, 1, requires_grad=True), torch.randn(1, requires_grad=True)
optimizer = torch.optim.SGD([w1, b1], lr=0.1, momentum=0.5)
x = torch.rand(20, 1)
y = 3 * x + 10
for t in range(30):
    loss = ((x.mm(w1) + b1 - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


class Late(BaseException):
    """A verb took too long; no handler of an ``Exception`` may hide it."""


def on_alarm(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Late


def sound_trace(folder: Path) -> bytes:
    """A recording of a short regression, made in a process of its own."""
    import subprocess

    (folder / "train.py").write_text(PROGRAM)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "AUTOGRAD_LENS_STATE": str(folder)}
    command = [sys.executable, "-m", "autograd_lens", "run", "train.py"]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return (folder / "train.lens").read_bytes()


def import_everything() -> None:
    """So that a forked child need not."""
    import matplotlib.pyplot  # noqa: F401, ICN001
    import torch

    from autograd_lens.cli import VERBS as ALL
    from autograd_lens.cli import app

    torch.set_num_threads(1)
    for verb in ALL:
        app.get_command(None, verb)  # type: ignore[arg-type]


def run_verb(verb: str, folder: Path) -> tuple[str, str, str]:
    """Run a verb on ``run.lens`` of a folder, in this process.

    Returns:
        What happened, where it failed, and a digest of what was printed.
    """
    from autograd_lens.cli import app

    words = ["run.lens" if word == "FILE" else word for word in VERBS[verb]]
    printed = folder / "printed"
    signal.signal(signal.SIGPROF, on_alarm)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        with printed.open("w") as file, redirected(file.fileno()):
            app(words, prog_name="autograd-lens")
    except SystemExit as error:
        code = error.code
    except Late as error:
        return "HANG", place_of(error), ""
    except MemoryError as error:
        return "BLOW-UP", place_of(error), ""
    except BaseException as error:  # noqa: BLE001  whatever it is, it is counted
        return "TRACEBACK", f"{place_of(error)} {type(error).__name__}: {str(error)[:80]}", ""
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    said = printed.read_bytes()
    if b"\x1b]" in said or b"\x07" in said or b"\xc2\x9b" in said:
        return "WRONG", f"{verb} lets control characters through", ""
    if code not in (0, None):
        lines = said.decode(errors="replace").strip().splitlines()
        errors = [line for line in lines if line.startswith("Error: ")]
        return ("refused" if errors and len(lines[-1]) < 2_000 else "WRONG"), "", ""
    made = [path for path in sorted(folder.iterdir()) if path.suffix in {".dot", ".svg", ".html"}]
    content = b"" if verb == "info" else said + b"".join(path.read_bytes() for path in made)
    return "right", "", hashlib.sha256(content).hexdigest()


@contextlib.contextmanager
def redirected(target: int) -> Iterator[None]:
    """Standard output and error into a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    os.dup2(target, 1)
    os.dup2(target, 2)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError, OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        os.close(kept[0])
        os.close(kept[1])


def place_of(error: BaseException) -> str:
    """The innermost line of this package that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/autograd_lens/" in frame.filename]
    if not ours:
        return "outside"
    return f"{ours[-1].filename.rpartition('/autograd_lens/')[2]}:{ours[-1].lineno}"


def memory() -> int:
    """The most memory this process had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def bounded() -> None:
    """Keep a blow-up from taking the machine down."""
    status = Path("/proc/self/status").read_text()
    held = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmData"))
    limit = (held << 10) + (2 * MEGABYTES << 20)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def examine(task: tuple[bytes, str]) -> tuple[str, str, str]:
    """One verb on one file, in a forked process of its own."""
    data, verb = task
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            with tempfile.TemporaryDirectory() as name:
                os.chdir(name)
                os.environ["AUTOGRAD_LENS_STATE"] = name
                Path("run.lens").write_bytes(data)
                bounded()
                before = memory()
                outcome = run_verb(verb, Path(name))
                if memory() - before > MEGABYTES and outcome[0] in {"right", "refused", "other"}:
                    outcome = ("BLOW-UP", f"{verb} took {memory() - before} MB", "")
                os.chdir("/")
        except BaseException as error:  # noqa: BLE001
            outcome = ("TRACEBACK", f"harness: {error!r}"[:200], "")
        os.write(writer, "\0".join(outcome).encode(errors="replace"))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        said = file.read().decode()
    os.waitpid(child, 0)
    if not said:
        return "TRACEBACK", f"{verb}: the process died", ""
    first, second, third = said.split("\0")
    return first, second, third


def judge(
    seed: int, sound: bytes, truth: dict[str, str], every: bool
) -> list[tuple[str, str, str]]:
    """What each verb makes of a seed's file: (verb, outcome, where)."""
    data = mutant(sound, seed)
    found = []
    turn = TURNS[seed // len(SORTS) % len(TURNS)]
    for verb, right in truth.items():
        if verb in TURNS and verb != turn and not every:
            continue
        outcome, where, digest = examine((data, verb))
        if outcome == "right" and digest != right:
            outcome = "WRONG" if sort_of(seed) in UNSEALED and right else "other"
        found.append((verb, outcome, where))
    return found


_SOUND: list[Any] = []  # what a pool's processes were forked with


def _judge(seed: int) -> tuple[int, list[tuple[str, str, str]]]:
    return seed, judge(seed, *_SOUND)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--verbs", default="")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    verbs = arguments.verbs.split(",") if arguments.verbs else list(VERBS)
    with tempfile.TemporaryDirectory() as name:
        sound = sound_trace(Path(name))
    import_everything()
    truth = {}
    for verb in verbs:
        outcome, where, digest = examine((sound, verb))
        again = examine((sound, verb))[2]
        # What differs by itself, or with the time that a surface was given, is not compared.
        truth[verb] = digest if digest == again and verb not in TIMED else ""
        if outcome != "right":
            print(f"{verb} on the sound file: {outcome} {where}")
    _SOUND[:] = [sound, truth, arguments.verbs != ""]
    counts: Counter[tuple[str, str]] = Counter()
    places: dict[tuple[str, str, str], list[int]] = {}
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    each: Callable[..., Any] = map
    with Pool(arguments.jobs) if arguments.jobs > 1 else contextlib.nullcontext() as pool:
        each = pool.imap_unordered if pool is not None else map
        for seed, found in each(_judge, seeds):
            for verb, outcome, where in found:
                counts[sort_of(seed), outcome] += 1
                if outcome.isupper():
                    print(f"seed {seed}: {verb} {outcome} {where}", file=sys.stderr, flush=True)
                    places.setdefault((outcome, verb, where), []).append(seed)
    print(f"{arguments.seeds} files, verbs run {sum(counts.values()):,} times")
    print(f"{'':10}" + "".join(f"{outcome:>10}" for outcome in OUTCOMES))
    for sort in SORTS:
        print(f"{sort:10}" + "".join(f"{counts[sort, outcome]:10}" for outcome in OUTCOMES))
    for (outcome, verb, where), hit in sorted(places.items(), key=lambda item: -len(item[1])):
        print(f"{len(hit):5} {outcome:10}{verb:10}{where}  (seed {min(hit)})")
    return 1 if places else 0


if __name__ == "__main__":
    sys.exit(main())
