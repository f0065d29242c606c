"""A hostile text in every text field of every record reaches no surface as anything but text."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ghm.errors import UserError
from ghm.report.comparison import render_comparison
from ghm.report.export import export
from ghm.report.page import render
from ghm.search.display.lines import PlainObserver
from ghm.search.display.live import PlainView
from ghm.search.display.summary import summary
from ghm.search.explain import main as why_main
from ghm.search.records.reader import read_search
from ghm.search.records.state import SearchState
from ghm.search.replay import Replay
from ghm.training.logging.tensorboard import EventLog
from ghm.training.settings import TrainConfig
from tests.search.instant import INSTANT
from tests.search.support import run_search
from tests.search.test_every_field import SEARCH, AtRungs, paths, sealed

HOSTILE = (
    '=1+<img src=x onerror=alert(1)>\x1b]8;;http://x\x07link\x1b[2J\u202ecipher\u2066\r\n\x9b31m</script>\\input{x}`"$'
)
"""Orders to a terminal, a page, a spreadsheet, LaTeX; letters that turn a line around; lines of its own."""

MARK = "onerror"
"""By which it is found where it went."""


def poisoned(content: Any) -> Any:
    """The record with the hostile text in place of, or behind, each text that may be any text."""
    for at in list(paths(content)):
        inner = content
        for key in at[:-1]:
            inner = inner[key]
        free = isinstance(inner[at[-1]], str) or at[-1] in ("error", "note")
        if free and at[-1] not in KEPT and "search_config" not in at and "hyperparameters" not in at:
            inner[at[-1]] = HOSTILE
    return content


KEPT = ("status", "stage", "calibration", "search", "sha256", "decision", "made_from", "verdict", "directory")
"""Words of a list, digests and names that are refused when they are others."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search whose every text is hostile, in a directory of such a name."""
    directory = tmp_path_factory.mktemp("texts") / HOSTILE.replace("/", "!")[:80]
    assert run_search(*SEARCH, "--progress", "none", "--results_dir", directory, **INSTANT | {"popen": AtRungs}) == 0
    for path in [
        *directory.glob("*.json"),
        *directory.glob("trial_*/outcome.json"),
        *directory.glob("trial_*/result.json"),
    ]:
        content = json.loads(path.read_bytes())
        for entry in [content, *content.get("results", ())]:
            if "metrics" in entry:
                entry["metrics"] |= {
                    "verdict_text": "",
                    "other": "",
                    HOSTILE: "",
                    "error": "",
                    "verdict": "near_optimal",
                }
                entry["note"] = ""
        content["environment"] = {"versions": {HOSTILE: ""}, "git_revision": ""}
        content["drift"] = [{"time": "", "differences": [""]}]
        path.write_bytes(sealed(poisoned(content)))
    return directory


@pytest.fixture
def state(hostile: Path) -> SearchState:
    return read_search(hostile)


def of_terminal(text: str) -> None:
    assert MARK in text
    assert [one for one in text if not one.isprintable() and one != "\n"] == []


def walked(value: Any) -> Iterator[Any]:
    """A JSON value and all that is in it."""
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walked(inner)


def of_page(data: bytes) -> None:
    """Neither markup of the page nor, in texts that Plotly reads as markup, of its figures."""
    text = data.decode()
    assert MARK in text
    assert "<img" not in text
    figures = json.loads(text.partition('id="figures">')[2].partition("</script>")[0])
    assert "<img" not in json.dumps([one for one in walked(figures) if isinstance(one, dict) and "type" in one])
    assert [one for one in "\x1b\x07\x9b\u202e\u2066" if one in text] == []


def test_the_text_is_hostile() -> None:
    """Negative control."""
    with pytest.raises(AssertionError):
        of_terminal(HOSTILE)
    with pytest.raises(AssertionError):
        of_page(HOSTILE.encode())


def test_every_record_was_read(state: SearchState) -> None:
    """Else nothing would be shown that could be hostile."""
    assert state.damaged == {}
    assert len(state.trials) == 5
    assert all(MARK in str(one.note) and MARK in str(one.word("verdict_text")) for one in state.trials)


def test_lines_and_summary(state: SearchState) -> None:
    for trial in state.trials:
        trial.metrics["verdict"] = "near_optimal"
    for observer in (PlainObserver, PlainView):
        stream = io.StringIO()
        lines = observer(stream)
        lines._print(f"{state.path}: {state.trials[0].note} {HOSTILE}")
        of_terminal(stream.getvalue())
    of_terminal(summary(state, interrupted=True))


def test_replay_and_why(state: SearchState, hostile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = state.trials[:2]
    of_terminal(Replay(first, second, (f"code: recorded {state.record.code}, now {first.note}",)).text)
    assert why_main([str(hostile), "--trial", "1"]) == 0
    assert [one for one in capsys.readouterr().out if not one.isprintable() and one != "\n"] == []


def test_drift_and_other_messages(hostile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_search("--resume", hostile, "--dry_run", **INSTANT) == 2
    of_terminal(capsys.readouterr().err)
    of_terminal(str(UserError(f"{hostile}: {HOSTILE}")))


def test_page_and_comparison(state: SearchState) -> None:
    of_page(render(state))
    page = render_comparison([state, state])
    of_page(page)
    assert "&lt;img" in page.decode().partition('id="figures">')[2].replace("\\u0026", "&"), "as text, in the legend"


def test_exports(hostile: Path, tmp_path: Path) -> None:
    for path in export(hostile, tmp_path / "paper"):
        if path.suffix not in (".csv", ".tex", ".md"):
            continue
        text = path.read_text()
        assert [one for one in text if not one.isprintable() and one not in "\n\t\r"] == []
        if path.suffix == ".csv":
            assert [cell for row in csv.reader(io.StringIO(text)) for cell in row if cell.startswith(("=", "@"))] == []
        if path.suffix == ".tex":
            assert "\\input" not in text


def test_names_in_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with EventLog(tmp_path, TrainConfig(group=HOSTILE)):
        pass
    (events,) = tmp_path.iterdir()
    data = events.read_bytes()
    assert MARK.encode() in data
    assert b"\x1b]8" not in data
    assert "\u202e".encode() not in data
