"""How long the handouts of the demo's run take, and how large they are.

    python tests/bench/handout.py [--rounds 3]

Records the linear regression of 5,000 steps once, then writes each handout as the command does,
in a process of its own; medians are shown. Reach: page and PDF together in 10 s, the page at
most 1.5 MB.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import autograd_lens

ROOT = Path(autograd_lens.__file__).parents[1]
EXAMPLE = ROOT / "examples" / "linear_regression.py"
KINDS = (("html", "en"), ("html", "zh"), ("pdf", "en"), ("pdf", "zh"), ("md", "en"))
REACH_SECONDS, REACH_BYTES = 10, 1_500_000


def lens(*words: str, folder: Path) -> float:
    """Seconds that one command takes, start of Python included."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "autograd_lens", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "AUTOGRAD_LENS_STATE": str(folder)}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lens("run", "-o", "run.lens", str(EXAMPLE), folder=folder)
        seconds, sizes = {}, {}
        for kind, language in KINDS:
            words = ("handout", "run.lens", "-f", "-o", f"a.{kind}", "--lang", language)
            taken = median(lens(*words, folder=folder) for _ in range(rounds))
            seconds[kind, language] = taken
            sizes[kind, language] = (folder / f"a.{kind}").stat().st_size
            print(f"{kind:>5} {language}  {taken:6.2f} s  {sizes[kind, language] / 1e3:8.0f} kB")
    both = seconds["html", "en"] + seconds["pdf", "en"]
    held = both <= REACH_SECONDS and max(sizes.values()) <= REACH_BYTES
    print(f"page and PDF {both:.2f} s, reach {REACH_SECONDS} s: {'held' if held else 'missed'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
