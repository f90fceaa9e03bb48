"""Callbacks that record what a trainer fits, one file for each library.

::

    fit.py           one recording, as callbacks drive it: where steps begin, what is left alone
    lightning.py     LensCallback for lightning.pytorch
    transformers.py  LensCallback for transformers.Trainer
    ignite.py        LensHandler for pytorch-ignite

Nothing is imported here: each file needs its library. Steps are those of the trainer, an
accumulation of several batches being one, and parameters are called as in its checkpoints.
Validation is left alone. At the end the doctor's findings are told, a line each.
"""
