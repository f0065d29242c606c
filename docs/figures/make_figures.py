"""Make the README's pictures from a real search: its terminal half way, its page, its best policy beside the optimum.

python docs/figures/make_figures.py results/figures --n_trials 20 --n_iterations 1000
"""

import io
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from itertools import groupby
from pathlib import Path

import matplotlib as mpl
import pyte
from PIL import Image
from playwright.sync_api import sync_playwright
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.style import Style
from rich.text import Text

from ghm.report.analysis.policy import study_best
from ghm.report.drawing.plots import policy_figures
from ghm.report.export import STYLE
from ghm.search.records.reader import read_search

DPI = 160
"""Sharp on a high-resolution screen at the width of a README, in under 200 kB."""

COLUMNS, LINES = 104, 40
PAGE = {"width": 1200, "height": 1360}

SHOWN = b"results/figures"
"""What the picture has in place of the path of whoever made it."""

RENAMED = """([path, shown]) => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(path, shown);
}"""
"""The same on the page."""

HALF_WAY = 55
"""Percent of the search, as it says itself, at which its terminal is shown."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome")

COLOURS = {"default": None, "brown": "yellow", "brightbrown": "bright_yellow"}
"""pyte's names of colours that rich calls otherwise."""


def search(results: Path, flags: list[str]) -> Text:
    """Run a search on a terminal of its own; returns what that showed half way."""
    command = [sys.executable, "-m", "ghm", "search", "--results_dir", str(results), *flags]
    controller, terminal = pty.openpty()
    environment = os.environ | {"COLUMNS": str(COLUMNS), "LINES": str(LINES), "TERM": "xterm-256color"}
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    screen, shown = pyte.Screen(COLUMNS, LINES), Text()
    stream = pyte.ByteStream(screen)
    while chunk := _read(controller):
        stream.feed(chunk.replace(str(results.resolve()).encode(), SHOWN))
        done = re.search(r"search +(\d+)%", "\n".join(screen.display))
        if done and int(done[1]) <= HALF_WAY:
            shown = _text(screen)
    os.close(controller)
    if process.wait():
        raise SystemExit(f"the search ended with status {process.returncode}:\n{_text(screen).plain}")
    return shown


def _read(controller: int) -> bytes:
    try:
        return os.read(controller, 1 << 16)
    except OSError:  # the program has ended, and its side is closed
        return b""


def _text(screen: pyte.Screen) -> Text:
    """The screen's lines with their colours."""
    text = Text()
    for row in range(screen.lines):
        cells = [screen.buffer[row][column] for column in range(screen.columns)]
        for style, alike in groupby(cells, key=_style):
            text.append("".join(cell.data for cell in alike), style)
        text.append("\n")
    text.rstrip()
    return text


def _style(cell: pyte.screens.Char) -> Style:
    name = COLOURS.get(cell.fg, cell.fg)
    colour = f"#{name}" if name and re.fullmatch("[0-9a-f]{6}", name) else name
    return Style(color=colour, bold=cell.bold, reverse=cell.reverse)


def terminal_picture(text: Text, file: Path, command: str) -> None:
    """Write a terminal's lines as SVG, in whatever font for code the reader has: nothing is fetched from another host."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(text)
    own = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    console.save_svg(str(file), title=command, code_format=own, unique_id="terminal")


def page_picture(page: Path, file: Path) -> None:
    """Write the first screen of a report."""
    browser = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as directory:
        opened = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        view = opened.new_page(viewport=PAGE)  # type: ignore[arg-type]
        view.goto(page.resolve().as_uri())
        view.wait_for_selector("html[data-figures=drawn]")
        view.evaluate(RENAMED, [str(page.parent.resolve()), SHOWN.decode()])
        taken = Path(directory) / "page.png"
        view.screenshot(path=taken)
        opened.close()
        with Image.open(taken) as picture:  # a palette is a third of the size
            picture.convert("RGB").quantize(256).save(file, optimize=True)


def policy_picture(results: Path, file: Path) -> None:
    """Draw the best policy of the search beside the optimum."""
    with mpl.rc_context(STYLE):
        figure = policy_figures(study_best(read_search(results)))["policy"]
        figure.savefig(file, dpi=DPI, metadata={"Software": None})


def main(results: Path, flags: list[str], directory: Path) -> None:
    """Search, and write all three."""
    shown = search(results, ["--n_workers", "2", *flags])
    terminal_picture(shown, directory / "terminal.svg", " ".join(["ghm search", *flags]))
    page_picture(results / "report.html", directory / "page.png")
    policy_picture(results, directory / "policy.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:], Path(__file__).parent)
