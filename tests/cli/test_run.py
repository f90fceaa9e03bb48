"""``run``: the script behaves as under ``python``, and leaves a recording."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograd_lens.analysis.rates import find_rates
from autograd_lens.cli import app
from autograd_lens.render.rates import rates_sentence
from autograd_lens.trace.reader import Trace
from tests.cli.conftest import SCRIPT, Lens

SCHEDULED = """\
import torch

w = torch.ones(3, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: t / 2 if t < 3 else 0.5 ** (t - 2))
for t in range(5):
    optimizer.zero_grad()
    (w ** 2).sum().backward()
    optimizer.step()
    rates.step()
"""

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
    used = r"[\d.]+ kB: 5 in full, a tape to replay all others\."
    assert re.fullmatch(rf"Recorded 12 steps in train\.lens\. {used}", told)
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
    assert "Nothing was recorded: odd.py exited (status 7) before it" in ran.stderr
    assert not (tmp_path / "odd.lens").exists()


def test_a_module_is_run_as_python_dash_m_does(lens: Lens, tmp_path: Path) -> None:
    package = tmp_path / "project"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "train.py").write_text(
        "import sys, torch\n"
        "print(__package__, sys.argv[1:])\n"
        "torch.ones(1, requires_grad=True).sum().backward()\n"
    )
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


def test_a_second_run_just_works_and_the_first_is_kept(lens: Lens, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    lens("run", "train.py", "first")
    script.write_text(SCRIPT.replace("range(12)", "range(7)"))
    second = lens("run", "train.py", "second")
    assert second.returncode == 0, second.stderr
    assert "Recorded 7 steps in train.lens. The one before is kept" in second.stderr
    listed = lens("runs").stdout.splitlines()
    assert [line.split()[0].partition("-")[0] for line in listed] == [
        "train.lens",
        ".autograd_lens/train",
    ]
    assert ["7 steps" in listed[0], "12 steps" in listed[1]] == [True, True]
    assert "kB" in listed[0]
    as_json = [json.loads(line) for line in lens("runs", "--json").stdout.splitlines()]
    assert [one["steps"] for one in as_json] == [7, 12]
    shown = lens("info", as_json[1]["path"])
    assert "train.py first" in shown.stdout
    assert lens("runs", "state").stdout.startswith("No recordings.")


def test_a_run_that_cannot_begin_sets_nothing_aside(lens: Lens, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    lens("run", "train.py")
    (tmp_path / "train.py").write_text("x = (\n")
    assert lens("run", "train.py").returncode == 1
    with Trace(tmp_path / "train.lens") as trace:
        assert len(trace.steps) == 12
    assert not (tmp_path / ".autograd_lens").exists()


def test_a_run_that_records_nothing_leaves_the_one_before_in_its_place(
    lens: Lens, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    lens("run", "train.py")
    (tmp_path / "train.py").write_text("print('no backward')\n")
    ran = lens("run", "train.py")
    assert "Nothing was recorded" in ran.stderr
    with Trace(tmp_path / "train.lens") as trace:
        assert len(trace.steps) == 12
    assert not list((tmp_path / ".autograd_lens").glob("*.lens"))


def test_a_file_that_is_no_recording_is_not_touched(lens: Lens, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print('must not run')")
    (tmp_path / "train.lens").write_text("mine")
    ran = lens("run", "train.py")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "'train.lens' exists and is no recording." in ran.stderr
    assert (tmp_path / "train.lens").read_text() == "mine"
    assert lens("run", "--force", "train.py").stdout == "must not run\n"


def test_a_syntax_error_keeps_its_lines_and_its_caret(lens: Lens, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import torch\nfor t in range(3)\n    pass\n")
    plain = subprocess.run(
        [sys.executable, "bad.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    ).stderr
    for verb in ("run", "debug", "doctor"):
        ran = lens(verb, "bad.py")
        assert ran.returncode == 1
        assert plain.partition("line 2")[2] in ran.stderr
        assert ran.stderr.startswith("Error: The script does not compile.\n")
        assert ran.stderr.endswith("\nNothing was run or recorded.\n")


def test_the_file_that_is_read_is_named(lens: Lens, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    lens("run", "--full", "none", "train.py")
    (tmp_path / "empty").mkdir()
    shown = lens("info", cwd=tmp_path / "empty")
    told = f"Reading {tmp_path / 'train.lens'}, the latest recording; this folder has none.\n"
    assert shown.stderr == told


def test_info_and_path_tell_a_scheduled_rate(lens: Lens, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCHEDULED)
    lens("run", "train.py")
    assert "rate       lr scheduled 0 .. 0.1 .. 0.025, SGD\n" in lens("info").stdout
    assert lens("path", "-o", "path.svg").returncode == 0
    with Trace(tmp_path / "train.lens") as trace:
        sentence = rates_sentence(find_rates(trace))
    assert sentence.startswith("lr scheduled 0 .. 0.1 .. 0.025, SGD; ")


def test_processes_of_one_launch_record_into_files_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As torchrun starts them: two that wrote one file would stop each other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "2")
    (tmp_path / "train.py").write_text(SCHEDULED)
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        assert CliRunner().invoke(app, ["run", "train.py"]).exit_code == 0
    assert sorted(path.name for path in tmp_path.glob("*.lens")) == [
        "train.rank0.lens",
        "train.rank1.lens",
    ]


def test_an_option_of_the_script_is_sent_behind_the_script() -> None:
    told = CliRunner().invoke(app, ["run", "--epochs", "3", "train.py"]).stderr
    assert "behind it: autograd-lens run train.py --epochs\n" in told
    assert "'--full'" in CliRunner().invoke(app, ["run", "--fulll", "all", "train.py"]).stderr
