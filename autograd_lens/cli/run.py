"""``autograd-lens run``: execute a script as ``python`` would, and record it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autograd_lens.cli.files import record_script, say, shown
from autograd_lens.cli.options import Bytes, ScriptCommand, records
from autograd_lens.trace.reader import Trace

if TYPE_CHECKING:
    from autograd_lens.capture import ScriptResult

__all__ = ["command"]


@click.command(
    "run",
    short_help="Run a training script and record it.",
    cls=ScriptCommand,
    context_settings={"allow_interspersed_args": False},
)
@click.option(
    "--full",
    default="default",
    show_default="0, 1, 2, then of 5, 10, 20, 50, 100, ... what takes little of the time",
    metavar="STEPS",
    help="Steps to record with every value: none, every:100, or steps and ranges 0:10,500; "
    "default,137 adds one to the default. all: those that no replay would open for sure.",
)
@click.option(
    "--keep-inputs",
    type=Bytes(),
    metavar="SIZE",
    show_default="256MB",
    help="Keep up to this much of the batches that steps read, so that they can be replayed.",
)
@click.option(
    "--keep-values",
    type=Bytes(),
    metavar="SIZE",
    show_default="1MB",
    help="Keep values of full steps whole up to this size, as far as a step's share of --max-size "
    "goes; of others statistics, a sample and a digest, by which replay gives them whole.",
)
@click.option(
    "--max-size",
    type=Bytes(),
    metavar="SIZE",
    show_default="256MB",
    help="Let the recording take no more than this on the disk; detail goes first.",
)
@click.option(
    "--last",
    type=click.IntRange(min=1),
    metavar="N",
    help="Keep the last N steps, which open in full at any time, and of older ones the loss: for "
    "a run that may go wrong after days.",
)
@click.option(
    "--stop-on",
    metavar="CONDITION",
    help="End the program at the first step that meets it, and keep that step whole: nan (a loss, "
    "gradient or parameter that is not finite), 'loss > 10', 'norm(w1.grad) > 5'.",
)
@click.option("-m", "module", is_flag=True, help="SCRIPT is a module, as in python -m.")
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
@records()
@click.pass_context
def command(
    ctx: click.Context,
    script: str,
    arguments: tuple[str, ...],
    module: bool,
    output: Path | None,
    force: bool,
    full: str,
    keep_inputs: int | None,
    keep_values: int | None,
    max_size: int | None,
    last: int | None,
    stop_on: str | None,
) -> None:
    """Run SCRIPT unmodified, as `python SCRIPT ARGS` would, and record it.

    Everything behind SCRIPT belongs to the script. Its exit status is handed on; 3 says that the
    recording is incomplete, 4 that a step met --stop-on. Without -o, an earlier recording of the
    script is set aside; `autograd-lens runs` lists them.

    \b
    autograd-lens run train.py --lr 0.1
    autograd-lens run -o big.lens --full 0:10,500 train.py
    autograd-lens run -m project.train
    autograd-lens run --stop-on nan train.py
    autograd-lens run --last 200 train.py
    """
    from autograd_lens.capture import Limits

    usual = Limits()
    limits = Limits(
        value=usual.value if keep_values is None else keep_values,
        inputs=usual.inputs if keep_inputs is None else keep_inputs,
        size=usual.size if max_size is None else max_size,
        last=last or 0,
    )
    target, result = record_script(
        script,
        arguments,
        output,
        force=force,
        full=full,
        module=module,
        limits=limits,
        stop_on=stop_on,
    )
    # how a run ends is the program's affair
    with contextlib.suppress(Exception, KeyboardInterrupt):
        _finish(target, result)
    result.world.enter()  # its own exit handlers run in it
    ctx.exit(result.exit_code)


def _used(target: Path) -> str:
    """What the recording took, and how its steps open."""
    from autograd_lens.render.info import kept_text, size_text

    with Trace(target) as trace:
        if trace.window is not None:
            return f" {size_text(target.stat().st_size)}: kept are {kept_text(trace)}."
        full, taped, count = len(trace.full_steps), trace.taped, len(trace.steps)
    others = "all others" if taped == count else f"{taped - full:,} others"
    replayed = f", a tape to replay {others}" if taped > full else ""
    return f" {size_text(target.stat().st_size)}: {full:,} in full{replayed}."


def _finish(target: Path, result: ScriptResult) -> None:
    """Say what was recorded, and look at it for a moment."""
    from autograd_lens.cli.afterwards import findings_and_landscape

    steps = f"{result.steps:,} step{'' if result.steps == 1 else 's'}"
    kept = " The one before is kept (see autograd-lens runs)." if result.before else ""
    told = f"Recorded {steps} in {shown(target)}.{kept}{_used(target)}"
    say(told if result.stopped else f"{told} Next: autograd-lens trace {shown(target)}")
    findings_and_landscape(target, say)
    if result.stopped is not None:
        look = f" Look at it: autograd-lens trace {shown(target)} --steps {result.stopped.step}"
        say(f"{result.stopped}{look if result.stopped.kept else ''}")
