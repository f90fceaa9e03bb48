import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

rng = np.random.default_rng(5)
torch.manual_seed(5)

n_major, n_minor = 450, 50
x = rng.normal(size=(n_major + n_minor, 10)).astype("float32")
labels = np.array([0] * n_major + [1] * n_minor)
x[labels == 1, :3] += 2.0
perm = rng.permutation(len(labels))
x, labels = x[perm], labels[perm]

counts = np.bincount(labels)
class_weight = 1.0 / counts
weights = torch.as_tensor(class_weight, dtype=torch.double)  # bug
# fix: weights = torch.as_tensor(class_weight[labels], dtype=torch.double)
sampler = WeightedRandomSampler(weights, num_samples=len(labels), replacement=True)

dataset = TensorDataset(torch.from_numpy(x), torch.from_numpy(labels))
loader = DataLoader(dataset, batch_size=50, sampler=sampler)

model = torch.nn.Sequential(torch.nn.Linear(10, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
optim = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
loss_fn = torch.nn.CrossEntropyLoss()

for epoch in range(6):
    total, seen = 0.0, torch.zeros(2)
    for xb, yb in loader:
        loss = loss_fn(model(xb), yb)
        optim.zero_grad()
        loss.backward()
        optim.step()
        total += loss.item() * len(yb)
        seen += torch.bincount(yb, minlength=2)
    with torch.no_grad():
        pred = model(dataset.tensors[0]).argmax(1)
        recall = [(pred[dataset.tensors[1] == c] == c).float().mean().item() for c in (0, 1)]
    print(f"epoch {epoch} loss {total / len(labels):.4f} drawn {seen.tolist()} recall {recall}")
