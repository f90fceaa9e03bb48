"""Live torch to trace: the room with the hooks and the dispatch mode."""

from __future__ import annotations

from autograd_lens.capture.recorder import Limits
from autograd_lens.capture.recording import Recording, record
from autograd_lens.capture.script import ScriptResult, run_script

__all__ = ["Limits", "Recording", "ScriptResult", "record", "run_script"]
