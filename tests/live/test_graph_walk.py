"""What nodes save, read as PyTorch means it."""

from __future__ import annotations

from pathlib import Path

import torch

import autograd_lens as lens
from autograd_lens.trace.records import Constant


def test_a_negative_constant_keeps_its_sign(tmp_path: Path) -> None:
    with lens.record(tmp_path / "run.lens"):
        for _ in range(2):
            scores = torch.randn(3, 4, requires_grad=True)
            torch.nn.functional.cross_entropy(scores, torch.tensor([0, 1, 2])).backward()
    with lens.open(tmp_path / "run.lens") as trace:
        graph = trace.steps[0].backwards[0].graph
        assert graph is not None
        saved = {each.name: each.value for node in graph.nodes for each in node.saved}
        assert saved["ignore_index"] == Constant("scalar", -100)
