"""An assistant's diagnoses, by the SDK's own client."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from autograd_lens.cli import app
from tests.support.hostile import AIMED, edited

mcp = pytest.importorskip("mcp")

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "tests" / "doctor" / "programs"
RECORDED = ("nan_born", "partly_detached", "learning_rate_too_high")
TOOLS = ["info", "trace", "explain", "find", "diff", "doctor", "what_if", "verify"]

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings of programs with one fault each."""
    from autograd_lens.capture import run_script

    made = tmp_path_factory.mktemp("assistant")
    for name in RECORDED:
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            run_script(str(PROGRAMS / name / "bad.py"), [], made / f"{name}.lens")
    return made


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[Callable[[str, dict[str, Any]], Any]]:
    """One conversation for all tests: a session in memory, with the SDK's own client."""
    from anyio.from_thread import start_blocking_portal

    from autograd_lens.servers.mcp.reading import Folder
    from autograd_lens.servers.mcp.server import serve

    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(mcp.Client(serve(Folder(folder)))) as session,
    ):
        yield lambda tool, arguments: portal.call(session.call_tool, tool, arguments)


@pytest.fixture
def ask(client: Callable[[str, dict[str, Any]], Any]) -> Ask:
    """The typed answer of a tool."""

    def answer(tool: str, file: str = "", **arguments: Any) -> Any:
        result = client(tool, {**({"file": f"{file}.lens"} if file else {}), **arguments})
        assert not result.is_error, result.content
        assert json.loads(result.content[0].text) == result.structured_content
        return result.structured_content

    return answer


@pytest.fixture
def refused(client: Callable[[str, dict[str, Any]], Any]) -> Ask:
    """The error of a tool: one line."""

    def error(tool: str, **arguments: Any) -> str:
        result = client(tool, arguments)
        assert result.is_error
        (line,) = result.content[0].text.splitlines()
        return str(line).removeprefix(f"Error executing tool {tool}: ")

    return error


def test_a_nan_leads_to_the_kernel_that_made_it(ask: Ask) -> None:
    run = ask("info", "nan_born")
    assert run["known"]["provenance"] == "recorded"
    assert [one["loss"] for one in run["losses"]][-1] == "NaN"
    (problem,) = ask("doctor", "nan_born")["problems"]
    assert (problem["code"], problem["severity"]) == ("AL301", "error")
    assert problem["source"] == "distance = torch.sqrt(((x * w) ** 2).sum(1))"
    found = ask("find", "nan_born", condition="isnan(w.grad)")
    assert found["first"] == problem["step"] == 0
    birth, operand, *_ = found["chain"]
    assert (birth["line"], "in backward, made" in birth["text"]) == (problem["line"], True)
    assert operand["text"].startswith("It was given a tensor (3,), from ")
    told = ask("explain", "nan_born", quantity="w.grad", step=found["first"])
    assert "SqrtBackward0" in told["text"]["text"]
    assert "NaN" in told["text"]["text"]
    assert all(check["holds"] for check in told["checks"])


def test_a_detached_branch_is_named_with_its_parameters(ask: Ask, refused: Ask) -> None:
    names = [one["name"] for one in ask("info", "partly_detached")["parameters"]]
    assert names == ["encoder.0.weight", "encoder.0.bias", "head.weight", "head.bias"]
    (problem,) = ask("doctor", "partly_detached")["problems"]
    assert problem["code"] == "AL209"
    assert "encoder.0.weight" in problem["message"]
    reached = ask("explain", "partly_detached", quantity="head.weight.grad")
    assert all(check["holds"] for check in reached["checks"])
    asked = {"file": "partly_detached.lens", "quantity": "encoder.0.weight.grad"}
    none = ask("explain", "partly_detached", quantity="encoder.0.weight.grad")
    assert none["known"] == {
        "provenance": "recorded",
        "why": "No backward of step 0 reached encoder.0.weight. "
        "Reached were head.bias, head.weight.",
    }
    assert not none["text"]["text"]
    misspelt = refused("explain", **{**asked, "quantity": "encoder.0.wight.grad"})
    assert misspelt.startswith("The trace has no parameter 'encoder.0.wight'. Did you mean ")


def test_a_diverging_rate_is_tried_and_a_smaller_one_proved(ask: Ask) -> None:
    (problem,) = ask("doctor", "learning_rate_too_high")["problems"]
    assert (problem["code"], problem["provenance"]) == ("AL501", "proved")
    what = ask("what_if", "learning_rate_too_high", changes={"lr": 0.1}, steps=30)
    assert what["known"]["provenance"] == "proved"
    assert what["original"] == {"lr": "1.5"}
    assert what["instead"][-1]["loss"] < what["instead"][0]["loss"] < what["recorded"][-1]["loss"]
    assert [one["step"] for one in what["recorded"]][:: len(what["recorded"]) - 1] == [0, 29]
    verified = ask("verify", "learning_rate_too_high")
    assert verified["known"]["provenance"] == "proved"
    assert {check["name"]: check["steps"] for check in verified["checks"]}["updates"] == 30
    light = ask("trace", "learning_rate_too_high", step="7", phases=["update"])
    assert light["known"]["provenance"] == "proved"
    assert (light["level"], "1.5" in light["text"]["text"]) == ("full", True)


def test_without_experiments_a_finding_rests_on_the_recording(ask: Ask) -> None:
    (problem,) = ask("doctor", "learning_rate_too_high", experiments=False)["problems"]
    assert problem["provenance"] == "recorded"


def test_two_recordings_part_where_they_begin(ask: Ask) -> None:
    same = {"one": "nan_born.lens", "other": "nan_born.lens"}
    assert ask("diff", **same)["verdict"] == "equal"
    apart = ask("diff", one="nan_born.lens", other="learning_rate_too_high.lens")
    assert (apart["verdict"], apart["step"]) == ("different", 0)


def test_text_comes_in_pages_that_lose_no_line(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    from autograd_lens.servers.mcp import answers

    whole = ask("trace", "partly_detached", kernels=True)["text"]
    assert whole["next_line"] is None
    monkeypatch.setattr(answers, "_PAGE", 900)
    lines: list[str] = []
    place: int | None = 0
    while place is not None:
        page = ask("trace", "partly_detached", kernels=True, first_line=place)["text"]
        assert (page["first_line"], len(page["text"]) <= 900) == (len(lines), True)
        lines += page["text"].split("\n")
        place = page["next_line"]
    assert lines == whole["text"].split("\n")


def test_what_was_not_kept_is_not_known(ask: Ask, folder: Path, starved: Path) -> None:
    shutil.copy(starved, folder / "starved.lens")
    try:
        told = ask("explain", "starved", step="50")
        what = ask("what_if", "starved", changes={"w[0]": 0.5}, step="50", steps=3)
        light, verified = ask("trace", "starved", step="50"), ask("verify", "starved", steps="0:60")
    finally:
        (folder / "starved.lens").unlink()
    for answer in (told, what, verified):
        assert answer["known"]["provenance"] == "not known"
        assert answer["known"]["why"]
    assert "Step 50 cannot be replayed" in told["known"]["why"]
    assert (light["level"], light["known"]["provenance"]) == ("light", "recorded")
    assert light["known"]["why"].startswith("Read from the recording. Of step 50 only loss,")


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("../nan_born.lens", "lies outside of"),
        ("/etc/passwd", "lies outside of"),
        ("a\0b.lens", "embedded null byte"),
        ("x" * 5_000, "File name too long"),
        ("\udce9\x1b[2J.lens", r"There is no file '\udce9\x1b[2J.lens'"),
        (
            "nan_bron.lens",
            "Recordings there: learning_rate_too_high.lens, link.lens, nan_born.lens",
        ),
        (".", "Is a directory"),
        ("train.py", "is not a trace"),
        ("link.lens", "lies outside of"),
    ],
)
def test_a_bad_name_is_one_line(refused: Ask, folder: Path, file: str, words: str) -> None:
    (folder / "train.py").write_text("print(1)")
    (folder / "link.lens").symlink_to(Path(__file__))
    try:
        assert words in refused("info", file=file)
    finally:
        (folder / "link.lens").unlink()


@pytest.mark.parametrize(
    "attack", ["a view that never ends in place of a table", "10^15 steps", "cut short"]
)
def test_a_damaged_file_is_one_line(refused: Ask, folder: Path, attack: str) -> None:
    sound = (folder / "nan_born.lens").read_bytes()
    damaged = sound[: len(sound) // 2] if attack == "cut short" else edited(sound, AIMED[attack])
    (folder / "damaged.lens").write_bytes(damaged)
    try:
        for tool in ("info", "trace", "doctor", "verify"):
            assert "damaged" in refused(tool, file="damaged.lens")
    finally:
        (folder / "damaged.lens").unlink()


def test_control_characters_of_a_recording_reach_nobody(ask: Ask, folder: Path) -> None:
    content = edited((folder / "nan_born.lens").read_bytes(), AIMED["escapes in all names"])
    (folder / "escapes.lens").write_bytes(content)
    try:
        for tool in ("info", "trace", "doctor"):
            assert not set(json.dumps(ask(tool, "escapes"), ensure_ascii=False)) & set("\x1b\x9b")
    finally:
        (folder / "escapes.lens").unlink()


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("trace", {"step": "999"}, "has steps 0 to 5"),
        ("find", {"condition": "los > 1"}, "Did you mean loss"),
        ("find", {"condition": "__import__('os')"}, "cannot be read"),
        ("doctor", {"select": ["AL999"]}, "There is no rule 'AL999'"),
        ("verify", {"steps": "0:"}, ""),
        ("what_if", {"changes": {}}, "Nothing is to be changed"),
        ("what_if", {"changes": {"w[0]": 1}, "steps": 10**9}, "one answer executes 1 to 1,000"),
        ("explain", {"quantity": "w"}, "Write loss, or a gradient"),
    ],
)
def test_a_mistake_says_what_to_write(
    client: Callable[[str, dict[str, Any]], Any], tool: str, arguments: Any, words: str
) -> None:
    result = client(tool, {"file": "nan_born.lens", **arguments})
    assert result.is_error == bool(words)
    assert words in result.content[0].text


def test_every_tool_is_listed_as_one_that_reads(folder: Path) -> None:
    from autograd_lens.servers.mcp.reading import Folder
    from autograd_lens.servers.mcp.server import serve

    tools = asyncio.run(serve(Folder(folder)).list_tools())
    assert [tool.name for tool in tools] == TOOLS
    for tool in tools:
        assert tool.description
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint
        assert tool.output_schema is not None
        assert tool.output_schema["properties"]["known"]


def test_the_example_asks_over_stdio(tmp_path: Path) -> None:
    from autograd_lens.capture import run_script

    examples = ROOT / "examples" / "editors"
    run_script(str(examples / "exploding.py"), [], tmp_path / "exploding.lens")
    ran = subprocess.run(
        [sys.executable, str(examples / "assistant.py")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    info, found, doctor, what_if, known = ran.stdout.splitlines()
    assert info == "info    106.6 to 8.691e+25"
    assert found.startswith("find    over 1e9 from step 9 on: From here on the gradients grew i")
    assert doctor.startswith("doctor  AL501 ")
    assert what_if == "what_if lr 0.1: loss 0.05357 after 30 steps."
    assert known.strip() == "proved: The tape makes all 30 recorded updates bit for bit."


def test_reading_imports_no_torch(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "nan_born.lens", tmp_path)
    probe = (
        "import sys, pathlib\n"
        "from autograd_lens.servers.mcp.server import Tools\n"
        "from autograd_lens.servers.mcp.reading import Folder\n"
        "tools = Tools(Folder(pathlib.Path()))\n"
        "tools.info(); tools.find(); tools.trace(step=0)\n"
        "assert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", probe]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)


def test_where_the_sdk_is_missing_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    monkeypatch.delitem(sys.modules, "autograd_lens.servers.mcp.server", raising=False)
    result = CliRunner().invoke(app, ["mcp"])
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.endswith('Install it with: pip install "autograd-lens[mcp]"')


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["mcp", str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    assert "There is no folder" in result.stderr
