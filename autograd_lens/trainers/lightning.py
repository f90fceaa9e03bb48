"""Records what a Lightning ``Trainer`` fits.

::

    from autograd_lens.trainers.lightning import LensCallback

    Trainer(max_epochs=5, callbacks=[LensCallback("fit.lens")]).fit(model, loader)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lightning.pytorch import Callback

from autograd_lens.trainers.fit import Fit

if TYPE_CHECKING:
    import os

    from lightning.pytorch import LightningModule, Trainer

__all__ = ["LensCallback"]


class LensCallback(Callback):
    """Records a fit: every optimizer step of the trainer is a step, validation is left alone.

    A step of manual optimization is a batch, however many optimizers it steps.

    Args:
        path: Where the trace is written.
        **options: What ``Fit`` and ``lens.record`` take: ``first``, ``count``, ``quiet``,
            ``full``, ``force``, ``limits``, ``stop_on``, ``last``.

    Attributes:
        fit: The recording: ``fit.trace`` and ``fit.findings`` once the trainer has ended.
    """

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:  # noqa: ANN401
        self.fit = Fit(path, **options)
        self._steps = 0  # of the trainer

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The trainer has checked what it was given, and begins."""
        if trainer.is_global_zero:
            self._steps = trainer.global_step
            self.fit.begin(pl_module)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """A batch has ended, and a step where an update was made of it."""
        if trainer.is_global_zero and trainer.global_step != self._steps:
            self._steps = trainer.global_step
            self.fit.turn()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validation is no part of the training."""
        self.fit.pause()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The training goes on."""
        self.fit.resume()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """All is recorded."""
        self.fit.end()

    def on_exception(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        exception: BaseException,
    ) -> None:
        """What was recorded until now is kept."""
        self.fit.end(exception)
