"""skorch: a classifier with its fit loop, validation split, scheduler and early stopping."""

import numpy as np
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import EarlyStopping, LRScheduler
from torch import nn

torch.manual_seed(28)
np.random.seed(28)
x = np.random.randn(160, 6).astype(np.float32)
y = (x[:, 0] * x[:, 1] > 0).astype(np.int64)


class Net(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(6, width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(width, 2)
        )

    def forward(self, x):
        return self.layers(x).softmax(-1)


net = NeuralNetClassifier(
    Net,
    module__width=32,
    max_epochs=8,
    lr=0.2,
    batch_size=16,
    optimizer__momentum=0.9,
    iterator_train__shuffle=True,
    callbacks=[EarlyStopping(patience=6), LRScheduler("CosineAnnealingLR", T_max=8)],
    verbose=0,
)
print("begin")
net.fit(x, y)
print([(row["train_loss"], row["valid_acc"]) for row in net.history])
net.save_params(f_params="net.pt")
print("end", net.predict_proba(x[:2]).tolist(), torch.rand(1).item())
