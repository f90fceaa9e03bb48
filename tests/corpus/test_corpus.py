"""The part of the corpus that needs torch alone: nothing disturbed, nothing told to differ."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from tests.bench.corpus import Program, Ran, corpus, measure, same_files, same_text

# A fixed part, one program of each kind; ``tests/bench/corpus.py`` goes through all of them.
_KINDS = {
    "batchnorm_cnn",
    "checkpointed_autocast",
    "compiled_mlp",
    "custom_function",
    "gan_penalty",
    "lbfgs_fit",
    "meta_learning",
    "truncated_lstm",
}
_QUICK = [program for program in corpus() if program.quick and program.name in _KINDS]
# What verify cannot show yet of these, and why: steps not known, or told to differ.
_OPEN = {
    "compiled_mlp": "compiled code has no kernels of its own in the tape",
}
_BARE = Ran(0, "loss 0.5 in 1.2 s\n", "", 1.0, 0.0, {"model.pt": "a", "log.txt": "b"}, None)


def test_the_corpus_is_there() -> None:
    assert len(corpus()) >= 24
    assert {program.name for program in _QUICK} == _KINDS


@pytest.mark.parametrize("program", corpus(), ids=lambda program: program.name)
def test_a_program_says_what_it_is_and_marks_its_loop(program: Program) -> None:
    text = program.script.read_text()
    assert ast.get_docstring(ast.parse(text))
    assert 'print("begin")' in text
    assert 'print("end"' in text
    assert len(text.splitlines()) <= 70


def test_what_two_bare_runs_share_is_compared() -> None:
    again = "loss 0.5 in 1.3 s\n"
    assert same_text(_BARE.output, again, "loss 0.5 in 9.9 s\n")
    assert not same_text(_BARE.output, again, "loss 0.6 in 1.2 s\n")
    assert not same_text(_BARE.output, again, "loss 0.5 in 1.2 s\nmore\n")
    assert not same_text(_BARE.output, _BARE.output, "")


def test_files_that_are_missing_added_or_other_are_named() -> None:
    again = replace(_BARE, files={"model.pt": "a", "log.txt": "c"})
    recorded = replace(_BARE, files={"model.pt": "a", "log.txt": "d"})
    assert same_files(_BARE, again, recorded) == []
    assert same_files(_BARE, again, replace(_BARE, files={"model.pt": "x"})) == [
        "log.txt",
        "model.pt",
    ]
    added = replace(_BARE, files={**_BARE.files, "trace.lens": "e"})
    assert same_files(_BARE, again, added) == ["trace.lens"]


@pytest.mark.parametrize("program", _QUICK, ids=lambda program: program.name)
def test_a_program_runs_as_bare_and_its_steps_are_proved(program: Program) -> None:
    row = measure(program, rounds=1, ways=("default",))
    assert row.output, row
    assert row.status, row
    assert row.files, row
    if not row.whole and program.name in _OPEN:
        pytest.xfail(_OPEN[program.name])
    assert row.whole, row
