"""Handouts: a lesson about one run, as page, paper, Markdown or notebook."""

from autograd_lens.render.handout.blocks import Document
from autograd_lens.render.handout.chapters import HandoutOptions, document
from autograd_lens.render.handout.markdown import markdown
from autograd_lens.render.handout.page import PageOptions, page, view
from autograd_lens.render.handout.paper import pdf
from autograd_lens.render.handout.player import Player, player

__all__ = [
    "Document",
    "HandoutOptions",
    "PageOptions",
    "Player",
    "document",
    "markdown",
    "page",
    "pdf",
    "player",
    "view",
]
