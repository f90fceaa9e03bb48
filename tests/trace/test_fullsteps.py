"""Full steps: a template and its slots come back as the records they stand for."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograd_lens.errors import NotATraceError
from autograd_lens.trace.columns import Block
from autograd_lens.trace.fulls import pack_fulls
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import (
    Argument,
    Constant,
    Edge,
    NodeRun,
    Parameter,
    SavedTensor,
    TensorSpec,
    TensorUse,
)
from autograd_lens.trace.rows import LightGraph, pack_rows
from autograd_lens.trace.stored import from_bytes, to_bytes
from autograd_lens.trace.tape import StepTape, Template, checked, records_of
from autograd_lens.trace.values import Entry, Summary, Value
from autograd_lens.trace.writer import RunInfo, TraceWriter


def f32(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


# y = w * 2, backward, then w -= 0.1 * grad: as small as a full step can be.
SLOTS: list[Entry] = [f32(3), f32(6), f32(1), f32(2), 0.1, f32(2.8), f32(2.5)]
W, Y, ONE, GRAD, RATE, NEW_W, SAVED_W = range(7)
TEMPLATE: dict[str, Any] = {
    "specs": [["float32", [1], "cpu"]],
    "tensors": [[0, "parameter", "w", [], None], [0, "loss", "y"], [0, "gradient", "w.grad"]],
    "sources": [["train.py", 2, 2, 4, 9, "step"]],
    "kernels": [
        {
            "op": "aten.mul.Tensor",
            "args": [["self", ["t", 0, W], False], ["other", ["k", "scalar", 2], False]],
            "outs": [["t", 1, Y]],
            "phase": "forward",
            "node": 0,
            "backward": 0,
            "source": 0,
            "module": "model",
            "training": True,
            "makes_node": True,
            "grad_mode": True,
            "generator": None,
        },
        {
            "op": "aten._foreach_add_.List",
            "args": [
                ["self", ["l", [["t", 0, W], None]], False],
                ["alpha", ["c", RATE], True],
                ["z", ["k", "float", "-inf"], True],
                ["dtype", ["k", "dtype", "float32"], True],
            ],
            "outs": [["v", 0, NEW_W]],
            "phase": "update",
            "node": None,
            "backward": 0,
            "source": None,
            "module": "",
            "training": None,
            "makes_node": None,
            "grad_mode": False,
            "generator": None,
        },
    ],
    "backwards": [
        {
            "kind": "backward",
            "position": 1,
            "roots": [["t", 1, Y]],
            "gradients": [["v", 0, ONE]],
            "inputs": [],
            "results": [],
            "retain_graph": False,
            "create_graph": False,
            "source": 0,
            "fingerprint": "f00d",
            "error": "",
            "nodes": [
                {
                    "name": "MulBackward0",
                    "formula": [["self", "grad * other"]],
                    "kernel": 0,
                    "saved": [
                        {
                            "name": "self",
                            "value": ["t", 0, SAVED_W],
                            "tensor": 0,
                            "made": W,
                            "note": "",
                        },
                        {
                            "name": "other",
                            "value": ["k", "scalar", 2],
                            "tensor": None,
                            "made": None,
                            "note": "",
                        },
                    ],
                    "variable": None,
                    "leaf": None,
                },
                {
                    "name": "AccumulateGrad",
                    "formula": [],
                    "kernel": None,
                    "saved": [],
                    "variable": "w",
                    "leaf": 0,
                },
            ],
            "edges": [[0, 0, 1, 0]],
            "runs": [
                {
                    "node": 0,
                    "grad_outputs": [["v", 0, ONE]],
                    "grad_inputs": [["v", 0, GRAD], None],
                    "kernels": [],
                }
            ],
            "writes": [
                {
                    "parameter": "w",
                    "before": None,
                    "incoming": ["v", 0, GRAD],
                    "after": None,
                    "mode": "set",
                }
            ],
        }
    ],
    "updates": [
        {
            "parameter": "w",
            "before": ["t", 0, W],
            "after": None,
            "grad": ["t", 2, GRAD],
            "kernels": [1],
            "source": 0,
        }
    ],
    "zero_grads": [],
    "grad_changes": [],
    "handed": [None],
    "omitted": ["a reason"],
    "slots": 7,
    "lean": False,
}
ROW = (0, 0, f32(6), [f32(3)], [None], [f32(2)])
GRAPH = LightGraph(
    fingerprint="f00d",
    roots=(("float32", (1,)),),
    reached=(0,),
    loss=0,
)


def typed(plain: dict[str, Any]) -> Template:
    """The template that a file with this JSON holds."""
    return checked(from_bytes(json.dumps(plain).encode(), Template, "the structure"))


def decode(
    plain: dict[str, Any], slots: Sequence[Entry], dots: dict[int, str] | None = None
) -> StepTape:
    return records_of(typed(plain), slots, dots)


def value(*numbers: float) -> Value:
    return Value("float32", (len(numbers),), f32(*numbers))


def write(
    path: Path, fulls: Sequence[tuple[int, list[Entry]]], rows: Sequence[Any] = (), **changes: Any
) -> Trace:
    writer = TraceWriter.create(path, RunInfo())
    writer.parameter(0, Parameter("w", (1,), "float32", "cpu"))
    writer.graph(GRAPH)
    template = writer.template(typed(TEMPLATE | changes))
    writer.dot(template, 0, "digraph {}")
    writer.rows.extend(rows)
    for step, slots in fulls:
        writer.full(step, template, slots)
    writer.close("finished")
    assert writer.failed is None
    return Trace(path)


def test_kernels_get_their_values_from_the_slots() -> None:
    mul, add = decode(TEMPLATE, SLOTS).kernels
    w = TensorSpec("w", (1,), "float32", "cpu", "parameter")
    assert mul.inputs == (
        Argument("self", TensorUse(0, w, value(3)), keyword=False),
        Argument("other", Constant("scalar", 2), keyword=False),
    )
    assert mul.outputs[0].value == value(6)
    assert (mul.source and mul.source.line, mul.module, mul.node) == (2, "model", 0)
    assert [argument.value for argument in add.inputs] == [
        (TensorUse(0, w, value(3)), Constant("scalar", None)),
        Constant("scalar", 0.1),
        Constant("scalar", -math.inf),
        Constant("dtype", "float32"),
    ]
    assert add.outputs[0].tensor == -1, "a value without identity"


def test_nodes_edges_and_runs() -> None:
    (backward,) = decode(TEMPLATE, SLOTS, {0: "digraph {}"}).backwards
    graph = backward.graph
    assert graph is not None
    assert graph.dot == "digraph {}"
    assert graph.edges == (Edge(0, 0, 1, 0),)
    assert graph.nodes[1].variable == "w"
    assert graph.nodes[0].formula == (("self", "grad * other"),)
    assert backward.node_runs == (NodeRun(0, 0, (value(1),), (value(2), None), ()),)


def test_a_saved_tensor_that_was_written_since_says_so() -> None:
    graph = decode(TEMPLATE, SLOTS).backwards[0].graph
    assert graph is not None
    assert graph.nodes[0].saved == (
        SavedTensor("self", value(2.5), tensor=0, changed=True),
        SavedTensor("other", Constant("scalar", 2)),
    )
    same = [*SLOTS[:SAVED_W], SLOTS[W]]
    graph = decode(TEMPLATE, same).backwards[0].graph
    assert graph is not None
    assert not graph.nodes[0].saved[0].changed


def test_the_same_summary_with_nan_counts_as_unchanged() -> None:
    slots = list(SLOTS)
    slots[W], slots[SAVED_W] = (Summary("00" * 16, math.nan, math.nan) for _ in range(2))
    graph = decode(TEMPLATE, slots).backwards[0].graph
    assert graph is not None
    assert not graph.nodes[0].saved[0].changed


def test_rows_fill_in_what_the_tape_lacks(tmp_path: Path) -> None:
    end = (1, -1, None, [f32(2.5)], [None], [])
    step = write(tmp_path / "run.lens", [(0, SLOTS)], [ROW, end]).steps[0]
    assert step.level == "full"
    (written,) = step.backwards[0].grad_writes
    assert (written.before, written.incoming, written.after) == (None, value(2), value(2))
    (update,) = step.updates
    assert (update.before, update.after, update.kernels) == (value(3), value(2.5), (1,))
    assert step.parameters["w"].zeroed is True
    assert [zero.after for zero in step.zero_grads] == [None], "grad = None runs no kernel"
    assert step.omitted == ("a reason",)


def test_a_change_that_ran_no_kernel_is_known_from_the_rows(tmp_path: Path) -> None:
    end = (1, -1, None, [f32(9)], [f32(2)], [])
    trace = write(tmp_path / "run.lens", [(0, SLOTS)], [ROW, end], updates=[])
    (update,) = trace.steps[0].updates
    assert (update.after, update.kernels, update.expression) == (value(9), (), "")


def test_full_and_light_steps_alternate(tmp_path: Path) -> None:
    rows = [(step, *ROW[1:]) for step in range(4)]
    fulls = [(step, [f32(step), *SLOTS[1:]]) for step in (1, 3)]
    trace = write(tmp_path / "run.lens", fulls, rows)
    assert trace.full_steps == (1, 3)
    assert [step.level for step in trace.steps] == ["light", "full", "light", "full"]
    used = trace.steps[3].kernels[0].inputs[0].value
    assert isinstance(used, TensorUse)
    assert used.value == value(3)


def test_steps_can_be_added_later(tmp_path: Path) -> None:
    rows = [(step, *ROW[1:]) for step in range(4)]
    trace = write(tmp_path / "run.lens", [(1, SLOTS)], rows)
    writer = TraceWriter.reopen(trace.path)
    template = writer.template(typed(TEMPLATE | {"omitted": ["added"]}))
    writer.full(2, template, SLOTS)
    writer.full(1, template, SLOTS)
    writer.close("exception")
    assert writer.failed is None
    trace.refresh()
    assert trace.full_steps == (1, 2)
    assert [trace.steps[step].omitted for step in (1, 2)] == [("added",), ("added",)]
    assert trace.info.status == "finished", "how the run ended stays as it was"
    trace.close()
    assert Trace(tmp_path / "run.lens").full_steps == (1, 2)


def test_a_batch_used_in_every_step_is_stored_once(tmp_path: Path) -> None:
    batch = bytes(range(256)) * 400
    fulls: list[tuple[int, list[Entry]]] = [
        (step, [*SLOTS, batch + b"", struct.pack("<q", step)]) for step in range(500)
    ]
    trace = write(tmp_path / "run.lens", fulls)
    assert trace._fulls.slots(499)[1][7] == batch
    assert trace.path.stat().st_size < 500 * 60 + len(batch)


def test_a_template_is_read_as_it_was_written() -> None:
    template = typed(TEMPLATE)
    assert from_bytes(to_bytes(template), Template, "the structure") == template


def set_in(template: dict[str, Any], path: str, new: Any) -> dict[str, Any]:
    """The template with one place changed."""
    key, _, rest = path.partition("/")
    if isinstance(template, list):
        changed = list(template)
        changed[int(key)] = set_in(changed[int(key)], rest, new) if rest else new
        return changed  # type: ignore[return-value]
    return template | {key: set_in(template[key], rest, new) if rest else new}


@pytest.mark.parametrize(
    ("path", "new"),
    [
        ("specs/0/1", [-1]),
        ("specs/0/1", [7]),
        ("specs/0/0", "float64"),
        ("specs/0/0", 3),
        ("tensors/0/1", "villain"),
        ("kernels/0/args/0/1", ["t", 0, 99]),
        ("kernels/0/args/0/1", ["t", -1, 0]),
        ("kernels/0/args/0/1", ["t", 0, 4]),
        ("kernels/0/args/0/1", ["exec", "rm"]),
        ("kernels/0/args/0/1", ["c", 0]),
        ("kernels/0/node", 2),
        ("kernels/0/phase", "lunch"),
        ("kernels/0/source", 1),
        ("kernels", None),
        ("backwards/0/edges/0", [0, 0, 7, 0]),
        ("backwards/0/runs/0/node", -1),
        ("backwards/0/nodes/0/kernel", 2),
        ("backwards/0/nodes/0/saved/0/made", 50),
        ("backwards/0/writes/0/mode", "steal"),
        ("updates/0/kernels", [2]),
        ("backwards/0/nodes/1/leaf", 3),
        ("kernels/0/generator", 7),
        ("tensors/0/4", 3),
        ("handed", [3]),
        ("slots", 8),
    ],
)
def test_a_template_that_points_nowhere_is_refused(path: str, new: Any) -> None:
    slots: list[Entry] = [f32(3)[:3] if new == [7] else SLOTS[0], *SLOTS[1:]]
    with pytest.raises(NotATraceError):
        decode(set_in(TEMPLATE, path, new), slots)


SUMMARIES = st.builds(
    Summary,
    st.binary(min_size=16, max_size=16).map(bytes.hex),
    st.floats(),
    st.none() | st.floats(),
    st.none() | st.floats(),
    st.none() | st.floats(),
    st.none() | st.integers(0, 2**40),
    st.none() | st.integers(0, 2**40),
    st.lists(st.floats(), max_size=8).map(tuple),
)
TENSORS = st.one_of(
    st.none(),
    st.binary(min_size=4, max_size=4),
    st.binary(max_size=9),
    st.sampled_from([b"abcd", b"efgh", b"", bytes(5000), b"x" * 4097]),
    SUMMARIES,
)
ENTRIES = TENSORS | st.booleans() | st.integers() | st.floats() | st.complex_numbers()


class Shelf:
    """Blobs in memory."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    def put(self, data: bytes) -> tuple[int, bytes]:
        self.kept.append(data)
        return len(self.kept) - 1, bytes(8)

    def fetch(self, number: int, prefix: bytes) -> bytes:
        assert prefix == bytes(8)
        return self.kept[number]


def same(left: Any, right: Any) -> bool:
    """Equal in type and in every bit that a program can see, NaN included."""
    return type(left) is type(right) and repr(left) == repr(right)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60, deadline=None)
@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(ENTRIES, min_size=n, max_size=n))))
def test_any_slots_come_back(steps: list[list[Entry]]) -> None:
    if not steps:
        return
    shelf = Shelf()
    block = Block(pack_fulls(steps, shelf.put), len(steps), shelf.fetch)
    for row, slots in enumerate(steps):
        back = [block.column(column).entry(row) for column in range(len(block))]
        assert all(map(same, back, slots))
        assert len(back) == len(slots)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.just(3),
            st.integers(-1, 9),
            st.none() | st.binary(min_size=4, max_size=4),
            st.lists(TENSORS, max_size=3),
            st.lists(TENSORS, max_size=3),
            st.lists(TENSORS, max_size=3),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_any_rows_come_back(rows: list[Any]) -> None:
    shelf = Shelf()
    data, first, last = pack_rows(rows, shelf.put)
    assert (first, last) == (3, 3)
    block = Block(data, len(rows), shelf.fetch)
    parameters = block.note.parameters
    for number, row in enumerate(rows):
        assert block.integers(1)[number] == row[1]
        assert same(block.column(2).entry(number), row[2])
        for field in range(3):
            padded = [*row[3 + field], *[None] * (parameters - len(row[3 + field]))]
            back = [block.column(3 + 3 * p + field).entry(number) for p in range(parameters)]
            assert all(map(same, back, padded))
