"""The step-through debugger: a recorded run, walked forward and back in the terminal.

``session`` knows where we are and how to move, ``overview`` what the run looks like as a whole;
``stepper`` is the screen, made of ``panes`` and ``prompts``.
"""
