"""What page, tables and importance make of ranges, of layers of many widths, and of settings that decide on others."""

import json
from pathlib import Path

import numpy as np
import pytest

import ghm
from ghm.report.analysis.findings import searched
from ghm.report.analysis.importance import QUANTILE_GROUPS, group_of, importances, marginal_effects, rank_importances
from ghm.report.drawing.charts import panel_chart, parallel_chart
from ghm.report.drawing.scales import scale
from ghm.report.drawing.tables import best_configuration, settings
from ghm.report.page import render
from ghm.search.records.reader import read_search
from ghm.search.records.state import SearchState
from tests.search.instant import INSTANT
from tests.search.support import run_search

SPACE = {
    "lr_policy": {"low": 1e-5, "high": 1e-3, "log": True},
    "n_trajectories": {"low": 100, "high": 2000, "step": 50},
    "policy_hidden": {"layers": {"low": 1, "high": 3}, "width": {"low": 16, "high": 256, "log": True}},
    "estimator": ["gae", "monte_carlo"],
    "gae_lambda": {"low": 0.8, "high": 1},
}
N = 60


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> SearchState:
    home = tmp_path_factory.mktemp("ranges")
    (home / "space.json").write_text(json.dumps(SPACE))
    flags = (
        "--space",
        home / "space.json",
        "--learner",
        "model_free",
        "--n_trials",
        N,
        "--n_iterations",
        6,
        "--eval_freq",
        2,
    )
    assert run_search(*flags, "--results_dir", home / "r", "--progress", "none", **INSTANT) == 0
    return read_search(home / "r")


def test_the_page_has_every_setting_and_the_space_in_words(search: SearchState) -> None:
    page = render(search).decode()
    for text in (
        "1e-05 to 0.001 (log)",
        "100 to 2000 in steps of 50",
        "1 to 3 layers of width 16 to 256 (log)",
        "0.8 to 1",
    ):
        assert text in page
    assert "A random search over 10 hyperparameters" in searched(search)
    table = best_configuration(search)
    assert table is not None
    assert [row[0].text for row in table.rows][-2:] == ["estimator", "gae_lambda"]
    assert any(row[0].text == "gae_lambda" for table in settings(search) for row in table.rows)


def test_parallel_coordinates_have_an_axis_for_each_and_all_points_on_it(search: SearchState) -> None:
    chart = parallel_chart(search).parallel
    assert chart is not None
    assert [axis["title"] for axis in chart["axes"]] == list(search.varied)
    rows = np.array(chart["rows"])
    assert rows.shape == (N, 10)
    assert rows.min() >= 0
    assert rows.max() <= 1
    assert max(len(axis["ticks"]) for axis in chart["axes"]) <= 12
    column = rows[:, list(search.varied).index("lr_policy")]
    ranked = [trial.hyperparameters.lr_policy for trial in search.ranked]
    assert np.corrcoef(column, np.log(ranked))[0, 1] == pytest.approx(1)


def test_a_setting_without_effect_is_left_out_where_it_has_none(search: SearchState) -> None:
    active = sum(vars(trial.hyperparameters)["estimator"] == "gae" for trial in search.trials)
    assert 0 < active < N
    data = panel_chart(search, "gae_lambda").data
    assert data is not None
    assert len(data[0]["x"]) == active
    assert sum(one.trials for one in marginal_effects(search) if one.name == "gae_lambda") == active
    assert {one.name for one in importances(search)} == set(search.varied)


def test_what_values_buy_is_told_of_groups_of_like_size(search: SearchState) -> None:
    """The stub's return grows with lr_policy alone: medians increase from group to group."""
    ours = [one for one in marginal_effects(search) if one.name == "lr_policy"]
    assert len(ours) == QUANTILE_GROUPS
    assert {one.trials for one in ours} == {N // QUANTILE_GROUPS}
    assert [one.median for one in ours] == sorted(one.median for one in ours)
    assert [one.value for one in ours] == sorted(one.value for one in ours)
    assert importances(search)[0].name == "lr_policy"


def test_layers_of_many_widths_are_grouped_by_their_connections() -> None:
    layers = [(width,) * depth for depth in (1, 2, 3) for width in (16, 32, 64, 128)]
    groups = group_of(layers)
    assert len(np.unique(groups)) == QUANTILE_GROUPS
    assert groups[layers.index((16,))] == 0
    assert groups[layers.index((128,) * 3)] == QUANTILE_GROUPS - 1
    ticks, positions = scale([(width,) for width in range(16, 80)])
    assert len(ticks) == 4
    assert list(positions) == sorted(positions)


def test_importance_of_a_group_less_trial_is_that_of_the_others() -> None:
    """-1 means left out, and nothing else: the share is what the remaining trials alone say."""
    generator = np.random.default_rng(4)
    scores, index = generator.random(60), generator.integers(0, 3, 60)
    scores[index == 2] += 0.5
    index[40:] = -1
    part = rank_importances(scores, {"a": index}, 0)
    alone = rank_importances(scores[:40], {"a": index[:40]}, 0)
    assert part[0].share == alone[0].share
    counted_as_a_group = rank_importances(scores, {"a": index + 1}, 0)
    assert counted_as_a_group[0].share != alone[0].share


def test_results_have_a_column_for_each_setting(search: SearchState) -> None:
    results = ghm.load_results(search.path)
    assert list(results.trials["gae_lambda"]) == [vars(trial.hyperparameters)["gae_lambda"] for trial in search.trials]
    assert "gae_lambda" in results.configurations
    assert set(results.column_descriptions) == set(results.trials.columns)
    assert set(results.configuration_descriptions) == set(results.configurations.columns)


@pytest.mark.parametrize(
    ("n_trials", "expected"),
    [(13, "A random search (gp learns from configuration 14 on)"), (15, "A search by a Gaussian process over")],
)
def test_a_search_is_a_methods_once_it_was_one(n_trials: int, expected: str, tmp_path: Path) -> None:
    flags = ("--search_type", "gp", "--n_trials", n_trials, "--n_iterations", 6, "--eval_freq", 2)
    assert run_search(*flags, "--results_dir", tmp_path / "r", "--progress", "none", **INSTANT) == 0
    assert searched(read_search(tmp_path / "r")).startswith(expected)


def test_the_study_has_every_trial_its_parameters_and_its_curve(search: SearchState, tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    for trial in search.trials:  # as a training leaves them; the stub has none
        lines = [
            {"iteration": at, "captured_value": 0.1 * at, "exact_return": 6.0, "seconds": 1.0 * at} for at in (0, 2, 4)
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (search.directory(trial) / "history.jsonl").write_text(text)
    results = ghm.load_results(search.path)
    study = results.to_optuna(f"sqlite:///{tmp_path / 'study.db'}")
    assert len(study.trials) == N
    for trial, ours in zip(study.trials, results.search.trials, strict=True):
        values = vars(ours.hyperparameters)
        assert trial.value == ours.captured_value
        assert trial.intermediate_values == {0: 0.0, 2: 0.2, 4: 0.4}
        assert {name: trial.params[name] for name in ("lr_policy", "n_trajectories", "estimator", "gae_lambda")} == {
            name: values[name] for name in ("lr_policy", "n_trajectories", "estimator", "gae_lambda")
        }
        assert (trial.params["policy_hidden_width"],) * trial.params["policy_hidden_layers"] == values["policy_hidden"]
        assert trial.user_attrs["seed"] == ours.seed
        assert trial.duration.total_seconds() == pytest.approx(ours.seconds, abs=1e-5)
    assert study.metric_names == ["captured value"], "which plots and the dashboard write on their axes"
    assert study.best_trial.user_attrs["trial_num"] == search.ranked[0].trial_num
    assert study.trials[0].distributions["lr_policy"] == optuna.distributions.FloatDistribution(1e-5, 1e-3, log=True)
    with pytest.raises(ghm.UserError, match=r"has a study .* already"):
        results.to_optuna(f"sqlite:///{tmp_path / 'study.db'}")
    assert optuna.importance.get_param_importances(study)["lr_policy"] > 0.5


def test_curves_have_a_row_for_each_evaluation(search: SearchState) -> None:
    (trial, *_) = search.trials
    lines = [{"iteration": at, "captured_value": 0.2 * at} for at in (0, 3)]
    (search.directory(trial) / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    results = ghm.load_results(search.path)
    ours = results.curves[results.curves["trial_num"] == trial.trial_num]
    assert ours["iteration"].tolist() == [0, 3]
    assert ours["captured_value"].tolist() == pytest.approx([0.0, 0.6])
    assert ours["exact_return"].isna().all()
    assert set(results.curve_descriptions) == set(results.curves.columns)
