-- Step through a recorded training run in Neovim, with nvim-dap.
--
-- Put this into your configuration behind nvim-dap, then :lua require("dap").continue() in a
-- Python buffer and choose "Step through a recording".

local dap = require("dap")

dap.adapters["autograd-lens"] = {
  type = "executable",
  command = "autograd-lens",
  args = { "dap" },
}

dap.configurations.python = dap.configurations.python or {}
table.insert(dap.configurations.python, {
  type = "autograd-lens",
  request = "launch",
  name = "Step through a recording",
  trace = function()
    return vim.fn.input("Recording: ", vim.fn.expand("%:p:r") .. ".lens", "file")
  end,
  at = "0",
})

-- nvim-dap binds no keys itself; these go back.
vim.keymap.set("n", "<S-F10>", function() dap.step_back() end)
vim.keymap.set("n", "<S-F5>", function() dap.reverse_continue() end)
