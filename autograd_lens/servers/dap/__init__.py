"""Recorded runs for editors, by the Debug Adapter Protocol: forward and back, over its steps.

``wire`` reads and writes messages, ``requests`` are their arguments, ``adapter`` answers them.
``walk`` is the debugger's walk (``tui.session``) by lines and calls, ``breakpoints`` where it
stops and ``wishes`` how a client says so; ``items``, ``scopes`` and ``evaluate`` are what is seen
there, ``sources`` the program's text.
"""
