// Starts `autograd-lens dap` where a recording is launched; all else is in the adapter.

"use strict";

const vscode = require("vscode");

function activate(context) {
  const starts = {
    createDebugAdapterDescriptor(session) {
      const folder = session.workspaceFolder;
      const settings = vscode.workspace.getConfiguration("autogradLens", folder);
      const [command, ...words] = settings.get("command", ["autograd-lens"]);
      const options = folder ? { cwd: folder.uri.fsPath } : undefined;
      return new vscode.DebugAdapterExecutable(command, [...words, "dap"], options);
    },
  };
  context.subscriptions.push(
    vscode.debug.registerDebugAdapterDescriptorFactory("autograd-lens", starts),
  );
}

module.exports = { activate };
