"""Two programs as texts, one with some lines otherwise: the line is named, or none differs.

The faults are of the kinds that studies of training frameworks report: a mask, a scale, a cast, an
update or a gradient that is left out, parameters that are tied no longer, layers in another order,
a derivative written by hand, what is executed again with other numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from autograd_lens.cli import app
from tests.support.pairs import changed_lines, recorded, rewritten

PROGRAM = """\
import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)


class Root(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        root = (x * x + 1.0).sqrt()
        ctx.save_for_backward(x, root)
        return root

    @staticmethod
    def backward(ctx, grad):
        x, root = ctx.saved_tensors
        return grad * x / root


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.n1, self.n2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        torch.manual_seed(5)
        self.out = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, h, mask):
        h = h + self.attend(self.n1(h), mask)
        h = h + checkpoint(self.feed, self.n2(h), use_reentrant=False)
        return Root.apply(h)

    def feed(self, h):
        wide = F.gelu(self.up(h))
        return self.down(wide)

    def attend(self, h, mask):
        batch, length, width = h.shape
        size = width // self.heads
        q, k, v = self.qkv(h).chunk(3, -1)
        q, k, v = (p.view(batch, length, self.heads, size).transpose(1, 2) for p in (q, k, v))
        scores = q @ k.transpose(-2, -1) / math.sqrt(size)
        scores = scores.masked_fill(mask, -1e9)
        weights = scores.softmax(-1)
        mixed = (weights @ v).transpose(1, 2).reshape(batch, length, width)
        return self.out(mixed)


class Model(nn.Module):
    def __init__(self, words=12, width=8):
        super().__init__()
        self.tok, self.pos = nn.Embedding(words, width), nn.Embedding(6, width)
        self.blocks = nn.ModuleList(Block(width, 2) for _ in range(2))
        self.norm = nn.LayerNorm(width)

    def forward(self, ids):
        length = ids.shape[1]
        known = ids < 10
        h = self.tok(ids) * known[..., None]
        h = h + self.pos(torch.arange(length))
        mask = torch.ones(length, length, dtype=torch.bool).triu(1)
        first, second = self.blocks
        h = first(h, mask)
        h = second(h, mask)
        h = self.norm(h)
        return h @ self.tok.weight.T


model = Model()
names = dict(model.named_parameters())
decayed = [p for p in model.parameters() if p.ndim > 1]
others = [p for p in model.parameters() if p.ndim <= 1]
groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=1e-2, weight_decay=0.1)
data = torch.randint(0, 12, (4, 4, 7))
for t in range(2):
    optimizer.zero_grad()
    for part in range(2):
        batch = data[2 * t + part]
        logits = model(batch[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        loss = loss / 2
        loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
"""

FAULTS: dict[str, dict[str, str]] = {
    "the mask of the embedding": {"known = ids < 10": "known = ids <= 10"},
    "a causal mask that is off by one": {
        "mask = torch.ones(length, length, dtype=torch.bool).triu(1)": (
            "mask = torch.ones(length, length, dtype=torch.bool).triu(2)"
        )
    },
    "a scale that is left out": {
        "scores = q @ k.transpose(-2, -1) / math.sqrt(size)": "scores = q @ k.transpose(-2, -1)"
    },
    "the scale of another width": {
        "scores = q @ k.transpose(-2, -1) / math.sqrt(size)": (
            "scores = q @ k.transpose(-2, -1) / math.sqrt(width)"
        )
    },
    "a softmax along another axis": {
        "weights = scores.softmax(-1)": "weights = scores.softmax(-2)"
    },
    "heads that are not put back": {
        "mixed = (weights @ v).transpose(1, 2).reshape(batch, length, width)": (
            "mixed = (weights @ v).reshape(batch, length, width)"
        )
    },
    "a cast that loses digits": {
        "wide = F.gelu(self.up(h))": "wide = F.gelu(self.up(h)).mul(8).round().div(8)"
    },
    "executed again with another input": {
        "h = h + checkpoint(self.feed, self.n2(h), use_reentrant=False)": (
            "h = h + checkpoint(self.feed, self.n1(h), use_reentrant=False)"
        )
    },
    "a block whose gradient stops": {
        "h = h + checkpoint(self.feed, self.n2(h), use_reentrant=False)": (
            "h = h + checkpoint(self.feed, self.n2(h.detach()), use_reentrant=False)"
        )
    },
    "a derivative written by hand": {"return grad * x / root": "return grad * x"},
    "embeddings that are tied no longer": {
        "return h @ self.tok.weight.T": "return h @ self.tok.weight.detach().T"
    },
    "a norm that is left out": {"h = self.norm(h)": ""},
    "positions that all are one": {
        "h = h + self.pos(torch.arange(length))": "h = h + self.pos(torch.zeros(length).long())"
    },
    "the loss of too many parts": {"loss = loss / 2": "loss = loss / 4"},
    "a loss that is summed": {
        "loss = F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())": (
            "loss = F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten(), reduction='sum')"
        )
    },
    "targets that are not shifted": {
        "loss = F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())": (
            "loss = F.cross_entropy(logits.flatten(0, 1), batch[:, :-1].flatten())"
        )
    },
    "clipping to another norm": {
        "nn.utils.clip_grad_norm_(model.parameters(), 1.0)": (
            "nn.utils.clip_grad_norm_(model.parameters(), 0.1)"
        )
    },
    "clipping that is left out": {"nn.utils.clip_grad_norm_(model.parameters(), 1.0)": ""},
    "a gradient that is not used": {
        "nn.utils.clip_grad_norm_(model.parameters(), 1.0)": (
            "nn.utils.clip_grad_norm_(model.parameters(), 1.0)\nmodel.norm.weight.grad.zero_()"
        )
    },
}

# What stands in no line of a step: what is said of it is held to words.
OUTSIDE: dict[str, tuple[dict[str, str], str]] = {
    "a parameter that is not updated": (
        {
            "decayed = [p for p in model.parameters() if p.ndim > 1]": (
                "decayed = [p for p in model.blocks.parameters() if p.ndim > 1]"
            )
        },
        "tok.weight is not updated, in the first run it is updated",
    ),
    "another decay of one group": (
        {
            'groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]': (
                'groups = [{"params": decayed}, {"params": others, "weight_decay": 0.1}]'
            )
        },
        "weight_decay = 0.1 instead of 0",
    ),
    "another rate": (
        {
            "optimizer = torch.optim.AdamW(groups, lr=1e-2, weight_decay=0.1)": (
                "optimizer = torch.optim.AdamW(groups, lr=1e-3, weight_decay=0.1)"
            )
        },
        "lr = 0.001 instead of 0.01",
    ),
    "a parameter that is frozen": (
        {"model = Model()": "model = Model()\nmodel.norm.requires_grad_(False)"},
        "norm.weight gets no gradient",
    ),
    "a layer that is used twice": (
        {"h = first(h, mask)": "h = second(h, mask)"},
        "was given blocks.1.qkv.weight instead of blocks.0.qkv.weight",
    ),
    "another seed": ({"torch.manual_seed(0)": "torch.manual_seed(1)"}, "begins with other values"),
    "no clearing": ({"    optimizer.zero_grad()": ""}, "norm.weight.grad was not cleared"),
}

HEALTHY: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "the same twice": ({}, ("equal",)),
    "renamed layers": (
        {
            "self.out = nn.Linear(width, width)": "self.mix = nn.Linear(width, width)",
            "return self.out(mixed)": "return self.mix(mixed)",
        },
        ("equal",),
    ),
    "functions instead of modules": (
        {
            "h = self.norm(h)": "h = F.layer_norm(h, (8,), self.norm.weight, self.norm.bias)",
            "return self.down(wide)": "return F.linear(wide, self.down.weight, self.down.bias)",
        },
        ("equal",),
    ),
    "something that is printed": (
        {
            "loss = loss / 2": (
                "loss = loss / 2\nright = (logits.argmax(-1) == 3).float().mean().item()"
            )
        },
        ("equal",),
    ),
    "another order of what does not depend on each other": (
        {
            "h = h + self.pos(torch.arange(length))": (
                "place = self.pos(torch.arange(length))\nh = h + place"
            )
        },
        ("equal",),
    ),
    "three layers that were one": (
        {
            "self.qkv = nn.Linear(width, 3 * width)": (
                "whole = nn.Linear(width, 3 * width)\n"
                "self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))\n"
                "for at, one in enumerate((self.q, self.k, self.v)):\n"
                "    one.weight.data = whole.weight.data[at * width : (at + 1) * width].clone()\n"
                "    one.bias.data = whole.bias.data[at * width : (at + 1) * width].clone()\n"
                "del whole"
            ),
            "q, k, v = self.qkv(h).chunk(3, -1)": "q, k, v = self.q(h), self.k(h), self.v(h)",
        },
        ("rounding", "equal"),
    ),
    "updates in one call for all": (
        {
            "optimizer = torch.optim.AdamW(groups, lr=1e-2, weight_decay=0.1)": (
                "optimizer = torch.optim.AdamW(groups, lr=1e-2, weight_decay=0.1, foreach=True)"
            )
        },
        ("rounding", "equal"),
    ),
    "attention in one kernel": (
        {
            "scores = q @ k.transpose(-2, -1) / math.sqrt(size)": "",
            "scores = scores.masked_fill(mask, -1e9)": "",
            "weights = scores.softmax(-1)": "",
            "mixed = (weights @ v).transpose(1, 2).reshape(batch, length, width)": (
                "mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=~mask)\n"
                "mixed = mixed.transpose(1, 2).reshape(batch, length, width)"
            ),
        },
        ("rounding",),
    ),
    "twice the digits": (
        {"model = Model()": "model = Model().double()"},
        ("rounding",),
    ),
}

SAID: dict[str, tuple[dict[str, str], str]] = {
    "a default that is given": (
        {"wide = F.gelu(self.up(h))": "wide = F.gelu(self.up(h), approximate='tanh')"},
        "approximate = tanh instead of its default",
    ),
    "a kernel more": (
        {
            "h = h + self.pos(torch.arange(length))": (
                "h = h + self.pos(torch.arange(length).flip(0))"
            )
        },
        "flip ran in addition",
    ),
    "a kernel less": ({"h = self.norm(h)": ""}, "layer_norm did not run"),
    "a gradient cut off": (
        {
            "h = h + checkpoint(self.feed, self.n2(h), use_reentrant=False)": (
                "h = h + checkpoint(self.feed, self.n2(h.detach()), use_reentrant=False)"
            )
        },
        "detach ran in addition",
    ),
    "another dtype": (
        {"model = Model()": "model = Model().double()"},
        "is in float64 instead of float32",
    ),
}


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, str]], Any]:
    """What is said of the program and one with other lines; the program is recorded once."""
    folder = tmp_path_factory.mktemp("pairs")
    base = recorded(PROGRAM, folder / "base.lens")

    def told(changes: dict[str, str], program: str = PROGRAM) -> Any:
        one = base if program is PROGRAM else recorded(program, folder / "one.lens")
        other = recorded(rewritten(program, changes), folder / "other.lens")
        result = CliRunner().invoke(app, ["diff", str(one), str(other), "--json"])
        return json.loads(result.output)

    return told


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_at_its_line(fault: str, compared: Callable[..., Any]) -> None:
    found = compared(FAULTS[fault])
    lines = changed_lines(PROGRAM, rewritten(PROGRAM, FAULTS[fault]))
    one, other = found["parting"]["sides"]
    assert found["verdict"] == "different"
    assert one["line"] in lines.one or other["line"] in lines.other, found["sentence"]


@pytest.mark.parametrize("fault", OUTSIDE)
def test_what_no_line_of_a_step_says_is_named(fault: str, compared: Callable[..., Any]) -> None:
    changes, words = OUTSIDE[fault]
    found = compared({line.strip(): new for line, new in changes.items()})
    assert found["verdict"] == "different"
    assert words in found["sentence"]
    assert found["edits"]


@pytest.mark.parametrize("change", SAID)
def test_what_was_done_otherwise_is_said_in_its_own_words(
    change: str, compared: Callable[..., Any]
) -> None:
    changes, words = SAID[change]
    assert words in compared(changes)["sentence"]


def test_changes_without_effect_are_shown(compared: Callable[..., Any]) -> None:
    found = compared({"def feed(self, h):": "def feed(self, h, unused=None):"})
    assert found["verdict"] == "equal"
    assert [one["texts"] for one in found["edits"]] == [
        [["def feed(self, h):"], ["def feed(self, h, unused=None):"]]
    ]


CONVOLUTIONS = """\
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(3, 4, 3),
    nn.BatchNorm2d(4),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(64, 3),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for t in range(4):
    x = torch.randn(8, 3, 6, 6)
    y = x.mean((1, 2, 3)).gt(0).long()
    loss = criterion(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
OTHERWISE = {
    "what is kept for the evaluation": (
        {"nn.BatchNorm2d(4),": "nn.BatchNorm2d(4, momentum=0.01),"},
        "from step 0 on: a constant is momentum = 0.01 instead of 0.1",
    ),
    "the first layers frozen": (
        {
            "criterion = nn.CrossEntropyLoss()": (
                "criterion = nn.CrossEntropyLoss()\nmodel[0].requires_grad_(False)"
            )
        },
        "0.weight gets no gradient",
    ),
    "weights of the classes": (
        {
            "criterion = nn.CrossEntropyLoss()": (
                "criterion = nn.CrossEntropyLoss(torch.tensor([1.0, 2.0, 1.0]))"
            )
        },
        "weight = a tensor instead of None",
    ),
    "an input that is clamped": (
        {"loss = criterion(model(x), y)": "loss = criterion(model(x.clamp(-1, 1)), y)"},
        "clamp ran in addition",
    ),
    "a backward more": (
        {"loss.backward()": "loss.backward(retain_graph=True)\nloss.backward()"},
        "before the update. At one.py:",
    ),
}


@pytest.mark.parametrize("change", OTHERWISE)
def test_convolutions_that_do_otherwise(change: str, compared: Callable[..., Any]) -> None:
    changes, words = OTHERWISE[change]
    assert words in compared(changes, CONVOLUTIONS)["sentence"]


@pytest.mark.parametrize("pair", HEALTHY)
def test_programs_that_mean_the_same_are_never_called_different(
    pair: str, compared: Callable[..., Any]
) -> None:
    changes, verdicts = HEALTHY[pair]
    found = compared(changes)
    assert found["verdict"] in verdicts, found["sentence"]
    if pair == "three layers that were one":
        assert [
            ["blocks.0.qkv.weight"],
            ["blocks.0.q.weight", "blocks.0.k.weight", "blocks.0.v.weight"],
        ] in found["merged"]
        assert found["unmatched"] == [[], []]


ADAM = """\
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(5, 9), nn.Tanh(), nn.Linear(9, 3))
x, y = torch.randn(16, 5), torch.randn(16, 3)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for t in range(4):
    loss = ((model(x) - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
BY_HAND = """\
first = [torch.zeros_like(p) for p in model.parameters()]
second = [torch.zeros_like(p) for p in model.parameters()]
def update(t):
    with torch.no_grad():
        for p, m, v in zip(model.parameters(), first, second):
            m.mul_(0.9).add_(0.1 * p.grad)
            v.mul_(BETA).add_((1 - BETA) * p.grad ** 2)
            p -= 0.01 * (m / (1 - 0.9 ** (t + 1))) / ((v / (1 - BETA ** (t + 1))).sqrt() + 1e-8)
"""
STEPS = {
    "optimizer.zero_grad()": "model.zero_grad()",
    "optimizer.step()": "update(t)",
}


@pytest.mark.parametrize(("beta", "verdict"), [("0.999", "rounding"), ("0.9", "different")])
def test_an_optimizer_written_by_hand(
    beta: str, verdict: str, compared: Callable[..., Any]
) -> None:
    hand = BY_HAND.replace("BETA", beta)
    changes = {"optimizer = torch.optim.Adam(model.parameters(), lr=0.01)": hand, **STEPS}
    found = compared(changes, ADAM)
    assert found["verdict"] == verdict, found["sentence"]
    if verdict == "different":
        assert found["parting"]["step"] == 1  # in the first it cancels out
        assert found["parting"]["sides"][1]["code"].startswith(("v.mul_", "p -= ", "m.mul_"))
