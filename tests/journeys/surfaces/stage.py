"""Reads everything that a search shows, after one of its calls, into one table for each surface."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.journeys.commands import Ran, ask, run
from tests.journeys.surfaces import files
from tests.journeys.surfaces.pages import Page, read_page
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
    page: str = ""
    """The sentences of its page."""

    @property
    def all_runs(self) -> tuple[Ran, ...]:
        return (*([] if self.ran is None else [self.ran]), *self.others)


def observe(
    results_dir: Path,
    ran: Ran | None = None,
    replayed: int | None = None,
    exported: bool = False,
    command: Callable[..., Ran] = ask,
) -> Stage:
    """Ask every surface.

    ``replayed``: a trial that is trained again, too; one that cannot be costs next to nothing. ``exported``: write tables and
    figures, too, which takes as long as two trials. ``command``: runs ``ghm``.
    """
    beside = results_dir.parent / f"seen-{len(list(results_dir.parent.iterdir()))}"
    beside.mkdir()
    asked = [command("report", results_dir, "--output", beside / "page.html")]
    page = Page((beside / "page.html").read_text())
    tables = _of_files(results_dir) | {"page": read_page(page)}
    if exported:
        asked.append(command("report", results_dir, "--export", beside / "export"))
        tables |= _of_export(beside / "export")
    recorded = sorted(files.trial_number(path.parent) for path in results_dir.glob("trial_*/outcome.json"))
    whys = {number: command("explain", results_dir, "--trial", number) for number in recorded[:1] + recorded[1:][-1:]}
    tables["why"] = read_why({number: one.output for number, one in whys.items()})
    if replayed is not None:
        replay = run("replay", results_dir, "--trial", replayed, "--directory", beside / "replay")
        tables["replay"] = read_replay(replay.output, replay.errors)
        # A replay of what did not complete is refused, on standard error, as it should be.
        asked += [replay] if replay.status != 2 else []
    if ran is not None:
        # What was said before a display was given up still counts as said.
        live = ran.columns is not None
        tables[f"live at {ran.columns}" if live else "plain"] = read_terminal(ran.output, live)
        tables["summary"] = read_summary(ran.output)
    return Stage(results_dir, ran, (*asked, *whys.values()), tables, page.text)


def _of_export(directory: Path) -> dict[str, Table]:
    return {
        "trials.csv": files.read_csv_trials(directory),
        "configurations.csv": files.read_csv_configurations(directory),
        "tables for papers": files.read_csv_tables(directory),
    }


def _of_files(results_dir: Path) -> dict[str, Table]:
    """What can be read without a command, or through the Python API."""
    return {
        "JSON": files.read_json(results_dir),
        "outcome.json": files.read_outcomes(results_dir),
        "history.jsonl": files.read_histories(results_dir),
        "TensorBoard": files.read_events(results_dir),
        "API": files.read_api(results_dir),
    }
