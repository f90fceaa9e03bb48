"""transformers: Trainer on a two-layer GPT-2 of random weights, warm-up, accumulation, saves."""

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

set_seed(11)
config = GPT2Config(
    vocab_size=40, n_positions=16, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
)
model = GPT2LMHeadModel(config)
tokens = (torch.arange(96)[:, None] * 3 + torch.arange(16)) % 40
data = [{"input_ids": row, "labels": row} for row in tokens]
arguments = TrainingArguments(
    output_dir="out",
    per_device_train_batch_size=8,
    gradient_accumulation_steps=2,
    num_train_epochs=4,
    learning_rate=3e-3,
    warmup_steps=5,
    lr_scheduler_type="cosine",
    logging_steps=6,
    eval_strategy="epoch",
    save_strategy="epoch",
    save_total_limit=1,
    report_to=[],
    use_cpu=True,
    disable_tqdm=True,
)
trainer = Trainer(model=model, args=arguments, train_dataset=data[:80], eval_dataset=data[80:])
print("begin")
trainer.train()
losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
print("end", losses, [p.sum().item() for p in model.parameters()][:3], torch.rand(1).item())
