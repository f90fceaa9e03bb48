"""``autograd-lens doctor``, and the findings at the end of ``run``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograd_lens.cli import app
from tests.cli.conftest import ROOT, SCRIPT, Lens

FORGETFUL = SCRIPT.replace("            parameter.grad.zero_()\n", "")


@pytest.fixture
def forgetful(tmp_path: Path) -> Path:
    """A script that never clears its gradients."""
    script = tmp_path / "forgetful.py"
    script.write_text(FORGETFUL)
    return script


def test_a_healthy_trace_exits_with_0(recorded: Path, lens: Lens) -> None:
    done = lens("doctor", recorded)
    assert done.returncode == 0
    assert "Nothing wrong was found." in done.stdout


def test_a_script_is_recorded_and_examined(forgetful: Path, lens: Lens, tmp_path: Path) -> None:
    done = lens("doctor", forgetful.name, "--an-option-of-the-script")
    assert done.returncode == 1
    assert "AL101 stale-gradient" in done.stdout
    assert "trained with ['--an-option-of-the-script']" in done.stdout
    assert (tmp_path / "forgetful.lens").exists()

    again = lens("doctor", "--json", "forgetful.lens")
    (finding,) = map(json.loads, again.stdout.splitlines())
    assert finding["name"] == "stale-gradient"
    assert finding["look"].startswith("autograd-lens trace forgetful.lens --steps")

    assert lens("doctor", "--ignore", "AL1", "forgetful.lens").returncode == 0
    assert lens("doctor", "--select", "AL4,nan-born", "forgetful.lens").returncode == 0


def test_options_work_on_either_side_of_a_trace(recorded: Path) -> None:
    before = CliRunner().invoke(app, ["doctor", "--json", "--select", "AL1", str(recorded)])
    behind = CliRunner().invoke(app, ["doctor", str(recorded), "--json", "--select", "AL1"])
    assert (behind.exit_code, behind.output) == (before.exit_code, before.output) == (0, "")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--nonsense"], 2, "No such option '--nonsense'"),
        (["-o", "x.lens"], 1, "-o is for a recording that is made"),
        (["--force"], 1, "--force is for a recording that is made"),
    ],
)
def test_what_a_trace_cannot_be_given_is_refused(
    recorded: Path, words: list[str], status: int, said: str
) -> None:
    shown = CliRunner().invoke(app, ["doctor", str(recorded), *words])
    assert shown.exit_code == status
    assert said in shown.stderr
    assert shown.stdout == ""


def test_several_traces_and_folders_are_examined_one_after_the_other(
    recorded: Path, forgetful: Path, lens: Lens, tmp_path: Path
) -> None:
    lens("run", "-o", "runs.lens", forgetful.name)
    folder = tmp_path / "runs"
    folder.mkdir()
    (tmp_path / "runs.lens").rename(folder / "runs.lens")

    done = CliRunner().invoke(app, ["doctor", str(recorded), str(folder), "--json"])

    assert done.exit_code == 1
    (finding,) = map(json.loads, done.output.splitlines())
    assert finding["name"] == "stale-gradient"
    assert finding["file"].endswith("runs.lens")


def test_a_folder_without_traces_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = CliRunner().invoke(app, ["doctor", str(tmp_path / "empty")])
    assert done.exit_code == 1
    assert "holds no trace" in done.output


def test_an_error_that_ended_the_run_is_told(tmp_path: Path, lens: Lens) -> None:
    (tmp_path / "broken.py").write_text(SCRIPT + "\nint('seven')\n")
    done = lens("doctor", "broken.py")
    assert "The program ended with an error: ValueError" in done.stdout


def test_run_ends_with_grave_findings_in_one_line_each(forgetful: Path, lens: Lens) -> None:
    done = lens("run", forgetful.name)
    assert done.returncode == 0
    assert [line.split(":")[0] for line in done.stderr.splitlines()[-2:]] == [
        "AL101 stale-gradient",
        "More",
    ]


def test_a_rule_is_explained_without_a_trace() -> None:
    shown = CliRunner().invoke(app, ["doctor", "--explain", "stale-gradient"])
    assert shown.exit_code == 0
    assert "Why it is bad" in shown.output


def test_an_unknown_rule_is_an_error() -> None:
    shown = CliRunner().invoke(app, ["doctor", "--explain", "AL999"])
    assert shown.exit_code == 1
    assert "There is no rule 'AL999'." in shown.stderr


def test_all_rules_are_listed() -> None:
    shown = CliRunner().invoke(app, ["doctor", "--rules"])
    assert "AL101  stale-gradient" in shown.output


def test_reading_a_trace_never_imports_torch(recorded: Path) -> None:
    code = (
        "import sys; from autograd_lens.trace.reader import Trace; "
        "from autograd_lens.doctor import examine; "
        f"examine(Trace({str(recorded)!r})); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
