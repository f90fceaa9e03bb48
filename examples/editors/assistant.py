"""What an assistant asks about a run whose loss explodes, with the SDK's own client.

    pip install "autograd-lens[mcp]"
    autograd-lens run examples/editors/exploding.py
    python examples/editors/assistant.py

An assistant is told how to start the server by a file such as ``mcp.json`` beside this one.
"""

import asyncio
import os
import sys

from mcp import Client, StdioServerParameters

server = StdioServerParameters(
    command=sys.executable, args=["-m", "autograd_lens", "mcp", "."], env=dict(os.environ)
)


async def diagnose():
    async with Client(server) as assistant:

        async def ask(tool, **arguments):
            return (await assistant.call_tool(tool, arguments)).structured_content

        run = await ask("info")
        print("info   ", " to ".join(f"{one['loss']:.4g}" for one in run["losses"]))
        found = await ask("find", condition="loss > 1e9")
        print("find   ", f"over 1e9 from step {found['first']} on:", found["chain"][-1]["text"])
        for problem in (await ask("doctor", experiments=False))["problems"]:
            print("doctor ", problem["code"], problem["title"])
        what = await ask("what_if", changes={"lr": 0.1}, steps=30)
        print("what_if", f"lr 0.1: loss {what['instead'][-1]['loss']:.4g} after 30 steps.")
        print("       ", what["known"]["provenance"] + ":", what["known"]["why"])


asyncio.run(diagnose())
