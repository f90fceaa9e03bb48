"""``autograd-lens handout``."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import autograd_lens as lens_api
from tests.cli.conftest import Lens


@pytest.mark.parametrize("suffix", ["html", "md", "pdf"])
def test_it_writes_what_the_suffix_asks_for(
    lens: Lens, recorded: Path, tmp_path: Path, suffix: str
) -> None:
    pytest.importorskip("typst")
    done = lens("handout", recorded, "-o", f"lesson.{suffix}", "--lang", "zh")
    assert done.returncode == 0, done.stderr
    assert f"Wrote lesson.{suffix}" in done.stderr
    begin = {"html": b"<!doctype html>", "md": b"# ", "pdf": b"%PDF-"}[suffix]
    assert (tmp_path / f"lesson.{suffix}").read_bytes().startswith(begin)


def test_the_notebook_runs(lens: Lens, recorded: Path, tmp_path: Path) -> None:
    assert lens("handout", recorded, "-o", "lesson.ipynb").returncode == 0
    book = nbformat.read(tmp_path / "lesson.ipynb", as_version=4)
    NotebookClient(book, timeout=120, resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [out for cell in book.cells if cell.cell_type == "code" for out in cell.outputs]
    assert not [out for out in outputs if out.output_type == "error"]
    assert outputs[0]["text"].startswith("12 steps")


def test_the_page_shows_the_steps_that_were_asked_for(
    lens: Lens, recorded: Path, tmp_path: Path
) -> None:
    lens("handout", recorded, "-o", "a.html", "--steps", "1,7", "--title", "Lesson <1>")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    with lens_api.open(recorded) as trace:
        for step in (1, 7):
            assert f"{trace.losses[step]:.6g}" in page
    assert "<h1>Lesson &lt;1&gt;</h1>" in page


def test_a_step_recorded_in_brief_is_gone_through_in_detail_all_the_same(
    lens: Lens, recorded: Path, tmp_path: Path
) -> None:
    with lens_api.open(recorded) as trace:
        assert 7 not in trace.full_steps
    assert lens("handout", recorded, "-o", "a.md", "--steps", "7").returncode == 0
    text = (tmp_path / "a.md").read_text(encoding="utf-8")
    assert "The forward pass of step 7" in text
    assert "The backward pass of step 7" in text


def test_a_worksheet_comes_with_its_answers_in_another_file(
    lens: Lens, recorded: Path, tmp_path: Path
) -> None:
    done = lens("handout", recorded, "--worksheet", "--seed", "3", "-o", "sheet.md")
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in tmp_path.glob("*.md"))
    assert names == ["sheet-answers.md", "sheet.md"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-o", "a.docx"), "Choose one of .html, .pdf, .md, .ipynb"),
        (("--steps", "99"), "Step 99 is not in the trace"),
        (("-o", "there.md"), "'there.md' exists"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    lens: Lens, recorded: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "there.md").write_text("mine")
    done = lens("handout", recorded, *words)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert (tmp_path / "there.md").read_text() == "mine"


def test_slides_come_with_what_a_speaker_may_say(
    lens: Lens, recorded: Path, tmp_path: Path
) -> None:
    pytest.importorskip("typst")
    done = lens("handout", recorded, "--slides", "--steps", "1", "-o", "talk.pdf")
    assert done.returncode == 0, done.stderr
    pages = (tmp_path / "talk.pdf").read_bytes()
    assert pages.startswith(b"%PDF-")
    notes = (tmp_path / "talk-notes.md").read_text(encoding="utf-8")
    count = notes.count("\n## ") + 1
    assert f"/Count {count}".encode() in pages
    assert "A sum: the gradient passes unchanged." in notes
    again = lens("handout", recorded, "--slides", "-o", "talk.pdf")
    assert again.returncode == 1, "nothing is overwritten"
    assert "talk.docx" in lens("handout", recorded, "--slides", "-o", "talk.docx").stderr


def test_a_long_step_has_a_slide_for_each_part_of_the_model(lens: Lens, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("typst")
    layers = [torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Tanh()) for _ in range(9)]
    model = torch.nn.Sequential(*layers)
    path = tmp_path / "deep.lens"
    with lens_api.record(path):
        model(torch.ones(2, 4)).sum().backward()
    done = lens("handout", path, "--slides", "-o", "talk.pdf")
    assert done.returncode == 0, done.stderr
    notes = (tmp_path / "talk-notes.md").read_text(encoding="utf-8")
    titles = [line.split("  ")[1] for line in notes.splitlines() if line.startswith("## ")]
    blocks = [f"module {number}" for number in range(9)]
    assert [each for each in titles if "module" in each] == [
        *(f"Forward: {each}" for each in blocks),
        *(f"Backward: {each}" for each in reversed(blocks)),
    ]
    assert notes.count("weight.grad is set") == 9
    assert len(titles) <= 80
