"""Every command's help, by group and a line per option, and its errors, a line each."""

import dataclasses
import re
from itertools import pairwise

import pytest

from ghm.cli.completion import SETTINGS
from ghm.command_line import parse
from ghm.search.settings.config import SearchConfig
from tests.cli.commands import run
from tests.docs.test_pages import options

WIDTH = 100
TWO_LINES = {"estimator", "baseline", "terminal"}
"""Options whose choices and defaults do not fit on one line."""


@pytest.mark.parametrize("command", SETTINGS)
def test_help_has_every_option_once_on_a_line_of_its_own(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    lines = run(command, "--help").output.splitlines()
    assert max(map(len, lines)) <= WIDTH
    listed = [line.split()[0].removeprefix("--") for line in lines if line.startswith("  --")]
    assert sorted(listed) == sorted(options(SETTINGS[command]) - {"results", "source", "model"})
    continued = {before.split()[0].removeprefix("--") for before, line in pairwise(lines) if line.startswith("     ")}
    assert continued <= TWO_LINES, continued


@pytest.mark.parametrize("command", SETTINGS)
def test_help_says_what_holds_otherwise_once_and_in_no_language_of_python(command):
    for line in run(command, "--help").output.splitlines():
        assert not re.search(r"None|\bTrue\b|\bFalse\b|default:|\(\)", line), line
        assert line.count("[") <= 1 or line.startswith("usage"), line


def test_the_search_groups_its_options():
    output = run("search", "--help").output
    groups = re.findall(r"^(\w[\w ]+):$", output, re.MULTILINE)
    assert groups == [
        "search", "budget and rungs", "seeds and confirmation", "training", "execution", "files and resuming", "display", "model",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "search --n_trails 3",
            "error: unknown option --n_trails; did you mean --n_trials?; see ghm search --help",
        ),
        ("search --bogus=3 --mode.x=a,b", "error: unknown options --bogus, --mode.x; see ghm search --help"),
        ("search 3 4", "error: unexpected arguments 3, 4; see ghm search --help"),
        ("solve --model.rho 2", "error: --model.rho must be between -1 and 1; received 2; see ghm solve --help"),
        ("search --n_trials x", "error: --n_trials takes a whole number; received 'x'; see ghm search --help"),
        ("solve --dt x", "error: --dt takes a number; received 'x'; see ghm solve --help"),
        ("search --n_trials", "error: --n_trials takes a value; received none; see ghm search --help"),
        ("solve --sweep r 1", "error: --sweep takes 4 values; received fewer; see ghm solve --help"),
        ("train --device gpu", "error: --device takes one of 'cpu', 'cuda'; received 'gpu'; see ghm train --help"),
        ("explain", "error: ghm explain needs PATH, --trial; see ghm explain --help"),
        (
            "search --n_trials 0",
            "error: --n_trials must be a whole number >= 1 and <= 1000000; received 0; see ghm search --help",
        ),
        ("serch", "error: no command 'serch'; did you mean search?"),
    ],
)
@pytest.mark.parametrize("columns", ["40", "200"])
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_errors_are_a_line_each_whatever_the_terminal(words, said, columns, encoding, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    done = run(*words.split())
    assert (done.status, done.output, done.errors) == (2, "", f"{said}\n")


def test_a_learner_of_its_own_choice_needs_no_estimator():
    """What follows from another setting is left open until that is known."""
    chosen = parse(SearchConfig, ["--learner", "model_free"])
    assert (chosen.estimator, chosen.baseline) == ("after_state", "returns")


def test_a_default_that_is_given_holds_and_is_shown(capsys):
    recorded = dataclasses.replace(SearchConfig(), n_trials=7)
    assert parse(SearchConfig, [], default=recorded).n_trials == 7
    with pytest.raises(SystemExit, match="0"):
        parse(SearchConfig, ["-h"], default=recorded)
    assert "own number  [7]" in capsys.readouterr().out
