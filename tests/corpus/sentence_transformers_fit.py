"""sentence-transformers: its Trainer on pairs, a model of random word vectors."""

import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.losses import MultipleNegativesRankingLoss
from sentence_transformers.models import Dense, Pooling, WordEmbeddings
from sentence_transformers.models.tokenizer import WhitespaceTokenizer

torch.manual_seed(27)
animals = ["cat", "dog", "cow", "owl", "fox", "hen", "bee", "ant"]
doing = ["runs", "eats", "sleeps", "sings"]
words = WordEmbeddings(
    WhitespaceTokenizer([*animals, *doing, "small"]), torch.randn(13, 16).numpy()
)
words.emb_layer.weight.requires_grad_()
model = SentenceTransformer(
    modules=[words, Pooling(16), Dense(16, 8, activation_function=torch.nn.Tanh())], device="cpu"
)
pairs = [(f"{a} {d}", f"small {a} {d}") for a in animals for d in doing]
data = Dataset.from_dict({"anchor": [a for a, _ in pairs], "positive": [b for _, b in pairs]})
arguments = SentenceTransformerTrainingArguments(
    output_dir="out",
    num_train_epochs=4,
    per_device_train_batch_size=8,
    learning_rate=5e-2,
    logging_steps=4,
    save_strategy="no",
    report_to=[],
    use_cpu=True,
    disable_tqdm=True,
)
trainer = SentenceTransformerTrainer(
    model=model, args=arguments, train_dataset=data, loss=MultipleNegativesRankingLoss(model)
)
print("begin")
trainer.train()
print("end", model.encode(["cat runs"]).tolist(), torch.rand(1).item())
