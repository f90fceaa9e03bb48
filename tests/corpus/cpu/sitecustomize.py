"""Lets a torchvision that was built for CUDA be imported beside a CPU build of torch.

Its compiled operators do not load there, and it then names two of them that nobody has defined.
Python imports this file at start where its folder is in ``PYTHONPATH``; the benchmark puts it
there, for bare and recorded runs alike, where the two builds do not fit.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder


class _Define(MetaPathFinder):
    """Finds no module; defines the missing operators when torchvision is about to be imported."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torch

            boxes = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            torch.library.define("torchvision::nms", boxes)
            torch.library.define("torchvision::qnms", boxes)


sys.meta_path.insert(0, _Define())
