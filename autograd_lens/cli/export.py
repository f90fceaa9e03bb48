"""``autograd-lens export``: a recording as JSON lines, or for other tools that look at runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from autograd_lens.api import Trace
from autograd_lens.cli.files import open_trace, say, shown, writable, write_lines
from autograd_lens.cli.options import prints
from autograd_lens.errors import SelectionError, TraceExistsError
from autograd_lens.trace.selection import select_steps

__all__ = ["command"]

TRACKERS = ("tensorboard", "mlflow", "wandb", "trackio")  # each needs the package of its name

_FEW = 16  # elements of a value that is written in any case


@click.command("export", short_help="Write a recording for other tools: JSON lines, Perfetto, ...")
@click.option(
    "--to",
    "target",
    type=click.Choice(["json", "perfetto", *TRACKERS]),
    default="json",
    show_default=True,
    help="What to write.",
)
@click.option(
    *("--steps", "--step", "steps"),
    metavar="STEPS",
    help="For example 0:3, 0,5,-1, every:100.  [default: all]",
)
@click.option(
    "--values", is_flag=True, help="json: large values, too, not their type, shape and norm alone."
)
@click.option("--follow", is_flag=True, help="Trackers: send steps of a running recording, too.")
@prints(width=False, output="The file or folder to write.  [default: as the format is used to]")
def command(
    file: Path | None,
    target: str,
    steps: str | None,
    values: bool,
    follow: bool,
    output: Path | None,
    force: bool,
) -> None:
    """Write a recording as other tools read it.

    json: one JSON object a step: loss, parameters, grads, and all of a full step; of values of
    more than 16 elements their type, shape and norm. To standard output, or into FILE.

    perfetto: a Chrome trace for ui.perfetto.dev, NAME.perfetto.json: modules, forward, backward
    and update as nested slices, with values in their arguments; losses, rates and the norm of
    the gradient as counters. Steps that --steps names are replayed where they are not full. Its
    clock counts kernels: times are not recorded.

    tensorboard, mlflow, wandb, trackio: the loss, rates, and for each layer the norm of its
    gradient and how much of it an update changes, step by step; then what the doctor finds,
    the path and the graph. Each needs the package of its name, and writes where it is used to:
    tensorboard into runs/NAME. With -o FOLDER, mlflow and wandb write there, and send nothing.

    \b
    autograd-lens export train.lens --steps 0:3
    autograd-lens export train.lens --steps 0:3 --values
    autograd-lens export train.lens -o steps.jsonl
    autograd-lens export train.lens --to perfetto
    autograd-lens export train.lens --to tensorboard --follow
    """
    _refuse_what_is_for_others(target, values=values, follow=follow)
    with open_trace(file, replay=True, whole=values) as trace:
        chosen = () if follow else select_steps(steps or "all", len(trace.steps))
        if target == "json":
            _write_json(trace, chosen, output and writable(output, force=force), values=values)
        elif target in TRACKERS:
            only = None if steps is None else frozenset(chosen)
            _send(trace, target, only, _free(target, trace, output, force=force), follow=follow)
        else:
            default = Path(f"{trace.path.stem}.perfetto.json")
            place = writable(output or default, force=force)
            _write_perfetto(trace, chosen, place, replay=steps is not None)


def _refuse_what_is_for_others(target: str, *, values: bool, follow: bool) -> None:
    if values and target != "json":
        msg = f"--values is for json; {target} has no place for large values."
        raise SelectionError(msg, hint="Leave it out.")
    if follow and target not in TRACKERS:
        msg = f"--follow is for trackers; {target} is written at once."
        raise SelectionError(msg, hint="Leave it out.")


def _write_json(trace: Trace, chosen: Sequence[int], output: Path | None, *, values: bool) -> None:
    from autograd_lens.trace.export import json_lines

    write_lines(output, json_lines(trace.steps, chosen, most=None if values else _FEW))


def _write_perfetto(trace: Trace, chosen: Sequence[int], output: Path, *, replay: bool) -> None:
    from autograd_lens.trackers.perfetto import perfetto_lines

    opened = chosen if replay else trace.full_steps
    write_lines(output, perfetto_lines(trace, sorted(chosen), opened))


def _free(kind: str, trace: Trace, output: Path | None, *, force: bool) -> Path | None:
    """The folder to write, where TensorBoard would not show two exports in one.

    Raises:
        TraceExistsError: Something was exported there, and ``force`` was not given.
    """
    if kind != "tensorboard":
        return output
    folder = output or Path("runs") / trace.path.stem
    there = list(folder.glob("events.out.tfevents.*"))
    if there and not force:
        msg = f"{str(folder)!r} holds a run."
        raise TraceExistsError(msg, hint="Add --force to replace it, or choose another -o.")
    for file in there:
        file.unlink()
    return folder


def _send(
    trace: Trace, kind: str, only: frozenset[int] | None, folder: Path | None, *, follow: bool
) -> None:
    from autograd_lens.trackers.send import open_tracker, send

    tracker = open_tracker(kind, trace, folder)
    sent = send(trace, tracker, chosen=only, follow=follow, say=say)
    where = f" in {shown(folder)}" if folder else ""
    say(f"Sent {sent:,} step{'' if sent == 1 else 's'} of {shown(trace.path)} to {kind}{where}.")
