"""Torch-side parts that recording and replaying share: modes, hooks, graphs, memory."""
