"""Runs the blocks of a page, as a reader would who goes through it from the top.

python docs/tools/session.py [PAGE ...]     runs all blocks of these pages (default: of all), and writes what they print into them
"""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blocks import Block, blocks, cut, shown
from pages import DOCS, LATER, ROOT

HOME = "/home/ada/ghm"
"""What the directory in which a page's commands run is called on the page."""

LENT = ("scripts", "examples")
"""What of the repository is in that directory."""

WIDTH = 100
"""Columns of the terminal that commands believe in: what fits a page's width on a screen."""

FIGURE_WIDTH = 1400
"""Pixels: twice the width of a page's text, for sharp screens."""

RUN_ELSEWHERE = {"manual.md", *LATER}
"""Pages whose commands other tests run: tests/search/test_spec.py, and those of the clusters that they need."""

MADE_ELSEWHERE = {"policy.png"}
"""Figures of a longer search, which `make figures` runs."""

SERVE_SECONDS = 60


class Session:
    """One page's directory, and what its Python has defined so far.

    Args:
        directory: Where commands run.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.names: dict[str, Any] = {"__name__": "__main__"}
        for name in LENT:
            (self.directory / name).symlink_to(ROOT / name)

    def run(self, block: Block) -> list[str]:
        """What the block prints: one text a command, or one of its Python.

        Raises:
            AssertionError: when a command ends with another status than the block says.
        """
        if block.options.by:
            return [command.output for command in block.commands]
        if block.language == "python":
            return [self._shown(self._python(block), block)]
        return [self._shown(self._command(command.line, block), block) for command in block.commands]

    def _python(self, block: Block) -> str:
        printed, before = io.StringIO(), Path.cwd()
        os.chdir(self.directory)
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(block.body, block.name, "exec"), self.names)
        finally:
            os.chdir(before)
        return printed.getvalue()

    def _command(self, line: str, block: Block) -> str:
        command = f"{line.rstrip()} {block.options.flags}".strip()
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "COLUMNS": str(WIDTH),
            "TERM": "dumb",
            "NO_COLOR": "1",
        }
        if block.options.serves:
            return served(command, self.directory, environment)
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.directory, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == block.options.exit, (
            f"{block.name}: {command}\nstatus {done.returncode}\n{done.stdout}"
        )
        return done.stdout

    def _shown(self, output: str, block: Block) -> str:
        return cut(output.replace(str(self.directory), HOME), block.options.lines)


def served(command: str, directory: Path, environment: dict[str, str]) -> str:
    """What a server prints until it says where it listens; then it is stopped."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command}"], cwd=directory, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    signal.signal(signal.SIGALRM, lambda *_: process.kill())
    signal.alarm(SERVE_SECONDS)
    try:
        for line in process.stdout:
            if "http://" in line:
                return line
    finally:
        signal.alarm(0)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    raise AssertionError(f"{command} does not say where it listens")


# What differs from one run to the next, or from one machine to another, and is no part of an output's shape.
_VOLATILE = (
    (re.compile(r"\d{8}-\d{6}"), "TIME"),
    (re.compile(r"\d+:\d\d(?::\d\d)?|\d+(?:\.\d+)? ?(?:ms|s|min|h|days?)\b"), "TIME"),
    (re.compile(r"[-−+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?%?"), "#"),
    (re.compile(r"#(?:[x/ ]#)+|\(#(?:, ?#)*,?\)"), "#"),
    (re.compile(r"[─-╿\-=]{2,}|[│|]"), " "),
    (re.compile(r"\s+"), " "),
)


# Lines that are there or not as the machine is slow or fast.
_PASSING = re.compile(
    r"^Warning: \d+ workers.* share \d+ core"  # of the machine that runs it
    r"|^\[Trial \d+\] iteration |^\d+ of \d+ trials completed, .* (?:left|running)$|^iteration .* left$"
)


def shape(output: str) -> list[str]:
    """The lines of an output with figures, times and widths left open, in an order of their own; empty ones left out."""
    lines = set()
    for line in output.splitlines():
        if _PASSING.search(line):
            continue
        for pattern, stand_in in _VOLATILE:
            line = pattern.sub(stand_in, line)
        lines.add(line.strip())
    return sorted(lines - {""})


def pages() -> list[Path]:
    """All pages of the site whose blocks are run here."""
    return sorted(path for path in DOCS.rglob("*.md") if path.name not in RUN_ELSEWHERE)


@contextlib.contextmanager
def fresh() -> Iterator[Session]:
    """A session in a directory that is removed afterwards."""
    with tempfile.TemporaryDirectory() as directory:
        yield Session(Path(directory))


def rewrite(page: Path) -> None:
    """Run all blocks of a page, and write what they print into it."""
    found, text = blocks(page, DOCS), page.read_text(encoding="utf-8")
    pieces, end = [], 0
    with fresh() as session:
        for block in found:
            if block.language == "bash":
                continue
            comment = re.match(r"<!-- run .*? -->\n", text[block.span[0] : block.span[1]])
            pieces += [text[end : block.span[0]], comment[0] if comment else "", shown(block, session.run(block))]
            end = block.span[1]
        keep_figures(text, session.directory)
    page.write_text("".join([*pieces, text[end:]]), encoding="utf-8")


def keep_figures(text: str, directory: Path) -> None:
    """Copy what the page's commands drew and the page shows to docs/figures, smaller where it is larger than a page shows it."""
    from PIL import Image

    for name in set(re.findall(r"\]\(figures/([\w.]+)\)", text)) - MADE_ELSEWHERE:
        for drawn in directory.rglob(name):
            with Image.open(drawn) as picture:
                picture.thumbnail((FIGURE_WIDTH, FIGURE_WIDTH))
                # A palette is a third of the size; with fewer colours a map takes them all, and lines beside it turn grey.
                picture.convert("RGB").quantize(256).save(DOCS / "figures" / name, optimize=True)


if __name__ == "__main__":
    for chosen in [Path(name).resolve() for name in sys.argv[1:]] or pages():
        rewrite(chosen)
        sys.stdout.write(f"{chosen.relative_to(DOCS)}\n")
