"""What a command imports: nobody waits for what is not used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT

PROBE = """\
import sys
from autograd_lens.cli import app
try:
    app(sys.argv[1:], standalone_mode=True)
finally:
    loaded = {name.partition(".")[0] for name in sys.modules}
    print("LOADED", *sorted(loaded), file=sys.stderr)
"""


def loaded_by(*words: str, cwd: Path) -> set[str]:
    """Top-level modules that were imported when the command ended well."""
    ended = subprocess.run(
        [sys.executable, "-c", PROBE, *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return set(ended.stderr.rpartition("LOADED ")[2].split())


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("run", "--help")])
def test_help_imports_neither_torch_nor_anything_that_draws(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    loaded = loaded_by(*words, cwd=tmp_path)
    assert not loaded & {"torch", "matplotlib", "rich", "scipy", "textual", "typst"}


@pytest.mark.parametrize(
    "words",
    [
        ("info",),
        ("trace", "--steps", "0:3"),
        ("export", "--steps", "0:3"),
        ("graph", "--step", "0", "-o", "graph.svg"),
    ],
)
def test_looking_at_a_recording_does_not_import_torch(
    words: tuple[str, ...], recorded: Path, tmp_path: Path
) -> None:
    loaded = loaded_by(words[0], str(recorded), *words[1:], cwd=tmp_path)
    assert not loaded & {"torch", "torchviz", "matplotlib"}


def test_importing_the_package_and_opening_a_trace_does_not_import_torch(recorded: Path) -> None:
    code = (
        "import sys, autograd_lens as lens\n"
        "assert 'numpy' not in sys.modules, 'the package itself imports little'\n"
        f"trace = lens.open({str(recorded)!r})\n"
        "assert len(trace.parameter('w1').values) == len(trace.steps) + 1\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
