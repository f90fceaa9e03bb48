"""Handouts: a lesson about one run, as page, paper, Markdown or notebook."""

from autograd_lens.render.handout.blocks import Document
from autograd_lens.render.handout.chapters import HandoutOptions, document
from autograd_lens.render.handout.markdown import markdown
from autograd_lens.render.handout.page import PageOptions, page
from autograd_lens.render.handout.paper import pdf

__all__ = ["Document", "HandoutOptions", "PageOptions", "document", "markdown", "page", "pdf"]
