"""``autograd-lens whatif``: a picture, or an error that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import autograd_lens as lens
from autograd_lens.cli import app


class SGD:
    def __init__(self, params: list[torch.Tensor], lr: float) -> None:
        self.params, self.lr = params, lr

    def step(self) -> None:
        for param in self.params:
            assert param.grad is not None
            param.data -= self.lr * param.grad.data
            param.grad.data.zero_()


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whatif") / "run.lens"
    u, v = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    optimizer = SGD([u, v], 0.1)
    with lens.record(path):
        for _ in range(8):
            (u**2 + 3 * v**2).sum().backward()
            optimizer.step()
    return path


def test_a_picture_is_drawn(recording: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.svg"
    result = CliRunner().invoke(
        app, ["whatif", str(recording), "--set", "lr=0.4", "--set", "u=-2", "-o", str(target)]
    )
    assert result.exit_code == 0, result.output
    assert target.read_bytes().startswith(b"<?xml")
    assert "all 8 recorded updates bit for bit" in result.output


@pytest.mark.parametrize("rate", [0.25, 1.5])
def test_the_rate_of_a_handwritten_update_is_changed_as_the_program_would(
    tmp_path: Path, rate: float
) -> None:
    from autograd_lens.replay.whatif import what_if

    def train(lr: float) -> list[float]:
        w, losses = torch.tensor([1.0, -2.0], requires_grad=True), []
        for _ in range(5):
            loss = (w * torch.tensor([1.0, 0.5])).pow(2).sum()
            loss.backward()
            with torch.no_grad():
                w -= lr * w.grad
                w.grad = None
            losses.append(loss.item())
        return losses

    with lens.record(tmp_path / "raw.lens"):
        train(0.1)
    with lens.open(tmp_path / "raw.lens") as trace:
        made = what_if(trace, 0, 5, {"lr": rate})
    assert made.originals == {"lr": "0.1"}
    assert made.changed.losses.tolist() == train(rate)


def test_a_class_of_the_program_that_is_called_as_torchs_follows_the_change(
    recording: Path,
) -> None:
    from autograd_lens.replay.whatif import what_if

    with lens.open(recording) as trace:
        made = what_if(trace, 0, 3, {"lr": 0.01})
    assert made.originals == {"lr": "0.1"}
    u, v = 0.98, 0.94  # one step from 1 and 1 against 2 u and 6 v
    assert made.changed.losses[:2].tolist() == pytest.approx([4.0, u**2 + 3 * v**2])
    assert made.recorded.losses[1] != made.changed.losses[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [("lr", "'lr' is no change"), ("lr=fast", "is no change"), ("rate=1", "neither a constant")],
)
def test_what_cannot_be_set_is_said(
    recording: Path, tmp_path: Path, change: str, said: str
) -> None:
    target = tmp_path / "out.png"
    result = CliRunner().invoke(app, ["whatif", str(recording), "--set", change, "-o", str(target)])
    assert result.exit_code == 1
    assert said in result.output
    assert not target.exists()


def test_one_number_walks_down_the_curve_of_its_loss(tmp_path: Path) -> None:
    w = torch.tensor(2.0, requires_grad=True)
    optimizer = torch.optim.SGD([w], 0.05)
    with lens.record(tmp_path / "one.lens"):
        for _ in range(6):
            optimizer.zero_grad()
            (w - 1).square().backward()
            optimizer.step()
    target = tmp_path / "one.svg"
    words = ["whatif", str(tmp_path / "one.lens"), "--set", "lr=0.9", "-o", str(target)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert target.exists()
