"""Records what a ``transformers.Trainer`` trains.

::

    from autograd_lens.trainers.transformers import LensCallback

    with LensCallback("fit.lens") as recorded:  # it ends with the block if the training fails
        Trainer(model, arguments, train_dataset=data, callbacks=[recorded]).train()
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from transformers import TrainerCallback

from autograd_lens.trainers.fit import Fit

if TYPE_CHECKING:
    import os

    from torch import nn
    from transformers import TrainerControl, TrainerState, TrainingArguments

__all__ = ["LensCallback"]


class LensCallback(TrainerCallback):
    """Records a training: every update of the trainer is a step, evaluation is left alone.

    The trainer tells its callbacks of no exception: enter this as a context manager for that.

    Args:
        path: Where the trace is written.
        **options: What ``Fit`` and ``lens.record`` take: ``first``, ``count``, ``quiet``,
            ``full``, ``force``, ``limits``, ``stop_on``, ``last``.

    Attributes:
        fit: The recording: ``fit.trace`` and ``fit.findings`` once the trainer has ended.
    """

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:  # noqa: ANN401
        self.fit = Fit(path, **options)

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: nn.Module | None = None,
        **kwargs: object,
    ) -> None:
        """The trainer begins."""
        if state.is_world_process_zero:
            self.fit.begin(model)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: object,
    ) -> None:
        """The update was made."""
        if state.is_world_process_zero:
            self.fit.turn()
        self.on_epoch_end(args, state, control, **kwargs)

    def on_epoch_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: object,
    ) -> None:
        """An evaluation may follow, or the end.

        The best weights, where they are loaded at the end, are no update: it ends before that.
        """
        if control.should_training_stop:
            self.fit.end()
        elif control.should_evaluate:
            self.fit.pause()

    def on_prediction_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: object,
    ) -> None:
        """A batch of an evaluation that nothing announced: of a second data set, or asked for."""
        self.fit.pause()

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: object,
    ) -> None:
        """The training goes on, unless it was stopped early."""
        self.fit.resume()
        if control.should_training_stop:
            self.fit.end()

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: object,
    ) -> None:
        """All is recorded."""
        self.fit.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.fit.end(error)
