import torch
import torch.nn as nn

torch.manual_seed(11)

N_LISTS, N_DOCS, DIM = 96, 8, 12


class CrossScorer(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(DIM, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, pairs):
        return self.body(pairs).squeeze(-1)


class ListwiseDistill(nn.Module):
    def __init__(self, temperature=1.0):
        super().__init__()
        self.temperature = temperature
        self.criterion = nn.KLDivLoss(reduction="batchmean")

    def forward(self, student_scores, teacher_scores):
        student = (student_scores / self.temperature).softmax(dim=-1)  # bug
        # fix: student = (student_scores / self.temperature).log_softmax(dim=-1)
        teacher = (teacher_scores / self.temperature).softmax(dim=-1)
        return self.criterion(student, teacher)


pairs = torch.randn(N_LISTS, N_DOCS, DIM)
teacher = CrossScorer(64)
with torch.no_grad():
    teacher_scores = 6.0 * teacher(pairs)

student = CrossScorer(16)
distill = ListwiseDistill()
optimizer = torch.optim.Adam(student.parameters(), lr=5e-3)

for step in range(50):
    idx = torch.randint(0, N_LISTS, (32,))
    scores = student(pairs[idx])
    loss = distill(scores, teacher_scores[idx])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == 49:
        print(f"step {step:3d}  distill loss {loss.item():.4f}")
