"""Searches beside each other on one page, what values buy, and the moments of firms."""

from pathlib import Path

import numpy as np
import pytest
from factory import Made, make_search

from ghm.economics.model import SYMBOLS, GHMModel
from ghm.errors import UserError
from ghm.io.text import error_text
from ghm.report.analysis.importance import importances, marginal_effects
from ghm.report.analysis.policy import moments, study_best
from ghm.report.comparison import MOST, write_comparison
from ghm.report.drawing.plots import search_figures
from ghm.report.drawing.tuning import LEAST_GAP, gap, gap_axis, marginal_effects_table
from ghm.report.main import main
from ghm.search import SearchSpace
from ghm.search.records.reader import read_search

FIXED = {name: values for name, values in SearchSpace().choices().items() if name != "lr_policy"}


def test_two_searches_are_set_beside_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = make_search(tmp_path / "wide", 12), make_search(tmp_path / "deep", 8, n_iterations=10_000, seed=3)
    assert main([str(first.path), str(second.path.parent)]) == 0
    page = (tmp_path / "wide" / "comparison.html").read_text()
    assert "comparison.html" in capsys.readouterr().out
    for words in (
        "2 searches side by side",
        "wide",
        "deep",
        "Where they differ",
        "compared-best",
        "different numbers of training iterations: 60,000, 80,000",
    ):
        assert words in page


def test_more_searches_than_colours_are_refused(tmp_path: Path) -> None:
    made = make_search(tmp_path / "r", 2)
    with pytest.raises(UserError, match=f"at most {MOST}"):
        write_comparison([made.path] * (MOST + 1))


def test_a_page_into_a_missing_folder_is_refused_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_search(tmp_path / "r", 2)
    assert main([str(made.path), "--output", str(tmp_path / "no" / "page.html")]) == 2
    assert f"there is no directory {tmp_path / 'no'}" in capsys.readouterr().err


def test_what_a_value_buys_is_found_where_it_is_and_nowhere_else(tmp_path: Path) -> None:
    """The made searches have an effect of lr_policy (-0.30, -0.08, 0) and of entropy_weight alone."""
    found = marginal_effects(read_search(make_search(tmp_path / "r", 60).path))
    by_value = {(one.name, one.value): one for one in found if not isinstance(one.value, list)}
    low = by_value["lr_policy", 1e-4]
    assert low.high < 0
    assert -0.4 < low.difference < -0.1
    assert by_value["lr_policy", 1e-3].low > 0
    idle = [one for one in found if one.name not in ("lr_policy", "entropy_weight")]
    # 90% intervals of 20 values without an effect: 2 beyond zero expected; 7 or more have a probability below 1%.
    assert len(idle) >= 15
    assert sum(one.low > 0 or one.high < 0 for one in idle) < 7


def test_a_page_has_one_criterion_of_what_is_beyond_chance(tmp_path: Path) -> None:
    """Both tables say the same of a hyperparameter, though an interval of one of its values may leave zero out."""
    search = read_search(make_search(tmp_path / "r", 60).path)
    weights = importances(search)
    table = marginal_effects_table(marginal_effects(search), weights)
    assert table is not None
    said = {(row[0].text, row[-1].text) for row in table.rows}
    assert said == {(one.name, "yes" if one.stands_out else "no") for one in weights}
    assert {word for _, word in said} == {"yes", "no"}


def test_moments_of_the_optimum_are_those_of_its_levels(studied: Made) -> None:
    study = study_best(read_search(studied.path))
    found = {one.name: one for one in moments(study)}
    assert found["Equity issues per year"].optimal > 0
    size = np.nanmean(study.optimal_levels.issue_target - study.optimal_levels.issue_below)
    # An issue raises from below the threshold to the target: at least the distance, at most the target.
    assert 0.5 * size < found["Size of an issue (cash)"].optimal < np.nanmax(study.optimal_levels.issue_target)
    assert 0 <= found["Liquidations per year (hazard)"].learned < 5


def test_every_parameter_of_the_model_has_its_symbol() -> None:
    assert list(SYMBOLS) == list(vars(GHMModel()))


def test_what_is_missing_has_a_floor() -> None:
    assert gap(0.99) == pytest.approx(0.01)
    assert gap(1.0) == LEAST_GAP


def test_a_small_standard_error_is_no_zero() -> None:
    assert [error_text(error) for error in (0.0123, 0.00005, 0.0000312)] == ["0.0123", "0.0001", "3.1e-05"]


def test_ticks_of_the_gap_are_plotlys_own() -> None:
    """At 1, 2 and 5 of each decade alone, searches within less than a decade of each other had none; more than five overlap."""
    assert gap_axis()["nticks"] == 5
    assert "dtick" not in gap_axis()


@pytest.mark.parametrize(("n_trials", "drawn"), [(4, False), (60, True)])
def test_exported_panels_have_medians_where_the_page_has(n_trials: int, drawn: bool, tmp_path: Path) -> None:
    space = {"lr_policy": [1e-4, 3e-4, 1e-3]} | {name: [next(iter(values))] for name, values in FIXED.items()}
    search = read_search(make_search(tmp_path / "r", n_trials, space=space).path)
    figure = search_figures(search, ())["hyperparameters"]
    assert any(line.get_label() == "median" for axes in figure.axes for line in axes.lines) == drawn
