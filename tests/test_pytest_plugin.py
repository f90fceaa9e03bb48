"""The plugin in a pytest of its own: what it costs, records, shows and keeps."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import autograd_lens

ROOT = Path(autograd_lens.__file__).parents[1]

PLAIN = """
import sys

USED = {"torch", "numpy", "autograd_lens.api", "autograd_lens.errors"} & sys.modules.keys()

def test_nothing_is_imported_that_nobody_uses(pytestconfig):
    assert pytestconfig.pluginmanager.has_plugin("autograd_lens.pytest_plugin")
    assert not USED
"""

FAILING = """
import pytest
import torch

import autograd_lens as lens
from tests.support.small_training import train

@pytest.fixture
def trained(lens_run):
    train(cut_off=True)
    return lens_run

def test_findings(trained):
    lens.assert_no_findings(trained)

def test_raises(lens_run):
    train(steps=2)
    raise ValueError("the program's own")

@pytest.mark.xfail(strict=True)
def test_expected(lens_run):
    lens.assert_updates(lens_run, only=["nothing.*"])

@pytest.mark.lens(full="none")
def test_a_leaf_of_the_test_is_a_parameter(lens_run):
    w = torch.ones(1, requires_grad=True)
    for _ in range(3):
        (w * 2).sum().backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
            w.grad = None
    assert list(lens_run.parameters) == ["w"]
    assert lens_run.full_steps == ()
"""


def test_a_session_with_the_plugin(tmp_path: Path) -> None:
    (tmp_path / "test_a_plain.py").write_text(PLAIN)
    (tmp_path / "test_b_failing.py").write_text(FAILING)
    shutil.copy(ROOT / "examples" / "testing" / "test_training.py", tmp_path / "test_c_example.py")
    words = ["-p", "autograd_lens.pytest_plugin", "--lens-dir", "kept", "-v", "-rf"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "--rootdir", tmp_path, tmp_path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert "2 failed, 5 passed, 1 xfailed" in done.stdout, done.stdout
    assert "AL209 partly-detached" in done.stdout
    assert "features = features.detach()" in done.stdout
    assert f"autograd-lens doctor {Path('kept') / 'test_b_failing.py-test_raises.lens'}" in (
        done.stdout
    )
    kept = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert kept == ["test_b_failing.py-test_findings.lens", "test_b_failing.py-test_raises.lens"]
    with autograd_lens.open(tmp_path / "kept" / kept[1]) as trace:
        assert trace.info.status == "exception"
        assert len(trace.steps) == 2
