"""A run's page from this machine to its own browser; steps are opened when they are asked for.

NOTE 1 [Who may ask]: the server listens on the loopback address alone and answers requests that
name it, so that a page of somebody else's cannot read a run through a name that it points here.
It reads nothing but the number of a step, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from urllib.parse import parse_qs, urlsplit

from autograd_lens.errors import LensError
from autograd_lens.pages import RunPages

__all__ = ["server"]

_HOME = "127.0.0.1"


def server(pages: RunPages, port: int = 0) -> ThreadingHTTPServer:
    """A server that is ready to serve; its address is ``server_address``.

    The first page is made before: what is wrong with the recording is said here, not to a browser.

    Args:
        pages: The run's pages.
        port: Where it listens; 0 for any port that is free.

    Raises:
        LensError: The recording cannot be shown.
        OSError: The port is taken.
    """
    made = ThreadingHTTPServer((_HOME, port), _handler(_opener(pages)))
    made.daemon_threads = True
    return made


def _opener(pages: RunPages) -> Callable[[int | None], str]:
    """What makes the page with one more step open; steps that were opened stay so."""
    opened: set[int] = set()
    latest = pages.page()
    lock = Lock()  # a trace is read by one thread at a time

    def page(step: int | None) -> str:
        nonlocal latest
        with lock:
            wanted = opened if step is None else opened | {min(step, len(pages.trace.steps) - 1)}
            if wanted != opened:
                latest = pages.page(sorted(wanted))
                opened.update(wanted)
            return latest

    return page


def _handler(page: Callable[[int | None], str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer with the page."""
            asked = urlsplit(self.path)
            host = (self.headers.get("Host") or "").rpartition(":")[0]
            if host not in {_HOME, "localhost"}:
                self.send_error(403, "This server answers its own machine alone.")
            elif asked.path != "/":
                self.send_error(404)
            else:
                self._answer(parse_qs(asked.query).get("open", [""])[0])

        def _answer(self, wanted: str) -> None:
            try:
                text = page(int(wanted) if wanted.isdecimal() and len(wanted) < _DIGITS else None)
            except LensError as error:
                self.send_error(500, explain=" ".join(str(error).split()))
                return
            data = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing: the terminal is the user's."""

    return Handler


_DIGITS = 12
