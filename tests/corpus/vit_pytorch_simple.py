"""vit-pytorch: SimpleViT distilled into a ViT that has a distillation token."""

import torch
from vit_pytorch import SimpleViT
from vit_pytorch.distill import DistillableViT, DistillWrapper

torch.manual_seed(17)
shape = {"image_size": 16, "patch_size": 8, "num_classes": 4, "dim": 32, "depth": 1, "heads": 2}
teacher = SimpleViT(**shape, mlp_dim=48)
student = DistillableViT(**shape, mlp_dim=48, dropout=0.1, emb_dropout=0.1)
images, labels = torch.randn(40, 3, 16, 16), torch.randint(4, (40,))
of_teacher = torch.optim.SGD(teacher.parameters(), lr=0.05, momentum=0.9)
print("begin")
for step in range(10):
    loss = torch.nn.functional.cross_entropy(teacher(images), labels)
    of_teacher.zero_grad()
    loss.backward()
    of_teacher.step()
    print("teacher", step, loss.item())
wrapper = DistillWrapper(student=student, teacher=teacher, temperature=3, alpha=0.5, hard=False)
of_student = torch.optim.AdamW(wrapper.parameters(), lr=1e-3)
for step in range(20):
    at = torch.randint(40, (10,))
    loss = wrapper(images[at], labels[at])
    of_student.zero_grad()
    loss.backward()
    of_student.step()
    print("student", step, loss.item())
print("end", [p.sum().item() for p in student.parameters()][:3], torch.rand(1).item())
