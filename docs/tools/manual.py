"""The page for readers of the original manual: every sentence of it, and where it holds.

The manual is cut into passages: a heading, a sentence, a block of code. `manual_answers.txt` has an answer for each, in the
same order; a passage without an answer, or an answer whose passage is gone, is refused.

    python docs/tools/manual.py PATH/TO/hyperparameter_search.txt     writes docs/manual.md
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

DOCS = Path(__file__).resolve().parents[1]
PAGE, ANSWERS = DOCS / "manual.md", Path(__file__).with_name("manual_answers.txt")

Kind = Literal["heading", "sentence", "code"]

# The manual's characters outside ASCII were decoded once too often; these are the ones that were meant.
REPAIRS = {
    "ðŸ’¡": "💡",
    "âš\xa0ï¸": "⚠️",
    "âš¡": "⚡",
    "â”œâ”€â”€": "├──",
    "â””â”€â”€": "└──",
    "â”‚": "│",
    "Ã—": "×",
}

_SENTENCE = re.compile(r"(?<=[.!]) (?!Default:)(?=[A-Z`])")
_MARKER = re.compile(r"^\s*(?:[-*]|\d+\.) ")

HEAD = """# For readers of the manual

The manual is the document that this program was written to: *Hyperparameter Search for Monte Carlo Policy Gradient*.
Here is all of it, in its order, sentence by sentence, and beside each where it holds: the page that shows it, the code that does
it, or the test that reads the manual and tries it (`tests/search/test_spec.py`). Headings are the manual's own.

Its commands with their output are on [the manual's commands](commands.md).
"""


@dataclass(frozen=True)
class Passage:
    """A piece of the manual that is answered as one."""

    kind: Kind
    text: str
    """Markdown; a block of code without its fence."""
    language: str = ""
    """Of a block of code."""


def repaired(text: str) -> str:
    """The manual's text with its characters as they were meant."""
    for broken, meant in REPAIRS.items():
        text = text.replace(broken, meant)
    return text


def passages(manual: str) -> list[Passage]:
    """The manual's passages, in its order."""
    found: list[Passage] = []
    for number, part in enumerate(
        re.split(r"^```(\w*)\n(.*?)^```\n?", repaired(manual), flags=re.DOTALL | re.MULTILINE)
    ):
        # re.split gives text, language, code, text, …
        if number % 3 == 0:
            found += [passage for line in part.splitlines() for passage in _of_line(line)]
        elif number % 3 == 1:
            language = part
        else:
            found.append(Passage("code", part.rstrip("\n"), language))
    return found


def _of_line(line: str) -> list[Passage]:
    if not line.strip():
        return []
    if line.startswith("#"):
        return [Passage("heading", line)]
    return [Passage("sentence", text) for text in _SENTENCE.split(_MARKER.sub("", line).strip())]


def answers(text: str) -> list[tuple[str, str]]:
    """Pairs of a passage's first words and its answer: a line without indentation, and the indented lines after it."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("    "):
            start, answer = found[-1]
            found[-1] = (start, f"{answer} {line.strip()}".strip())
        elif line.strip():
            found.append((line.rstrip(), ""))
    return found


def page(manual: str, answered: str) -> str:
    """The page's Markdown.

    Raises:
        ValueError: when a passage has no answer, or an answer no passage; the message names both.
    """
    left = answers(answered)
    lines, in_table = [HEAD], False
    for passage in passages(manual):
        if passage.kind == "heading":
            # The page's own title is above the manual's, which becomes its first section.
            lines += ["", re.sub(r"^# ", "## ", passage.text), ""]
            in_table = False
            continue
        start, answer = left.pop(0) if left else ("", "")
        if not answer or not passage.text.startswith(start):
            raise ValueError(f"the passage {passage.text!r} has no answer; the next one is for {start!r}")
        if passage.kind == "code":
            lines += ["", f"```{passage.language or 'text'}", passage.text, "```", "", answer, ""]
            in_table = False
            continue
        if not in_table:
            lines += ["", "| the manual says | where it holds |", "|---|---|"]
            in_table = True
        lines.append(f"| {passage.text} | {answer} |")
    if left:
        raise ValueError(f"no passage of the manual starts with {left[0][0]!r}")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip("\n") + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(Path(sys.argv[1]).read_text(encoding="utf-8"), ANSWERS.read_text()))
