"""Every step of the linear regression is recorded to the bit, by API and by ``run_script``."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import autograd_lens as lens
from autograd_lens.capture import run_script

EXAMPLES = Path(__file__).parents[2] / "examples"
STEPS = 5000
FULL_STEPS = 120


class Trajectory(NamedTuple):
    """Float32 values of each step; parameters have one more, the state at the end."""

    w1: np.ndarray[Any, Any]
    b1: np.ndarray[Any, Any]
    w1_grad: np.ndarray[Any, Any]
    b1_grad: np.ndarray[Any, Any]
    loss: np.ndarray[Any, Any]


def walk_unrecorded(steps: int) -> tuple[Trajectory, dict[str, Any]]:
    """Run the example statement by statement, and note its numbers after each backward."""
    module = ast.parse((EXAMPLES / "linear_regression.py").read_text())
    loop = next(n for n in module.body if isinstance(n, ast.For))
    before = ast.Module(module.body[: module.body.index(loop)], [])
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(before, "before the loop", "exec"), names)  # noqa: S102
    backward = next(i for i, n in enumerate(loop.body) if "backward" in ast.unparse(n)) + 1
    zero_grad = next(i for i, n in enumerate(loop.body) if "zero_grad" in ast.unparse(n)) + 1
    first = compile(ast.Module(loop.body[:backward], []), "first", "exec")
    second = compile(ast.Module(loop.body[backward:zero_grad], []), "second", "exec")
    model = names["model"]
    rows = []
    for _ in range(steps):
        exec(first, names)  # noqa: S102
        tensors = (model.w1, model.b1, model.w1.grad, model.b1.grad, names["loss"])
        rows.append([tensor.item() for tensor in tensors])
        exec(second, names)  # noqa: S102
    w1, b1, w1_grad, b1_grad, loss = np.array(rows, np.float32).reshape(-1, 5).T
    last = np.float32(model.w1.item()), np.float32(model.b1.item())
    ends = np.append(w1, last[0]), np.append(b1, last[1])
    return Trajectory(*ends, w1_grad, b1_grad, loss), names


def recorded_trajectory(path: Path) -> Trajectory:
    with lens.open(path) as trace:
        w1, b1 = trace.parameter("w1"), trace.parameter("b1")
        return Trajectory(
            w1.values.ravel(),
            b1.values.ravel(),
            w1.grads.ravel(),
            b1.grads.ravel(),
            trace.losses.astype(np.float32),
        )


def assert_equal_bits(found: Trajectory, expected: Trajectory) -> None:
    for name in Trajectory._fields:
        one, other = getattr(found, name), getattr(expected, name)
        assert one.astype(np.float32).tobytes() == other.tobytes(), name


@pytest.fixture(scope="module")
def unrecorded() -> Trajectory:
    return walk_unrecorded(STEPS)[0]


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def shortened(name: str, steps: int) -> Path:
    """The example with fewer steps, in the current folder."""
    path = Path(name)
    text = (EXAMPLES / name).read_text()
    assert f"({STEPS})" in text
    path.write_text(text.replace(f"({STEPS})", f"({steps})"))
    return path


def test_all_steps_of_the_script_at_light_level(
    unrecorded: Trajectory, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run_script(str(EXAMPLES / "linear_regression.py"), [], Path("run.lens"), full="none")

    assert (result.exit_code, result.steps, result.parameters) == (0, STEPS, 2)
    assert_equal_bits(recorded_trajectory(Path("run.lens")), unrecorded)
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "loss 0.038666, then y = 3.050687 x + 10.500237" in printed.out


def test_all_steps_of_the_watched_program(unrecorded: Trajectory) -> None:
    runpy.run_path(str(EXAMPLES / "linear_regression_watched.py"), run_name="__main__")

    assert_equal_bits(recorded_trajectory(Path("linear.lens")), unrecorded)


@pytest.mark.parametrize("name", ["linear_regression.py", "linear_regression_watched.py"])
def test_steps_in_full(name: str, unrecorded: Trajectory) -> None:
    script = shortened(name, FULL_STEPS)
    if "watched" in name:
        script.write_text(script.read_text().replace('"linear.lens"', '"run.lens", full="0:"'))
        runpy.run_path(str(script), run_name="__main__")
    else:
        run_script(str(script), [], Path("run.lens"), full="0:")

    expected = Trajectory(
        unrecorded.w1[: FULL_STEPS + 1],
        unrecorded.b1[: FULL_STEPS + 1],
        *[column[:FULL_STEPS] for column in unrecorded[2:]],
    )
    assert_equal_bits(recorded_trajectory(Path("run.lens")), expected)
    with lens.open("run.lens") as trace:
        assert trace.full_steps == tuple(range(FULL_STEPS))
        for step in trace.steps:
            index = step.index
            writes = {w.parameter: w for w in step.backwards[0].grad_writes}
            updates = {u.parameter: u for u in step.updates}
            assert writes["w1"].after.item() == expected.w1_grad[index]
            assert writes["b1"].after.item() == expected.b1_grad[index]
            assert updates["w1"].before.item() == expected.w1[index]
            assert updates["w1"].after.item() == expected.w1[index + 1]
            assert updates["b1"].after.item() == expected.b1[index + 1]
            assert [zero.parameter for zero in step.zero_grads] == ["w1", "b1"]


def test_grads_agree_with_the_formula_in_float64(unrecorded: Trajectory) -> None:
    names = walk_unrecorded(0)[1]
    x = names["x"].numpy().astype(np.float64).ravel()
    y = names["y"].numpy().astype(np.float64).ravel()
    w1, b1 = (column[:-1, None].astype(np.float64) for column in unrecorded[:2])
    residual = x * w1 + b1 - y

    # Near the optimum the mean cancels, so the error is relative to what is averaged.
    for grad, terms in ((unrecorded.w1_grad, residual * x), (unrecorded.b1_grad, residual)):
        scale = np.abs(terms).mean(axis=1)
        assert np.all(np.abs(grad - terms.mean(axis=1)) <= 1e-5 * scale)
