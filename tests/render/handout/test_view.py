"""The page of any run, played in a real browser: all that is linked follows."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import autograd_lens as lens
from autograd_lens.analysis.lesson import lesson
from autograd_lens.pages import run_page
from autograd_lens.render.handout import PageOptions, view
from autograd_lens.render.numbers import scalar
from tests.render.handout.conftest import opened, played
from tests.support.hostile import AIMED, edited

BLOCKS = 6


class Stack(nn.Module):
    """A stack of equal blocks, large enough to be folded."""

    def __init__(self) -> None:
        super().__init__()
        block = [nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)) for _ in range(BLOCKS)]
        self.body = nn.Sequential(*block)
        self.head = nn.Linear(3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The head of the body."""
        return self.head(self.body(x))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six steps, the last of them with a gradient that is not a number."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("view") / "stack.lens"
    model, x = Stack(), torch.randn(4, 3)
    unused = nn.Linear(2, 2)
    with lens.record(path, full="0,1,5") as run:
        optimizer = torch.optim.SGD([*model.parameters(), *unused.parameters()], lr=0.1)
        model, optimizer, unused = run.watch(model, optimizer, unused)
        for step in run.steps(6):
            loss = model(x).pow(2).mean() * (float("nan") if step == 5 else 1.0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return path


@pytest.fixture(scope="module")
def html(recorded: Path) -> str:
    with lens.open(recorded) as trace:
        found = lesson(trace, [0])
        return view(found, "en", PageOptions(played(found, trace, whole=True)))


@pytest.fixture
def page(browser: Any, html: str, tmp_path: Path) -> Any:
    yield from opened(browser, html, tmp_path / "view.html")


def title(page: Any) -> str:
    return page.locator("#event-title").inner_text()


def boxes(page: Any) -> list[str]:
    return page.locator(".sheet:not([hidden]) .node text:first-of-type").all_text_contents()


def test_modules_are_rooms_that_are_entered_and_left(page: Any) -> None:
    assert boxes(page)[0] == "body.0 … 5 ×6"
    page.locator(".node").filter(has_text="body.0").first.click()
    assert boxes(page) == ["0", "1", "2"]  # the last room is entered
    assert page.locator("#rooms .crumb").all_text_contents() == ["whole graph", "body.0"]
    page.locator("#rooms select").select_option("body.2")
    assert "room=body.2" in page.url
    assert page.locator("#event-module").inner_text().startswith("in body.2")
    page.keyboard.press("Backspace")
    assert len(boxes(page)) > 3
    page.goto(page.url.split("#")[0] + "#step=1&event=0&room=body.1")
    page.wait_for_function("document.querySelector('#where').textContent.startsWith('1 ')")
    assert page.locator("#rooms .crumb").all_text_contents()[-1] == "body.1"


def test_a_click_anywhere_moves_all_the_rest(page: Any, recorded: Path) -> None:
    line = page.locator(".line").filter(has_text="loss.backward()").first
    line.click()
    assert title(page) == "Backward begins: loss.backward()"
    page.locator("#followed-rows tr").filter(has_text="head.weight").click()
    assert title(page) == "head.weight.grad is set"
    assert page.locator(".node.now text").first.text_content() == "head"
    assert "None → " in page.locator("#followed-rows tr.changed").inner_text()
    losses = page.locator("#play-losses").bounding_box()
    page.mouse.click(losses["x"] + losses["width"] * 0.13, losses["y"] + 40)
    with lens.open(recorded) as trace:
        shown = scalar(float(trace.losses[0]))
    assert shown in page.locator("#where").inner_text()
    page.locator("#map-grads").click(position={"x": 2, "y": 2})
    assert "body.0.0.weight" in page.locator(".map output").first.inner_text()
    assert title(page) == "body.0.0.weight.grad is set"


def test_what_stands_out_is_seen(page: Any) -> None:
    page.keyboard.press("e")
    assert page.locator("#where").inner_text().startswith("5 ")
    page.keyboard.press("a")
    assert page.locator(".sheet:not([hidden]) .node[data-g=broken]").count() == len(boxes(page)) - 1
    assert "∂ NaN" in page.locator(".node[data-g=broken]").first.text_content()
    row = page.locator("#followed-rows tr").last
    assert row.inner_text().split()[-1] == "None"  # no gradient reached what is unused


def test_boxes_are_coloured_by_what_is_asked_for(page: Any) -> None:
    fills = []
    page.keyboard.press("a")
    for by in ("gradient", "value", "time"):
        page.locator("#by").select_option(by)
        page.wait_for_timeout(200)  # colours change slowly
        fills.append(
            page.locator(".sheet:not([hidden]) .node :is(path,polygon)").evaluate_all(
                "all => all.map(one => getComputedStyle(one).fill)"
            )
        )
    assert fills[0] != fills[1] != fills[2]
    assert all(len({*each}) > 1 for each in fills)


def test_time_colours_what_ran_last_darkest(page: Any) -> None:
    page.locator("#by").select_option("time")
    shades = "all => all.map(one => one.dataset.g)"
    nodes = page.locator(".sheet:not([hidden]) .node")
    page.keyboard.press("f")
    forward = [each for each in nodes.evaluate_all(shades) if each]
    page.keyboard.press("End")
    page.keyboard.press("b")
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    backward = [int(each) for each in nodes.evaluate_all(shades) if each]
    assert set(forward) <= {"0"}, "nothing but the first operation ran"
    now = page.locator(".node.now").first.get_attribute("data-g")
    assert int(now) == max(backward) > min(backward)


def test_a_click_on_a_value_shows_its_histogram(page: Any) -> None:
    row = page.locator("#event-rows tr[tabindex]").filter(has_text=re.compile("[▁-█]{8}")).last
    for _ in range(12):
        if not row.count():
            page.keyboard.press("ArrowRight")
    row.click()
    heights = page.locator("#event-rows .bars i").evaluate_all(
        "all => all.map(i => i.style.height)"
    )
    assert len(heights) == 8
    assert "100%" in heights
    row.click()
    assert page.locator("#event-rows .bars").count() == 0


def test_a_click_on_a_value_shows_its_numbers_and_who_made_and_read_it(page: Any) -> None:
    page.keyboard.press("f")
    page.keyboard.press("ArrowRight")
    made = title(page)
    name = page.locator("#event-rows tr").last.locator("td").first.inner_text().removeprefix("→ ")
    page.locator("#event-rows tr").last.click()
    said = page.locator("#event-rows .heat").get_attribute("aria-label")
    assert said.startswith("Each cell is one number. Red: positive, blue: negative")
    by, readers = page.locator("#event-rows .relatives").all()
    assert by.inner_text().startswith("made by")
    assert by.locator("button").all_text_contents() == [made]
    readers.locator("button").first.click()
    assert title(page) != made
    page.get_by_role("cell", name=name, exact=True).first.click()
    page.locator("#event-rows .relatives button").first.click()
    assert title(page) == made, "the reader's row leads back to what made it"


def test_a_gradient_is_followed_from_the_node_that_gave_it(page: Any) -> None:
    page.keyboard.press("b")
    page.keyboard.press("ArrowRight")
    given = title(page)
    page.keyboard.press("ArrowRight")
    page.locator("#event-rows tr").filter(has_text="gradient in").first.click()
    assert page.locator("#event-rows .relatives button").first.inner_text() == given


def test_search_finds_modules_parameters_operations_and_lines(page: Any) -> None:
    page.keyboard.press("/")
    page.keyboard.type("body.1")
    found = page.locator("#hits li").all_text_contents()
    assert found[0] == "body.1"
    assert "body.1.0.weight" in found
    page.locator("#search").fill("tanh")
    page.keyboard.press("Enter")
    assert title(page).startswith("Forward: tanh(")
    page.keyboard.press("Escape")
    assert page.locator("#hits").is_hidden()


def test_a_lecture_hides_what_comes_next(page: Any) -> None:
    page.keyboard.press("P")
    page.keyboard.press("H")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator("#event-rows").inner_text().rstrip().endswith("?")
    assert page.locator("#event-more").inner_text() == "What comes next?"
    before = title(page)
    page.keyboard.press("ArrowRight")
    assert (title(page), page.locator("#event-rows").inner_text()[-1] == "?") == (before, False)
    size = page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)")
    assert size > 20
    page.keyboard.press("Escape")
    assert page.evaluate("document.body.className") == "view"


def _descend(rate: float, steps: int = 6) -> list[float]:
    u, v = torch.ones(1, requires_grad=True), torch.full((1,), -2.0, requires_grad=True)
    losses = []
    for _ in range(steps):
        loss = (u**2 + 3 * v**2).sum()
        loss.backward()
        for parameter in (u, v):
            assert parameter.grad is not None
            parameter.data -= rate * parameter.grad
            parameter.grad = None
        losses.append(loss.item())
    return losses


def test_a_slider_shows_the_start_again_with_other_learning_rates(
    browser: Any, tmp_path: Path
) -> None:
    with lens.record(tmp_path / "run.lens"):
        _descend(0.1)
    with lens.open(tmp_path / "run.lens") as trace:
        html = run_page(trace)
    for shown in opened(browser, html, tmp_path / "rates.html"):
        assert shown.locator("#try").get_attribute("max") == "20"
        ways = []
        for place, rate in ((10, 0.1), (20, 1.0), (0, 0.01)):
            shown.locator("#try").fill(str(place))
            loss = scalar(_descend(rate)[-1], 4)
            said = shown.locator("#try-said").inner_text()
            assert said == f"{scalar(rate)}: loss {loss} after 6 steps"
            ways.append(shown.locator("#play-descent .tried").get_attribute("d"))
        assert len({*ways}) == 3
        assert all(way.count("L") == 6 for way in ways)


def _line(start: tuple[float, float], steps: int) -> list[float]:
    w, b = (torch.tensor(each, dtype=torch.float32, requires_grad=True) for each in start)
    x = torch.linspace(0, 1, 8)
    losses = []
    for _ in range(steps):
        loss = ((w * x + b - 3 * x - 1) ** 2).mean()
        loss.backward()
        for parameter in (w, b):
            assert parameter.grad is not None
            parameter.data -= 0.3 * parameter.grad
            parameter.grad = None
        losses.append(loss.item())
    return losses


def test_the_start_of_two_numbers_is_dragged_among_others_that_were_executed(
    browser: Any, tmp_path: Path
) -> None:
    with lens.record(tmp_path / "run.lens"):
        _line((0.0, 0.0), 8)
    with lens.open(tmp_path / "run.lens") as trace:
        html = run_page(trace)
    for shown in opened(browser, html, tmp_path / "starts.html"):
        data = shown.evaluate("JSON.parse(document.getElementById('run').textContent).starts")
        assert len(data) == 25
        figure = shown.locator("#play-descent")
        figure.scroll_into_view_if_needed()
        rings = [ring.bounding_box() for ring in shown.locator("#play-descent .ring").all()]
        middles = [(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in rings]
        before = shown.locator("#where").inner_text()
        shown.mouse.move(*middles[0])
        shown.mouse.down()
        shown.mouse.move(middles[17][0] + 3, middles[17][1] - 2)
        shown.mouse.up()
        assert shown.locator("#begin").input_value() == "17"
        assert shown.locator("#where").inner_text() == before, "a drag is no click"
        points = np.frombuffer(base64.b64decode(data[17]["points"]))
        loss = scalar(_line((points[0], points[1]), 8)[-1], 4)
        told = shown.locator("#begin-said").inner_text()
        assert told.endswith(f"loss {loss} after 8 steps")
        assert figure.locator(".tried").get_attribute("d").count("L") == 8


KEYS = (
    *("l", "h", "n", "p", "f", "b", "u", "z", "End", "Home", "ArrowDown", "ArrowUp", "PageDown"),
    *("PageUp", "+", "-", " ", " ", "[", "]", "a", "a", "d", "d", "m", "m", "1", "1", "?", "?"),
    *("Enter", "Backspace", "Escape"),
)


def test_every_key_and_button_does_something_and_complains_of_nothing(page: Any) -> None:
    for key in KEYS:
        page.keyboard.press(key)
    for name in ("first", "last", "forth", "back", "play", "play", "whole", "dark", "present"):
        page.locator(f"#{name}").click()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.type("4")
    page.keyboard.press("Enter")
    # A dialog tells that it was closed a moment after the key.
    page.wait_for_function("document.querySelector('#where').textContent.startsWith('4 ')")
    assert "recorded in brief" in page.locator("#where").inner_text()
    assert page.locator("html").get_attribute("data-theme") == "dark"


@pytest.mark.parametrize("screen", [(1920, "light"), (390, "dark")], ids=str)
def test_it_fits_every_screen_and_is_in_nobodys_way(
    browser: Any, html: str, tmp_path: Path, screen: tuple[int, str]
) -> None:
    width, scheme = screen
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    given = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    for shown in opened(browser, html, tmp_path / "view.html", bypass_csp=True, **given):
        shown.keyboard.press("b")
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        found = axe.Axe().run(shown).response["violations"]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


def test_text_stays_in_its_box_whatever_fonts_there_are(browser: Any, recorded: Path) -> None:
    from autograd_lens.render.engines import render_dot
    from autograd_lens.render.graph import graph_dot

    with lens.open(recorded) as trace:
        svg = render_dot(graph_dot(trace.steps[0]), "svg").decode()
    shown = browser.new_page()
    shown.set_content(svg[svg.index("<svg") :])
    for family in ("DejaVu Serif", "DejaVu Sans Mono"):
        beyond = shown.evaluate(
            """(family) => [...document.querySelectorAll(".node")].flatMap((node) => {
                const boxes = [...node.querySelectorAll("polygon")].map((each) => each.getBBox());
                const right = Math.max(...boxes.map((box) => box.x + box.width));
                return [...node.querySelectorAll("text")].filter((text) => {
                    text.setAttribute("font-family", family);
                    const box = text.getBBox();
                    return box.x + box.width > right + 1;
                }).map((text) => text.textContent);
            })""",
            family,
        )
        assert beyond == []
    shown.close()


@pytest.mark.parametrize(
    "attack", ["markup in all files, nodes and modules", "escapes in all names"]
)
def test_names_and_texts_of_a_stranger_are_no_markup_in_a_browser(
    browser: Any, html: str, recorded: Path, attack: str, tmp_path: Path
) -> None:
    hostile = tmp_path / "hostile.lens"
    hostile.write_bytes(edited(recorded.read_bytes(), AIMED[attack]))
    with lens.open(hostile) as trace:
        nasty = run_page(trace)
    inside = "[...document.querySelectorAll('*')].map(one => one.localName).filter(name =>"
    counted = f"{inside} ['script', 'style', 'iframe', 'img', 'a', 'link'].includes(name)).sort()"
    asked: list[str] = []
    for shown in opened(browser, nasty, tmp_path / "hostile.html"):
        shown.on("request", lambda request: asked.append(request.url))
        for key in ("ArrowRight", "n", "b", "?"):
            shown.keyboard.press(key)
        found = shown.evaluate(counted)
        said = shown.content()
    assert asked == []
    for shown in opened(browser, html, tmp_path / "sound.html"):
        sound = shown.evaluate(counted)
    assert found.count("script") == sound.count("script")
    assert set(found) <= set(sound)
    assert not set(said) & set("\x1b\x07\x9b\u202e")
