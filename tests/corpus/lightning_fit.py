"""lightning: Trainer.fit with validation, logging, a scheduler and a checkpoint."""

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

lightning.seed_everything(14, verbose=False)


class Autoencoder(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 3))
        self.decoder = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 20))

    def training_step(self, batch, _):
        (x,) = batch
        loss = nn.functional.mse_loss(self.decoder(self.encoder(x)), x)
        self.log("train", loss)
        return loss

    def validation_step(self, batch, _):
        (x,) = batch
        self.log("held_out", nn.functional.mse_loss(self.decoder(self.encoder(x)), x))

    def on_validation_epoch_end(self):
        print(self.current_epoch, self.trainer.callback_metrics["held_out"].item())

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=1e-2)
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.8)]


x = torch.randn(128, 3) @ torch.randn(3, 20)
trainer = lightning.Trainer(
    max_epochs=5,
    accelerator="cpu",
    logger=False,
    callbacks=[ModelCheckpoint("kept", monitor="held_out")],
    enable_progress_bar=False,
    enable_model_summary=False,
    num_sanity_val_steps=0,
    gradient_clip_val=1.0,
)
model = Autoencoder()
print("begin")
trainer.fit(
    model,
    DataLoader(TensorDataset(x[:96]), batch_size=16, shuffle=True),
    DataLoader(TensorDataset(x[96:]), batch_size=32),
)
print("end", [p.sum().item() for p in model.parameters()], torch.rand(1).item())
