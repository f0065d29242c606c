"""Spread over seeds and calibrations, and rungs: what is drawn is what was recorded, on the page and for papers."""

import dataclasses
import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ghm.report.drawing.instances import instance_charts, learning_bands, rung_courses, spreads
from ghm.report.drawing.plots import search_figures
from ghm.report.page import render
from ghm.search.records.reader import read_search
from ghm.search.records.state import SearchState
from ghm.search.trials.outcome import TrialState
from tests.search.support import read, run_search

CALIBRATIONS = json.dumps([{"name": "calm", "sigma_x": 0.1}, {"name": "wild", "sigma_x": 0.3}])


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six configurations of two seeds and two calibrations, two of three cut at each of two rungs."""
    home = tmp_path_factory.mktemp("configurations")
    (home / "calibrations.json").write_text(CALIBRATIONS)
    flags = ("--n_trials", 6, "--rungs", 2, 4, "--keep", 0.5, "--n_seeds", 2, "--n_iterations", 6, "--eval_freq", 2)
    where = ("--calibrations", home / "calibrations.json", "--progress", "none", "--results_dir", home / "r")
    assert run_search(*flags, *where) == 0
    # The stub's trials record returns; a real one's history has captured value as well.
    for history in (home / "r").glob("trial_*/history.jsonl"):
        lines = [json.loads(line) for line in history.read_text().splitlines()]
        lines = [line | {"captured_value": (line["exact_return"] - 5.95) / 0.7048} for line in lines]
        history.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return home / "r"


@pytest.fixture(scope="module")
def search(directory: Path) -> SearchState:
    return read_search(directory)


def entries_of(directory: Path, configuration: int) -> list[dict[str, Any]]:
    return [entry for entry in read(directory)["results"] if entry["configuration"] == configuration]


def test_spreads_are_those_of_the_recorded_trials_best_first(search: SearchState, directory: Path) -> None:
    ranking = sorted(read(directory)["configurations"], key=lambda entry: (-entry["iterations"], -entry["mean"]))
    drawn = spreads(search)
    assert [int(number) for number, _ in drawn] == [entry["number"] for entry in ranking]
    for number, values in drawn:
        recorded = [entry["metrics"]["captured_value"] for entry in entries_of(directory, int(number))]
        assert sorted(values) == pytest.approx(sorted(recorded))
        assert len(values) == 4, "two seeds, two calibrations"


def test_learning_bands_are_the_trials_histories(search: SearchState, directory: Path) -> None:
    bands = learning_bands(search)
    assert bands
    for number, at, curves in bands:
        recorded = []
        for entry in entries_of(directory, int(number)):
            lines = map(
                json.loads, (directory / f"trial_{entry['trial_num']:03d}/history.jsonl").read_text().splitlines()
            )
            values = {line["iteration"]: line["captured_value"] for line in lines}
            recorded.append([values[iteration] for iteration in at])
        assert np.allclose(sorted(curves.tolist()), sorted(recorded))


def test_a_configuration_of_which_a_trial_failed_has_the_learning_band_of_the_others(search: SearchState) -> None:
    number, at, curves = learning_bands(search)[0]
    trials = [one for one in search.trials if str(one.configuration) == number]
    lost = dataclasses.replace(trials[0], status=TrialState.DIVERGED, error="planted")
    failed = search.restricted([lost, *trials[1:]])
    ((_, shown, others),) = learning_bands(failed)
    assert shown == at
    assert len(others) == len(curves) - 1
    assert {*map(tuple, others.tolist())} <= {*map(tuple, curves.tolist())}


def test_rungs_are_where_trials_were_stopped(search: SearchState, directory: Path) -> None:
    ends, courses = rung_courses(search)
    assert ends == [2, 4, 6]
    statuses = [entry["metrics"]["status"] for entry in read(directory)["results"]]
    assert sum(stopped for stopped, _ in courses) == statuses.count("stopped_at_rung") == 16
    lengths = sorted((stopped, len(points)) for stopped, points in courses)
    # Three of six configurations stop at the first rung, one at the second, two go on; four trials each.
    assert lengths == sorted([(True, 1)] * 12 + [(True, 2)] * 4 + [(False, 3)] * 8)
    for _, points in courses:
        assert [end for end, _ in points] == ends[: len(points)]
        values = [value for _, value in points]
        assert values == sorted(values), "the best so far never falls"


def test_they_are_on_the_page_and_in_figures_for_papers(search: SearchState, tmp_path: Path) -> None:
    assert [chart.name for chart in instance_charts(search)] == ["bands", "configuration-curves", "rungs"]
    fills = [trace["fillcolor"] for chart in instance_charts(search) for trace in chart.data if "fillcolor" in trace]
    assert fills
    assert all("/" in fill for fill in fills), "bands that cover each other are to be seen through"
    page = html.unescape(render(search).decode())
    assert all(f'id="{name}"' in page for name in ("bands", "configuration-curves", "rungs"))
    figures = search_figures(search, ())
    heights = sorted(bar.get_height() for bar in figures["configurations"].axes[0].patches)
    assert heights == pytest.approx(sorted(max(values) - min(values) for _, values in spreads(search)))
    lines = {line.get_label(): np.isnan(line.get_ydata()) for line in figures["rungs"].axes[0].lines}
    # After each trial there is a gap: 12 of one point and 4 of two were stopped, 8 of three went to the end.
    assert {name: (gaps.sum(), (~gaps).sum()) for name, gaps in lines.items()} == {
        "stopped": (16, 20),
        "trained to the end": (8, 24),
    }
    for name in ("configurations", "rungs"):
        figures[name].savefig(tmp_path / f"{name}.png", dpi=60)
        assert np.asarray(Image.open(tmp_path / f"{name}.png").convert("L")).std() > 10, f"{name} is blank"


def test_a_search_without_them_draws_none(tmp_path: Path) -> None:
    run_search("--n_trials", 3, "--n_iterations", 4, "--progress", "none", "--results_dir", tmp_path / "r")
    search = read_search(tmp_path / "r")
    assert (spreads(search), learning_bands(search), rung_courses(search)[1], instance_charts(search)) == (
        [],
        [],
        [],
        [],
    )
