"""A run walked through over the Debug Adapter Protocol, message by message."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd_lens.analysis.events import StepEvent
from autograd_lens.api import replaying
from autograd_lens.errors import LensError
from autograd_lens.servers.dap.adapter import Adapter
from autograd_lens.servers.dap.breakpoints import Breakpoint, Breakpoints
from autograd_lens.servers.dap.walk import Walk, depths
from autograd_lens.servers.dap.wire import read_message, write_message
from autograd_lens.trace.reader import Trace
from autograd_lens.tui.session import Session
from tests.support.hostile import AIMED, edited
from tests.support.linear_step import LinearTrace, linear_steps

ROOT = Path(__file__).parents[2]
PROGRAM = """\
import torch

torch.manual_seed(0)
w = torch.zeros(3, 1, requires_grad=True)
x, y = torch.rand(20, 3), torch.rand(20, 1)
optimizer = torch.optim.SGD([w], lr=0.5)
for t in range(12):
    optimizer.zero_grad()
    y_pred = x @ w
    loss = ((y_pred - y) ** 2).mean()
    loss.backward()
    optimizer.step()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``train.py`` and its recording: twelve steps, of which 0, 1, 2, 5 and 10 are full."""
    from autograd_lens.capture import run_script

    made = tmp_path_factory.mktemp("editor")
    (made / "train.py").write_text(PROGRAM)
    run_script(str(made / "train.py"), [], made / "train.lens")
    return made


@dataclass
class Client:
    """A client in this very process."""

    said: list[Any] = field(default_factory=list)
    adapter: Adapter = field(init=False)

    def __post_init__(self) -> None:
        self.adapter = Adapter(
            lambda given: replaying(Trace(given.trace)) if given.replay else Trace(given.trace),
            lambda message: self.said.append(json.loads(json.dumps(message, allow_nan=False))),
        )

    def send(self, command: str, **arguments: Any) -> Any:
        """The response to a request; what was said with it is in ``said``."""
        self.said.clear()
        request = {"seq": 7, "type": "request", "command": command, "arguments": arguments}
        self.adapter.answer(request)
        (response,) = [one for one in self.said if one["type"] == "response"]
        assert (response["request_seq"], response["command"]) == (7, command)
        return response

    def ask(self, command: str, **arguments: Any) -> Any:
        response = self.send(command, **arguments)
        assert response["success"], response
        return response.get("body")

    def refused(self, command: str, **arguments: Any) -> str:
        response = self.send(command, **arguments)
        assert not response["success"]
        assert response["body"]["error"]["showUser"]
        return str(response["message"])

    def event(self, name: str) -> Any:
        (found,) = [one["body"] for one in self.said if one.get("event") == name]
        return found

    def launch(self, trace: Path, **arguments: Any) -> None:
        self.ask("initialize", adapterID="autograd-lens", supportsVariablePaging=True)
        self.ask("launch", trace=str(trace), **arguments)
        assert self.event("initialized") == {}

    def move(self, command: str, **arguments: Any) -> str:
        """Move; the first frame where that led."""
        self.ask(command, threadId=1, **arguments)
        assert self.event("stopped")["threadId"] == 1
        return str(self.stack()[0]["name"])

    def stack(self) -> Any:
        return self.ask("stackTrace", threadId=1)["stackFrames"]

    def scope(self, name: str, frame: int = 1) -> dict[str, Any]:
        """The variables of a scope, by name."""
        found = {one["name"]: one for one in self.ask("scopes", frameId=frame)["scopes"]}
        return self.inside(found[name])

    def inside(self, variable: Any, **part: int) -> dict[str, Any]:
        reference = variable["variablesReference"]
        listed = self.ask("variables", variablesReference=reference, **part)["variables"]
        return {one["name"]: one for one in listed}

    def hover(self, expression: str) -> str:
        return str(self.ask("evaluate", expression=expression, context="hover")["result"])


@pytest.fixture
def client(folder: Path) -> Iterator[Client]:
    """A client that stands at the start."""
    one = Client()
    one.launch(folder / "train.lens")
    one.ask("configurationDone")
    assert one.event("stopped")["reason"] == "entry"
    yield one
    one.adapter.close()


# -- walking ------------------------------------------------------------------------------------


def test_next_goes_line_by_line_and_step_back_returns(client: Client) -> None:
    went = [client.move("next") for _ in range(5)]
    assert went[:2] == ["loss = ((y_pred - y) ** 2).mean()", "loss.backward()"]
    assert went[2].startswith("w ← ")
    assert went[3] == "w.grad → None"
    assert went[4].startswith("x @ w → y_pred")
    assert client.stack()[-1]["name"] == "step 1 of 12"
    assert [client.move("stepBack") for _ in range(3)] == [went[3], went[2], "loss.backward()"]
    assert client.stack()[-1]["name"] == "step 0 of 12"


def test_inside_of_backward_the_stack_is_autograds(client: Client) -> None:
    client.move("next")
    client.move("next")
    nodes = [client.move("stepIn") for _ in range(4)]
    assert nodes[-1] == "MmBackward0  x @ w"
    stack = client.stack()
    names = [one["name"].partition(" ")[0] for one in stack]
    assert names == ["MmBackward0", "SubBackward0", "PowBackward0", "MeanBackward0",
                     "loss.backward()", "step"]  # fmt: skip
    assert [one["line"] for one in stack[:5]] == [9, 10, 10, 10, 11]
    assert stack[-1]["presentationHint"] == "label"
    assert "∂loss/∂w to AccumulateGrad w" in client.scope("Event")
    assert "∂loss/∂y_pred arrived" in client.scope("Event")
    above = client.scope("Event", frame=2)
    assert "∂loss/∂y_pred to MmBackward0" in above
    assert client.move("stepOut").startswith("w ← ")
    assert client.move("stepBack") == "loss.backward()"


def test_a_single_event_back_enters_what_was_passed_over(client: Client) -> None:
    for _ in range(3):
        client.move("next")
    assert client.move("stepBack", granularity="instruction").startswith("w.grad = ")


def test_out_of_a_step_is_the_next_one_and_the_ends_hold(client: Client) -> None:
    client.move("stepOut")
    assert client.stack()[-1]["name"] == "step 1 of 12"
    client.ask("continue", threadId=1)
    assert client.event("stopped")["description"] == "The end of the recording"
    assert client.stack()[-1]["name"] == "step 11 of 12"
    before = client.stack()[0]["name"]
    assert client.move("next") == before
    client.ask("reverseContinue", threadId=1)
    assert client.event("stopped")["description"] == "The start of the recording"
    client.ask("stepBack", threadId=1)
    assert client.event("stopped")["description"] == "The start of the recording"


@pytest.mark.parametrize("at", ["3:update", "3", 3, "last", "-1"])
def test_a_launch_begins_where_it_is_asked_to(folder: Path, at: str | int) -> None:
    client = Client()
    client.launch(folder / "train.lens", at=at)
    client.ask("configurationDone")
    step = "3" if str(at).startswith("3") else "11"
    assert client.stack()[-1]["name"] == f"step {step} of 12"
    client.move("next")
    client.ask("restart")
    assert client.stack()[-1]["name"] == f"step {step} of 12"


@pytest.fixture(scope="module")
def steps() -> LinearTrace:
    return LinearTrace(steps=linear_steps(5, full=(0, 1, 3)))


MOVES = ("into", "back_into", "over", "back", "out")


@settings(deadline=None, max_examples=60)
@given(moves=st.lists(st.sampled_from(MOVES), max_size=30))
def test_any_walk_keeps_its_laws(steps: LinearTrace, moves: list[str]) -> None:
    session = Session(steps)  # type: ignore[arg-type]  the part of a trace that is walked
    walk = Walk(session)
    for move in moves:
        here, depth = (session.step, session.event), walk.depth
        moved = getattr(walk, move)()
        there = session.step, session.event
        assert session.opened is not None
        assert 0 <= session.event < len(session.opened.events)
        assert moved == (there != here)
        assert (there >= here) == (move not in {"back_into", "back"}) or there == here
        if move == "over" and moved and walk.depth == depth:
            assert walk.back()
            assert (session.step, session.event) == here
            walk.over()
        if move in {"into", "back_into"} and moved:
            assert abs(walk.depth - depth) <= 1
    assert depths(session.opened.events if session.opened else ())[0] == 0


def test_what_lies_inside_is_told_from_the_events_alone() -> None:
    events = (
        StepEvent("line", "forward", 0, kernels=(0, 1)),
        StepEvent("kernel", "forward", 0, kernels=(0,)),
        StepEvent("kernel", "forward", 1, kernels=(1,)),
        StepEvent("kernel", "forward", 2, kernels=(2,)),
        StepEvent("engine", "backward", 0),
        StepEvent("node", "backward", 0),
        StepEvent("grad", "backward", 0),
        StepEvent("update", "update", 0),
    )
    assert depths(events) == (0, 1, 1, 0, 0, 1, 1, 0)


# -- breakpoints --------------------------------------------------------------------------------


def test_a_line_stops_where_it_begins_to_run_forward_and_back(client: Client, folder: Path) -> None:
    source = {"path": str(folder / "train.py")}
    (told,) = client.ask("setBreakpoints", source=source, breakpoints=[{"line": 10}])["breakpoints"]
    assert (told["verified"], told["line"]) == (True, 10)
    for step in range(3):
        assert client.move("continue") == "loss = ((y_pred - y) ** 2).mean()"
        assert client.stack()[-1]["name"] == f"step {step} of 12"
    client.ask("reverseContinue", threadId=1)
    stopped = client.event("stopped")
    assert (stopped["reason"], stopped["hitBreakpointIds"]) == ("breakpoint", [told["id"]])
    assert client.stack()[-1]["name"] == "step 1 of 12"


def test_a_condition_chooses_the_steps(client: Client, folder: Path) -> None:
    source = {"path": str(folder / "train.py")}
    lines = [{"line": 9, "condition": "step % 5 == 4"}, {"line": 9, "condition": "los > 1"}]
    good, bad = client.ask("setBreakpoints", source=source, breakpoints=lines)["breakpoints"]
    assert (good["verified"], bad["verified"]) == (True, False)
    assert "Did you mean loss" in bad["message"]
    for step in (4, 9):
        client.move("continue")
        assert client.stack()[-1]["name"] == f"step {step} of 12"
    client.move("continue")
    assert client.stack()[-1]["name"] == "step 11 of 12"


def test_a_name_is_a_condition_or_a_node(client: Client) -> None:
    names = [
        {"name": "norm(w) > 0 and step > 2"},
        {"name": "MmBackward0", "condition": "step == 1"},
    ]
    told = client.ask("setFunctionBreakpoints", breakpoints=[*names, {"name": "Nothing0"}])
    assert [one["verified"] for one in told["breakpoints"]] == [True, True, False]
    assert "MmBackward0" in client.move("continue")
    assert client.stack()[-1]["name"] == "step 1 of 12"
    assert client.move("continue") == "loss.backward()"  # where the loss is known
    assert client.stack()[-1]["name"] == "step 3 of 12"


def test_a_line_without_code_moves_down_and_foreign_files_are_refused(
    client: Client, folder: Path
) -> None:
    source = {"path": str(folder / "train.py")}
    moved = client.ask("setBreakpoints", source=source, breakpoints=[{"line": 4}, {"line": 99}])
    assert [one["line"] for one in moved["breakpoints"]] == [9, 12]
    other = client.ask("setBreakpoints", source={"path": "/x.py"}, breakpoints=[{"line": 1}])
    assert not other["breakpoints"][0]["verified"]


def test_a_client_may_count_lines_from_nought(folder: Path) -> None:
    client = Client()
    client.ask("initialize", linesStartAt1=False, columnsStartAt1=False)
    client.ask("launch", trace=str(folder / "train.lens"))
    source = {"path": str(folder / "train.py")}
    told = client.ask("setBreakpoints", source=source, breakpoints=[{"line": 9}])
    assert told["breakpoints"][0]["line"] == 9
    assert client.move("continue") == "loss = ((y_pred - y) ** 2).mean()"
    assert client.stack()[0]["line"] == 9
    client.adapter.close()


def test_filters_stop_at_nan_at_findings_and_at_a_condition(tmp_path: Path) -> None:
    from autograd_lens.capture import run_script

    program = ROOT / "tests" / "doctor" / "programs" / "nan_born" / "bad.py"
    run_script(str(program), [], tmp_path / "nan.lens")
    client = Client()
    client.launch(tmp_path / "nan.lens", stopOnEntry=False)
    options = [{"filterId": "condition", "condition": "isnan(loss)"}]
    told = client.ask("setExceptionBreakpoints", filters=["bad", "finding"], filterOptions=options)
    assert [one["verified"] for one in told["breakpoints"]] == [True] * 3
    client.ask("configurationDone")
    seen = []
    for _ in range(3):
        stopped = client.event("stopped")
        assert stopped["reason"] == "exception"
        seen.append(stopped["text"])
        info = client.ask("exceptionInfo", threadId=1)
        assert info["exceptionId"] == stopped["text"]
        client.ask("continue", threadId=1)
    assert any("AL301" in text for text in seen)
    assert any("isnan(loss)" in text for text in seen)
    client.adapter.close()


def test_an_error_that_ended_the_run_is_stopped_at_with_its_traceback(tmp_path: Path) -> None:
    from autograd_lens.capture import run_script

    dies = PROGRAM + "    if t == 3:\n        raise ValueError('no more data')\n"
    (tmp_path / "dies.py").write_text(dies)
    run_script(str(tmp_path / "dies.py"), [], tmp_path / "dies.lens")
    client = Client()
    client.launch(tmp_path / "dies.lens", stopOnEntry=False)
    client.ask("setExceptionBreakpoints", filters=["error"])
    client.ask("configurationDone")
    assert client.event("stopped")["text"] == "ValueError: no more data"
    assert client.stack()[0]["name"].startswith("! exception: ValueError")
    assert client.stack()[-1]["name"] == "step 3 of 4"
    info = client.ask("exceptionInfo", threadId=1)
    assert "raise ValueError" in info["details"]["stackTrace"]
    client.adapter.close()


def test_every_stop_is_found_in_both_directions(folder: Path) -> None:
    with Trace(folder / "train.lens") as trace:
        session = Session(replaying(trace))
        stops = Breakpoints(session)
        file = next(iter(trace.items.keys("source")))
        stops.set("a", (Breakpoint(1, "breakpoint", "", (file, 10)),))
        stops.set("b", (Breakpoint(2, "function breakpoint", "", node="PowBackward0"),))
        forward = list(_stops(session, stops, forward=True))
        assert len(forward) == 24
        session.step, session.event = 11, 10**6
        assert list(_stops(session, stops, forward=False)) == forward[::-1]


def _stops(session: Session, stops: Breakpoints, *, forward: bool) -> Iterator[tuple[int, int]]:
    while (hit := stops.ahead(forward=forward)) is not None:
        session.step, session.event = hit.step, hit.event
        yield hit.step, hit.event


# -- looking ------------------------------------------------------------------------------------


def test_variables_are_those_of_the_moment(client: Client) -> None:
    assert client.scope("Parameters")["w"]["value"] == "[[0], [0], [0]]"
    assert "loss" not in client.scope("Tensors of the step")
    client.move("next")
    assert {"x", "y", "y_pred", "loss"} <= set(client.scope("Tensors of the step"))
    client.move("next")
    client.move("next")
    w = client.scope("Parameters")["w"]
    assert w["value"].endswith(" ← changed here")
    parts = client.inside(w)
    assert parts["value before this event"]["value"] == "[[0], [0], [0]]"
    assert parts["grad"]["evaluateName"] == "w.grad"
    client.move("stepBack")
    assert client.scope("Parameters")["w"]["value"] == "[[0], [0], [0]]"


def test_a_tensor_opens_by_parts(client: Client) -> None:
    x = client.scope("Tensors of the step")["x"]
    assert (x["type"], x["indexedVariables"]) == ("float32 (20, 3)", 20)
    assert re.match(r"\(20, 3\)  [▁▂▃▄▅▆▇█]{8}  0\.\d+ to 0\.\d+, mean 0\.\d+$", x["value"])
    rows = client.inside(x, start=5, count=2)
    assert list(rows) == ["[5]", "[6]"]
    assert list(client.inside(rows["[5]"])) == ["[0]", "[1]", "[2]"]
    assert client.inside(x, start=19, count=50).keys() == {"[19]"}


def test_a_client_that_does_not_page_gets_the_first_hundred(tmp_path: Path) -> None:
    import torch

    import autograd_lens as lens

    w = torch.zeros(300, requires_grad=True)
    with lens.record(tmp_path / "long.lens"):
        w.exp().sum().backward()
    client = Client()
    client.ask("initialize")
    client.ask("launch", trace=str(tmp_path / "long.lens"))
    client.ask("configurationDone")
    value = client.inside(client.scope("Parameters")["w"])["value"]
    assert "indexedVariables" not in value
    elements = client.inside(value)
    assert (len(elements), elements["..."]["value"][:3]) == (101, "200")
    client.adapter.close()


def test_hovers_speak_the_language_of_conditions(client: Client) -> None:
    assert client.hover("loss > 0") == "True, holds in 12 of 12 steps"
    assert client.hover("step") == "0"
    assert client.hover("norm(w.grad)").startswith("0.")
    assert client.hover("w.mode") == "set"
    assert client.hover("w") == "[[0], [0], [0]]"
    client.move("next")
    tensor = client.ask("evaluate", expression="y_pred", context="watch")
    assert len(client.inside(tensor)) == 20
    assert "Did you mean loss" in client.refused("evaluate", expression="los", context="hover")
    assert "cannot be read" in client.refused("evaluate", expression="__import__('os')")


def test_a_light_step_says_once_why_it_shows_less(starved: Path) -> None:
    client = Client()
    client.launch(starved, at=50)
    client.ask("configurationDone")
    told = client.event("output")
    assert told["category"] == "console"
    assert told["output"].startswith("Step 50: ")
    run = client.scope("Run")
    assert (run["level"]["value"], "note" in run) == ("light", True)
    client.move("next")
    assert not [one for one in client.said if one.get("event") == "output"]
    client.adapter.close()


# -- the program's text ---------------------------------------------------------------------------


def test_a_text_that_has_changed_is_served_as_it_was_recorded(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    trace = tmp_path / "copy" / "train.lens"
    client = Client()
    client.launch(trace)
    (source,) = client.ask("loadedSources")["sources"]
    assert source == {"name": "train.py", "path": str(folder / "train.py")}
    try:
        (folder / "train.py").write_text(PROGRAM.replace("0.5", "0.7"))
        client.launch(trace)
        client.ask("configurationDone")
        shown = client.stack()[0]["source"]
        assert (shown["sourceReference"], shown["origin"]) == (
            1,
            "recorded; it has changed on disk",
        )
        assert client.ask("source", sourceReference=1)["content"] == PROGRAM
        assert "no recorded text 2" in client.refused("source", sourceReference=2)
        told = client.ask("setBreakpoints", source=shown, breakpoints=[{"line": 11}])
        assert told["breakpoints"][0]["verified"]
        (folder / "train.py").unlink()
        client.launch(trace)
        (source,) = client.ask("loadedSources")["sources"]
        assert source["origin"] == "recorded; it is not on this disk"
        # The same text elsewhere, as on another computer.
        elsewhere = {"path": str(tmp_path / "train.py")}
        (tmp_path / "train.py").write_text(PROGRAM)
        told = client.ask("setBreakpoints", source=elsewhere, breakpoints=[{"line": 11}])
        assert told["breakpoints"][0]["verified"]
        os.mkfifo(folder / "train.py")
        client.launch(trace)
        assert client.ask("loadedSources")["sources"][0]["sourceReference"] == 1
    finally:
        (folder / "train.py").unlink(missing_ok=True)
        (folder / "train.py").write_text(PROGRAM)
        client.adapter.close()


# -- what is wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["nowhere.lens", "a\0b.lens", "train.py", ".", "damaged.lens"])
def test_a_file_that_is_no_recording_is_one_line(folder: Path, tmp_path: Path, file: str) -> None:
    sound = (folder / "train.lens").read_bytes()
    (tmp_path / "damaged.lens").write_bytes(edited(sound, AIMED["10^15 steps"]))
    (tmp_path / "train.py").write_text(PROGRAM)
    client = Client()
    message = client.refused("launch", trace=f"{tmp_path}/{file}")
    assert "\n" not in message
    assert "No recording is open" in client.refused("next", threadId=1)


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        ("scopes", {"frameId": 99}, "no frame 99"),
        ("scopes", {"frameId": "x"}, "Expected `int`"),
        ("variables", {"variablesReference": 99}, "Nothing here has the number 99"),
        ("setBreakpoints", {}, "missing required field `source`"),
        ("launch", {"trace": 3}, "Expected `str`"),
        ("launch", {"trace": "TRACE", "at": "99"}, "has steps 0 to 11"),
        ("setVariable", {}, "does not answer 'setVariable'"),
    ],
)
def test_a_wrong_request_is_refused_and_the_talk_goes_on(
    client: Client, folder: Path, command: str, arguments: Any, words: str
) -> None:
    trace = str(folder / "train.lens")
    given = {key: trace if value == "TRACE" else value for key, value in arguments.items()}
    assert words in client.refused(command, **given)
    assert client.ask("threads")["threads"][0]["id"] == 1


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=20)


@settings(deadline=None, max_examples=30)
@given(messages=st.lists(st.dictionaries(st.text(max_size=8), VALUES, max_size=4), max_size=4))
def test_what_is_written_is_read(messages: list[dict[str, Any]]) -> None:
    stream = io.BytesIO()
    for message in messages:
        write_message(stream, message)
    stream.seek(0)
    assert [read_message(stream) for _ in messages] == messages
    assert read_message(stream) is None


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", "is no header of it"),
        (b"Content-Type: x\r\n\r\n{}", "does not say how long"),
        (b"Content-Length: -1\r\n\r\n{}", "is no length"),
        (b"Content-Length: 99999999999999999999999\r\n\r\n", "is no length"),
        (b"Content-Length: 3\r\n\r\n{x}", "is no JSON"),
        (b"Content-Length: 2\r\n\r\n[]", "is no JSON object"),
        (b"Content-Length: 200000\r\n\r\n" + b"[" * 200_000, "is no JSON"),
    ],
)
def test_what_is_no_message_is_refused(raw: bytes, words: str) -> None:
    with pytest.raises(LensError, match=words):
        read_message(io.BytesIO(raw))


@pytest.mark.parametrize("raw", [b"", b"Content-Length: 10\r\n\r\n{}", b"Content-Length: 2"])
def test_a_client_that_is_gone_ends_it(raw: bytes) -> None:
    assert read_message(io.BytesIO(raw)) is None


# -- over stdio and a port ----------------------------------------------------------------------


def spoken(read: Any, write: Any, command: str, **arguments: Any) -> Any:
    write_message(write, {"seq": 1, "type": "request", "command": command, "arguments": arguments})
    while (message := read_message(read)) is not None:
        if message["type"] == "response":
            assert message["success"], message
            return message.get("body")
    return None


def served(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "autograd_lens", "dap", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_over_stdio_it_ends_with_its_client(folder: Path) -> None:
    with served() as server:
        assert server.stdin is not None
        assert spoken(server.stdout, server.stdin, "initialize")["supportsStepBack"]
        spoken(server.stdout, server.stdin, "launch", trace=str(folder / "train.lens"))
        spoken(server.stdout, server.stdin, "disconnect")
        assert server.wait(timeout=20) == 0


def test_on_a_port_it_hears_this_computer_and_this_protocol_alone(folder: Path) -> None:
    with served("--port", "0") as server:
        assert server.stderr is not None
        try:
            line = server.stderr.readline().decode()
            host, port = re.findall(r"Listening on ([\d.]+):(\d+);", line)[0]
            assert host == "127.0.0.1"
            with socket.create_connection((host, int(port)), timeout=20) as page:
                page.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
                assert page.recv(100) == b""
            assert b"let go" in server.stderr.readline()
            with socket.create_connection((host, int(port)), timeout=20) as editor:
                read, write = editor.makefile("rb"), editor.makefile("wb")
                spoken(read, write, "initialize")
                spoken(read, write, "launch", trace=str(folder / "train.lens"))
                assert len(spoken(read, write, "loadedSources")["sources"]) == 1
                read.close()
                write.close()
        finally:
            server.kill()


EDITORS = ROOT / "examples" / "editors"


def test_settings_of_editors_name_what_a_launch_takes() -> None:
    from autograd_lens.servers.dap.requests import Launch

    known = set(Launch.__struct_encode_fields__)
    manifest = json.loads((EDITORS / "vscode" / "package.json").read_text())
    (debugger,) = manifest["contributes"]["debuggers"]
    assert set(debugger["configurationAttributes"]["launch"]["properties"]) == known
    neovim = (EDITORS / "neovim" / "autograd_lens.lua").read_text()
    emacs = (EDITORS / "emacs" / "autograd-lens.el").read_text()
    assert all(debugger["type"] in one for one in (neovim, emacs))
    assert set(re.findall(r"^  (\w+) = ", neovim, re.MULTILINE)) - known == {
        *("type", "command", "args", "request", "name"),
    }
    assert set(re.findall(r" :(\w+) ", emacs)) - known <= {"type", "request", "stepBack"}


FAKE = """
const Module = require("node:module");
const made = [];
class Executable { constructor(...words) { made.push(words); } }
const vscode = {
  DebugAdapterExecutable: Executable,
  workspace: { getConfiguration: () => ({ get: (name, usual) => usual }) },
  debug: { registerDebugAdapterDescriptorFactory: (type, starts) => {
    made.push(type);
    starts.createDebugAdapterDescriptor({ workspaceFolder: { uri: { fsPath: "/folder" } } });
  } },
};
const load = Module._load;
Module._load = (name, ...rest) => (name === "vscode" ? vscode : load(name, ...rest));
require(process.argv[1]).activate({ subscriptions: [] });
console.log(JSON.stringify(made));
"""


def test_the_extension_starts_the_adapter_in_the_folder() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    script = str(EDITORS / "vscode" / "extension.js")
    ran = subprocess.run([node, "-e", FAKE, script], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == [
        "autograd-lens",
        ["autograd-lens", ["dap"], {"cwd": "/folder"}],
    ]


def test_the_protocols_own_test_client_walks_through_it(folder: Path) -> None:
    """Launch, breakpoints, back, variables, hover, leave: by Microsoft's support for adapters."""
    node, library = shutil.which("node") or "", "@vscode/debugadapter-testsupport"
    probe = [node, "-e", f"require('{library}')"]
    if not node or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip(f"needs node and its package {library}, found by NODE_PATH")
    script = Path(__file__).with_name("dap_client.js")
    ended = subprocess.run(
        [node, script, sys.executable, folder / "train.lens", folder / "train.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "all 7 parts hold"
