"""The comparison of search methods, on a small table that is made up: costs, cuts and medians are as counted by hand."""

import json
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from benchmark_modules import load_benchmark

from ghm.benchmark import Table, load_seeds, load_table
from ghm.benchmark.table import TRAININGS
from ghm.search.settings.configurations import plain_hyperparameters
from ghm.search.settings.space import SearchSpace
from tests.search.support import run_search


@pytest.fixture(scope="module")
def replayed() -> ModuleType:
    return load_benchmark("replayed_search")


@pytest.fixture(scope="module")
def methods(replayed: ModuleType) -> ModuleType:
    assert replayed.__name__ == "replayed_search", "which the other imports"
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


def test_costs_and_cuts_are_as_counted_by_hand(replayed: ModuleType, table: Table) -> None:
    whole = replayed.Replay(table, replayed.Method("random"), 0)
    assert whole.train(range(10)) == (400, [*range(10)], [])
    spent, still, stopped = replayed.Replay(table, replayed.Method("random", (10, 20), 0.5), 0).train(range(10))
    assert spent == 10 * 10 + 5 * 10 + 3 * 20
    values = table.best_so_far[:, 0]
    at_10 = sorted(range(10), key=lambda row: (-values[row, 0], row))
    at_20 = sorted(at_10[:5], key=lambda row: (-values[row, 1], row))
    assert 9 in at_20[:3], "the best policy so far is kept"
    assert (still, stopped) == (at_20[:3], [at_10[5:], at_20[3:]])
    assert whole.regret([9]) == pytest.approx(values[:, 2].max() - 0.95)


def test_each_configuration_is_had_once_and_searches_are_repeatable(replayed: ModuleType, table: Table) -> None:
    for method in (replayed.Method("gp", (10, 20)), replayed.Method("random", (10,)), replayed.Method("gp")):
        orders = []
        for number in (3, 3, 4):
            replay = replayed.Replay(table, method, number)
            for _ in range(20):
                replay.ask()
            orders.append(replay.order)
        assert len(set(orders[0])) == 20
        assert orders[0] == orders[1] != orders[2]


def test_what_an_earlier_search_found_is_of_other_configurations_and_another_seed(
    replayed: ModuleType, table: Table
) -> None:
    """Known from the first configuration on: the first eight are better than most, where those that are drawn are not."""
    table.captured_value[9] = table.captured_value[8]  # which would mislead whoever knows it
    table.captured_value[:, 1] -= 0.001
    halves = [replayed.half(table, which) for which in (0, 1)]
    method = replayed.Method("gp", (10, 20), earlier=20)
    for number in (0, 1):
        replay = replayed.Replay(halves[0], method, number, halves[1])
        values = halves[1].best_so_far[:, 1 - number, 0]
        rows = [halves[1].configurations.index(make_values(one)) for one in replay.earlier]
        assert len({*rows}) == 20
        assert [one.value for one in replay.earlier] == [
            values[row] if np.isfinite(values[row]) else None for row in rows
        ]
        without = replayed.Replay(halves[0], replayed.Method("gp", (10, 20)), number)
        final = halves[0].best_so_far[:, number, -1]
        better = []
        for one in (replay, without):
            for _ in range(8):
                one.ask()
            better.append(np.sum(final[one.order] > np.median(final)))
        assert better[0] >= 6 > better[1], better
    assert method.name.endswith(", 20 earlier")
    course = replayed.search_half(table, method, 5)
    again = replayed.search(halves[1], method, 2, halves[0])
    assert (course.iterations.tolist(), course.regret.tolist()) == (again.iterations.tolist(), again.regret.tolist())


def make_values(one: Any) -> dict[str, Any]:
    return dict(vars(one.hyperparameters))


def test_a_search_is_known_where_it_may_stop(replayed: ModuleType, table: Table) -> None:
    """With rungs it is another search for each number of configurations; without, one that goes on."""
    course = replayed.search(table, replayed.Method("random", (10, 20), 0.5), 5)
    replay = replayed.Replay(table, replayed.Method("random", (10, 20), 0.5), 5)
    for spent, regret in zip(course.iterations, course.regret, strict=True):
        replay.ask()
        cost, still, _ = replay.train(replay.order)
        assert (cost, replay.regret(still)) == (spent, regret)
    assert spent <= course.until == 8 * 40
    every = replayed.search(table, replayed.Method("random"), 5)
    assert every.iterations.tolist() == [40 * k for k in range(1, 82)]
    assert every.regret[-1] == 0
    assert all(np.diff(every.regret) <= 0)


def test_a_learning_method_meets_good_configurations_more_often_than_random(replayed: ModuleType, table: Table) -> None:
    """Nine of 81 are within 1e-3 of the best: of 27, random search meets a third of them."""
    met = {}
    for name in ("random", "gp"):
        courses = []
        for number in range(8):
            replay = replayed.Replay(table, replayed.Method(name, (10, 20)), number)
            for _ in range(27):
                replay.ask()
            final = table.best_so_far[:, 0, -1]
            courses.append(np.sum(final[replay.order] >= final.max() - 1e-3))
        met[name] = np.mean(courses)
    assert 1.8 < met["random"] < 4.2  # three in the mean, with a standard error of 0.5
    assert met["gp"] > 1.5 * met["random"]


def test_medians_and_the_budget_needed(replayed: ModuleType) -> None:
    courses = [
        replayed.Course(np.array([100, 200, 300]), np.array(regret), 300)
        for regret in ([0.5, 0.1, 0], [0.4, 0, 0], [1, 1, 1])
    ]
    budgets = np.array([50, 100, 250, 300, 301])
    found = replayed.regrets(courses, budgets)
    assert np.median(found, axis=0)[:4].tolist() == [np.inf, 0.5, 0.1, 0.0]
    assert found[:, 4].tolist()[:2] == [0.0, 0.0], "nothing is better than the best of the table"
    assert math.isnan(found[2, 4]), "the search has ended"
    assert replayed.iterations_needed(found, budgets, 0.1) == 250
    assert replayed.iterations_needed(found, budgets, 0.01) == 300
    assert replayed.iterations_needed(found[2:], budgets, 0.1) == math.inf
    low, high = replayed.interval(found, budgets, 0.1)
    assert low <= 250 <= high


def test_a_recorded_search_becomes_a_table_and_is_searched(methods: ModuleType, tmp_path: Path) -> None:
    flags = ("--n_trials", 5, "--n_seeds", 2, "--n_iterations", 6, "--eval_freq", 2, "--progress", "none")
    flags += ("--confirm", 2, "--confirm_seeds", 3)
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
    recorder.write(recorder.fresh_seeds(state), tmp_path / "seeds.json")
    fresh = load_seeds(tmp_path / "seeds.json")
    assert fresh.seeds == tuple(state.confirmation.seeds)
    assert [one + 1 for one in fresh.configurations] == list(state.confirmation.chosen)
    again = {(one.configuration - 1, one.seed): state.history(one) for one in state.trials if one.stage == "confirm"}
    for number, values in zip(fresh.configurations, fresh.captured_value, strict=True):
        best = [max(line.captured_value or 0 for line in again[number, seed]) for seed in fresh.seeds]
        assert values == pytest.approx(best, abs=1e-7)
    for trial in (one for one in state.trials if one.stage == "explore"):
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


def test_halves_are_of_different_configurations_and_rungs_are_chosen_on_one(
    methods: ModuleType, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On values that end in the order in which they are early, the least share promoted is the best."""
    halves = [methods.half(table, which) for which in (0, 1)]
    assert [len(one.configurations) for one in halves] == [41, 40]
    for which, one in enumerate(halves):
        assert one.configurations == table.configurations[which::2]
        assert np.array_equal(one.captured_value, table.captured_value[which::2], equal_nan=True)
    monkeypatch.setattr(methods, "SHARES", ((0.25,),))
    monkeypatch.setattr(methods, "KEEPS", (0.1, 0.5))
    assert methods.chosen(halves[0], 6, 1) == methods.Method("random", (10,), 0.1)
    monkeypatch.setattr(methods, "rungs", lambda iterations, shares: (10,))
    monkeypatch.setattr(methods, "CHOSEN_AT", (1,))
    lines = methods.held_out(table, 2, 1).splitlines()
    assert lines[-1] == "Chosen on all: random, rungs 10, keep 0.1"
    assert [line.split(" | ")[2] for line in lines[4:6]] == ["random, rungs 10, keep 0.1", "gp, rungs 10, keep 0.1"]
