// Drives `autograd-lens dap` with the client that adapters for VS Code are tested with.
//
//   node dap_client.js PYTHON TRACE PROGRAM

"use strict";

const assert = require("node:assert/strict");
const { DebugClient } = require("@vscode/debugadapter-testsupport");

const [python, trace, program] = process.argv.slice(2);
const ADAPTER = ["-m", "autograd_lens", "dap"];

// The library starts a runtime with one file; a Python module needs arguments as well.
class Client extends DebugClient {
  constructor() {
    super(python, "", "autograd-lens", { shell: false });
  }

  start() {
    const { spawn } = require("node:child_process");
    this._adapterProcess = spawn(python, ADAPTER, { stdio: ["pipe", "pipe", "inherit"] });
    this.connect(this._adapterProcess.stdout, this._adapterProcess.stdin);
    return Promise.resolve();
  }
}

async function within(parts, run) {
  const client = new Client();
  await client.start();
  try {
    await run(client);
    parts.count += 1;
  } finally {
    if (client._adapterProcess.exitCode === null) await client.stop();
  }
}

async function top(client) {
  const { body } = await client.stackTraceRequest({ threadId: 1 });
  return body.stackFrames;
}

// Moves, and gives the frames where that led.
async function moved(client, request) {
  const [stopped] = await Promise.all([client.waitForEvent("stopped"), client[request]({ threadId: 1 })]);
  return { reason: stopped.body.reason, frames: await top(client) };
}

async function opened(client, scope, name) {
  const { body } = await client.scopesRequest({ frameId: 1 });
  const found = body.scopes.find((one) => one.name === scope);
  const listed = await client.variablesRequest({ variablesReference: found.variablesReference });
  return listed.body.variables.find((one) => one.name === name);
}

async function main() {
  const parts = { count: 0 };

  await within(parts, async (client) => {
    const answer = await client.initializeRequest();
    assert.equal(answer.body.supportsStepBack, true);
    assert.equal(answer.body.exceptionBreakpointFilters.length, 4);
  });

  await within(parts, (client) =>
    client.hitBreakpoint({ trace, stopOnEntry: false }, { path: program, line: 10 }));

  await within(parts, (client) =>
    client.hitBreakpoint(
      { trace, stopOnEntry: false }, { path: program, line: 4 }, { path: program, line: 9 },
      { path: program, line: 9, verified: true }));

  await within(parts, async (client) => {
    await Promise.all([
      client.configurationSequence(),
      client.launch({ trace }),
      client.assertStoppedLocation("entry", { path: program, line: 9 }),
    ]);
    assert.equal((await moved(client, "nextRequest")).frames[0].line, 10);
    assert.equal((await moved(client, "nextRequest")).frames[0].line, 11);
    const inside = await moved(client, "stepInRequest");
    assert.match(inside.frames[0].name, /^MeanBackward0/);
    assert.match((await moved(client, "stepOutRequest")).frames[0].name, /^w ← /);
    assert.equal((await moved(client, "stepBackRequest")).frames[0].line, 11);
    assert.equal((await moved(client, "stepBackRequest")).frames[0].line, 10);
  });

  await within(parts, async (client) => {
    const told = client.waitForEvent("initialized").then(async () => {
      const set = await client.setFunctionBreakpointsRequest({
        breakpoints: [{ name: "step == 2 and loss > 0" }, { name: "los > 1" }],
      });
      await client.configurationDoneRequest();
      return set.body.breakpoints;
    });
    await Promise.all([told, client.launch({ trace, stopOnEntry: false }), client.waitForEvent("stopped")]);
    assert.deepEqual((await told).map((one) => one.verified), [true, false]);
    const frames = await top(client);
    assert.deepEqual([frames[0].line, frames.at(-1).name], [11, "step 2 of 12"]);
  });

  await within(parts, async (client) => {
    await Promise.all([client.configurationSequence(), client.launch({ trace, at: "2:update" }),
      client.waitForEvent("stopped")]);
    await client.setBreakpointsRequest({ source: { path: program }, breakpoints: [{ line: 10 }] });
    const back = await moved(client, "reverseContinueRequest");
    assert.deepEqual([back.reason, back.frames.at(-1).name], ["breakpoint", "step 2 of 12"]);
    assert.equal((await moved(client, "reverseContinueRequest")).frames.at(-1).name, "step 1 of 12");
  });

  await within(parts, async (client) => {
    await Promise.all([client.configurationSequence(), client.launch({ trace }),
      client.waitForEvent("stopped")]);
    const x = await opened(client, "Tensors of the step", "x");
    assert.equal(x.type, "float32 (20, 3)");
    const rows = await client.variablesRequest({ variablesReference: x.variablesReference });
    assert.equal(rows.body.variables.length, 20);
    assert.equal((await opened(client, "Parameters", "w")).value, "[[0], [0], [0]]");
    const hover = { context: "hover", frameId: 1 };
    const holds = await client.evaluateRequest({ expression: "loss > 0", ...hover });
    assert.equal(holds.body.result, "True, holds in 12 of 12 steps");
    await assert.rejects(client.evaluateRequest({ expression: "los", ...hover }), /Did you mean loss/);
    const ended = new Promise((resolve) => client._adapterProcess.once("exit", resolve));
    await client.disconnectRequest();
    assert.equal(await ended, 0);
  });

  console.log(`all ${parts.count} parts hold`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
