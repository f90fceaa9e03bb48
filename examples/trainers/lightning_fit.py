"""A fit of Lightning, recorded by its callback: accumulation, clipping, validation.

    pip install lightning
    python examples/trainers/lightning_fit.py

Two batches make one update, and so one step of the recording. Validation is left alone.
"""

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from autograd_lens.trainers.lightning import LensCallback


class Autoencoder(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(20, 16), nn.Tanh(), nn.Linear(16, 3))
        self.decoder = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 20))

    def forward(self, x):
        return self.decoder(self.encoder(x))

    def training_step(self, batch, _):
        (x,) = batch
        return nn.functional.mse_loss(self(x), x)

    def validation_step(self, batch, _):
        (x,) = batch
        self.log("held_out", nn.functional.mse_loss(self(x), x))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-2)


lightning.seed_everything(0, verbose=False)
x = torch.randn(128, 3) @ torch.randn(3, 20)
recorded = LensCallback("lightning_fit.lens", force=True)
trainer = lightning.Trainer(
    max_epochs=4,
    accelerator="cpu",
    accumulate_grad_batches=2,
    gradient_clip_val=1.0,
    callbacks=[recorded],
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(
    Autoencoder(),
    DataLoader(TensorDataset(x[:96]), batch_size=16, shuffle=True),
    DataLoader(TensorDataset(x[96:]), batch_size=32),
)
losses = recorded.fit.trace.losses
print(f"{len(losses)} steps, loss {losses[0]:.3f} to {losses[-1]:.3f}")
