"""A training of transformers' Trainer, recorded by its callback: a small GPT-2 that counts.

    pip install transformers accelerate
    python examples/trainers/transformers_trainer.py

Two batches make one update, and so one step of the recording. Evaluation is left alone.
"""

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

from autograd_lens.trainers.transformers import LensCallback

set_seed(0)
sizes = {"vocab_size": 40, "n_positions": 16, "n_embd": 32, "n_layer": 2, "n_head": 2}
model = GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0))
tokens = (torch.arange(96)[:, None] * 3 + torch.arange(16)) % 40
data = [{"input_ids": row, "labels": row} for row in tokens]
arguments = TrainingArguments(
    output_dir="transformers_trainer",
    per_device_train_batch_size=8,
    gradient_accumulation_steps=2,
    num_train_epochs=2,
    learning_rate=3e-3,
    eval_strategy="epoch",
    save_strategy="no",
    report_to=[],
    use_cpu=True,
    disable_tqdm=True,
)
with LensCallback("transformers_trainer.lens", force=True) as recorded:
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=data[:80],
        eval_dataset=data[80:],
        callbacks=[recorded],
    )
    trainer.train()
losses = recorded.fit.trace.losses
print(f"{len(losses)} steps, loss {losses[0]:.3f} to {losses[-1]:.3f}")
