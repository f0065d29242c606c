"""Policies in files of arrays: they say what the policy said, and files that hold none are refused."""

import json

import numpy as np
import pytest

import ghm
from ghm.economics.actions import Actions
from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.policies.thresholds import ThresholdPolicy
from ghm.solvers import policy_value
from ghm.solvers.answers import load_table
from ghm.solvers.policy_value import policy_values
from ghm.solvers.validation.simulation import draw_cash_after

DT, T = 0.05, 1.0
MODEL = GHMModel()


@pytest.fixture(scope="module")
def solution():
    return ghm.solve(MODEL, DT, T, times=np.arange(1, 21) * DT)


def test_the_solutions_file_is_the_optimal_policy(solution, tmp_path):
    solution.save(tmp_path / "optimum.npz")
    found = ghm.evaluate(tmp_path / "optimum.npz")
    assert found.problem == Problem(MODEL, DT, T)
    assert found.exact_return == pytest.approx(solution.optimal_return, abs=2e-7)
    assert found.captured_value == pytest.approx(1.0, abs=1e-5)
    assert not found.draws


def test_a_comparison_of_the_optimum_finds_no_difference(solution, tmp_path):
    solution.save(tmp_path / "optimum.npz")
    comparison = ghm.evaluate(tmp_path / "optimum.npz").compare()
    errors = comparison.errors()
    assert set(errors) == {"value", "cash_after", "pays_above", "issues_below", "issues_up_to"}
    for error in errors.values():
        assert error.mean_absolute == pytest.approx(0.0, abs=1e-6)
        assert error.root_mean_square == pytest.approx(0.0, abs=1e-6)


def test_maps_of_a_policy_that_pays_late(tmp_path):
    late = ThresholdPolicy.constant(DT, T, 0.4, 0.05, 0.1)
    found = ghm.evaluate(late, MODEL, DT, T)
    cash, times = np.linspace(0.0, 1.0, 11), [0.5, 1.0]
    comparison = found.compare(cash, times)
    maps, best = comparison.columns, ghm.solve(MODEL, DT, T, cash=cash, times=times)
    for row, tau in enumerate(times):
        alone = ghm.evaluate(ThresholdPolicy.constant(DT, tau, 0.4, 0.05, 0.1), MODEL, DT, tau)
        exact = policy_values(alone.policy, Problem(MODEL, DT, tau))
        assert maps["value"][row] == pytest.approx(np.interp(cash, exact.cash, exact.values[-1]), abs=2e-5)
    assert maps["optimal_value"] == pytest.approx(best.values)
    assert np.all(maps["value_difference"] <= 1e-6)
    assert maps["cash_after"][1] == pytest.approx(np.where(cash < 0.05, 0.1, np.minimum(cash, 0.4)))
    # Above 0.4 the one keeps 0.4 where the other keeps its payout level.
    assert maps["cash_after_difference"][1, -1] == pytest.approx(0.4 - best.payout_level[1])
    assert maps["pays_above_difference"] == pytest.approx(0.4 - best.payout_level, abs=2e-3)
    errors = comparison.errors()
    difference = maps["value"] - maps["optimal_value"]
    assert errors["value"].mean_absolute == pytest.approx(np.abs(difference).mean())
    assert errors["value"].root_mean_square == pytest.approx(np.sqrt((difference**2).mean()))
    assert errors["value"].root_mean_square > 1e-3


def test_what_only_one_of_the_two_does_has_no_difference():
    found = ghm.evaluate(lambda cash, tau: (0.0, 0.0), MODEL, DT, T)
    errors = found.compare([0.0, 0.1], [1.0]).error_figures()
    assert errors["pays_above"] == {"mean_absolute": None, "root_mean_square": None}
    assert errors["value"]["mean_absolute"] > 0


def drawing_in_all_modes(cash, tau):
    """Each mode so likely that drawing is the better action rule: holding for ever is the other one."""
    n = cash.size
    modes = np.tile([0.5, 0.3, 0.2], (n, 1))
    return Actions(modes, np.full(n, -1.5), np.full(n, 0.3), np.full(n, -2.5), np.full(n, 0.2))


def test_maps_are_of_the_action_rule_that_is_judged():
    """Of a policy that is better as it draws: its value over the starts is its return, its cash what draws leave on average."""
    found = ghm.evaluate(drawing_in_all_modes, MODEL, DT, T)
    assert found.action_rule == "randomised"
    assert found.randomised_return - found.greedy_return > 0.01
    cash = np.linspace(0.0, MODEL.c_max, 8001)
    maps = found.compare(cash, [T]).columns
    mean = np.trapezoid(maps["value"][0], cash) / MODEL.c_max
    assert mean == pytest.approx(found.exact_return, abs=1e-4)
    few = np.array([0.0, 0.05, 0.2, 1.0])
    generator, actions = np.random.default_rng(1), drawing_in_all_modes(few, T)
    drawn = np.array([draw_cash_after(few, actions, MODEL.c_max, generator) for _ in range(40_000)])
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    expected = found.compare(few, [T]).columns["cash_after"][0]
    assert np.all(np.abs(drawn.mean(axis=0) - expected) < 4 * error + 1e-12)
    # The wrong variant: the most likely action leaves other cash.
    assert np.abs(few - expected).max() > 100 * error.max()


def test_a_policy_written_is_read_back(tmp_path):
    generator = np.random.default_rng(0)
    phase = generator.uniform(0, 6, 3)

    def drawing(cash, tau):
        odds = np.exp(np.cos(phase[:, None] + 3 * cash + tau))
        n = cash.size
        return Actions((odds / odds.sum(0)).T, np.full(n, -1.5), np.full(n, 0.3), np.full(n, -2.5), np.full(n, 0.2))

    found = ghm.evaluate(drawing, MODEL, DT, T)
    found.compare(times=np.arange(1, 21) * DT).save(tmp_path / "policy.npz")
    again = ghm.evaluate(tmp_path / "policy.npz")
    assert again.draws
    assert again.randomised_return == pytest.approx(found.randomised_return, abs=1e-7)
    assert again.exact_return == pytest.approx(found.exact_return, abs=1e-7)
    # Negative control: a coarse table is another policy.
    found.compare([0.0, 1.0, 2.0], [1.0]).save(tmp_path / "coarse.npz")
    assert abs(ghm.evaluate(tmp_path / "coarse.npz").randomised_return - found.randomised_return) > 1e-4


def table(**changes):
    arrays = {
        "cash": np.array([0.0, 1.0, 2.0]),
        "time_to_horizon": np.array([0.1, 1.0]),
        "mode_probabilities": np.tile([0.0, 1.0, 0.0], (2, 3, 1)),
        "payout_level": np.array([0.1, 0.3]),
        "issue_target": np.zeros((2, 3)),
    }
    arrays |= changes
    return {key: value for key, value in arrays.items() if value is not None}


def written(tmp_path, arrays):
    np.savez(tmp_path / "policy.npz", **arrays)
    return tmp_path / "policy.npz"


def test_tables_are_linear_between_nodes_and_constant_beyond(tmp_path):
    policy = load_table(written(tmp_path, table())).policy
    actions = policy(np.array([0.5, 5.0]), 0.55)
    assert np.exp(actions.payout_log_mean) == pytest.approx([0.2, 0.2])
    assert np.exp(policy(np.array([0.5]), 0.01).payout_log_mean) == pytest.approx([0.1])
    assert np.exp(policy(np.array([0.5]), 9.0).payout_log_mean) == pytest.approx([0.3])
    assert actions.mode_probabilities == pytest.approx(np.tile([0.0, 1.0, 0.0], (2, 1)))
    same = ThresholdPolicy.constant(DT, T, 0.3)
    flat = load_table(written(tmp_path, table(payout_level=np.array([0.3, 0.3])))).policy
    assert policy_value(flat, Problem(MODEL, DT, T)) == pytest.approx(
        policy_value(same, Problem(MODEL, DT, T)), abs=1e-7
    )


def test_levels_at_the_horizon_itself_do_not_count(tmp_path):
    """The firm does nothing there: with that row, whatever it says, or without it, the file holds the same policy."""
    times, low, high = np.array([0.0, 0.5, 1.0]), np.array([9.0, 0.02, 0.05]), np.array([9.0, 0.1, 0.2])
    names = ("issue_below", "issue_target", "payout_level")
    whole = {"time_to_horizon": times} | dict(zip(names, (low, high, 2 * high), strict=True))
    policy = load_table(written(tmp_path, whole)).policy
    assert policy.time_to_horizon.tolist() == [0.5, 1.0]
    for name, values in zip(names, (low, high, 2 * high), strict=True):
        assert getattr(policy.levels, name).tolist() == values[1:].tolist(), name
    alone = load_table(written(tmp_path, {name: values[1:] for name, values in whole.items()})).policy
    cash = np.array([0.0, 0.03, 0.3])
    for ours, theirs in zip(policy(cash, 0.6), alone(cash, 0.6), strict=True):
        assert np.array_equal(ours, theirs)


def test_a_single_time_is_for_all_times(tmp_path):
    one = table(time_to_horizon=np.array([1.0]), mode_probabilities=np.tile([0.0, 1.0, 0.0], (1, 3, 1)))
    one |= {"payout_level": np.array([0.3]), "issue_target": np.array([0.1])}
    policy = load_table(written(tmp_path, one)).policy
    assert np.exp(policy(np.array([0.5]), 0.2).payout_log_mean) == pytest.approx([0.3])


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"mode_probabilities": None}, "neither mode_probabilities nor issue_below"),
        ({"cash": None}, "lacks the array cash"),
        ({"payout_level": None}, "lacks the array payout_level"),
        ({"cash": np.array([0.0, 2.0, 1.0])}, "cash must be a list of numbers >= 0 that increase"),
        ({"cash": np.array([-1.0, 0.0, 1.0])}, "cash must be a list of numbers >= 0"),
        ({"cash": np.array([0.0, np.nan, 1.0])}, "cash must be a list of numbers"),
        ({"cash": np.array(["a", "b", "c"])}, "cash must be finite numbers"),
        ({"mode_probabilities": np.ones((3, 2, 3)) / 3}, "mode_probabilities must have shape (2, 3, 3)"),
        ({"mode_probabilities": np.ones((2, 3, 3))}, "sum to 1"),
        ({"mode_probabilities": np.full((2, 3, 3), np.nan)}, "sum to 1"),
        ({"payout_level": np.array([0.1])}, "payout_level must have shape (2,) or (2, 3); received (1,)"),
        ({"payout_level": np.array([-0.1, 0.1])}, "payout_level must be >= 0"),
        ({"issue_target": np.full((2, 3), np.inf)}, "issue_target must be finite numbers"),
        ({"issue_log_std": np.array([-1.0, 0.1])}, "issue_log_std must be >= 0"),
        ({"problem": np.array("{")}, "problem must be JSON text"),
        ({"problem": np.array("[]")}, "a mapping with keys model, dt, T, terminal at most; received []"),
        ({"problem": np.array(json.dumps({"dt": "x"}))}, "dt must be a finite number"),
        ({"problem": np.array(json.dumps({"model": {"alpha": 1}}))}, "model parameters must be exactly"),
        ({"problem": np.array(json.dumps({"model": 3}))}, "the array problem"),
    ],
)
def test_files_that_hold_no_policy_are_refused(tmp_path, changes, part):
    with pytest.raises(UserError) as caught:
        load_table(written(tmp_path, table(**changes)))
    assert part in str(caught.value)
    assert "policy.npz" in str(caught.value)


def test_other_files_are_refused_and_nothing_in_them_is_run(tmp_path):
    path = tmp_path / "policy.npz"
    with pytest.raises(UserError, match="no policy at"):
        load_table(path)
    for content in (b"", b"hello", b"PK\x03\x04broken"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"is no \.npz file of plain arrays"):
            load_table(path)
    np.savez(path, cash=np.array([print], dtype=object))  # a pickle
    with pytest.raises(UserError, match=r"is no \.npz file of plain arrays"):
        load_table(path)
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "one.npy").rename(path)
    with pytest.raises(UserError, match=r"is no \.npz file of plain arrays"):
        load_table(path)


def test_other_kinds_of_arguments_get_a_message(tmp_path):
    (tmp_path / "my best_model.pt").touch()
    for arguments, message in (
        ((tmp_path / "my best_model.pt",), r"is a checkpoint; judge it by `ghm evaluate '.*/my best_model\.pt'`"),
        ((lambda cash, tau: (0.0, 0.0), 0.2), r"model must be a ghm.GHMModel; received float"),
        ((3,), r"policy must be a function .*; received int"),
    ):
        with pytest.raises(UserError, match=message):
            ghm.evaluate(*arguments)
    with pytest.raises(UserError, match="received int"):
        ghm.load_results(3)
