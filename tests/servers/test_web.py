"""A run's page, served to its own machine."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import torch

import autograd_lens as lens
from autograd_lens.errors import TraceError
from autograd_lens.pages import RunPages
from autograd_lens.servers.web import server


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    w = torch.tensor([1.0, -2.0], requires_grad=True)
    with lens.record(tmp_path / "run.lens", full="0"):
        for _ in range(8):
            (w**2).sum().backward()
            w.data -= 0.1 * w.grad
            w.grad = None
    with lens.open(tmp_path / "run.lens") as trace:
        made = server(RunPages(trace))
        thread = Thread(target=made.serve_forever)
        thread.start()
        try:
            yield made.server_address[1]
        finally:
            made.shutdown()
            thread.join()
            made.server_close()


def asked(port: int, path: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def full(page: str) -> set[str]:
    data = re.search(r'id="run">(.*?)</script>', page, re.DOTALL)
    assert data
    return set(json.loads(data[1])["full"])


def test_steps_are_opened_when_they_are_asked_for_and_stay_open(port: int) -> None:
    status, page = asked(port, "/")
    assert (status, full(page)) == (200, {"0"})
    assert "5" in full(asked(port, "/?open=5")[1])
    assert {"0", "3", "5"} <= full(asked(port, "/?open=3")[1])
    assert full(asked(port, "/?open=../etc")[1]) == {"0", "3", "5"}
    assert "7" in full(asked(port, "/?open=99")[1])


def test_it_answers_its_own_machine_alone(port: int) -> None:
    assert asked(port, "/", Host="evil.example:80")[0] == 403
    assert asked(port, "/other")[0] == 404


def test_what_a_step_cannot_show_is_said_and_the_page_stays(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> str:
        msg = "This trace is damaged: \u241bname"
        raise TraceError(msg, hint="Record it again.")

    with monkeypatch.context() as patch:
        patch.setattr(RunPages, "page", refused)
        status, told = asked(port, "/?open=5")
    assert status == 500
    assert "damaged: \u241bname" in told
    assert full(asked(port, "/")[1]) == {"0"}
    assert "5" in full(asked(port, "/?open=5")[1])
