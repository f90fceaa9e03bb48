"""``autograd-lens diff``: two runs part at a kernel that is named, and healthy pairs do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

import autograd_lens as lens
from autograd_lens.cli import app

STEPS = 6


class Net(nn.Module):
    def __init__(self, names: tuple[str, str] = ("first", "second")) -> None:
        super().__init__()
        self.names = names
        self.add_module(names[0], nn.Linear(4, 6))
        self.add_module(names[1], nn.Linear(6, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one, two = (getattr(self, name) for name in self.names)
        return self.between(one(x), two)

    def between(self, hidden: torch.Tensor, last: nn.Module) -> torch.Tensor:
        result: torch.Tensor = last(hidden.relu())
        return result


class Tanh(Net):
    def between(self, hidden: torch.Tensor, last: nn.Module) -> torch.Tensor:
        result: torch.Tensor = last(hidden.tanh())
        return result


class Dropped(Net):
    def between(self, hidden: torch.Tensor, last: nn.Module) -> torch.Tensor:
        result: torch.Tensor = last(nn.functional.dropout(hidden.relu(), 0.5))
        return result


def mean_square(prediction: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (prediction - y).pow(2).mean()


def in_another_order(prediction: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return sum((row.pow(2).sum() for row in prediction - y), torch.zeros(())) / y.numel()


def train(
    path: Path,
    *,
    net: Callable[[], Net] = Net,
    loss_fn: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = mean_square,
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.SGD,
    seed: int = 0,
    batch: Callable[[int, torch.Tensor], torch.Tensor] = lambda _t, x: x,
    draw: bool = False,
    steps: int = STEPS,
    full: str = "default",
    **numbers: Any,
) -> Path:
    torch.manual_seed(seed)
    model = net()
    x, y = torch.randn(8, 4), torch.randn(8, 2)
    update = optimizer(model.parameters(), **({"lr": 0.1} | numbers))
    with lens.record(path, full=full):
        for t in range(steps):
            if draw and t == 3:
                torch.randn(1)
            loss = loss_fn(model(batch(t, x)), y)
            update.zero_grad()
            loss.backward()
            update.step()
    return path


@pytest.fixture
def pair(tmp_path: Path) -> Callable[..., Any]:
    """What the first run and one that does something otherwise are told about."""

    def compared(base: dict[str, Any] | None = None, /, **otherwise: Any) -> Any:
        one = train(tmp_path / "one.lens", **(base or {}))
        other = train(tmp_path / "other.lens", **((base or {}) | otherwise))
        result = CliRunner().invoke(app, ["diff", str(one), str(other), "--json"])
        data = json.loads(result.output)
        verdicts = {0: "equal", 1: "different", 3: "rounding"}
        assert data["verdict"] == verdicts[result.exit_code]
        return data

    return compared


@pytest.mark.parametrize(
    "otherwise",
    [
        {},
        {"net": lambda: Net(("encoder", "head"))},
        {"loss_fn": lambda prediction, y: (prediction - y).pow(2).mean()},  # on another line
    ],
    ids=["the same twice", "renamed layers", "a moved line"],
)
def test_healthy_pairs_are_equal(otherwise: dict[str, Any], pair: Callable[..., Any]) -> None:
    found = pair(**otherwise)
    assert found["sentence"] == f"Equal: {STEPS} steps, bit for bit."


@pytest.mark.parametrize(
    "otherwise",
    [{"loss_fn": in_another_order}, {"optimizer": torch.optim.SGD, "foreach": False}],
    ids=["a sum in another order", "another implementation"],
)
def test_what_means_the_same_differs_by_rounding_at_most(
    otherwise: dict[str, Any], pair: Callable[..., Any]
) -> None:
    assert pair(**otherwise)["verdict"] in {"equal", "rounding"}


def test_rounding_comes_with_what_float64_gives(pair: Callable[..., Any]) -> None:
    found = pair(loss_fn=in_another_order)
    assert found["verdict"] == "rounding"
    assert found["parting"]["rounding"] is True
    assert "in float64" in found["parting"]["why"]


def flipped(t: int, x: torch.Tensor) -> torch.Tensor:
    return x.flip(0) if t == 4 else x


@pytest.mark.parametrize(
    ("otherwise", "step", "kind", "op"),
    [
        ({"seed": 1}, 0, "start", None),
        ({"net": Tanh}, 0, "kernel", "aten.tanh.default"),
        ({"lr": 0.2}, 0, "constant", "aten.add_.Tensor"),
        ({"momentum": 0.9}, 1, "constant", None),
        ({"batch": flipped, "full": "all"}, 4, "kernel", "aten.flip.default"),
        ({"loss_fn": lambda p, y: (p - 1.01 * y).pow(2).mean()}, 0, "kernel", "aten.mul.Tensor"),
        ({"loss_fn": lambda p, y: (p - y).pow(3).mean()}, 0, "constant", "aten.pow.Tensor_Scalar"),
        ({"loss_fn": lambda p, y: (p - y)[:7].pow(2).mean()}, 0, "kernel", "aten.slice.Tensor"),
        ({"loss_fn": lambda p, y: (p - y.roll(1)).pow(2).mean()}, 0, "kernel", "aten.roll.default"),
        ({"optimizer": torch.optim.Adam}, 0, "kernel", None),
        ({"weight_decay": 0.1}, 0, "constant", None),
    ],
)
def test_the_kernel_where_a_difference_comes_in_is_named(
    otherwise: dict[str, Any], step: int, kind: str, op: str | None, pair: Callable[..., Any]
) -> None:
    found = pair(**otherwise)
    parting = found["parting"]
    assert found["verdict"] == "different"
    assert (parting["step"], parting["kind"]) == (step, kind)
    if op is not None:
        assert parting["sides"][1]["op"] == op
        assert parting["sides"][1]["file"].endswith(("test_diff.py", "optimizer.py", "sgd.py"))


def test_what_cannot_be_opened_is_not_known_and_says_why(pair: Callable[..., Any]) -> None:
    found = pair({"full": "none"}, batch=flipped)
    assert found["verdict"] == "different"
    assert (found["parting"]["step"], found["parting"]["kind"]) == (4, "unknown")
    assert "rerun FILE --full 4" in found["parting"]["why"]


def read_by_numpy(_t: int, x: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(x.numpy().copy())


def flipped_by_numpy(t: int, x: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(x.numpy()[:: -1 if t == 4 else 1].copy())


def test_rows_in_another_order_are_told_as_such(pair: Callable[..., Any]) -> None:
    found = pair({"full": "all", "batch": read_by_numpy}, batch=flipped_by_numpy)
    assert (found["parting"]["step"], found["parting"]["kind"]) == (4, "rows")
    assert "the rows of what lift_fresh was given came in another order" in found["sentence"]


def test_another_draw_is_told_from_another_computation(pair: Callable[..., Any]) -> None:
    found = pair({"net": Dropped}, draw=True)
    assert (found["parting"]["step"], found["parting"]["kind"]) == (3, "draw")


def test_another_batch_is_named_as_what_was_read(pair: Callable[..., Any]) -> None:
    def warmer(t: int, x: torch.Tensor) -> torch.Tensor:
        x.add_(0.5 * (t == 2))
        return x

    found = pair(batch=warmer)
    assert found["verdict"] == "different"
    assert found["parting"]["step"] == 2


def test_a_longer_run_says_so(pair: Callable[..., Any]) -> None:
    found = pair(steps=STEPS + 2)
    assert found["verdict"] == "different"
    assert "One run is longer: 6 and 8 steps; the 6 that both have are equal" in found["sentence"]


def test_what_follows_is_shown_over_the_steps(tmp_path: Path) -> None:
    one = train(tmp_path / "one.lens")
    other = train(tmp_path / "other.lens", batch=flipped, full="4")
    result = CliRunner().invoke(app, ["diff", str(one), str(other), "--width", "100"])
    assert result.exit_code == 1
    assert result.output.startswith("Different, from step 4 on: ")
    assert "return x.flip(0)" in result.output
    assert "Behind that step it has reached first.weight" in result.output


def test_both_losses_are_drawn(tmp_path: Path) -> None:
    one = train(tmp_path / "one.lens")
    other = train(tmp_path / "other.lens", lr=0.2)
    picture = tmp_path / "diff.png"
    result = CliRunner().invoke(app, ["diff", str(one), str(other), "-o", str(picture)])
    assert result.exit_code == 1
    assert picture.read_bytes().startswith(b"\x89PNG")
    refused = CliRunner().invoke(app, ["diff", str(one), str(other), "-o", str(picture)])
    assert "exists" in refused.output


def test_a_tolerance_lets_small_differences_pass(tmp_path: Path) -> None:
    one = train(tmp_path / "one.lens")
    other = train(tmp_path / "other.lens", loss_fn=in_another_order)
    for tolerance, code in (("0", 1), ("1e-4", 0), ("derived", 3)):
        words = ["diff", str(one), str(other), "--tolerance", tolerance]
        assert CliRunner().invoke(app, words).exit_code == code, tolerance
    refused = CliRunner().invoke(app, ["diff", str(one), str(other), "--tolerance", "small"])
    assert "'small' is no tolerance" in refused.output


def test_in_tests_of_training_code_a_difference_fails_with_its_place(tmp_path: Path) -> None:
    one = lens.open(train(tmp_path / "one.lens"))
    same = lens.open(train(tmp_path / "same.lens", loss_fn=in_another_order))
    other = lens.open(train(tmp_path / "other.lens", net=Tanh))
    lens.assert_same(one, same)
    with pytest.raises(AssertionError, match="Rounding only"):
        lens.assert_same(one, same, tolerance=0.0)
    with pytest.raises(
        AssertionError,
        match=r"step 0 on: tanh ran instead of relu. Kernel \d+ \(aten.relu.default\)",
    ):
        lens.assert_same(one, other)


def test_another_number_of_threads_is_rounding(tmp_path: Path) -> None:
    """Sums of many elements are cut in another way, and end in other digits."""

    def trained(threads: int) -> Path:
        path, before = tmp_path / f"{threads}.lens", torch.get_num_threads()
        torch.manual_seed(0)
        x, w = torch.randn(100_000), nn.Parameter(torch.randn(1))
        torch.set_num_threads(threads)
        try:
            with lens.record(path):
                for _ in range(2):
                    loss = (w * x).sum()
                    loss.backward()
                    with torch.no_grad():
                        w -= 1e-5 * w.grad
                    w.grad = None
        finally:
            torch.set_num_threads(before)
        return path

    with lens.open(trained(1)) as one, lens.open(trained(2)) as two, lens.open(trained(3)) as three:
        found = [lens.diff(one, each) for each in (two, three)]
    assert any(not each.equal for each in found), "it was to be compared with other digits"
    assert all(each.equal or each.rounding for each in found)
