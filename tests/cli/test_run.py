"""``run``: the script behaves as under ``python``, and leaves a recording."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograd_lens.cli import app
from autograd_lens.trace.reader import Trace
from tests.cli.conftest import SCRIPT, Lens

ODD = """\
import sys
print(__name__, __file__, sys.argv)
print("to stderr", file=sys.stderr)
sys.exit(7)
"""


def test_a_run_is_recorded_and_the_next_command_works_as_printed(
    lens: Lens, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    ran = lens("run", "train.py", "--lr", "0.1", "-o", "x", "--", "--help")
    assert ran.returncode == 0
    assert ran.stdout == "trained with ['--lr', '0.1', '-o', 'x', '--', '--help']\n"
    told, _, after = ran.stderr.strip().partition(" Next: autograd-lens ")
    assert told == "Recorded 12 steps in train.lens."
    with Trace(tmp_path / "train.lens") as trace:
        assert trace.full_steps == (0, 1, 2, 5, 10)
    shown = lens(*after.split())
    assert shown.returncode == 0
    assert "Step 0" in shown.stdout


def test_the_latest_recording_is_read_where_no_file_is_named(lens: Lens, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    lens("run", "-o", "a.lens", "--full", "none", "train.py")
    shown = lens("export", "--steps", "last")
    assert shown.stdout.startswith('{"step": 11, "level": ')
    assert shown.stderr == "Reading a.lens, the latest recording.\n"


def test_a_script_behaves_as_under_python(lens: Lens, tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(ODD)
    plain = subprocess.run(
        [sys.executable, "odd.py", "-x"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    ran = lens("run", "odd.py", "-x")
    assert (ran.returncode, ran.stdout) == (plain.returncode, plain.stdout) == (7, plain.stdout)
    assert ran.stderr.startswith(plain.stderr)
    assert "Recorded 0 steps in odd.lens" in ran.stderr


def test_a_module_is_run_as_python_dash_m_does(lens: Lens, tmp_path: Path) -> None:
    package = tmp_path / "project"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "train.py").write_text("import sys\nprint(__package__, sys.argv[1:])\n")
    ran = lens("run", "-m", "project.train", "-m", "1")
    assert ran.stdout == "project ['-m', '1']\n"
    assert (tmp_path / "train.lens").exists()


def test_a_failing_script_shows_its_own_traceback_only(lens: Lens, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def f():\n    return 1 / 0\nf()\n")
    ran = lens("run", "bad.py")
    assert ran.returncode == 1
    assert "ZeroDivisionError" in ran.stderr
    assert "autograd_lens/" not in ran.stderr


def test_nothing_is_overwritten_without_force(tmp_path: Path) -> None:
    kept = tmp_path / "train.lens"
    kept.write_text("mine")
    (tmp_path / "train.py").write_text("print('must not run')")
    shown = CliRunner().invoke(app, ["run", "-o", str(kept), str(tmp_path / "train.py")])
    assert shown.exit_code == 1
    assert shown.stdout == ""
    assert shown.stderr == (
        f"Error: '{kept}' exists. Add --force to overwrite it, or choose another -o.\n"
    )
    assert kept.read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "nowhere.py"], "The script nowhere.py cannot be read"),
        (["run", "-m", "no.such.module"], "The module no.such.module cannot be found"),
    ],
)
def test_a_script_that_is_not_there_is_told_in_one_line(
    lens: Lens, tmp_path: Path, words: list[str], message: str
) -> None:
    shown = lens(*words)
    assert shown.returncode == 1
    assert shown.stderr.startswith(f"Error: {message}")
    assert shown.stderr.count("\n") == 1
    assert not list(tmp_path.glob("*.lens"))
