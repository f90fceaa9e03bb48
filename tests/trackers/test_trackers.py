"""The trackers themselves, where they are installed: what is written is read back."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import autograd_lens as lens
from autograd_lens.api import Trace
from autograd_lens.cli import app
from tests.support.small_training import train

pytestmark = pytest.mark.filterwarnings("default")  # the libraries' own


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trace]:
    path = tmp_path_factory.mktemp("trackers") / "small.lens"
    with lens.record(path, full="0:2"):
        train(steps=4, cut_off=True)
    with lens.open(path) as trace:
        yield trace


def export(trace: Trace, *words: str) -> Result:
    return CliRunner().invoke(app, ["export", str(trace.path), "--to", *words])


def test_tensorboard_reads_what_was_written(
    recorded: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.chdir(tmp_path)
    done = export(recorded, "tensorboard")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.endswith(f"of {recorded.path} to tensorboard in {Path('runs/small')}.\n")
    assert "Add --force" in export(recorded, "tensorboard").stderr
    assert export(recorded, "tensorboard", "--force", "--steps", "1:").exit_code == 0

    found = EventAccumulator(str(tmp_path / "runs" / "small"))
    found.Reload()
    losses = [(event.step, event.value) for event in found.Scalars("loss")]
    assert losses == [(step, pytest.approx(recorded.losses[step])) for step in (1, 2, 3)]
    assert {"lr", "gradient_norm/head", "update_ratio/head"} <= set(found.Tags()["scalars"])
    assert set(found.Tags()["images"]) == {"path", "graph"}
    (image,) = found.Images("graph")
    assert (image.encoded_image_string[:4], image.width > 100) == (b"\x89PNG", True)
    (text,) = found.Tensors("findings")
    assert text.tensor_proto.string_val[0].startswith(b"**AL209 ")


def test_mlflow_reads_what_was_written(recorded: Trace, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    done = export(recorded, "mlflow", "-o", str(tmp_path / "kept"))
    assert done.exit_code == 0, done.stderr
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'kept' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("autograd-lens")
    (run,) = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [one.value for one in history] == recorded.losses.tolist()
    assert [one.step for one in history] == [0, 1, 2, 3]
    assert run.data.params["status"] == "finished"
    assert run.info.status == "FINISHED"
    files = {one.path for one in client.list_artifacts(run.info.run_id)}
    assert files == {"findings.md", "path.png", "graph.png"}


def test_wandb_reads_what_was_written(recorded: Trace, tmp_path: Path) -> None:
    wandb = pytest.importorskip("wandb")
    done = export(recorded, "wandb", "-o", str(tmp_path))
    assert done.exit_code == 0, done.stderr
    wandb.teardown()  # its service writes the file, at the latest when the process ends
    (file,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    rows, summary = _wandb_records(file)
    assert [row["loss"] for row in rows if "loss" in row] == recorded.losses.tolist()
    assert summary["findings"].startswith("**AL209 ")
    assert {"path", "graph"} <= {name.split("_")[0] for name in _pictures(file.parent)}


def _wandb_records(file: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows of history, and the summary, of an offline run."""
    from wandb.proto.wandb_internal_pb2 import Record

    rows: list[dict[str, Any]] = []
    summary: dict[str, Any] = {}
    for data in _log_records(file.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        if record.HasField("history"):
            rows.append(_items(record.history.item))
        if record.HasField("summary"):
            summary |= _items(record.summary.update)
    return rows, summary


def _items(items: Any) -> dict[str, Any]:
    return {one.key or one.nested_key[0]: json.loads(one.value_json) for one in items}


def _log_records(data: bytes) -> Iterator[bytes]:
    """The records of a log in blocks of 32 KB: checksum, length and kind before each part."""
    place, parts, whole_or_last = 7, b"", {1, 4}
    while place + 7 <= len(data):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in whole_or_last:
            yield parts
            parts = b""


def _pictures(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("files/media/images/*.png")}


def test_trackio_reads_what_was_written(
    recorded: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))
    pytest.importorskip("trackio")
    from trackio.sqlite_storage import SQLiteStorage

    done = export(recorded, "trackio")
    assert done.exit_code == 0, done.stderr
    rows = SQLiteStorage.get_logs("autograd-lens", "small")
    losses = {row["step"]: row["loss"] for row in rows if "loss" in row}
    assert losses == dict(enumerate(recorded.losses.tolist()))
    assert any("findings" in row for row in rows)
    assert math.isfinite(losses[3])
    refused = export(recorded, "trackio", "-o", str(tmp_path / "elsewhere"))
    assert "set TRACKIO_DIR=" in refused.stderr
