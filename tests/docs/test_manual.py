"""The page for readers of the manual has all of it, and an answer to each of its sentences."""

import re
from pathlib import Path

import manual
import pytest

SPEC = Path(__file__).parents[3] / "shared/spec/hyperparameter_search.txt"
pytestmark = pytest.mark.skipif(not SPEC.exists(), reason=f"the specification is not at {SPEC}")
TEXT = SPEC.read_text(encoding="utf-8") if SPEC.exists() else ""


def missing(spec: str, page: str) -> list[str]:
    """Lines of the specification whose words are not on the page, in their order: markers, fences and cells aside."""
    shown, lost, at = words(page), [], 0
    for line in manual.repaired(spec).splitlines():
        sought = [word for sentence in sentences(line) for word in [words(sentence)]]
        for text in filter(None, sought):
            found = shown.find(text, at)
            if found < 0:
                lost.append(line)
            else:
                at = found + len(text)
    return lost


def sentences(line: str) -> list[str]:
    # Sentences of one line are in cells of their own.
    return re.split(r"(?<=[.!]) (?=[A-Z`])(?!Default:)", re.sub(r"^\s*(?:[-*]|\d+\.|#+|```\w*)(?: |$)", "", line))


def words(text: str) -> str:
    return " ".join(text.split())


def test_no_line_of_the_manual_is_missing() -> None:
    assert missing(TEXT, manual.PAGE.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "- `--dt`: Time discretization. Default: `0.01`",
        "Run trials one at a time (useful for debugging or limited resources):",
        "# ... etc",
    ],
)
def test_a_line_that_is_missing_is_found(line: str) -> None:
    """Negative control: without it, the page is found to lack it."""
    page = manual.PAGE.read_text(encoding="utf-8").replace(words(line.removeprefix("- ")), "")
    assert missing(TEXT, page) == [line]


def test_the_page_is_what_the_manual_and_the_answers_make() -> None:
    assert manual.page(TEXT, manual.ANSWERS.read_text(encoding="utf-8")) == manual.PAGE.read_text(encoding="utf-8")


def test_a_sentence_without_an_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="'A new sentence' has no answer"):
        manual.page(TEXT + "\nA new sentence\n", manual.ANSWERS.read_text(encoding="utf-8"))
    with pytest.raises(ValueError, match="starts with 'Gone'"):
        manual.page(TEXT, manual.ANSWERS.read_text(encoding="utf-8") + "Gone\n    Here.\n")


def test_tests_that_are_named_are_there() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parents[1].rglob("test_*.py"))
    named = re.findall(r"`((?:test|check)_\w+)`", manual.PAGE.read_text(encoding="utf-8"))
    assert len(named) >= 8
    for name in named:
        assert f"def {name}(" in tests, name
