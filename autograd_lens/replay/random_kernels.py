"""Kernels that draw random numbers, executed again without drawing.

A loss surface compares losses at different parameters, so all of its points must see the same
dropout masks and noise: those that were recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from autograd_lens.errors import ReplayError

__all__ = ["draws", "repeat_draw"]

# What these return depends on sizes and on how likely what is, not on activations.
_SOURCES = frozenset(
    {
        "bernoulli",
        "bernoulli_",
        "binomial",
        "cauchy_",
        "exponential_",
        "geometric_",
        "log_normal_",
        "multinomial",
        "normal",
        "normal_",
        "normal_functional",
        "poisson",
        "rand",
        "rand_like",
        "randint",
        "randint_like",
        "randn",
        "randn_like",
        "random",
        "random_",
        "randperm",
        "uniform",
        "uniform_",
    }
)
_DROPOUT_ARGUMENTS = ("dropout_p", "dropout")


def draws(operator: torch._ops.OpOverload, arguments: dict[str, Any]) -> bool:
    """Whether a call draws random numbers: with dropout switched off it does not.

    Args:
        operator: The operator.
        arguments: Those of its arguments that are constants, by name.
    """
    if torch.Tag.nondeterministic_seeded not in operator.tags:
        return False
    if arguments.get("train") is False or arguments.get("training") is False:
        return False
    names = {argument.name: argument for argument in operator._schema.arguments}
    for name in _DROPOUT_ARGUMENTS:
        if name in names:
            default = names[name].default_value if names[name].has_default_value() else None
            return bool(arguments.get(name, default) != 0.0)
    return True


def repeat_draw(
    operator: torch._ops.OpOverload,
    arguments: dict[str, Any],
    recorded: Sequence[torch.Tensor | None],
) -> Any:
    """The results of a call with the random numbers that were drawn when it was recorded.

    Args:
        operator: The operator, one that ``draws``.
        arguments: Its arguments by name.
        recorded: Its results as they were recorded.

    Raises:
        ReplayError: The numbers drawn do not follow from the results.
    """
    base = operator._schema.name.partition("::")[2]
    if base == "native_dropout" and recorded[1] is not None:
        kept = recorded[1].to(arguments["input"].dtype)
        return arguments["input"] * kept / (1 - arguments["p"]), recorded[1]
    if base not in _SOURCES or any(result is None for result in recorded):
        msg = f"{operator} draws random numbers inside, so its recorded draw cannot be used again."
        raise ReplayError(msg, hint="Record the run with the model in eval mode.")
    if base.endswith("_"):
        return arguments["self"].copy_(recorded[0])
    return recorded[0]
