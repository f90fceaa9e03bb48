"""``autograd-lens rerun`` runs what a file names, so it shows that first, and asks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from autograd_lens.capture import rerun as rerunning
from autograd_lens.capture import run_script
from autograd_lens.cli import app
from autograd_lens.cli import rerun as verb
from autograd_lens.trace.reader import Trace

SCRIPT = """\
import torch
w = torch.ones(2, requires_grad=True)
for turn in range(6):
    (w * w).sum().backward()
    w.data -= 0.1 * w.grad
    w.grad = None
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where ``train.py`` was recorded to ``train.lens``."""
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(SCRIPT)
    run_script("train.py", [], Path("train.lens"), full="0")
    return tmp_path


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The recordings whose program was run, in place of running it."""
    found: list[Path] = []

    def note(path: Path, steps: list[int]) -> rerunning.RerunResult:
        found.append(path)
        return rerunning.RerunResult(len(steps), tuple(steps), None)

    monkeypatch.setattr(rerunning, "rerun", note)
    return found


def says(file: Path, monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """Let recordings say something else of their program."""
    info = Trace(file).info
    monkeypatch.setattr(Trace, "info", replace(info, **changes))  # type: ignore[arg-type]


def invoke(*words: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(app, ["rerun", "train.lens", "--full", "3", *words], input=answer)


def test_what_runs_is_shown_and_runs_with_yes(folder: Path) -> None:
    result = invoke("--yes")
    assert result.exit_code == 0, result.output
    assert "This runs: python train.py" in result.output
    assert "it is the script that was recorded, unchanged" in result.output
    assert "Added in full to train.lens: 3." in result.output
    with Trace(folder / "train.lens") as trace:
        assert trace.full_steps == (0, 3)


@pytest.mark.parametrize(("answer", "runs"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_it_asks(
    answer: str, runs: bool, folder: Path, ran: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "_can_ask", lambda: True)
    result = invoke(answer=answer)
    assert "Run it? [y/N]" in result.output
    assert ran == [folder / "train.lens"] * runs
    assert result.exit_code == (0 if runs else 1)


def test_where_nobody_can_be_asked_nothing_runs(folder: Path, ran: list[Path]) -> None:  # noqa: ARG001  stands there
    result = invoke()
    assert result.exit_code != 0
    assert "Add --yes to run it." in result.output
    assert ran == []


def test_a_script_that_changed_since_is_told_with_the_first_line(
    folder: Path, ran: list[Path]
) -> None:
    (folder / "train.py").write_text(SCRIPT.replace("0.1", "0.2"))
    result = invoke("--yes")
    assert "NOT what was recorded: 2 lines differ, the first: -    w.data -= 0.1" in result.output
    assert len(ran) == 1


def test_a_script_elsewhere_needs_trust(
    folder: Path, ran: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "train.lens").write_bytes((folder / "train.lens").read_bytes())
    monkeypatch.chdir(tmp_path / "here")
    refused = invoke("--yes")
    assert refused.exit_code != 0
    assert "add --trust if you know where the recording comes from" in refused.output
    assert ran == []
    assert invoke("--yes", "--trust").exit_code == 0
    assert len(ran) == 1


@pytest.mark.parametrize("module", ["antigravity", "pip", "timeit", "os.path", "train; x"])
def test_a_module_that_is_no_file_here_needs_trust(
    module: str, folder: Path, ran: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    says(folder / "train.lens", monkeypatch, options={"module": module}, argv=("-c", "evil"))
    result = invoke("--yes")
    assert result.exit_code != 0
    assert "--trust" in result.output
    assert ran == []


def test_a_link_out_of_the_folder_counts_as_what_it_leads_to(
    folder: Path, ran: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "train.py"
    elsewhere.write_text(SCRIPT)
    (folder / "train.py").unlink()
    (folder / "train.py").symlink_to(elsewhere)
    assert invoke("--yes").exit_code != 0
    assert ran == []


def test_a_module_of_this_folder_runs(
    folder: Path, ran: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    says(folder / "train.lens", monkeypatch, options={"module": "train"})
    result = invoke("--yes")
    assert "This runs: python -m train" in result.output
    assert len(ran) == 1


def test_a_session_has_no_script(
    folder: Path, ran: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    says(folder / "train.lens", monkeypatch, program="", options={})
    result = invoke("--yes")
    assert "interactive session" in result.output
    assert ran == []


def test_steps_that_are_full_already_run_nothing(folder: Path, ran: list[Path]) -> None:  # noqa: ARG001  stands there
    result = CliRunner().invoke(app, ["rerun", "train.lens", "--full", "0"])
    assert result.exit_code == 0, result.output
    assert "This runs" not in result.output
