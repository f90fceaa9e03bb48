"""Every command of the README and of the pages beside it is executed."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

import autograd_lens as lens_api
from autograd_lens.cli import VERBS, app
from autograd_lens.servers.dap.requests import Launch

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "examples/recording.md", "examples/reading.md", "examples/editors/README.md")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
ROW = re.compile(r"^\| (`.*?`) \|", re.MULTILINE)
# Installed, served or waited for elsewhere: .ci/run and the tests of these servers do.
NOT_HERE = ("pip install", "autograd-lens demo", "python examples/editors/assistant.py")
PROGRAM = """\
import torch

torch.manual_seed(0)
x = torch.rand(8, 1)
y = 3 * x + 10
w1 = torch.randn(1, 1, requires_grad=True)
b1 = torch.randn(1, requires_grad=True)
optimizer = torch.optim.SGD([w1, b1], lr=0.1)
for t in range(12):
    loss = ((x.mm(w1) + b1 - y) ** 2).mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
"""


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [block for kind, block in BLOCK.findall(text) if kind == language]


def commands(page: str) -> list[str]:
    lines = (line for block in blocks(page, "sh") for line in block.splitlines())
    return [line for line in lines if not line.startswith(NOT_HERE)]


def rows() -> list[list[str]]:
    """The words of each command in the README's table."""
    cells = ROW.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    return [shlex.split(command) for cell in cells for command in re.findall(r"`([^`]+)`", cell)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``train.py``, where the command line runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(PROGRAM)
    return tmp_path


def lens(*words: str) -> str:
    done = CliRunner().invoke(app, words)
    # nothing found, cured or alike; a step that met --stop-on
    told = {"find": {0, 1}, "cure": {0, 1}, "ranks": {0, 1}, "run": {0, 4}}
    assert done.exit_code in told.get(words[0], {0}), (words, done.output, done.exception)
    return done.output


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in LINK.findall(text):
        assert (ROOT / page).parent.joinpath(target).exists(), target


def test_the_table_names_every_verb_but_the_first_ones() -> None:
    assert {words[0] for words in rows()} == {*VERBS} - {"run", "debug", "demo"}


def test_the_extension_offers_what_the_adapter_takes() -> None:
    extension = json.loads((ROOT / "examples/editors/vscode/package.json").read_text())
    (debugger,) = extension["contributes"]["debuggers"]
    offered = debugger["configurationAttributes"]["launch"]["properties"]
    assert offered.keys() == set(Launch.__struct_encode_fields__)
    assert extension["version"] == lens_api.__version__


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 190


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("page", ["README.md", "examples/recording.md", "examples/reading.md"])
def test_the_commands_of_a_page(page: str) -> None:
    lens("run", "train.py")
    shown = commands(page)
    assert shown
    for command in shown:
        name, *words = shlex.split(command, comments=True)
        assert name == "autograd-lens"
        lens(*words)


@pytest.mark.usefixtures("folder")
def test_the_commands_of_the_table() -> None:
    """Each on the latest recording; what waits for keys or a client, with what ends it."""
    lens("run", "-o", "A", "train.py")
    lens("run", "-o", "B", "train.py")
    ends = {"step": ["--screenshot", "s.svg"], "rerun": ["--full", "7", "--yes"]}
    for words in rows():
        if words[0] in {"dap", "mcp"}:
            ends[words[0]] = ["--help"]
        assert lens(*words, *ends.get(words[0], [])), words


@pytest.mark.usefixtures("folder")
def test_the_recipe_of_continuous_integration() -> None:
    """What its steps run; that of the tests is run by those of the plugin."""
    recipe = yaml.safe_load((ROOT / "examples/testing/continuous_integration.yml").read_text())
    steps = recipe["jobs"]["training"]["steps"]
    install, tests, doctor = [step["run"] for step in steps if "run" in step]
    assert install == "pip install autograd-lens pytest"
    assert tests == "python -m pytest --lens-dir recordings"
    lens(*shlex.split(doctor)[1:])
    (upload,) = [step["with"] for step in steps if "sarif_file" in step.get("with", {})]
    assert json.loads(Path(upload["sarif_file"]).read_text())["runs"]
    assert Path("doctor.xml").exists()


def test_the_python_of_the_pages(folder: Path) -> None:
    """The README's loop, shorter, then what is read of its recording."""
    record, read = blocks("README.md", "python") + blocks("examples/reading.md", "python")
    linear = """
import torch
from torch.optim import SGD

x = torch.rand(8, 1)
y = 3 * x + 10
loss_fn = torch.nn.MSELoss()
model = torch.nn.Module()
model.w1 = torch.nn.Parameter(torch.zeros(1, 1))
model.forward = lambda x: x @ model.w1
optimizer = SGD(model.parameters(), lr=1e-2)
"""
    names: dict[str, object] = {}
    exec(linear + record.replace("5000", "20") + read, names)  # noqa: S102  our own pages
    trace = names["trace"]
    assert isinstance(trace, lens_api.Trace)
    assert len(trace.losses) == 20
    assert trace.parameter("w1").values.shape == (21, 1, 1)
    assert (folder / "path.png").exists()
