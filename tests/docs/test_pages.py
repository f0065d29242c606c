"""Every command and every snippet of the site is run, and prints what the page shows; figures and times aside."""

import re
from pathlib import Path

import pytest
import session
from blocks import Block, Options, blocks, cut
from pages import BORROWED, DOCS, ROOT

import ghm.cli
from ghm.cli.completion import SETTINGS
from ghm.report.analysis.learners import FACTS, flags

PAGES = [page for page in session.pages() if blocks(page, DOCS)]
LONG = 900
"""Seconds for the longest page where the machine has other work: its searches take a minute of a core that is theirs alone."""


def check(page: Path, chosen: list[Block], directory: Path) -> None:
    reader = session.Session(directory)
    for block in chosen:
        shown = [block.printed or ""] if block.language == "python" else [command.output for command in block.commands]
        for expected, printed in zip(shown, reader.run(block), strict=True):
            assert session.shape(printed) == session.shape(expected), f"{block.name}: `make docs-outputs` renews it"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_fast_blocks_print_what_is_shown(page: Path, tmp_path: Path) -> None:
    check(page, [block for block in blocks(page, DOCS) if not block.options.slow], tmp_path)


@pytest.mark.docs
@pytest.mark.timeout(LONG)
@pytest.mark.parametrize(
    "page", [p for p in PAGES if any(b.options.slow for b in blocks(p, DOCS))], ids=lambda p: p.stem
)
def test_all_blocks_print_what_is_shown(page: Path, tmp_path: Path) -> None:
    check(page, blocks(page, DOCS), tmp_path)


def test_another_output_has_another_shape(tmp_path: Path) -> None:
    """Negative control: a line more, a word that differs, or another command is noticed; a figure is not."""
    page = tmp_path / "page.md"
    page.write_text("<!-- run -->\n```console\n$ echo 'return 1.5'\nreturn 2.25\n```\n")
    (block,) = blocks(page, tmp_path)
    for name in ("same", "longer", "other"):
        (tmp_path / name).mkdir()
    check(page, [block], tmp_path / "same")
    for name, output in (("longer", "return 2.25\nmore\n"), ("other", "value 2.25\n")):
        page.write_text(f"<!-- run -->\n```console\n$ echo 'return 1.5'\n{output}```\n")
        with pytest.raises(AssertionError, match="renews it"):
            check(page, blocks(page, tmp_path), tmp_path / name)


def test_a_command_that_ends_otherwise_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- run -->\n```console\n$ false\n```\n")
    with pytest.raises(AssertionError, match="status 1"):
        session.Session(tmp_path).run(blocks(page, tmp_path)[0])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_is_one_that_is_run(page: Path) -> None:
    """No command is shown that only its author ran: consoles have a comment, what runs elsewhere is there, changes are said."""
    for block in blocks(page, DOCS):
        assert block.language != "bash", f"{block.name}: show commands with their output, as a console"
        if block.options.by:
            text = (ROOT / block.options.by).read_text(encoding="utf-8")
            assert any(part in text for command in block.commands for part in named(command.line)), block.name
        said = f"`{block.options.flags.strip()}`"
        assert said in ("``", "`--progress none`", *re.findall("`[^`]+`", " ".join(block.before.split()))), (
            f"{block.name} does not say {said}"
        )


def named(line: str) -> list[str]:
    return [
        line,
        line.replace("pip install .", '"pip", "install"'),
        line.replace("make setup", "make test"),
        *(["--resume"] if "--resume" in line else []),
    ]


def test_pages_have_no_other_kinds_of_code() -> None:
    for page in session.pages():
        text = page.read_text(encoding="utf-8")
        languages = set(re.findall(r"^ *(?:```|~~~)([^\s`]+)", text, re.MULTILINE))
        assert languages <= {"console", "python", "text"}, page


def test_comments_that_mean_nothing_are_refused() -> None:
    assert Options.parse("slow, exit 2, with --a 1 --b 2") == Options(slow=True, exit=2, flags="--a 1 --b 2")
    with pytest.raises(ValueError, match="the word 'fast'"):
        Options.parse("fast")


def test_long_outputs_are_cut() -> None:
    assert cut("a  \nb\nc\n", 2) == "a\nb\n…\n"
    assert cut("\n\na\n", 0) == "a\n"


COMMANDS = re.compile(r"`((?:ghm|python scripts/\w+\.py|make) [^`]+)`")


def inline() -> list[tuple[str, str]]:
    files = [*session.pages(), *(ROOT / name for name in (*BORROWED.values(), "README.md"))]
    return [
        (path.name, " ".join(command.split()))
        for path in files
        for command in COMMANDS.findall(path.read_text("utf-8"))
    ]


def test_commands_in_sentences_have_the_flags_that_they_name() -> None:
    found = inline()
    assert len(found) > 20
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page, command in found:
        program, word, *_ = command.split()
        if program == "make":
            assert word.startswith("PYTHON") or word in targets, f"{page}: {command}"
            continue
        name = {"scripts/hyperparameter_search.py": "search"}.get(word, "train") if program == "python" else word
        name = ghm.cli.OTHER_NAMES.get(name, name)
        assert name in ghm.cli.COMMANDS or name in ("COMMAND", "--version", "--help"), f"{page}: {command}"
        flags = set(re.findall(r"--([\w.]+)", command)) - {"help", "version"}
        if name in SETTINGS:
            assert flags <= options(SETTINGS[name]), f"{page}: {command}"


def options(place: str) -> set[str]:
    """The flags of a command: its settings' fields, and the model's."""
    import dataclasses
    import importlib

    module, _, name = place.partition(":")
    fields = {field.name for field in dataclasses.fields(getattr(importlib.import_module(module), name))}
    model = importlib.import_module("ghm.economics.model").GHMModel
    return fields | ({f"model.{field.name}" for field in dataclasses.fields(model)} if "model" in fields else set())


def test_the_table_of_learners_is_that_of_the_page() -> None:
    lines = (DOCS / "estimators.md").read_text(encoding="utf-8").splitlines()
    rows = [line.strip("| ").replace("`", "").split(" | ") for line in lines if line.startswith("| `model_")]
    shown = {name: cells for name, *cells in rows if len(cells) == 4 and not cells[0][0].isdigit()}
    assert shown == {flags(*key): [one.literature, one.must_know, one.bias, one.noise] for key, one in FACTS.items()}
