"""A recording where people look at their runs.

::

    perfetto.py     a Chrome trace: every step as nested slices, for ui.perfetto.dev
    series.py       what trackers are told: numbers of each step, findings, pictures
    send.py         tells it to one of them
    tensorboard.py, mlflow.py, wandb.py, trackio.py   one tracker each; they need its package
"""
