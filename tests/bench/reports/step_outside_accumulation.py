import torch
from torch import nn

torch.manual_seed(131)


class PromptModel(nn.Module):
    def __init__(self, vocab=40, dim=24, prompt=4):
        super().__init__()
        self.word = nn.Embedding(vocab, dim)
        self.encoder = nn.GRU(dim, dim, batch_first=True)
        self.verbalizer = nn.Linear(dim, 2)
        self.soft_prompt = nn.Parameter(0.1 * torch.randn(prompt, dim))

    def forward(self, ids):
        prompt = self.soft_prompt.expand(len(ids), -1, -1)
        states, _ = self.encoder(torch.cat([prompt, self.word(ids)], dim=1))
        return self.verbalizer(states[:, -1])


def reviews(n):
    label = torch.randint(0, 2, (n,))
    ids = torch.randint(10, 40, (n, 8))
    spot = torch.randint(0, 8, (n, 3))
    ids.scatter_(1, spot, (label * 5).unsqueeze(1) + torch.randint(0, 5, (n, 3)))
    flip = torch.rand(n) < 0.15
    return ids, torch.where(flip, 1 - label, label)


prompt_model = PromptModel()
optimizer1 = torch.optim.SGD(
    [p for n, p in prompt_model.named_parameters() if n != "soft_prompt"], lr=0.8
)
optimizer2 = torch.optim.SGD([prompt_model.soft_prompt], lr=0.8)
loss_func = nn.CrossEntropyLoss()
gradient_accumulation_steps = 4
tot_loss, actual_step, glb_step, log_loss = 0.0, 0, 0, 0.0

for micro in range(400):
    inputs, labels = reviews(8)
    loss = loss_func(prompt_model(inputs), labels) / gradient_accumulation_steps
    loss.backward()
    tot_loss += loss.item()
    actual_step += 1
    if actual_step % gradient_accumulation_steps == 0:
        torch.nn.utils.clip_grad_norm_(prompt_model.parameters(), 1.0)
        glb_step += 1
        if glb_step % 20 == 0:
            print(f"global step {glb_step} average loss {(tot_loss - log_loss) / 20:.4f}")
            log_loss = tot_loss
    optimizer1.step()  # bug
    optimizer1.zero_grad()  # bug
    optimizer2.step()  # bug
    optimizer2.zero_grad()  # bug
    # fix: optimizer1.step()
    # fix: optimizer1.zero_grad()
    # fix: optimizer2.step()
    # fix: optimizer2.zero_grad()
