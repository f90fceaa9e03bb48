"""Operators that PyTorch computes otherwise where a dispatch mode is active, computed as without.

NOTE 1 [Why there are such]: a mode, or a tensor of a class of its own, may need what a plain one
does not. So while any mode is on, ``eigvalsh`` computes eigenvectors, too, and a batch that is
multiplied with one matrix takes another kernel, and the last digits are others. That is decided
in operators that PyTorch takes apart before a mode sees their kernels. Hence each gets a kernel
of ours at the door of autograd, for as long as our mode is on, that decides as it would be
decided without it. Modes of the program count as they always do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.autograd import forward_ad

from autograd_lens.live import doors
from autograd_lens.live.frames import leave_out_frames

__all__ = ["CODE", "ShyOperators"]

_KEYS = ("AutogradCPU", "AutogradCUDA")
_WHOLE = torch._C.DispatchKey.CompositeImplicitAutograd
_BATCH = 3  # dimensions
_eigh: Any = torch.ops.aten._linalg_eigh.default
_eigvalsh: object = torch.ops.aten.linalg_eigvalsh.default
_matmul: Any = torch.ops.aten.matmul.default
_svd: Any = torch.ops.aten._linalg_svd.default
_svdvals: object = torch.ops.aten.linalg_svdvals.default


class ShyOperators:
    """Puts these kernels in their places, and takes them out again."""

    def __init__(self) -> None:
        self._library: torch.library.Library | None = None

    def install(self) -> None:
        """From now on nothing is computed otherwise because our mode is on."""
        if self._library is None:
            self._library = torch.library.Library("aten", "IMPL")
            for key in _KEYS:
                self._library.impl("linalg_eigvalsh", _plainly(_eigenvalues, _eigvalsh), key)
                self._library.impl("linalg_svdvals", _plainly(_singular_values, _svdvals), key)
                self._library.impl("matmul", _plainly(_product, _matmul), key)

    def remove(self) -> None:
        """Put everything back."""
        if self._library is not None:
            self._library._destroy()
            self._library = None


def _plainly(kernel: Callable[..., Any], operator: Any) -> Callable[..., Any]:
    """A kernel where our mode alone is on, else what PyTorch does."""

    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            differentiated = doors.functorch_level() is not None or forward_ad._current_level >= 0
            if differentiated or doors.dispatch_modes() != 1:
                return operator._op_dk(_WHOLE, *args, **kwargs)
            return kernel(*args, **kwargs)
        except BaseException as error:
            leave_out_frames(error, __file__)
            raise

    return run


CODE = _plainly(torch.matmul, _matmul).__code__
"""What the outermost frame of such a kernel runs, whichever it is."""


def _eigenvalues(matrix: torch.Tensor, half: str = "L") -> torch.Tensor:
    found: torch.Tensor = _eigh(matrix, half, _is_followed(matrix))[0]
    return found


def _singular_values(matrix: torch.Tensor, *, driver: str | None = None) -> torch.Tensor:
    found: torch.Tensor = _svd(matrix, False, _is_followed(matrix), driver=driver)[1]
    return found


def _product(one: torch.Tensor, other: torch.Tensor) -> object:
    if one.dim() == other.dim() == _BATCH and one.shape[0] != other.shape[0]:
        if one.shape[0] == 1 and not one.requires_grad:
            one = one.expand(other.shape[0], -1, -1)
        elif other.shape[0] == 1 and not other.requires_grad:
            other = other.expand(one.shape[0], -1, -1)
    return _matmul._op_dk(_WHOLE, one, other)


def _is_followed(matrix: torch.Tensor) -> bool:
    return torch.is_grad_enabled() and matrix.requires_grad
