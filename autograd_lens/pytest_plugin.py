"""The pytest plugin: the fixture ``lens_run`` records what a test trains.

::

    @pytest.mark.lens(full="all")  # what lens.record takes; may be left out
    def test_training(lens_run):
        train()
        lens.assert_no_findings(lens_run)

Nothing is imported here that a session does not use: torch comes with the first test that asks
for the fixture. The recording of a test that failed is kept, and the report says where: with
pytest's temporary folders, or in the folder that ``--lens-dir`` names. That of a test that
passed is not.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from autograd_lens.testing import LensRun

__all__ = ["lens_run", "pytest_addoption", "pytest_configure", "pytest_runtest_makereport"]

_MARK = "lens"
_COMPANIONS = ("", "-wal", "-shm")
_LONGEST = 100  # letters of a file's name

_running = pytest.StashKey["LensRun"]()
_failure = pytest.StashKey[BaseException]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--lens-dir``."""
    parser.getgroup("autograd_lens").addoption(
        "--lens-dir",
        metavar="DIR",
        type=Path,
        help="Keep the recordings of tests that failed here.  [default: beside tmp_path]",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Say what the mark is."""
    config.addinivalue_line(
        "markers", f"{_MARK}(**options): how lens_run records: full, limits; see lens.record"
    )


@pytest.fixture
def lens_run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LensRun]:
    """What the test trains, recorded until it is first looked at, at the latest to its end."""
    import autograd_lens as lens  # noqa: PLC0415  it brings torch, which few tests wait for
    from autograd_lens.testing import LensRun  # noqa: PLC0415

    mark = request.node.get_closest_marker(_MARK)
    options = dict(mark.kwargs) if mark else {}
    folder = request.config.getoption("--lens-dir") or tmp_path_factory.mktemp(_MARK)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_file_name(request.node.nodeid)}.lens"
    run = LensRun(lens.record(path, force=True, **options).__enter__())
    request.node.stash[_running] = run
    yield run
    failure = request.node.stash.get(_failure, None)
    run.end(failure)
    run.trace.close()
    if failure is None:
        for end in _COMPANIONS:
            path.with_name(path.name + end).unlink(missing_ok=True)


def _file_name(nodeid: str) -> str:
    """A test's name as a file may have it."""
    return re.sub(r"[^\w.-]+", "-", nodeid).strip("-")[-_LONGEST:]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note that a test failed, and say where its recording is."""
    report = yield
    run = item.stash.get(_running, None)
    if run is not None and call.excinfo is not None and report.failed:
        item.stash[_failure] = call.excinfo.value
        report.sections.append(("autograd-lens", f"autograd-lens doctor {run.path}"))
    return report
