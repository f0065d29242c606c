"""What the site shows of commands and Python, as blocks that can be run again.

A command and its output:

    <!-- run slow, with --n_trials 3 -->
    ```console
    $ python scripts/hyperparameter_search.py --n_trials 20
    Random search: 3 trials ...
    ```

Python, and what it prints (the second block only where it prints something):

    ```python
    print(1 + 1)
    ```
    <!-- printed -->
    ```text
    2
    ```

The comment is not seen on the page. Its words, each optional, separated by commas:

=================  ==============================================================================================
``slow``           takes longer than a test of every day may, or needs what a slow one leaves behind
``exit N``         ends with status N instead of 0
``serves``         runs until it is stopped: it is, once it says where it listens
``with FLAGS``     is run with these flags in addition (later flags win); the text above the block says so
``by PATH``        is run elsewhere, by this file of the repository, which names it
``lines N``        shows the first N lines, and `…`
=================  ==============================================================================================

Blocks of a page are run in their order, in one directory that is empty at first but for the repository's scripts and examples.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

_BLOCK = re.compile(
    r"(?:^<!-- run (?P<options>[^>]*?) -->\n)?^```(?P<language>console|python|bash)\n(?P<body>.*?)^```$"
    r"(?:\n\n?<!-- printed -->\n```text\n(?P<printed>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
ELISION = "…"


@dataclass(frozen=True)
class Options:
    """The words of the comment above a block."""

    slow: bool = False
    exit: int = 0
    serves: bool = False
    flags: str = ""
    by: str = ""
    lines: int = 0

    @classmethod
    def parse(cls, text: str) -> "Options":
        """From the comment's text.

        Raises:
            ValueError: when it has a word that is none of them.
        """
        found: dict[str, bool | int | str] = {}
        for word in filter(None, (part.strip() for part in text.split(","))):
            name, _, value = word.partition(" ")
            if name in ("slow", "serves") and not value:
                found[name] = True
            elif name in ("exit", "lines"):
                found[name] = int(value)
            elif name in ("with", "by") and value:
                found["flags" if name == "with" else "by"] = value
            else:
                raise ValueError(
                    f"a block's comment has the word {word!r}; choose slow, exit N, serves, with …, by …, lines N"
                )
        return cls(**found)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Command:
    """A command line and what it printed."""

    line: str
    """As it is shown, continuation lines included."""
    output: str = ""


@dataclass(frozen=True)
class Block:
    """A block of a page."""

    page: str
    number: int
    language: str
    body: str
    options: Options
    span: tuple[int, int]
    """Where the block is in the page's text."""
    before: str
    """The text between the block before and this one."""
    printed: str | None = None
    """Of Python: what the page says it prints; None: nothing."""
    commands: tuple[Command, ...] = field(default=())

    @property
    def name(self) -> str:
        """For messages: page and number."""
        return f"{self.page} block {self.number}"


def blocks(page: Path, root: Path) -> list[Block]:
    """The blocks of a page, in its order."""
    text, found, end = page.read_text(encoding="utf-8"), list[Block](), 0
    for number, match in enumerate(_BLOCK.finditer(text), 1):
        language, body = match["language"], match["body"]
        commands = tuple(_commands(body)) if language == "console" else ()
        found.append(
            Block(
                page.relative_to(root).as_posix(), number, language, body, Options.parse(match["options"] or ""),
                match.span(), text[end : match.start()], match["printed"], commands,
            )
        )  # fmt: skip
        end = match.end()
    return found


def _commands(body: str) -> list[Command]:
    """Lines that start with ``$``, continued after a backslash, each with the lines after it."""
    found: list[Command] = []
    continued = False
    for line in body.splitlines():
        if line.startswith("$ ") and not continued:
            found.append(Command(line[2:]))
        elif continued:
            found[-1] = Command(f"{found[-1].line}\n{line}")
        elif found:
            found[-1] = Command(found[-1].line, f"{found[-1].output}{line}\n")
        else:
            raise ValueError(f"a console block starts with a line that is no command: {line!r}")
        continued = line.endswith("\\") and not found[-1].output
    return found


def shown(block: Block, outputs: list[str]) -> str:
    """The block as the page would show it with these outputs, one a command, or one of its Python."""
    if block.language == "console":
        pairs = zip(block.commands, outputs, strict=True)
        return "```console\n" + "".join(f"$ {command.line}\n{output}" for command, output in pairs) + "```"
    (output,) = outputs
    code = f"```python\n{block.body}```"
    return f"{code}\n\n<!-- printed -->\n```text\n{output}```" if output else code


def cut(output: str, lines: int) -> str:
    """Output as it is shown: its first ``lines`` lines, 0 for all, without spaces at their ends."""
    rows = [row.rstrip() for row in output.strip("\n").splitlines()]
    if lines and len(rows) > lines:
        rows = [*rows[:lines], ELISION]
    return "".join(f"{row}\n" for row in rows)
