"""What an assistant asks about a run whose loss explodes; the questions are the point here.

    pip install "autograd-lens[mcp]"
    python examples/editors/assistant.py

An assistant is told how to start the server by a file such as ``mcp.json`` beside this one.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import torch
from mcp import Client, StdioServerParameters

import autograd_lens as lens

folder = Path(tempfile.mkdtemp())

# A recording: a line is fitted with a learning rate that is too large.
torch.manual_seed(0)
x = torch.rand(20, 1)
y = 3 * x + 10
model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=1.5)
with lens.record(folder / "train.lens") as run:
    run.watch(model)
    for _ in run.steps(30):
        loss = ((model(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


async def diagnose():
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "autograd_lens", "mcp", str(folder)]
    )
    async with Client(server) as assistant:

        async def ask(tool, **arguments):
            return (await assistant.call_tool(tool, arguments)).structured_content

        run = await ask("info")
        print("info     ", " to ".join(f"{one['loss']:.4g}" for one in run["losses"]))
        (problem,) = (await ask("doctor"))["problems"]
        print("doctor   ", f"{problem['code']} {problem['title']} ({problem['provenance']})")
        what = await ask("what_if", changes={"lr": 0.1}, steps=30)
        print("what_if  ", f"lr 0.1: loss {what['instead'][-1]['loss']:.4g} after 30 steps")
        print("         ", what["known"]["why"])


asyncio.run(diagnose())
