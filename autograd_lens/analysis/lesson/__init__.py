"""The content of a lesson about one run, computed from its trace alone."""

from autograd_lens.analysis.lesson.build import lesson, step_lesson
from autograd_lens.analysis.lesson.records import (
    Accumulation,
    BackwardRow,
    CodeBlock,
    Ending,
    Gradient,
    Lesson,
    OtherRate,
    Path,
    StepLesson,
    TriedRate,
)
from autograd_lens.analysis.lesson.regression import Regression, recognise

__all__ = [
    "Accumulation",
    "BackwardRow",
    "CodeBlock",
    "Ending",
    "Gradient",
    "Lesson",
    "OtherRate",
    "Path",
    "Regression",
    "StepLesson",
    "TriedRate",
    "lesson",
    "recognise",
    "step_lesson",
]
