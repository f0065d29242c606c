"""The tabular benchmark: what it answers is what its file says, and asking for what it does not have is refused."""

import doctest
import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ghm.benchmark
from ghm.benchmark import Table, load_seeds, load_table
from ghm.benchmark.seeds import FRESH
from ghm.benchmark.table import TRAININGS
from ghm.errors import UserError

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def table() -> Table:
    return load_table()


def test_every_entry_is_that_of_the_file(table: Table) -> None:
    content = json.loads(TRAININGS.read_text())
    assert len(table.configurations) == len(content["trainings"])
    assert len(table.configurations) >= 300
    assert len(table.seeds) == 2
    assert len(table.iterations) >= 20
    for number, row in enumerate(content["trainings"]):
        for seed, curve in zip(content["seeds"], row["captured_value"], strict=True):
            for column, iterations in enumerate(content["iterations"]):
                best = -np.inf if curve is None else max(curve[: column + 1])
                assert table.objective(number, iterations, seed) == best
            if curve is not None:
                assert table.curve(number, seed).tolist() == curve


def test_captured_value_is_measured_against_the_optimum_of_its_own_problem(table: Table) -> None:
    from ghm.economics.model import GHMModel
    from ghm.economics.problem import Problem
    from ghm.solvers.dynamic_program import solve

    settings = table.settings
    model = GHMModel.from_dict(settings["model"])
    solution = solve(Problem(model, settings["dt"], settings["T"], settings["terminal"]))
    assert solution.optimal_return == table.optimal_return
    assert solution.wind_up_return == table.liquidation_return
    finite = table.captured_value[np.isfinite(table.captured_value)]
    assert finite.max() < 1 + 1e-6


def test_configurations_are_in_the_space_and_each_is_nearest_to_itself(table: Table) -> None:
    for number, one in enumerate(table.configurations):
        assert all(one[name] in values for name, values in table.space.items())
        assert table.nearest(one) == number
        assert table.nearest(one, excluded={number}) != number


def test_the_nearest_is_so_by_distances_worked_out_setting_by_setting(table: Table) -> None:
    """A decade of learning rate is a quarter of its range, a layer half of what there may be, widths go by their logarithm."""

    def distance(one: dict[str, Any], rate: float, widths: tuple[int, ...]) -> float:
        layers, width = len(one["policy_hidden"]), one["policy_hidden"][0]
        by_width = abs(np.log(width / widths[0])) / np.log(128 / 8)
        return abs(np.log10(one["lr_policy"] / rate)) / 4 + abs(layers - len(widths)) / 2 + by_width

    for rate in np.geomspace(1e-5, 1e-1, 9):
        for widths in ((8,), (30, 30), (100, 100, 100)):
            distances = [distance(one, rate, widths) for one in table.configurations]
            found = table.nearest({"lr_policy": float(rate), "policy_hidden": widths})
            assert distances[found] == pytest.approx(min(distances), abs=1e-9)


def test_numbers_of_a_list_are_as_far_apart_as_they_are_in_it(tmp_path: Path) -> None:
    """The share of the list that lies between: from 1 to 4 of 0.5, 1, 2, 4 it is two thirds."""
    content = json.loads(TRAININGS.read_text())
    content["space"] |= {"max_grad_norm": [0.5, 1, 2, 4], "entropy_weight": {"low": 0, "high": 1}}
    places = [(4, 0.1), (1, 0.7), (2, 0.5)]
    full = content["trainings"][0]
    content["trainings"] = [
        full | {"hyperparameters": full["hyperparameters"] | {"max_grad_norm": norm, "entropy_weight": weight}}
        for norm, weight in places
    ]
    (tmp_path / "t.json").write_text(json.dumps(content))
    table = load_table(tmp_path / "t.json")
    asked = {"max_grad_norm": 1, "entropy_weight": 0.1}  # 2/3 + 0, 0 + 0.6 and 1/3 + 0.4 from these
    assert table.nearest(asked) == 1
    assert table.nearest(asked, [1]) == 0


def test_a_learner_that_the_space_varies_brings_its_own_estimator(tmp_path: Path) -> None:
    """The model-based learner uses a value network, so lr_baseline counts; the model-free one by default does not."""
    content = json.loads(TRAININGS.read_text())
    content["space"] = {"learner": ["model_based", "model_free"]} | {
        name: one for name, one in content["space"].items() if name not in ("estimator", "gae_lambda", "critic_memory")
    }
    full = content["trainings"][0]
    settings = {name: one for name, one in full["hyperparameters"].items() if name in content["space"]}
    content["trainings"] = [
        full | {"hyperparameters": settings | {"learner": learner, "lr_baseline": rate}}
        for learner in ("model_based", "model_free")
        for rate in (1e-4, 1e-2)
    ]
    (tmp_path / "t.json").write_text(json.dumps(content))
    table = load_table(tmp_path / "t.json")
    assert table.nearest({"learner": "model_based", "lr_baseline": 1e-4}) == 0
    assert table.nearest({"learner": "model_based", "lr_baseline": 1e-2}) == 1
    assert table.nearest({"learner": "model_free", "lr_baseline": 1e-2}) == 2, "the first of two alike"


def test_a_setting_without_effect_does_not_count(table: Table) -> None:
    number = next(k for k, one in enumerate(table.configurations) if one["estimator"] == "after_state")
    moved = table.configurations[number] | {"gae_lambda": 1.0, "lr_baseline": 1e-1}
    assert table.nearest(moved) == number
    gae = next(k for k, one in enumerate(table.configurations) if one["estimator"] == "gae")
    others = [k for k, one in enumerate(table.configurations) if one["estimator"] == "gae" and k != gae]
    swapped = table.configurations[gae] | {name: table.configurations[others[0]][name] for name in table.space}
    assert table.nearest(swapped) == others[0]


def test_the_best_is_the_best_on_average(table: Table) -> None:
    last = table.iterations[-1]
    means = [
        np.mean([table.objective(k, last, seed) for seed in table.seeds]) for k in range(len(table.configurations))
    ]
    assert means[table.best] == max(means)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        *(
            (
                lambda t, k=k: t.objective(k, t.iterations[-1], t.seeds[0]),
                "configuration must be a whole number from 0 to",
            )
            for k in (10_000, -1, 1.5, True, "1")
        ),
        (lambda t: t.objective(0, 7, t.seeds[0]), "iterations must be one of 0, 20"),
        (lambda t: t.objective(0, False, t.seeds[0]), "iterations must be one of 0, 20"),
        (lambda t: t.objective(0, 20.0, t.seeds[0]), "iterations must be one of 0, 20"),
        (lambda t: t.objective(0, t.iterations[-1], 5), "seed must be one of"),
        (lambda t: t.objective(0, t.iterations[-1], float(t.seeds[0])), "seed must be one of"),
        (
            lambda t: t.nearest({"gae_lambda": 0.9}),
            "whether gae_lambda has an effect depends on estimator; give a value",
        ),
        (lambda t: t.nearest({"lr_policy": 1e-3, "lr_baseline": 1e-3}), "whether lr_baseline has an effect depends on"),
        (lambda t: t.nearest({"lr_policy": 1e-3}, [99_999]), "from 0 to .*; received 99999"),
        (lambda t: t.nearest({"lr_policy": 1e-3}, [-1]), "from 0 to .*; received -1"),
        (lambda _: load_table(3), "--path must be a path"),  # type: ignore[arg-type]
        (lambda t: t.nearest({"lr": 1}), "the space has no 'lr'"),
        (lambda t: t.nearest({"lr_policy": 7.0}), "lr_policy 7.0 is not in the space"),
        (lambda t: t.nearest({"lr_policy": 1e-3}, range(len(t.configurations))), "exclude fewer"),
        (lambda t: load_table(Path("nowhere.json")), "nowhere.json cannot be read"),
    ],
)
def test_what_it_does_not_have_is_refused(table: Table, asked: object, says: str) -> None:
    with pytest.raises(UserError, match=says):
        asked(table)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda _: "no JSON", "not JSON"),
        (lambda _: [], "a JSON list, not an object"),
        (lambda c: c | {"trainings": 3}, "Expected `array`, got `int`"),
        (lambda c: {key: value for key, value in c.items() if key != "seeds"}, "missing required field `seeds`"),
        (lambda c: c | {"seeds": [1, 2, 3]}, "for each of 3 seeds"),
        (lambda c: c | {"iterations": [0]}, "a curve of 1 captured values"),
        (lambda c: c | {"trainings": []}, "in each training"),
        (lambda c: c | {"settings": {}}, "its settings have no learner, estimator, baseline"),
        (lambda c: c | {"space": {"lr": [1]}}, "lr"),
        (lambda c: c | {"trainings": [c["trainings"][0] | {"hyperparameters": {}}]}, "are missing"),
    ],
)
def test_a_file_that_is_no_table_is_refused(change: Any, says: str, tmp_path: Path) -> None:
    content = change(json.loads(TRAININGS.read_text()))
    (tmp_path / "t.json").write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(UserError, match=rf"t.json is no table of trainings: .*{says}.*; give another"):
        load_table(tmp_path / "t.json")


def test_a_link_to_a_file_is_read(table: Table, tmp_path: Path) -> None:
    """It is the user's own, unlike those of a results directory."""
    for number, file in enumerate((TRAININGS, FRESH)):
        (tmp_path / f"{number}.json").symlink_to(file)
    assert load_table(tmp_path / "0.json").configurations == table.configurations
    assert load_seeds(tmp_path / "1.json").seeds == load_seeds().seeds


def test_fresh_seeds_are_those_of_the_file_and_of_the_tables_best(table: Table) -> None:
    content, fresh = json.loads(FRESH.read_text()), load_seeds()
    assert fresh.captured_value.shape == (12, 20)
    assert fresh.captured_value.tolist() == [row["captured_value"] for row in content["configurations"]]
    assert not {*fresh.seeds} & {*table.seeds}
    means = table.best_so_far[:, :, -1].mean(axis=1)
    assert list(fresh.configurations) == np.argsort(-means, kind="stable")[:12].tolist()
    # Another seed is the only difference: the mean of many is near that of two, in standard errors of their difference.
    for number, values in zip(fresh.configurations, fresh.captured_value, strict=True):
        assert abs(values.mean() - means[number]) < 5 * values.std(ddof=1) * np.sqrt(1 / 2 + 1 / 20)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda _: "no JSON", "not JSON"),
        (lambda c: c | {"seeds": [1]}, "each configuration must have 1 captured values"),
        (lambda c: c | {"configurations": []}, "each configuration must have 20"),
        (lambda c: c | {"configurations": [{"number": 1}]}, "missing required field `captured_value`"),
    ],
)
def test_a_file_that_holds_no_seeds_is_refused(change: Any, says: str, tmp_path: Path) -> None:
    content = change(json.loads(FRESH.read_text()))
    (tmp_path / "s.json").write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(UserError, match=rf"s.json holds no trainings on seeds: .*{says}"):
        load_seeds(tmp_path / "s.json")
    with pytest.raises(UserError, match=r"nowhere.json cannot be read"):
        load_seeds(tmp_path / "nowhere.json")


def test_a_training_on_a_fresh_seed_that_failed_counts_as_the_worst(tmp_path: Path) -> None:
    content = {"seeds": [1, 2], "configurations": [{"number": 3, "captured_value": [0.9, None]}]}
    (tmp_path / "s.json").write_text(json.dumps(content))
    assert load_seeds(tmp_path / "s.json").captured_value.tolist() == [[0.9, -np.inf]]


def test_a_setting_counts_as_soon_as_it_is_known_to_have_an_effect(table: Table) -> None:
    gae = [k for k, one in enumerate(table.configurations) if one["estimator"] == "gae"]
    for number in gae:
        one = table.configurations[number]
        part = {name: one[name] for name in ("estimator", "gae_lambda", "lr_baseline", "value_hidden")}
        assert table.nearest(part) == number
    # What has an effect whatever else: no more is to be named.
    assert table.nearest({"lr_policy": table.configurations[gae[0]]["lr_policy"]}) == gae[0]


def test_values_may_be_lists_and_numpys_numbers(table: Table) -> None:
    number = next(k for k, one in enumerate(table.configurations) if len(one["policy_hidden"]) > 1)
    one = table.configurations[number]
    lists = {name: list(value) if isinstance(value, tuple) else value for name, value in one.items()}
    assert table.nearest(lists | {"lr_policy": np.float64(one["lr_policy"])}) == number
    last, seed = table.iterations[-1], table.seeds[0]
    assert table.objective(np.int64(number), np.int64(last), np.int64(seed)) == table.objective(number, last, seed)  # type: ignore[arg-type]


def test_a_table_is_shown_by_its_size(table: Table) -> None:
    assert repr(table) == "Table(configurations: 320, seeds: 2, evaluations: 21, iterations: 400)"


def test_a_table_can_be_compared_and_kept_in_a_set(table: Table) -> None:
    assert table == table
    assert table not in {load_table()}


def test_the_documented_example_runs() -> None:
    done = doctest.testmod(ghm.benchmark)
    assert done.attempted >= 4
    assert done.failed == 0


def test_the_example_finds_a_good_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optuna")
    found = runpy.run_path(str(ROOT / "examples" / "benchmark_with_optuna.py"))
    assert found["study"].best_value > 0.95
    assert "iterations" in capsys.readouterr().out
