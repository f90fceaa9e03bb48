"""transformers: a hand loop on a small BERT classifier, padded batches, linear schedule."""

import torch
from transformers import BertConfig, BertForSequenceClassification, get_linear_schedule_with_warmup

torch.manual_seed(12)
config = BertConfig(
    vocab_size=60,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=16,
    num_labels=3,
)
model = BertForSequenceClassification(config)
ids = torch.randint(1, 60, (48, 12))
lengths = torch.randint(4, 13, (48,))
mask = (torch.arange(12) < lengths[:, None]).long()
ids, labels = ids * mask, ids[:, 0] % 3
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
scheduler = get_linear_schedule_with_warmup(optimizer, 4, 30)
print("begin")
for epoch in range(5):
    model.train()
    for at in torch.randperm(48).split(8):
        out = model(input_ids=ids[at], attention_mask=mask[at], labels=labels[at])
        out.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        right = (model(input_ids=ids, attention_mask=mask).logits.argmax(-1) == labels).sum()
    print(epoch, out.loss.item(), right.item(), scheduler.get_last_lr())
model.save_pretrained("saved")
print("end", [p.sum().item() for p in model.parameters()][:3], torch.rand(1).item())
