"""See what ``loss.backward()`` did: record a PyTorch training run, then look at any step.

::

    import autograd_lens as lens

    with lens.record("linear.lens") as run:
        model, loss_fn, optimizer = run.watch(model, loss_fn, optimizer)
        for t in run.steps(5000):
            ...

    trace = lens.open("linear.lens")
    trace.parameter("w1").values  # every value w1 had

Names are looked up when first used, so that ``import autograd_lens`` is quick and a program
that only reads traces never imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from autograd_lens import doctor
    from autograd_lens.api import (
        Trace,
        assert_same,
        diff,
        open,  # noqa: A004  read as lens.open
        record,
    )
    from autograd_lens.errors import (
        ConditionError,
        LensError,
        NewerFormatError,
        NoSuchParameterError,
        NoSuchStepError,
        NotATraceError,
        NotRecordedError,
        OtherKernelsError,
        RecordingError,
        RenderError,
        ReplayError,
        SelectionError,
        StopConditionMet,
        TraceError,
        TraceExistsError,
    )
    from autograd_lens.testing import assert_gradients_reach, assert_no_findings, assert_updates

__all__ = [
    "ConditionError",
    "LensError",
    "NewerFormatError",
    "NoSuchParameterError",
    "NoSuchStepError",
    "NotATraceError",
    "NotRecordedError",
    "OtherKernelsError",
    "RecordingError",
    "RenderError",
    "ReplayError",
    "SelectionError",
    "StopConditionMet",
    "Trace",
    "TraceError",
    "TraceExistsError",
    "__version__",
    "assert_gradients_reach",
    "assert_no_findings",
    "assert_same",
    "assert_updates",
    "diff",
    "doctor",
    "open",
    "record",
]

__version__ = "0.2.0"

_HOMES = {
    "Trace": "autograd_lens.api",
    "assert_gradients_reach": "autograd_lens.testing",
    "assert_no_findings": "autograd_lens.testing",
    "assert_same": "autograd_lens.api",
    "assert_updates": "autograd_lens.testing",
    "diff": "autograd_lens.api",
    "open": "autograd_lens.api",
    "record": "autograd_lens.api",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    if name == "doctor":  # the package itself, which can be called
        return import_module("autograd_lens.doctor")
    return getattr(import_module(_HOMES.get(name, "autograd_lens.errors")), name)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Called by ``%load_ext autograd_lens``: cells that begin with ``%%lens`` are recorded."""
    import_module("autograd_lens.notebook").load(shell)


def __dir__() -> list[str]:
    return __all__
