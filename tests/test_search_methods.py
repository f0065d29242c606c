"""The comparison of search methods, on a small table that is made up: costs, cuts and medians are as counted by hand."""

import json
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from benchmark_modules import load_benchmark

from ghm.benchmark import Table, load_table
from ghm.benchmark.table import TRAININGS
from ghm.search.settings.configurations import plain_hyperparameters
from ghm.search.settings.space import SearchSpace
from tests.search.support import run_search


@pytest.fixture(scope="module")
def methods() -> ModuleType:
    return load_benchmark("search_methods")


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """81 configurations on two seeds, evaluated at 10, 20 and 40: one fails, one is at its best early."""
    content = json.loads(TRAININGS.read_text())
    varied = {"lr_policy": [1e-4, 1e-3, 1e-2], "gae_lambda": [0.8, 0.9, 1.0]}
    varied |= {"entropy_weight": [0.01, 0.05, 0.1], "max_grad_norm": [0.5, 1.0, 2.0]}
    first = {name: one.to_json()[0] for name, one in SearchSpace().choices().items()}
    rows = []
    for number in range(81):
        digits = [number // 27, number // 9 % 3, number // 3 % 3, number % 3]
        values = first | {name: one[k] for (name, one), k in zip(varied.items(), digits, strict=True)}
        final = 0.9 + 0.03 * digits[0] - 0.01 * digits[1] + 0.0003 * digits[2] + 1e-5 * digits[3]
        rows.append({"hyperparameters": values, "captured_value": [[final - 0.2, final - 0.1, final]] * 2})
    rows[7]["captured_value"] = [None, None]
    rows[9]["captured_value"] = [[0.95, 0.8, 0.8]] * 2
    space = {name: [value] for name, value in first.items()} | varied
    content |= {"space": space, "seeds": [1, 2], "iterations": [10, 20, 40], "trainings": rows}
    content["settings"] |= {"estimator": "gae"}
    (tmp_path / "table.json").write_text(json.dumps(content))
    return load_table(tmp_path / "table.json")


def test_costs_and_cuts_are_as_counted_by_hand(methods: ModuleType, table: Table) -> None:
    whole = methods.Replay(table, methods.Method("random"), 0)
    assert whole.train(range(10)) == (400, [*range(10)])
    spent, still = methods.Replay(table, methods.Method("random", (10, 20), 0.5), 0).train(range(10))
    assert spent == 10 * 10 + 5 * 10 + 3 * 20
    values = table.best_so_far[:, 0]
    at_10 = sorted(range(10), key=lambda row: (-values[row, 0], row))[:5]
    at_20 = sorted(at_10, key=lambda row: (-values[row, 1], row))[:3]
    assert still == at_20
    assert 7 not in still, "a failed training"
    assert values[9].tolist() == [0.95] * 3, "the best policy so far is kept"
    assert whole.regret([9]) == pytest.approx(values[:, 2].max() - 0.95)


def test_each_configuration_is_had_once_and_searches_are_repeatable(methods: ModuleType, table: Table) -> None:
    for method in (methods.Method("gp", (10, 20)), methods.Method("random", (10,)), methods.Method("gp")):
        orders = []
        for number in (3, 3, 4):
            replay = methods.Replay(table, method, number)
            for _ in range(20):
                replay.ask(replay.order[:-4])
            orders.append(replay.order)
        assert len(set(orders[0])) == 20
        assert orders[0] == orders[1] != orders[2]


def test_a_learning_method_meets_good_configurations_more_often_than_random(methods: ModuleType, table: Table) -> None:
    """Nine of 81 are within 1e-3 of the best: with 27 configurations random search meets a third of them."""
    met = {}
    for name in ("random", "gp"):
        courses = []
        for number in range(8):
            replay = methods.Replay(table, methods.Method(name, (10, 20)), number)
            for _ in range(27):
                replay.ask(replay.order[:-4])
            final = table.best_so_far[:, 0, -1]
            courses.append(np.sum(final[replay.order] >= final.max() - 1e-3))
        met[name] = np.mean(courses)
    assert 1.8 < met["random"] < 4.2  # three in the mean, with a standard error of 0.5
    assert met["gp"] > 1.5 * met["random"]


def test_medians_and_the_budget_needed(methods: ModuleType) -> None:
    courses = [
        methods.Course(np.array([100, 200, 300]), np.array(regret), 300)
        for regret in ([0.5, 0.1, 0], [0.4, 0, 0], [1, 1, 1])
    ]
    budgets = np.array([50, 100, 250, 300, 301])
    found = methods.regrets(courses, budgets)
    assert np.median(found, axis=0)[:4].tolist() == [np.inf, 0.5, 0.1, 0.0]
    assert found[:, 4].tolist()[:2] == [0.0, 0.0], "nothing is better than the best of the table"
    assert math.isnan(found[2, 4]), "the search has ended"
    assert methods.iterations_needed(found, budgets, 0.1) == 250
    assert methods.iterations_needed(found, budgets, 0.01) == 300
    assert methods.iterations_needed(found[2:], budgets, 0.1) == math.inf
    low, high = methods.interval(found, budgets, 0.1)
    assert low <= 250 <= high


def test_a_recorded_search_becomes_a_table_and_is_searched(methods: ModuleType, tmp_path: Path) -> None:
    flags = ("--n_trials", 5, "--n_seeds", 2, "--n_iterations", 6, "--eval_freq", 2, "--progress", "none")
    run_search(*flags, "--results_dir", tmp_path / "r")
    for history in (tmp_path / "r").glob("trial_*/history.jsonl"):  # which a stand-in for a training writes without
        lines = [json.loads(line) for line in history.read_text().splitlines()]
        kept = [line | {"captured_value": line["exact_return"] - 5.95} for line in lines if line["iteration"] % 2 == 0]
        history.write_text("".join(json.dumps(line) + "\n" for line in kept))
    recorder = load_benchmark("search_table")
    state = recorder.read_search(tmp_path / "r")
    recorder.write(recorder.table(state), tmp_path / "table.json")
    table = load_table(tmp_path / "table.json")
    assert table.captured_value.shape[:2] == (5, 2)
    for trial in state.trials:
        number, seed = trial.configuration - 1, trial.seed
        curve = {one.iteration: one.captured_value for one in state.history(trial)}
        assert table.curve(number, seed) == pytest.approx([curve[k] for k in table.iterations], abs=1e-7)
        recorded = make_plain(table.configurations[number])
        assert recorded == plain_hyperparameters(trial.hyperparameters)
    found = methods.run(table, [methods.Method("random")], repeats=2)
    assert all(course.regret[-1] == 0 for course in found["random"]), "all of the table were trained"
    methods.draw(found, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 1000
    assert "| random |" in methods.report(found, table)


def make_plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
