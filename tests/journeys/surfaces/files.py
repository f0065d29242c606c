"""What the files of a search say: results JSON, records and histories of trials, TensorBoard's events, exported tables."""

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ghm
from tests.journeys.surfaces.table import Figure, Listing, Table, counted, shown

NO_RETURN = -1e9
"""The documented return of a trial that has none."""


def trial_number(directory: Path) -> int:
    return int(directory.name.removeprefix("trial_"))


def results_file(results_dir: Path) -> Path:
    (path,) = results_dir.glob("search_results_*.json")
    return path


def read_json(results_dir: Path) -> Table:
    """What the results JSON says."""
    content = json.loads(results_file(results_dir).read_text())
    # It is an index of records: a trial that runs, or was killed together with its search, has none yet.
    every = all((place / "outcome.json").exists() for place in results_dir.glob("trial_*"))
    said = _entries(content["results"], Listing if every else dict)
    said["best_value"] = None if content["best_return"] == NO_RETURN else Figure(content["best_return"])
    said |= {"optimum": _figure(content["optimal_return"]), "wind_up": _figure(content["wind_up_return"])}
    best = [one for one in content["configurations"] if one["hyperparameters"] == content["best_config"]]
    confirmation = content["confirmation"] or {}
    first = next(iter(confirmation.get("configurations", [])), None) if confirmation.get("complete") else None
    if first is not None:
        said |= {"best_configuration": first["configuration"], "captured_value": _figure(first["confirmed"])}
    elif len(best) == 1:  # random search may draw a configuration twice
        figure = content["search_config"]["rank_by"]
        said |= {"best_configuration": best[0]["number"], "captured_value": _figure(best[0][figure])}
    return Table(**said)


def read_outcomes(results_dir: Path) -> Table:
    """What the trials' own records say."""
    found = [json.loads(path.read_text()) for path in sorted(results_dir.glob("trial_*/outcome.json"))]
    return Table(**_entries(found, dict))


def _entries(entries: list[dict[str, Any]], mapping: type[dict[int, Any]]) -> dict[str, Any]:
    statuses = mapping({one["trial_num"]: one["metrics"]["status"] for one in entries})
    said: dict[str, Any] = {
        "statuses": statuses,
        "iterations": mapping({one["trial_num"]: one["metrics"]["iterations"] for one in entries}),
        "seeds": {one["trial_num"]: one["seed"] for one in entries},
        "calibrations": {one["trial_num"]: one["calibration"] or "" for one in entries},
        "returns": {
            one["trial_num"]: Figure(one["metrics"]["best_return"])
            for one in entries
            if one["metrics"]["best_return"] != NO_RETURN
        },
        "captured": _known({one["trial_num"]: one["metrics"].get("captured_value") for one in entries}),
    }
    if mapping is Listing:
        said |= counted(statuses, {one["trial_num"]: one["configuration"] for one in entries})
    return said


def _known(values: Mapping[int, float | None]) -> dict[int, Figure]:
    return {number: Figure(value) for number, value in values.items() if value is not None and value == value}


def _figure(value: float | None) -> Figure | None:
    return None if value is None or value != value else Figure(value)


def read_histories(results_dir: Path) -> Table:
    """What the trials' histories say: how far each has come."""
    iterations = {}
    for path in results_dir.glob("trial_*/history.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        iterations[trial_number(path.parent)] = max((line["iteration"] for line in lines), default=0)
    return Table(iterations=iterations)


def read_events(results_dir: Path) -> Table:
    """What TensorBoard shows: how far each trial has come, and the best of its evaluations."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    iterations, returns = {}, {}
    for directory in sorted(results_dir.glob("trial_*/logs")):
        events = EventAccumulator(str(directory))
        events.Reload()
        tags = [tag for tag in events.Tags()["scalars"] if tag.rpartition("/")[2] == "exact_return"]
        if not tags:
            continue
        points = [(one.step, one.value) for tag in tags for one in events.Scalars(tag)]
        number = trial_number(directory.parent)
        iterations[number] = max(step for step, _ in points)
        best = max(value for _, value in points)
        returns[number] = Figure(best, 1e-6 * abs(best))  # single precision
    return Table(iterations=iterations, returns=returns)


def read_api(results_dir: Path) -> Table:
    """What ``ghm.load_results`` says."""
    results = ghm.load_results(results_dir)
    trials = results.trials.set_index("trial_num")
    words = repr(results)
    said = _frame(trials.to_dict("index"))
    count = words.partition(": ")[2].split(" trials completed")[0].split(" of ")
    said["trials_asked"] = int(count[1])
    if "best: trial" in words:
        best, _, value = words.partition("best: trial ")[2].rstrip(">").partition(" with ")
        said |= {"best_trial": int(best), "best_value": shown(value)}
        configuration, stage = trials.loc[int(best), "configuration"], trials.loc[int(best), "stage"]
        said["best_configuration"] = int(configuration)
        # Where the worst training counts, the verdict is on that one.
        deciding = trials[(trials["configuration"] == configuration) & (trials["stage"] == stage)]
        judged = deciding["captured_value"].idxmin() if results.search.config.rank_by == "worst" else int(best)
        said["verdict"] = trials.loc[judged, "verdict_text"]
    ranked = results.configurations.dropna(subset=["rank"]).sort_values("rank")
    if len(ranked):
        said["rank_order"] = tuple(int(one) for one in ranked["configuration"])
    optima = trials["optimal_return"].dropna().unique()
    if len(optima) == 1:
        said["optimum"] = Figure(float(optima[0]))
    return Table(**said)


def read_csv_trials(directory: Path) -> Table:
    """What the exported table of trials says."""
    rows = {int(row["trial_num"]): _typed(row) for row in _rows(directory / "trials.csv")}
    return Table(**_frame(rows))


def _typed(row: dict[str, str]) -> dict[str, Any]:
    numbers = {"configuration", "iterations", "best_return", "captured_value", "seed"}
    return {name: (float(text or "nan") if name in numbers else text) for name, text in row.items()}


def _frame(rows: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    statuses = Listing({number: str(row["status"]) for number, row in rows.items()})
    configurations = {number: int(row["configuration"]) for number, row in rows.items()}
    iterations = {
        n: int(row["iterations"]) if row["iterations"] == row["iterations"] else "NaN" for n, row in rows.items()
    }
    begun = [number for number, row in rows.items() if _text(row["seed"])]
    return {
        "statuses": statuses,
        "iterations": Listing(iterations),
        "returns": _known({number: row["best_return"] for number, row in rows.items()}),
        "captured": _known({number: row["captured_value"] for number, row in rows.items()}),
        "seeds": {number: int(row["seed"]) for number, row in rows.items() if number in begun},
        "calibrations": {number: _text(row["calibration"]) for number, row in rows.items() if number in begun},
        **counted(statuses, configurations),
    }


def read_csv_configurations(directory: Path) -> Table:
    """What the exported tables of configurations say."""
    path = directory / "configurations.csv"
    if not path.exists():
        return Table()
    rows = [row for row in _rows(path) if row["rank"]]
    rows.sort(key=lambda row: float(row["rank"]))
    return Table(rank_order=tuple(int(float(row["configuration"])) for row in rows)) if rows else Table()


def read_csv_tables(directory: Path) -> Table:
    """What the exported tables for papers say."""
    said: dict[str, Any] = {}
    if (path := directory / "leaderboard.csv").exists():
        rows = list(_rows(path))
        # Figures are written with twelve digits here.
        said["captured"] = {int(row["Trial"]): Figure(float(row["Captured value"])) for row in rows}
        said["returns"] = {int(row["Trial"]): Figure(float(row["Firm value"])) for row in rows}
    if (path := directory / "configurations_summary.csv").exists():
        said["rank_order"] = tuple(int(row["Configuration"]) for row in _rows(path))
    if (path := directory / "failures.csv").exists():
        said["statuses"] = {int(row["Trial"]): row["Status"].replace(" ", "_") for row in _rows(path)}
    return Table(**said)


def _text(cell: Any) -> str:
    """A cell's text; empty where it says nothing, in whatever way pandas says that."""
    return "" if str(cell) in ("None", "nan", "<NA>", "NaT") else str(cell)


def _rows(path: Path) -> Iterable[dict[str, str]]:
    with path.open(newline="") as file:
        yield from csv.DictReader(file)
