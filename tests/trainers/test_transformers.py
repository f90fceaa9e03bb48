"""transformers' own Trainer, with and without the callback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import autograd_lens as lens
from tests.support.fits import check_fit, same, weights

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")
pytestmark = pytest.mark.filterwarnings("default")  # the library's own


def train(folder: Path, *callbacks: Any) -> Any:
    transformers.set_seed(0)
    sizes = {"vocab_size": 12, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2}
    config = transformers.GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)
    model = transformers.GPT2LMHeadModel(config)
    tokens = (torch.arange(40)[:, None] * 3 + torch.arange(8)) % 12
    data = [{"input_ids": row, "labels": row} for row in tokens]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=4,
        gradient_accumulation_steps=2,
        num_train_epochs=3,
        learning_rate=3e-3,
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="eval_last_loss",
        greater_is_better=True,  # so that the best is not the last
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        logging_strategy="no",
    )
    transformers.Trainer(
        model=model,
        args=arguments,
        train_dataset=data[:32],
        eval_dataset={"first": data[32:36], "last": data[36:]},
        callbacks=[*callbacks],
    ).train()
    return model


def test_a_training_is_recorded_as_the_trainer_counts_it(tmp_path: Path) -> None:
    from autograd_lens.trainers.transformers import LensCallback

    with LensCallback(tmp_path / "fit.lens", quiet=True) as callback:
        model = train(tmp_path / "a", callback)
    bare = train(tmp_path / "b")

    trace = callback.fit.trace
    check_fit(trace, model, steps=12)
    assert [len(step.backwards) for step in trace.steps[:3]] == [2, 2, 2]
    assert same(weights(model), weights(bare))
    trace.close()


def test_a_failure_is_known_where_the_block_ends(tmp_path: Path) -> None:
    from autograd_lens.trainers.transformers import LensCallback

    class Fails(transformers.TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            if state.global_step == 2:
                msg = "no more"
                raise OSError(msg)

    callback = LensCallback(tmp_path / "fit.lens", quiet=True)
    with pytest.raises(OSError, match="no more"), callback:
        train(tmp_path / "a", callback, Fails())
    assert callback.fit.trace.info.status == "exception"
    assert len(callback.fit.trace.steps) >= 2
    callback.fit.trace.close()


def test_a_condition_ends_the_training_with_its_step_whole(tmp_path: Path) -> None:
    from autograd_lens.trainers.transformers import LensCallback

    callback = LensCallback(tmp_path / "fit.lens", stop_on="step >= 3", last=2, quiet=True)
    with pytest.raises(lens.StopConditionMet), callback:
        train(tmp_path / "a", callback)
    assert [step.level for step in callback.fit.trace.steps[2:]] == ["full", "full"]
    callback.fit.trace.close()
