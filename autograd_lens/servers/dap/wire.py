"""Messages of the protocol: JSON behind a header that says how long it is.

NOTE 1 [Only this protocol]: a server on a port of this computer can be written to by any page in
a browser, whose requests have a length as well. So a header that is none of ours ends the talk.
"""

from __future__ import annotations

import json
from typing import BinaryIO

from autograd_lens.errors import LensError

__all__ = ["Message", "read_message", "write_message"]

Message = dict[str, object]

_HEADERS = frozenset({b"content-length", b"content-type"})
_LONGEST_LINE = 1_000
_LARGEST = 1 << 24  # bytes of a message; breakpoints of a thousand files are less


def read_message(stream: BinaryIO) -> Message | None:
    """The next message; None where the other side has ended.

    Raises:
        LensError: What came is no message of the protocol.
    """
    length = _read_header(stream)
    if length is None:
        return None
    body = stream.read(length)
    if len(body) < length:
        return None
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        msg = f"A message is no JSON: {error}."
        raise LensError(msg) from error
    if not isinstance(message, dict):
        msg = "A message is no JSON object."
        raise LensError(msg)
    return message


def _read_header(stream: BinaryIO) -> int | None:
    length = None
    while line := stream.readline(_LONGEST_LINE):
        if line in {b"\r\n", b"\n"}:
            break
        name, _, value = line.partition(b":")
        if name.strip().lower() not in _HEADERS:
            msg = f"This speaks the Debug Adapter Protocol; {line[:40]!r} is no header of it."
            raise LensError(msg)
        if name.strip().lower() == b"content-length":
            length = _length(value)
    if line and length is None:
        msg = "A message does not say how long it is."
        raise LensError(msg)
    return length if line else None


def _length(value: bytes) -> int:
    text = value.strip()
    if not text.isdigit() or len(text) > len(str(_LARGEST)) or int(text) > _LARGEST:
        msg = f"{text[:20]!r} is no length of a message; the longest has {_LARGEST:,} bytes."
        raise LensError(msg)
    return int(text)


def write_message(stream: BinaryIO, message: Message) -> None:
    """Write a message at once; half characters of file names become ``?``."""
    body = json.dumps(message, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    stream.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    stream.flush()
