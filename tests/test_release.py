"""What is released: the same bytes from the same source, and all that the sdist has to hold."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

import autograd_lens
from tests.bench.install import ROOT, build, unpacked

pytest.importorskip("hatchling")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("built")
    return folder, build(ROOT, folder)


def test_a_build_gives_the_same_bytes_again_also_from_its_sdist(
    built: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    folder, digests = built
    assert len(digests) == 2
    assert build(unpacked(folder, tmp_path), tmp_path / "again") == digests


def test_the_wheel_holds_the_package_and_the_program_of_the_demo(
    built: tuple[Path, dict[str, str]],
) -> None:
    (wheel,) = built[0].glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(f"autograd_lens-{autograd_lens.__version__}.dist-info/METADATA")
    assert {"autograd_lens/py.typed", "autograd_lens/examples/linear_regression.py"} <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"autograd_lens"}
    assert f"\nVersion: {autograd_lens.__version__}\n" in metadata.decode()


def test_the_sdist_holds_tests_examples_and_constraints(
    built: tuple[Path, dict[str, str]],
) -> None:
    (sdist,) = built[0].glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = ("constraints.txt", "README.md", "LICENSE", "tests/test_release.py")
    assert names.issuperset({*wanted, "examples/README.md", "examples/pictures/path.png"})
    assert not any(name.endswith((".lens", ".pyc")) for name in names)
