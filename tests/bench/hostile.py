"""What every verb does with damaged traces: how many are read rightly, refused, or do harm.

    python tests/bench/hostile.py [--seeds 3000] [--first 0] [--each 3] [--verbs a,b]
        [--sort aimed] [--jobs 2]

Each seed makes one damaged file (``tests/support/hostile.py``) out of one of two recordings, of a
linear regression and of a small network in minibatches. ``--each`` verbs in turn are run on it, or
those that ``--verbs`` names, in a process that was forked from one which has everything imported.
Tools of ``mcp``, the requests of an editor to ``dap`` and those of a browser to ``view --serve``
are verbs as well. ``--sort`` makes files of one sort alone, such as ``aimed``.

A verb must end with its answer or with one line of error, within 5 s of processor time and
500 MB; where no seal was made again its answer must be that of the sound file; what it writes
must be well-formed, and hold no control characters and no markup of the file's own.
The table counts what happened, and the places of failures are listed with a seed of each, whose
file stays in the folder for temporary files.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import hashlib
import json
import os
import re
import resource
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import Pool
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.support.hostile import OBEYED, SORTS, mutant, sort_of  # noqa: E402

SECONDS = 5
MEGABYTES = 500
UNSEALED = ("bytes", "pages", "sql")  # damage that the seals must show
OUTCOMES = ("right", "refused", "other", "WRONG", "TRACEBACK", "HANG", "BLOW-UP")
VERBS: dict[str, list[str]] = {
    "info": ["info", "FILE", "--width", "100"],
    "trace": ["trace", "FILE", "--steps", "0,1,last", "--kernels", "--width", "100"],
    "explain": ["explain", "FILE", "--width", "100"],
    "find": ["find", "FILE", "loss < 0.5", "--width", "100"],
    "diff": ["diff", "FILE", "SOUND", "--width", "100"],
    "graph": ["graph", "FILE", "--step", "0", "-o", "g.dot", "-f"],
    "svg": ["graph", "FILE", "--step", "0", "-o", "g.svg", "-f"],
    "json": ["export", "FILE", "--values", "-o", "e.jsonl", "-f"],
    "perfetto": ["export", "FILE", "--to", "perfetto", "-o", "e.json", "-f"],
    "doctor": ["doctor", "FILE", "--width", "100"],
    "reports": ["doctor", "FILE", "--no-experiments", "--sarif", "d.sarif", "--junit", "d.xml"],
    "view": ["view", "FILE", "-o", "v.html", "-f"],
    "path": ["path", "FILE", "-o", "p.svg", "-f"],
    "handout": ["handout", "FILE", "-o", "h.html", "-f"],
    "markdown": ["handout", "FILE", "-o", "h.md", "-f"],
    "notebook": ["handout", "FILE", "-o", "h.ipynb", "-f"],
    "pdf": ["handout", "FILE", "--lang", "zh", "-o", "h.pdf", "-f"],
    "worksheet": ["handout", "FILE", "--worksheet", "-o", "w.html", "-f"],
    "animate": ["animate", "FILE", "-o", "a.gif", "-f"],
    "verify": ["verify", "FILE", "--steps", "0:4", "--width", "100"],
    "whatif": ["whatif", "FILE", "--steps", "3", "--set", "lr=0.1", "-o", "w.svg", "-f"],
    "step": ["step", "FILE", "--screenshot", "s.svg", "-f"],
}
TIMED = ("path", "whatif", "step", "animate", "doctor", "handout", "pdf", "mcp doctor", "serve")
STATUS = {  # exit statuses that are answers
    "find": (1,),
    "diff": (1, 3),
    "doctor": (1,),
    "reports": (1,),
    "verify": (1,),
}
TOOLS: dict[str, dict[str, Any]] = {
    "info": {"file": "run.lens"},
    "trace": {"file": "run.lens", "step": "last", "kernels": True},
    "explain": {"file": "run.lens"},
    "find": {"file": "run.lens", "condition": "loss < 0.5"},
    "diff": {"one": "run.lens", "other": "sound.lens"},
    "doctor": {"file": "run.lens", "experiments": False},
    "what_if": {"file": "run.lens", "changes": {"lr": 0.2}, "steps": 2},
    "verify": {"file": "run.lens", "steps": "0:3"},
}
REQUESTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("initialize", {"adapterID": "autograd-lens", "supportsVariablePaging": True}),
    ("launch", {"trace": "run.lens"}),
    ("setFunctionBreakpoints", {"breakpoints": [{"name": "MeanBackward0"}]}),
    ("setExceptionBreakpoints", {"filters": ["error", "bad", "finding"]}),
    ("loadedSources", {}),
    ("source", {"sourceReference": 1}),
    ("configurationDone", {}),
    *((name, {"threadId": 1}) for name in ("stackTrace", "next", "stepIn", "stackTrace")),
    ("scopes", {"frameId": 1}),
    *(("variables", {"variablesReference": number, "count": 5}) for number in range(1, 9)),
    ("evaluate", {"expression": "loss < 0.5", "frameId": 1}),
    *((name, {"threadId": 1}) for name in ("continue", "exceptionInfo", "stepBack")),
    *((name, {"threadId": 1}) for name in ("reverseContinue", "stepOut", "stackTrace")),
    ("disconnect", {}),
)
NAMES = [*VERBS, *(f"mcp {tool}" for tool in TOOLS), "dap", "serve"]
REGRESSION = """
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
NETWORK = """
import torch
torch.manual_seed(0)
data, labels = torch.randn(40, 6), torch.randint(3, (40,))
model = torch.nn.Sequential(
    torch.nn.Linear(6, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout(0.2),
    torch.nn.Linear(8, 3),
)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 6)
for epoch in range(3):
    for rows in torch.randperm(40).split(16):
        loss = torch.nn.functional.cross_entropy(model(data[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        if epoch == 2:
            loss = loss * float("nan")
"""


class Late(BaseException):
    """A verb took too long; no handler of an ``Exception`` may hide it."""


def on_alarm(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Late


def sound_trace(folder: Path, program: str) -> bytes:
    """A recording of a program, made in a process of its own."""
    import subprocess

    (folder / "train.py").write_text(program)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "AUTOGRAD_LENS_STATE": str(folder)}
    command = [sys.executable, "-m", "autograd_lens", "run", "train.py"]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return (folder / "train.lens").read_bytes()


def import_everything() -> None:
    """So that a forked child need not."""
    import matplotlib.pyplot  # noqa: F401, ICN001
    import mcp.server  # noqa: F401
    import torch

    from autograd_lens.cli import VERBS as ALL
    from autograd_lens.cli import app

    torch.set_num_threads(1)
    for verb in ALL:
        app.get_command(None, verb)  # type: ignore[arg-type]
    gc.freeze()


def run_verb(  # noqa: PLR0911  one return for each way to end
    verb: str, folder: Path
) -> tuple[str, str, str]:
    """Run a verb on ``run.lens`` of a folder, in this process.

    Returns:
        What happened, where it failed, and a digest of what was printed.
    """
    for path in folder.iterdir():
        if path.suffix in MADE:
            path.unlink()
    printed = folder / "printed"
    signal.signal(signal.SIGPROF, on_alarm)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        with printed.open("w") as file, redirected(file.fileno()):
            code = started(verb)
    except Late as error:
        return "HANG", place_of(error), ""
    except MemoryError as error:
        return "BLOW-UP", place_of(error), ""
    except BaseException as error:  # noqa: BLE001  whatever it is, it is counted
        return "TRACEBACK", f"{place_of(error)} {type(error).__name__}: {str(error)[:80]}", ""
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    said = printed.read_bytes()
    made = [path for path in sorted(folder.iterdir()) if path.suffix in MADE]
    if fault := next(filter(None, (ill_formed(path) for path in (printed, *made))), ""):
        return "WRONG", fault, ""
    if b"Traceback (most recent" in said:
        return "TRACEBACK", said.decode().strip().splitlines()[-1][:100], ""
    if (code and code not in STATUS.get(verb, ())) or b"Error: " in said:
        lines = said.decode(errors="replace").strip().splitlines()
        errors = [line for line in lines if line.startswith("Error: ")]
        right = errors and len(lines[-1]) < 2_000
        return ("refused", "", "") if right else ("WRONG", f"status {code} without a word", "")
    said = TOOK.sub(b"", said)
    content = b"" if verb == "info" else said + b"".join(path.read_bytes() for path in made)
    return "right", "", hashlib.sha256(content).hexdigest()


def started(verb: str) -> int:
    """The exit status of a verb."""
    from autograd_lens.cli import app

    if verb == "dap":
        return spoken_to_as_editors_do()
    if verb == "serve":
        return asked_as_browsers_do()
    if verb.startswith("mcp "):
        return asked_as_assistants_do(verb.removeprefix("mcp "))
    files = {"FILE": "run.lens", "SOUND": "sound.lens"}
    try:
        app([files.get(word, word) for word in VERBS[verb]], prog_name="autograd-lens")
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 0
    return 0


def asked_as_assistants_do(tool: str) -> int:
    """Ask a tool of the MCP server, and print its answer as it is sent."""
    import asyncio

    from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError

    from autograd_lens.servers.mcp.reading import Folder
    from autograd_lens.servers.mcp.server import serve

    try:
        answer = asyncio.run(serve(Folder(Path())).call_tool(tool, TOOLS[tool]))
    except UnexpectedToolError as error:
        raise error.__cause__ or error from None
    except ToolError as error:
        print(f"Error: {error}")
        return 1
    print(answer.model_dump_json())
    return 0


def spoken_to_as_editors_do() -> int:
    """What an editor asks, and print the answers as they are sent."""
    from autograd_lens.api import replaying
    from autograd_lens.servers.dap.adapter import Adapter
    from autograd_lens.trace.reader import Trace

    told: list[Any] = []
    adapter = Adapter(
        lambda given: replaying(Trace(given.trace)),
        lambda message: (told.append(message), print(json.dumps(message, allow_nan=False)))[1],
    )
    try:
        for number, (command, arguments) in enumerate(REQUESTS):
            request = {"type": "request", "command": command, "arguments": arguments}
            adapter.answer({"seq": number, **request})
            if not told[-1].get("success", True):
                print(f"Error: {told[-1]['message']}")
                return 1
            if "This trace is damaged" in json.dumps(told[-1]):  # at a breakpoint, say
                print(f"Error: {told[-1]}")
                return 1
    finally:
        adapter.close()
    return 0


def asked_as_browsers_do() -> int:
    """Serve the page, ask for it with a step open, and print it."""
    from threading import Thread
    from urllib.error import HTTPError
    from urllib.request import urlopen

    from autograd_lens.api import replaying
    from autograd_lens.errors import LensError
    from autograd_lens.pages import RunPages
    from autograd_lens.servers.web import server
    from autograd_lens.trace.reader import Trace

    made = None
    try:
        made = server(RunPages(replaying(Trace(Path("run.lens")))))
        thread = Thread(target=made.serve_forever, daemon=True)
        thread.start()
        with urlopen(f"http://127.0.0.1:{made.server_address[1]}/?open=3") as answer:
            Path("v.html").write_bytes(answer.read())
    except (LensError, HTTPError) as error:
        told = error.read().decode() if isinstance(error, HTTPError) else str(error)
        print("Error:", " ".join(told.split()))
        return 1
    finally:
        if made is not None:
            made.shutdown()
            made.server_close()
    return 0


MADE = {
    ".dot",
    ".svg",
    ".html",
    ".json",
    ".jsonl",
    ".sarif",
    ".xml",
    ".md",
    ".ipynb",
    ".pdf",
    ".gif",
}
TOOK = re.compile(rb" in [\d.]+ s\b")  # of verify; the machine's, not the file's
CONTROLS = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]")


def ill_formed(path: Path) -> str:
    """What is wrong with a file that a verb wrote, in words."""
    data = path.read_bytes()
    if path.suffix in {".pdf", ".gif"}:
        return "" if data.startswith((b"%PDF", b"GIF8")) else f"{path.name} is no {path.suffix}"
    try:
        text = data.decode()
        if path.suffix in {".json", ".sarif", ".ipynb"}:
            json.loads(text, parse_constant=no_number)
        elif path.suffix == ".jsonl":
            for line in text.splitlines():
                json.loads(line, parse_constant=no_number)
        elif path.suffix in {".svg", ".xml"}:
            ET.fromstring(text)
    except (ValueError, ET.ParseError) as error:
        return f"{path.name} is not well-formed: {error}"[:150]
    if found := CONTROLS.search(text):
        return f"{path.name} holds the control character {found[0]!r}"
    if path.suffix in {".html", ".svg"} and OBEYED in text:
        return f"{path.name} holds markup of the file"
    return ""


def no_number(word: str) -> NoReturn:
    msg = f"{word} is no JSON"
    raise ValueError(msg)


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


def examine(data: bytes, sound: bytes, verbs: Sequence[str]) -> list[tuple[str, str, str]]:
    """Verbs on one file, one after the other in a forked process.

    A verb after which the process is not as it was is the last in it; those behind it get another.
    """
    outcomes: list[tuple[str, str, str]] = []
    while len(outcomes) < len(verbs):
        outcomes += in_a_child(data, sound, verbs[len(outcomes) :])
    return outcomes


def in_a_child(data: bytes, sound: bytes, verbs: Sequence[str]) -> list[tuple[str, str, str]]:
    """The outcomes of verbs in a forked process, up to one that ended it, at least one."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        bounded()
        with tempfile.TemporaryDirectory() as name:
            os.chdir(name)
            os.environ["AUTOGRAD_LENS_STATE"] = name
            Path("run.lens").write_bytes(data)
            Path("sound.lens").write_bytes(sound)
            for verb in verbs:
                outcome = guarded(verb, Path(name))
                os.write(writer, "\0".join(outcome).encode(errors="replace") + b"\n")
                if outcome[0] in {"HANG", "BLOW-UP"}:
                    break
            os.chdir("/")
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        said = file.read().decode()
    os.waitpid(child, 0)
    found = [tuple(line.split("\0")) for line in said.split("\n")[:-1]]
    return found or [("TRACEBACK", f"{verbs[0]}: the process died", "")]  # type: ignore[return-value]


def guarded(verb: str, folder: Path) -> tuple[str, str, str]:
    """What a verb did, its memory counted in; whatever this bench does wrong is told as well."""
    before = memory()
    try:
        outcome = run_verb(verb, folder)
    except BaseException as error:  # noqa: BLE001
        return "TRACEBACK", f"harness: {error!r}"[:200].replace("\n", " "), ""
    taken = memory() - before
    if taken > MEGABYTES and outcome[0] in {"right", "refused"}:
        return "BLOW-UP", f"took {taken} MB", ""
    return outcome[0], outcome[1].replace("\n", " "), outcome[2]


def judge(
    seed: int,
    sounds: Sequence[bytes],
    truths: Sequence[dict[str, str]],
    chosen: Sequence[str],
    each: int,
) -> list[tuple[str, str, str]]:
    """What verbs make of a seed's file: (verb, outcome, where)."""
    turn, which = seed // len(SORTS), seed // len(SORTS) % len(sounds)
    sound, truth = sounds[which], truths[which]
    data = mutant(sound, seed)
    places = [turn // len(sounds) * each + place for place in range(each)]
    verbs = chosen or [NAMES[place % len(NAMES)] for place in places]
    found = []
    for verb, (happened, where, digest) in zip(verbs, examine(data, sound, verbs), strict=True):
        silent = sort_of(seed) in UNSEALED and truth[verb]
        another = happened == "right" and digest != truth[verb]
        outcome = ("WRONG" if silent else "other") if another else happened
        if outcome.isupper():
            kept = Path(tempfile.gettempdir(), f"hostile-{seed}")
            kept.with_suffix(".lens").write_bytes(data)
            kept.with_suffix(".sound").write_bytes(sound)
        found.append((verb, outcome, where))
    return found


_SOUND: list[Any] = []  # what a pool's processes were forked with


def _judge(seed: int) -> tuple[int, list[tuple[str, str, str]]]:
    return seed, judge(seed, *_SOUND)


def truth_of(sound: bytes, verbs: Sequence[str]) -> dict[str, str]:
    """The digest of what each verb says of a sound file, empty where it need not be the same."""
    truth = {}
    first, again = examine(sound, sound, verbs), examine(sound, sound, verbs)
    for verb, one, other in zip(verbs, first, again, strict=True):
        if one[0] != "right":
            print(f"{verb} on the sound file: {one[0]} {one[1]}")
        # What differs by itself, or with the time that a surface was given, is not compared.
        truth[verb] = one[2] if one[2] == other[2] and verb not in TIMED else ""
    return truth


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--each", type=int, default=3)
    parser.add_argument("--verbs", default="")
    parser.add_argument("--sort", choices=SORTS)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    chosen = arguments.verbs.split(",") if arguments.verbs else []
    with tempfile.TemporaryDirectory() as name:
        sounds = [sound_trace(Path(name), program) for program in (REGRESSION, NETWORK)]
    import_everything()
    truths = [truth_of(sound, chosen or NAMES) for sound in sounds]
    _SOUND[:] = [sounds, truths, chosen, arguments.each]
    counts: Counter[tuple[str, str]] = Counter()
    places: dict[tuple[str, str, str], list[int]] = {}
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    if arguments.sort:
        seeds = [seed for seed in seeds if sort_of(seed) == arguments.sort]
    each: Callable[..., Any] = map
    with Pool(arguments.jobs) if arguments.jobs > 1 else contextlib.nullcontext() as pool:
        each = pool.imap_unordered if pool is not None else map
        for number, (seed, found) in enumerate(each(_judge, seeds)):
            if number % 100 == 0:
                print(f"{number} files", file=sys.stderr, flush=True)
            for verb, outcome, where in found:
                counts[sort_of(seed), outcome] += 1
                if outcome.isupper():
                    print(f"seed {seed}: {verb} {outcome} {where}", file=sys.stderr, flush=True)
                    places.setdefault((outcome, verb, where), []).append(seed)
    print(f"{len(seeds)} files, verbs run {sum(counts.values()):,} times")
    print(f"{'':10}" + "".join(f"{outcome:>10}" for outcome in OUTCOMES))
    for sort in SORTS:
        print(f"{sort:10}" + "".join(f"{counts[sort, outcome]:10}" for outcome in OUTCOMES))
    for (outcome, verb, where), hit in sorted(places.items(), key=lambda item: -len(item[1])):
        print(f"{len(hit):5} {outcome:10}{verb:10}{where}  (seed {min(hit)})")
    return 1 if places else 0


if __name__ == "__main__":
    sys.exit(main())
