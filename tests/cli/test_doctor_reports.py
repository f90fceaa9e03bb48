"""``doctor --sarif`` and ``--junit``: files for code hosts, beside what is printed."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from autograd_lens.cli import app

BAD = Path(__file__).parents[1] / "doctor" / "programs" / "stale_gradient" / "bad.py"


def test_reports_are_written_beside_the_usual_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autograd_lens.capture import run_script

    monkeypatch.chdir(tmp_path)
    run_script(str(BAD), [], tmp_path / "stale.lens")
    (tmp_path / "d.xml").write_text("of the build before")
    words = ["doctor", "stale.lens", "--sarif", "d.sarif", "--junit", "d.xml"]

    done = CliRunner().invoke(app, [*words, "--no-experiments"])

    assert done.exit_code == 1
    assert "AL101 stale-gradient" in done.stdout
    assert "Wrote d.sarif" in done.stderr
    (result,) = json.loads((tmp_path / "d.sarif").read_text())["runs"][0]["results"]
    assert result["ruleId"] == "AL101"
    region = result["locations"][0]["physicalLocation"]["region"]
    assert region["snippet"]["text"] == "loss.backward()"
    suites = ET.parse(tmp_path / "d.xml").getroot()
    assert [suite.get("failures") for suite in suites] == ["1"]


def test_a_report_that_cannot_be_written_is_one_line(recorded: Path, tmp_path: Path) -> None:
    target = tmp_path / "missing" / "d.sarif"
    done = CliRunner().invoke(app, ["doctor", str(recorded), "--sarif", str(target)])
    assert done.exit_code == 1
    assert "There is no directory" in done.stderr
    assert done.stderr.count("\n") == 1
