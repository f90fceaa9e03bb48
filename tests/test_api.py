"""The names a user meets first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import autograd_lens as lens
from autograd_lens import errors


def test_every_public_name_is_there_and_no_other() -> None:
    for name in lens.__all__:
        assert getattr(lens, name) is not None
    assert dir(lens) == lens.__all__ == sorted(lens.__all__)
    assert set(errors.__all__) <= set(lens.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'recrod'"):
        lens.recrod  # noqa: B018


def test_a_recorded_run_is_a_trace_with_its_figures(tmp_path: Path) -> None:
    import torch

    with lens.record(tmp_path / "one.lens", full="none") as run:
        w = torch.ones(1, requires_grad=True)
        for _ in run.steps(3, progress=False):
            (w * 2).sum().backward()
    assert isinstance(run.trace, lens.Trace)
    assert len(run.trace.steps) == 3
    with lens.open(run.path) as trace:
        assert trace.losses.tolist() == [2.0, 2.0, 2.0]


def test_importing_the_package_imports_next_to_nothing() -> None:
    code = (
        "import sys, autograd_lens as lens\n"
        "lens.LensError, lens.__version__\n"
        "assert not {'torch', 'numpy', 'sqlite3', 'rich', 'click'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(lens.__file__).parents[1], check=True)
