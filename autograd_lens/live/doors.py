"""The private doors of torch that recording and replay go through, each tried once, here.

Torch has no public way to ask which node of the graph runs a kernel, or what a node saved. What
is used instead can go away with any release, so it is looked for when this is imported: a torch
without one of these doors, or one that is older than what was tried, is refused in one sentence,
instead of half a recording. Nothing else in this package asks whether torch has something.

NOTE 1 [Older torch]: 2.6 has all doors but those of ``SavedTensor``. There ``_saved_self`` and the
like alone tell what was saved, and they unpack: they run the program's hooks, in which activation
checkpointing computes a whole segment again. And there ``p.data`` runs kernels, whose values
replay takes for each other. So recordings come out whole there, and are not proved.

NOTE 2 [What a module's call asks]: every call of a module asks torch whether it is being traced,
``_get_tracing_state`` until 2.14 and ``_is_tracing`` from 2.15 on. Which it is, its code tells.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import torch
import torch._guards
import torch.autograd.graph
import torch.optim.optimizer
import torch.utils._python_dispatch
from torch import nn

from autograd_lens.errors import RecordingError

__all__ = [
    "ASKED_BY_MODULES",
    "NEEDED",
    "OLDEST",
    "current_node",
    "dispatch_mode_at",
    "dispatch_modes",
    "functorch_level",
    "missing",
    "refuse",
    "saved_data",
    "sequence_number",
    "set_version",
]

OLDEST = "2.12"
"""The oldest torch that was tried, as pyproject.toml says."""

_ASKED = nn.Module._call_impl.__code__.co_names
ASKED_BY_MODULES = "_is_tracing" if "_is_tracing" in _ASKED else "_get_tracing_state"
"""What every call of a module asks ``torch._C`` once (NOTE 2)."""

NEEDED = {
    "torch._C._autograd.SavedTensor.data": "what nodes saved",
    "torch._C._autograd.SavedTensor.unpack_hook": "what nodes saved",
    "torch._C._autograd._unsafe_set_version_counter": "sparse gradients",
    "torch._C._autograd._get_sequence_nr": "which node a kernel of the forward made",
    "torch._C._current_autograd_node": "which node runs a kernel of the backward",
    "torch._C._disabled_torch_dispatch_impl": "which tensors are of a class that computes itself",
    "torch._C._functorch.peek_interpreter_stack": "what torch.func transforms",
    "torch._C._get_dispatch_stack_at": "the program's own dispatch modes",
    f"torch._C.{ASKED_BY_MODULES}": "what modules are called with",
    "torch._C._get_tracing_state": "what torch.jit.trace traces",
    "torch._C._len_torch_dispatch_stack": "the program's own dispatch modes",
    "torch._guards.TracingContext.try_get": "what torch.compile compiles",
    "torch._ops.OpOverload": "which kernels run",
    "torch.autograd.graph._engine_run_backward": "when backward runs",
    "torch.autograd.graph._register_logging_hooks_on_whole_graph": "when backward runs",
    "torch.autograd.graph.log": "when backward runs",
    "torch.optim.optimizer._global_optimizer_post_hooks": "when an optimizer has made its update",
    "torch.optim.optimizer._global_optimizer_pre_hooks": "when an optimizer makes its update",
    "torch.utils._python_dispatch._disable_current_modes": "values read beside the program",
    "torch.utils._python_dispatch._pop_mode": "the program's own dispatch modes",
    "torch.utils._python_dispatch._push_mode": "the program's own dispatch modes",
}
"""Each door without which there is no recording, and what is not seen without it."""


def missing() -> dict[str, str]:
    """The needed doors that this torch does not have, and what is not seen without each."""
    return {name: lost for name, lost in NEEDED.items() if _behind(name) is None}


def _behind(name: str) -> Any:
    parts = name.split(".")
    whole = next(i for i in range(len(parts), 0, -1) if ".".join(parts[:i]) in sys.modules)
    found: Any = sys.modules[".".join(parts[:whole])]
    for part in parts[whole:]:
        found = getattr(found, part, None)
    return found


def refuse(version: str, gone: dict[str, str]) -> None:
    """Refuse a torch that is too old, or lacks needed doors.

    Args:
        version: Its version.
        gone: What it lacks; see ``missing``.

    Raises:
        RecordingError: It is, or does.
    """
    if _number(version) < _number(OLDEST):
        msg = f"torch {version} is older than {OLDEST}, the oldest that recordings are proved with."
        raise RecordingError(msg, hint=f"Install a newer one: pip install 'torch>={OLDEST}'.")
    if gone:
        lost = ", ".join(dict.fromkeys(gone.values()))
        msg = f"torch {version} does not let a recording see {lost} ({', '.join(gone)})."
        raise RecordingError(msg, hint="Install the torch that constraints.txt names.")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


refuse(torch.__version__, missing())

current_node: Callable[[], Any] = torch._C._current_autograd_node
sequence_number: Callable[[], int] = torch._C._autograd._get_sequence_nr
dispatch_modes: Callable[[], int] = torch._C._len_torch_dispatch_stack
dispatch_mode_at: Callable[[int], Any] = torch._C._get_dispatch_stack_at
functorch_level: Callable[[], Any] = torch._C._functorch.peek_interpreter_stack


set_version: Callable[[Any, Any], None] = torch._C._autograd._unsafe_set_version_counter


def saved_data(saved: Any) -> torch.Tensor | None:
    """The tensor that a node saved, None where hooks of the program packed it.

    Raises:
        RuntimeError: It was freed already.
    """
    if saved is None or saved.unpack_hook is not None:
        return None
    data = saved.data
    return data if isinstance(data, torch.Tensor) else None
