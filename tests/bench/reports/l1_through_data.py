from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F


@dataclass
class TrainerConfig:
    learning_rate: float = 5e-3
    epochs: int = 12
    batch: int = 64
    l1_penalty_topic_peak: float = 6e-3
    l2_penalty_topic_peak: float = 1e-4


class TopicModel(nn.Module):
    def __init__(self, n_in, topics, peaks):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(n_in, 48), nn.ReLU(), nn.Linear(48, topics))
        self.topic_peak_decoder = nn.Parameter(0.3 * torch.randn(topics, peaks))
        self.batch_norm = nn.BatchNorm1d(peaks)

    def forward(self, x):
        theta = F.softmax(self.encoder(x), dim=-1)
        return self.batch_norm(theta @ self.topic_peak_decoder)


def norms(model, cfg):
    l1 = cfg.l1_penalty_topic_peak * torch.norm(model.topic_peak_decoder.data, p=1)  # bug
    l2 = cfg.l2_penalty_topic_peak * torch.norm(model.topic_peak_decoder.data, p=2)  # bug
    # fix: l1 = cfg.l1_penalty_topic_peak * torch.norm(model.topic_peak_decoder, p=1)
    # fix: l2 = cfg.l2_penalty_topic_peak * torch.norm(model.topic_peak_decoder, p=2)
    return l1 + l2


def cells(n, topics):
    theta = F.softmax(2 * torch.randn(n, topics.shape[0]), dim=1)
    return torch.poisson(4 * theta @ topics)


def train_phase1(model, counts, cfg):
    opt = torch.optim.Adam(model.parameters(), lr=cfg.learning_rate)
    x, y = torch.log1p(counts), torch.log1p(counts)
    y = (y - y.mean(0)) / (y.std(0) + 1e-3)
    for epoch in range(cfg.epochs):
        sums = torch.zeros(2)
        for idx in torch.randperm(len(x)).split(cfg.batch):
            loss_recon = F.mse_loss(model(x[idx]), y[idx])
            loss_norm = norms(model, cfg)
            total_loss = loss_recon + loss_norm
            opt.zero_grad()
            total_loss.backward()
            opt.step()
            sums += torch.tensor([loss_recon.item(), loss_norm.item()])
        small = (model.topic_peak_decoder.abs() < 0.02).float().mean().item()
        print(
            f"[Phase 1] epoch {epoch} recon {sums[0] / 8:.4f} norm {sums[1] / 8:.4f} near zero {small:.2f}"
        )


torch.manual_seed(71)
topics = (torch.rand(6, 30) < 0.2).float() * 3
train_phase1(TopicModel(30, 6, 30), cells(512, topics), TrainerConfig())
