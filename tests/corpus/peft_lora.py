"""peft: LoRA adapters on a frozen small GPT-2, saved and merged at the end."""

import torch
from peft import LoraConfig, get_peft_model
from transformers import GPT2Config, GPT2LMHeadModel

torch.manual_seed(26)
base = GPT2LMHeadModel(
    GPT2Config(
        vocab_size=40,
        n_positions=16,
        n_embd=32,
        n_layer=2,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
    )
)
adapters = LoraConfig(
    r=4, lora_alpha=8, lora_dropout=0.05, target_modules=["c_attn"], fan_in_fan_out=True
)
model = get_peft_model(base, adapters)
tokens = (torch.arange(40)[:, None] + 2 * torch.arange(12)) % 40
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
print("begin")
model.train()
for epoch in range(4):
    for at in torch.randperm(40).split(8):
        loss = model(input_ids=tokens[at], labels=tokens[at]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    print(epoch, loss.item())
model.save_pretrained("adapter")
merged = model.merge_and_unload()
print("end", merged.transformer.h[0].attn.c_attn.weight.sum().item(), torch.rand(1).item())
