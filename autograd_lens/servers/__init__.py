"""Servers for other programs: editors step through a run, assistants ask about one.

``mcp`` answers assistants, ``dap`` drives editors. Both read recordings and execute their tapes
again, as the other faces do; neither runs a program, and neither explains anything of its own.
"""
