"""Run a program twice, bare and recorded, and compare all that it could notice."""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch._C import _len_torch_dispatch_stack, _len_torch_function_stack
from torch.nn.modules import module as nn_module
from torch.optim import optimizer as optim_optimizer

import autograd_lens as lens
from autograd_lens.capture import Limits

See = Callable[..., None]
Program = Callable[[See], None]


def bits(item: Any) -> Any:
    """A tensor as dtype, shape and bytes; everything else as it is."""
    if not isinstance(item, torch.Tensor):
        return item
    dense = item.detach() if item.layout is torch.strided else item.detach().to_dense()
    flat = dense.resolve_conj().resolve_neg().contiguous().view(-1)
    raw = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    return str(item.dtype), tuple(item.shape), raw


def switches() -> dict[str, Any]:
    """Everything in the process that a recording switches on."""
    return {
        "engine": torch.autograd._engine_run_backward,
        "dispatch modes": _len_torch_dispatch_stack(),
        "function modes": _len_torch_function_stack(),
        "module hooks": [
            list(hooks)
            for hooks in (
                nn_module._global_forward_pre_hooks,
                nn_module._global_forward_hooks,
                nn_module._global_forward_hooks_always_called,
                nn_module._global_backward_hooks,
            )
        ],
        "optimizer hooks": [
            list(optim_optimizer._global_optimizer_pre_hooks),
            list(optim_optimizer._global_optimizer_post_hooks),
        ],
        "compile": torch.compile,
        "next batch": torch.utils.data.dataloader._BaseDataLoaderIter.__next__,
        "warnings": warnings._showwarnmsg,  # type: ignore[attr-defined]
        "argv": list(sys.argv),
        "path": list(sys.path),
        "main": sys.modules["__main__"],
        "excepthook": sys.excepthook,
    }


def random_streams() -> tuple[bytes, str, object]:
    """The state of the three random streams a program draws from."""
    numpy_state = repr(np.random.get_state())
    return torch.get_rng_state().numpy().tobytes(), numpy_state, random.getstate()


@dataclass
class Experience:
    """What a program noticed while it ran.

    Attributes:
        seen: What it passed to ``see``, tensors as bits.
        error: Type and message of what it raised.
        warned: Category and message of each warning.
        streams: Random streams at its end.
    """

    seen: list[tuple[Any, ...]] = field(default_factory=list)
    error: tuple[type, str] | None = None
    warned: list[tuple[type, str]] = field(default_factory=list)
    streams: Any = None

    def see(self, *items: Any) -> None:
        """Remember some items."""
        self.seen.append(tuple(bits(item) for item in items))


def bare(program: Program) -> Experience:
    """Run a program as it is."""
    return _experience(program)


def recorded(
    program: Program, path: Path, full: str = "all", limits: Limits | None = None
) -> Experience:
    """Run a program inside a recording that is written to ``path``."""

    def inside(see: See) -> None:
        with lens.record(path, full=full, force=True, limits=limits):
            program(see)

    before = switches()
    experience = _experience(inside)
    left_on = {name: now for name, now in switches().items() if now != before[name]}
    assert not left_on, f"left on: {left_on}"
    return experience


def _experience(program: Program) -> Experience:
    torch.manual_seed(7)
    np.random.seed(7)
    random.seed(7)
    experience = Experience()
    warn_always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)  # else only the first of two twins would be warned
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            program(experience.see)
        except Exception as error:  # noqa: BLE001  compared with the other twin's
            experience.error = type(error), str(error)
        finally:
            torch.set_warn_always(warn_always)
    experience.warned = [(w.category, str(w.message)) for w in caught]
    experience.streams = random_streams()
    return experience
