"""Records what an engine of pytorch-ignite trains.

::

    from autograd_lens.trainers.ignite import LensHandler

    with LensHandler("fit.lens", model=model) as recorded:
        recorded.attach(trainer)
        trainer.run(loader, max_epochs=5)
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ignite.distributed import get_rank
from ignite.engine import Engine, Events

from autograd_lens.trainers.fit import Fit

if TYPE_CHECKING:
    import os

    from torch import nn

__all__ = ["LensHandler"]


class LensHandler:
    """Records a training: what runs between two iterations, as an evaluator does, is left alone.

    It takes no part in ``Events.EXCEPTION_RAISED``: an engine with a handler for that event
    raises no exception any more. Enter it as a context manager to have failures recorded.

    Args:
        path: Where the trace is written.
        model: What is trained, so that parameters have its names; else they are found.
        accumulated: Iterations that make an update together, as in
            ``create_supervised_trainer(..., gradient_accumulation_steps=4)``.
        **options: What ``Fit`` and ``lens.record`` take: ``first``, ``count``, ``quiet``,
            ``full``, ``force``, ``limits``, ``stop_on``, ``last``.

    Attributes:
        fit: The recording: ``fit.trace`` and ``fit.findings`` once the engine has completed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        model: nn.Module | None = None,
        accumulated: int = 1,
        **options: Any,  # noqa: ANN401  as Fit has them
    ) -> None:
        self.fit = Fit(path, **options)
        self._model = model
        self._accumulated = accumulated

    def attach(self, engine: Engine) -> None:
        """Record what this engine trains from now on; nothing in other processes than the first."""
        if get_rank() > 0:
            return
        engine.add_event_handler(Events.STARTED, self._started)
        engine.add_event_handler(Events.GET_BATCH_STARTED, self.fit.resume)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._iteration_completed)
        engine.add_event_handler(Events.COMPLETED, self._completed)

    def _started(self) -> None:
        self.fit.begin(self._model)

    def _iteration_completed(self, engine: Engine) -> None:
        if engine.state.iteration % self._accumulated == 0:
            self.fit.turn()
        self.fit.pause()

    def _completed(self) -> None:
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
