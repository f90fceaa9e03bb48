"""What an installation is: built twice, installed with what it needs and no more, and tried.

    python tests/bench/install.py [--unconstrained]

Builds wheel and sdist twice, from the checkout and from the unpacked sdist, and says whether the
same bytes came out. Installs the wheel into an empty environment, without any extra, and prints
what that takes on the disk. There, in an empty folder, ``autograd-lens demo`` is run, and what
imports and the first commands take is measured, each in a process of its own. Needs an index of
packages, or a cache that has them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
from collections.abc import Sequence
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
EPOCH = "1767225600"  # any moment will do: 2026-01-01
STARTED = {
    "python -c pass": ("-c", "pass"),
    "import autograd_lens": ("-c", "import autograd_lens"),
    "open a recording": ("-c", "import autograd_lens as lens; lens.open('demo.lens').losses"),
    "autograd-lens --help": ("-m", "autograd_lens", "--help"),
    "autograd-lens trace": ("-m", "autograd_lens", "trace", "demo.lens"),
    "import torch": ("-c", "import torch"),
}
SIZES = """
import importlib.metadata as metadata, json, os, sys
sizes = {}
for found in metadata.distributions():
    places = {os.path.realpath(found.locate_file(file)) for file in found.files or ()}
    sizes[found.name] = sum(os.path.getsize(p) for p in places if os.path.isfile(p))
print(json.dumps(sizes))
"""


def build(source: Path, folder: Path) -> dict[str, str]:
    """The digest of each file that a build of a source tree makes, by its name."""
    words = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    _run(words, source, {**os.environ, "SOURCE_DATE_EPOCH": EPOCH})
    made = sorted(path for path in folder.iterdir() if path.suffix in {".whl", ".gz"})
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in made}


def unpacked(folder: Path, place: Path) -> Path:
    """The source tree that the sdist of a folder holds."""
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(place, filter="data")
    return place / sdist.name.removesuffix(".tar.gz")


def _run(words: Sequence[str | Path], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def _built(work: Path) -> Path:
    first = build(ROOT, work / "first")
    again = build(ROOT, work / "again")
    sdist = build(unpacked(work / "first", work / "source"), work / "sdist")
    for name, digest in first.items():
        size = (work / "first" / name).stat().st_size / 1e6
        told = f"{name:40} {size:6.1f} MB  sha256 {digest[:16]}..."
        equal = digest == again[name], digest == sdist[name]
        print(f"{told}  twice the same: {_yes(equal[0])}, from the sdist: {_yes(equal[1])}")
        if not all(equal):
            sys.exit("A build is not reproducible.")
    (wheel,) = (work / "first").glob("*.whl")
    return wheel


def _yes(holds: bool) -> str:
    return "yes" if holds else "NO"


def _installed(work: Path, wheel: Path, constraints: Path | None) -> Path:
    """The Python of a new environment that holds the wheel and what it needs."""
    venv.create(work / "venv", with_pip=True)
    python = work / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    held = ("-c", constraints) if constraints else ()
    start = time.perf_counter()
    _run([python, "-m", "pip", "install", "-q", *held, wheel], work, _clean())
    print(f"\ninstalled in {time.perf_counter() - start:.0f} s, without extras")
    sizes: dict[str, int] = json.loads(_run([python, "-c", SIZES], work, _clean()))
    mine = sizes.pop("autograd-lens")
    sizes = {name: size for name, size in sizes.items() if name != "pip"}
    print(f"autograd-lens {mine / 1e6:26.1f} MB")
    largest = sorted(sizes, key=lambda name: -sizes[name])
    for name in largest[:10]:
        print(f"  {name:30} {sizes[name] / 1e6:7.1f} MB")
    rest = sum(sizes[name] for name in largest[10:])
    print(f"  {len(largest) - 10} others {rest / 1e6:29.1f} MB")
    print(f"all {(mine + sum(sizes.values())) / 1e6:36.1f} MB")
    return python


def _clean() -> dict[str, str]:
    left_out = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    return {k: v for k, v in os.environ.items() if k not in left_out} | {"MPLBACKEND": "Agg"}


def _tried(work: Path, python: Path) -> None:
    """Run the demo where nothing else is, then time what a user waits for."""
    folder = work / "empty"
    folder.mkdir()
    environment = _clean() | {"AUTOGRAD_LENS_STATE": str(work / "state")}
    start = time.perf_counter()
    _run([python.with_name("autograd-lens"), "demo"], folder, environment)
    made = sorted((folder / "autograd_lens_demo").iterdir())
    print(f"\nautograd-lens demo: {time.perf_counter() - start:.0f} s, {len(made)} files")
    (folder / "autograd_lens_demo" / "linear_regression.lens").rename(folder / "demo.lens")
    print("\nmedian of 5, seconds, whole process")
    for name, words in STARTED.items():
        took = []
        for _ in range(5):
            start = time.perf_counter()
            _run([python, *words], folder, environment)
            took.append(time.perf_counter() - start)
        print(f"  {name:30} {median(took):7.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="What an installation is.")
    parser.add_argument("--unconstrained", action="store_true", help="the newest of everything")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        wheel = _built(work)
        constraints = None if arguments.unconstrained else ROOT / "constraints.txt"
        _tried(work, _installed(work, wheel, constraints))


if __name__ == "__main__":
    main()
