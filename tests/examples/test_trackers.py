"""The example of trackers, with the commands that it names."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import runpy
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograd_lens.cli import app

EXAMPLE = Path(__file__).parents[2] / "examples" / "trackers" / "spirals.py"


def test_the_example_and_its_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLE))
    assert re.fullmatch(r"loss 1\.\d+ to 0\.\d+\n", capsys.readouterr().out)

    commands = re.findall(
        r"^    autograd-lens (\S.*?)\s+# (\S+)$", EXAMPLE.read_text(), re.MULTILINE
    )
    assert len(commands) == 2
    for words, made in commands:
        if "tensorboard" in words and importlib.util.find_spec("tensorboard") is None:
            continue
        done = CliRunner().invoke(app, words.split())
        assert done.exit_code == 0, done.stderr
        assert os.path.exists(made)  # noqa: PTH110  a file or a folder
    events = json.loads((tmp_path / "spirals.perfetto.json").read_text())["traceEvents"]
    assert sum(event.get("cat") == "step" for event in events) == 120
