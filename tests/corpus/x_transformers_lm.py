"""x-transformers: a decoder with rotary positions; its wrapper's loss and samples."""

import torch
from x_transformers import AutoregressiveWrapper, Decoder, TransformerWrapper

torch.manual_seed(16)
model = AutoregressiveWrapper(
    TransformerWrapper(
        num_tokens=32,
        max_seq_len=24,
        attn_layers=Decoder(dim=32, depth=2, heads=2, attn_dim_head=16, rotary_pos_emb=True),
    )
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
print("begin")
for step in range(20):
    start = torch.randint(32, (8, 1))
    loss = model((start + torch.arange(24)) % 32)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    optimizer.step()
    optimizer.zero_grad()
    if step % 5 == 4:
        sample = model.generate(torch.tensor([[3]]), 8, temperature=0.8)
        print(step, loss.item(), sample.tolist())
print("end", [p.sum().item() for p in model.parameters()][:4], torch.rand(1).item())
