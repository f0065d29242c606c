"""Reads everything that a search shows, after one of its calls, into one table for each surface."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.journeys.commands import Ran, run
from tests.journeys.surfaces import files
from tests.journeys.surfaces.pages import read_page
from tests.journeys.surfaces.spoken import read_replay, read_summary, read_terminal, read_why
from tests.journeys.surfaces.table import Table


@dataclass(frozen=True)
class Stage:
    """A search after one of its calls: what it wrote, what it said, and what every surface says of it."""

    results_dir: Path
    ran: Ran | None
    """The call; None while it still runs."""
    others: tuple[Ran, ...]
    """The commands that were asked about the search."""
    tables: Mapping[str, Table]
    """By surface."""

    @property
    def all_runs(self) -> tuple[Ran, ...]:
        return (*([] if self.ran is None else [self.ran]), *self.others)


def observe(results_dir: Path, ran: Ran | None = None, replayed: int | None = None) -> Stage:
    """Ask every surface. ``replayed``: a trial that is trained again, too; one that cannot be costs next to nothing."""
    beside = results_dir.parent / f"seen-{len(list(results_dir.parent.iterdir()))}"
    beside.mkdir()
    page = run("report", results_dir, "--output", beside / "page.html")
    export = run("report", results_dir, "--export", beside / "export")
    recorded = sorted(files.trial_number(path.parent) for path in results_dir.glob("trial_*/outcome.json"))
    whys = {number: run("why", results_dir, "--trial", number) for number in recorded[:1] + recorded[1:][-1:]}
    replay = run("replay", results_dir, "--trial", replayed, "--directory", beside / "replay") if replayed else None
    tables = _of_files(results_dir) | {
        "page": read_page((beside / "page.html").read_text()),
        "trials.csv": files.read_csv_trials(beside / "export"),
        "configurations.csv": files.read_csv_configurations(beside / "export"),
        "tables for papers": files.read_csv_tables(beside / "export"),
        "why": read_why({number: one.output for number, one in whys.items()}),
    }
    if replay is not None:
        tables["replay"] = read_replay(replay.output, replay.errors)
    if ran is not None:
        # What was said before the last display was given up still counts as said.
        live = ran.columns is not None
        tables[f"live at {ran.columns}" if live else "plain"] = read_terminal(ran.output, live)
        tables["summary"] = read_summary(ran.output)
    # A replay of what did not complete is refused, on standard error, as it should be.
    asked = (page, export, *whys.values(), *([] if replay is None or replay.status == 2 else [replay]))
    return Stage(results_dir, ran, asked, tables)


def _of_files(results_dir: Path) -> dict[str, Table]:
    """What can be read without a command, or through the Python API."""
    settings = json.loads((results_dir / "search.json").read_text())["search_config"]
    return {
        "JSON": files.read_json(results_dir),
        "outcome.json": files.read_outcomes(results_dir),
        "history.jsonl": files.read_histories(results_dir),
        "TensorBoard": files.read_events(results_dir, settings["eval_freq"]),
        "API": files.read_api(results_dir),
    }
