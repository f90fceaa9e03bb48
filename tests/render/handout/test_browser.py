"""The page in a real browser: what moves, moves together, and shows the trace's numbers."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from autograd_lens.render.numbers import scalar
from tests.render.handout.conftest import opened
from tests.support.lesson_run import LessonRun, regression_run


def shown(number: float) -> str:
    return scalar(float(number)).replace("-", "−")


@pytest.fixture
def page(browser: Any, run: LessonRun, html: Any, tmp_path: Path) -> Any:
    yield from opened(browser, html(run, steps=(0, 1, 5)), tmp_path / "handout.html")


def rows(page: Any, name: str) -> Any:
    return page.eval_on_selector_all(
        f"#{name} tr", "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )


def test_slider_moves_numbers_point_and_cursor_together(page: Any, run: LessonRun) -> None:
    def places() -> Any:
        dot = page.locator("#play-descent circle.cursor")
        line = page.locator("#play-losses path.cursor")
        return dot.get_attribute("cx"), dot.get_attribute("cy"), line.get_attribute("d")

    before = places()
    page.locator("#slider").fill("4")
    step = run.steps[4]
    expected = {
        name: [shown(value.item()) for value in (each.before, each.grad)]
        for name, each in step.parameters.items()
    }
    assert rows(page, "followed-rows") == [[name, *each] for name, each in expected.items()]
    assert shown(step.loss) in page.locator("#where").inner_text()
    assert all(new != old for new, old in zip(places(), before, strict=True))


def test_keys_walk_through_the_events_and_light_node_line_and_edge(page: Any) -> None:
    page.locator("#slider").focus()
    page.keyboard.press("b")
    assert page.locator("#event-title").inner_text() == "Backward begins: loss.backward()"
    assert page.locator(".line.now").inner_text().strip() == "loss.backward()"
    page.keyboard.press("ArrowRight")
    assert page.locator("#event-title").inner_text() == "Backward: MeanBackward0"
    assert "torch.mean" in page.locator(".line.now").inner_text()
    assert page.locator(".node.now text").first.text_content().startswith("mean(")
    assert page.locator("svg.graph .edge.now").get_attribute("id") == "s0-e1_0"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#event-title").inner_text().startswith("Forward: mean(")
    page.keyboard.press("End")
    assert page.locator("#slider").input_value() == "5"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    assert page.locator("#slider").input_value() == "1"


def test_gradients_appear_in_the_graph_only_when_backward_has_reached_them(
    page: Any, run: LessonRun
) -> None:
    leaf = page.locator("#s0-b7 text")  # the box of w1
    page.locator("#slider").focus()
    assert leaf.nth(2).text_content() == ""
    page.locator("#followed-rows tr").first.click()
    grad = run.steps[0].parameters["w1"].grad.item()
    assert leaf.nth(2).text_content() == f"∂ {shown(grad)}"
    assert page.locator("#event-title").inner_text() == "w1.grad is set"
    assert rows(page, "followed-rows")[0][2] == f"None → {shown(grad)}"


def test_the_page_writes_numbers_as_python_does(page: Any) -> None:
    numbers = [0, 1, -1.5, 1e-5, 123456.7, 1234567.0, 1e22, -3.0506871e-12, 0.1 + 0.2, 99999.95]
    script = files("autograd_lens.render.handout").joinpath("assets/player.js").read_text("utf-8")
    start, end = script.index("const written"), script.index("const held")
    body = f"(numbers) => {{ {script[start:end]} return numbers.map(written); }}"
    assert page.evaluate(body, numbers) == [shown(number) for number in numbers]


@pytest.fixture(scope="module")
def chinese(run: LessonRun, html: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a Chinese page."""
    file = tmp_path_factory.mktemp("chinese") / "handout.html"
    file.write_text(html(run, "zh"), encoding="utf-8")
    return file.as_uri()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "dark")])
def test_nothing_is_wider_than_the_screen(
    browser: Any, chinese: str, width: int, scheme: str
) -> None:
    opened = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    opened.goto(chinese)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    opened.close()


def test_left_and_right_work_wherever_the_focus_is(page: Any) -> None:
    before = page.locator("#where").text_content()
    page.locator("body").press("ArrowRight")
    assert page.locator("#where").text_content() != before
    page.locator("body").press("ArrowLeft")
    assert page.locator("#where").text_content() == before
    scroll = page.evaluate("() => scrollY")
    page.locator("body").press("PageDown")
    page.wait_for_function(f"() => scrollY !== {scroll}")  # the page's own key still is


@pytest.mark.parametrize(
    "screen", [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")], ids=str
)
def test_nothing_stands_in_anybodys_way(
    browser: Any, run: LessonRun, html: Any, tmp_path: Path, screen: tuple[int, str]
) -> None:
    width, scheme = screen
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    file = tmp_path / "handout.html"
    file.write_text(html(run, steps=(0, 1, 5)), encoding="utf-8")
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
    )
    opened = context.new_page()
    opened.goto(file.as_uri())
    found = axe.Axe().run(opened).response["violations"]
    context.close()
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


def test_a_number_that_was_not_kept_is_told(
    browser: Any, partly: LessonRun, html: Any, tmp_path: Path
) -> None:
    partly.steps[:] = regression_run(3, light=(2,)).steps
    for page in opened(browser, html(partly, steps=(0, 2)), tmp_path / "partly.html"):
        page.locator("#slider").fill("2")
        assert [row[1] for row in rows(page, "followed-rows")] == ["not kept"] * 2
        page.locator("#slider").fill("0")
        assert "NaN" not in page.inner_text("#player table")
