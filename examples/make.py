"""Make the gallery again: run the commands of ``README.md``, put in what they print and draw.

    python examples/make.py              # all sections
    python examples/make.py gan pinn     # those whose heading has one of these words
    python examples/make.py demo         # the pictures of the README beside this folder
    python examples/make.py --check      # change nothing, say what would

A section is what stands below a ``##``. Its ``sh`` blocks are run in order, in a folder that
holds a copy of the scripts; a ``text`` block behind one of them is what it printed, and a picture
that the section shows is one that it wrote, or Chromium's of a page that it wrote. Pictures are
kept in ``pictures/``, PNGs with 256 colours, so that all together stay small.
"""

import argparse
import difflib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE / "README.md"
SECTION = re.compile(r"^## .*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"!\[[^]]*\]\(pictures/([^)]+)\)")
README_PICTURE = re.compile(r"!\[[^]]*\]\(examples/pictures/([^)]+)\)")


def environment():
    """Where the commands run: this interpreter and this checkout, one thread, 100 columns."""
    places = {
        "PATH": str(Path(sys.executable).parent),
        "PYTHONPATH": str(HERE.parent),
    }
    found = {k: os.pathsep.join(filter(None, (v, os.environ.get(k)))) for k, v in places.items()}
    fixed = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "COLUMNS": "100"}
    return {**os.environ, **found, **fixed}


def run(commands, folder):
    """What they print on standard output; on standard error stands what was written where."""
    done = subprocess.run(  # noqa: S602  commands as a reader types them, pipes included
        commands,
        shell=True,
        cwd=folder,
        env={**environment(), "AUTOGRAD_LENS_STATE": str(folder / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in {0, 1, 3}:  # 1 and 3: the doctor and diff found something
        sys.exit(f"{commands}ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def small(path):
    """The bytes to keep of a picture."""
    if not path.exists():
        photograph(path.with_suffix(".html"), path)
    if path.suffix != ".png":
        return path.read_bytes()
    from PIL import Image  # noqa: PLC0415  not needed to parse the page

    image = Image.open(path).convert("RGB")
    kept = io.BytesIO()
    few = image.quantize(256, kmeans=3, dither=Image.Dither.NONE)
    few.save(kept, "PNG", optimize=True)
    return kept.getvalue()


def photograph(page, picture):
    """What a browser shows first of a page."""
    browser = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
    words = ["--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1440,900"]
    here = [f"--screenshot={picture}", page.as_uri()]
    subprocess.run([browser, *words, *here], check=True, capture_output=True)  # noqa: S603


def remade(section, folder):
    """The section with new output, and its pictures by name."""

    def printed(block):
        text = run(block[1], folder)
        if block[2] is None:
            return block[0]
        return f"```sh\n{block[1]}```\n\n```text\n{text}```\n"

    text = COMMANDS.sub(printed, section)
    return text, {name: small(folder / name) for name in PICTURE.findall(section)}


def demonstrated(folder):
    """The README's pictures that ``autograd-lens demo`` makes, by name."""
    run("autograd-lens demo", folder)
    made = folder / "autograd_lens_demo"
    shown = README_PICTURE.findall((HERE.parent / "README.md").read_text(encoding="utf-8"))
    return {name: small(made / name) for name in shown if (made / name).exists()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="*")
    parser.add_argument("--check", action="store_true")
    wanted = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "examples"
        shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("pictures", "*.lens"))
        new, pictures = page, {}
        for section in SECTION.findall(page):
            heading = section.splitlines()[0].lower()
            if wanted.words and not any(word.lower() in heading for word in wanted.words):
                continue
            print(heading.removeprefix("## "), flush=True)
            text, drawn = remade(section, folder)
            new = new.replace(section, text)
            pictures |= drawn
        if not wanted.words or "demo" in wanted.words:
            print("demo", flush=True)
            pictures |= demonstrated(folder)
    changed = [name for name, kept in pictures.items() if not same(HERE / "pictures" / name, kept)]
    sys.stdout.writelines(
        difflib.unified_diff(page.splitlines(True), new.splitlines(True), "kept", "new", n=1)
    )
    print("pictures that changed:", ", ".join(changed) or "none")
    if wanted.check:
        sys.exit(bool(changed) or new != page)
    PAGE.write_text(new, encoding="utf-8")
    for name in changed:
        (HERE / "pictures" / name).write_bytes(pictures[name])


def same(path, content):
    return path.exists() and path.read_bytes() == content


if __name__ == "__main__":
    main()
