"""``ghm solve``: its figures against the solvers, its JSON and tables, its picture, and what it refuses."""

import json
import sys

import numpy as np
import pytest
from cli.commands import assert_refused, run
from PIL import Image

from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.policies.thresholds import ThresholdPolicy
from ghm.solvers import dynamic_program, free_boundary, policy_value

SMALL = ("--dt", "0.05", "--T", "1")


def solved(*words):
    ran = run("solve", "--json", *words)
    assert (ran.status, ran.errors) == (0, "")
    return json.loads(ran.output)


def test_the_designs_figures():
    found = solved()
    assert found["optimal_return"] == pytest.approx(6.65421, abs=2e-6)
    assert found["wind_up_return"] == pytest.approx(5.95)
    assert found["payout_level"] == pytest.approx(0.1919, abs=1e-4)
    assert found["issue_below"] == pytest.approx(0.0354, abs=1e-4)
    assert found["issue_target"] == pytest.approx(0.0726, abs=1e-4)
    boundary = found["free_boundary"]
    assert boundary["payout_level"] == pytest.approx(0.162980, abs=1e-6)
    assert boundary["value_at_zero"] == pytest.approx(8.830733, abs=1e-6)
    assert boundary["issue_target"] == pytest.approx(0.0402, abs=1e-4)
    assert boundary["refinances"] is True
    assert boundary["liquidation_value"] == pytest.approx(4.95)


def test_keys():
    found = solved(*SMALL)
    promised = {
        "optimal_return",
        "wind_up_return",
        "payout_level",
        "issue_below",
        "issue_target",
        "value_at",
        "free_boundary",
    }
    assert promised <= found.keys()
    assert found.keys() - promised == {
        "dt",
        "T",
        "terminal",
        "model",
        "infinite_horizon",
        "marginal_value_at",
        "warnings",
    }
    assert found["free_boundary"].keys() == {
        "payout_level",
        "value_at_zero",
        "issue_target",
        "refinances",
        "liquidation_value",
    }


def test_where_the_firm_never_issues_its_levels_are_null():
    found = solved("--model.fixed_cost", "6", *SMALL)
    assert found["issue_below"] is found["issue_target"] is None
    assert found["free_boundary"]["issue_target"] is None
    assert found["free_boundary"]["refinances"] is False
    assert found["payout_level"] > 0


def test_model_and_settings_are_those_asked_for():
    found = solved("--model.sigma_x", "0.2", "--dt", "0.1", "--T", "2", "--terminal", "going_concern")
    model = GHMModel(sigma_x=0.2)
    optimum = dynamic_program(Problem(model, 0.1, 2.0, "going_concern"))
    assert found["optimal_return"] == optimum.optimal_return != solved()["optimal_return"]
    assert found["free_boundary"]["payout_level"] == free_boundary(model).payout_level
    assert (found["dt"], found["T"], found["terminal"]) == (0.1, 2.0, "going_concern")
    assert GHMModel.from_dict(found["model"]) == model


def test_the_infinite_horizon_is_printed_first_with_the_papers_objects():
    """A referee's figures, as a reader sees them."""
    ran = run("solve", *SMALL)
    assert (
        ran.output.index("Infinite horizon")
        < ran.output.index("Firms in the long run")
        < ran.output.index("Discrete time")
    )
    for figure in ("0.1630", "8.8307", "0.0402", "1.88%", "0.2473", "0.1237", "12.8%", "0.1578", "6.34", "9.33"):
        assert f" {figure}" in ran.output, figure
    found = solved(*SMALL)["infinite_horizon"]
    assert found["mean_cash"] == pytest.approx(0.1237, abs=5e-5)
    assert found["cost_of_frictions"] == pytest.approx(0.0188, abs=5e-5)
    assert list(found["cash_quantiles"]) == ["0.05", "0.25", "0.5", "0.75", "0.95"]
    assert found["run_out_probability_from_target"]["10"] == pytest.approx(0.6585, abs=1e-3)


def test_marginal_values_are_slopes_of_values():
    found = solved("--at", "0.0999", "0.1", "0.1001", "1.5", *SMALL)
    value, slope = found["value_at"], found["marginal_value_at"]
    assert slope["0.1"] == pytest.approx((value["0.1001"] - value["0.0999"]) / 2e-4, rel=1e-3)
    assert slope["1.5"] == pytest.approx(1.0, abs=1e-6)  # above the payout boundary cash is worth itself


def test_a_horizon_too_near_for_an_issue_to_pay_is_explained():
    """At φ = 1.002 a firm issues for ever, but not with ten years left; up to which φ each does is found by solving."""
    words = ("--model.fixed_cost", "1.002")
    (note,) = solved(*words)["warnings"]
    assert "up to a fixed cost of 0.50 with this horizon, of 3.29 without end" in note
    assert "--terminal going_concern" in note
    assert "--terminal going_concern" in run("solve", *words).output.replace("\n", " ")
    for near, forever, fixed_cost in (
        (True, True, 0.49),
        (False, True, 0.5),
        (False, True, 3.28),
        (False, False, 3.29),
    ):
        model = GHMModel(fixed_cost=fixed_cost)
        assert (dynamic_program(Problem(model)).initial_levels.issue_below is not None) is near
        assert free_boundary(model).refinances is forever
    assert solved("--model.fixed_cost", "6", *SMALL)["warnings"] == []  # it never issues, whatever the horizon
    assert solved(*words, "--terminal", "going_concern")["warnings"] == []


def test_a_coarse_time_step_is_warned_of():
    (note,) = solved("--model.sigma_a", "1.5", "--dt", "0.1")["warnings"]
    assert note.startswith("the time step is coarse")
    assert solved("--model.sigma_a", "1.5", "--dt", "0.02")["warnings"] == []


def test_values_at_points():
    optimum = dynamic_program(Problem(GHMModel(), 0.05, 1.0))
    default = solved(*SMALL)["value_at"]
    assert list(default) == ["0", "0.05", "0.1", "0.2", "0.5", "1", "2"]
    asked = solved("--at", "0", "0.123456789", "1.5", *SMALL)["value_at"]
    assert list(asked) == ["0", "0.123456789", "1.5"]
    for cash, value in {**default, **asked}.items():
        assert value == pytest.approx(np.interp(float(cash), optimum.cash, optimum.values[-1]), abs=1e-5)
    assert default["1"] - default["0.5"] == pytest.approx(0.5)  # above the payout level cash is worth itself


def test_levels_printed_are_a_policy_that_earns_the_return_printed():
    found = solved("--dt", "0.02", "--T", "2", "--terminal", "going_concern")
    policy = ThresholdPolicy.constant(0.02, 2.0, found["payout_level"], found["issue_below"], found["issue_target"])
    value = policy_value(policy, Problem(GHMModel(), 0.02, 2.0, "going_concern"))
    assert value == pytest.approx(found["optimal_return"], abs=2e-4)  # near the horizon they change a little
    lower = ThresholdPolicy.constant(
        0.02, 2.0, 0.5 * found["payout_level"], found["issue_below"], found["issue_target"]
    )
    assert policy_value(lower, Problem(GHMModel(), 0.02, 2.0, "going_concern")) < found["optimal_return"] - 1e-3


def test_table():
    ran = run("solve", *SMALL)
    assert (ran.status, ran.errors) == (0, "")
    found = solved(*SMALL)
    for figure in ("optimal_return", "wind_up_return", "payout_level", "issue_below", "issue_target"):
        assert f"{found[figure]:.4f}" in ran.output
    for value in (*found["value_at"].values(), found["free_boundary"]["payout_level"]):
        assert f"{value:.4f}" in ran.output
    assert max(map(len, ran.output.splitlines())) <= 80
    assert "never" in run("solve", "--model.fixed_cost", "6", *SMALL).output


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_plot(tmp_path, ending):
    path = tmp_path / f"solution.{ending}"
    assert run("solve", "--plot", path, *SMALL).status == 0
    content = path.read_bytes()
    assert content.startswith({"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[ending])
    if ending == "png":
        with Image.open(path) as image:
            colours = {pixel for _, pixel in image.convert("RGB").getcolors(maxcolors=1 << 20)}
        assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x00, 0x9E, 0x73)} <= colours  # a curve of each kind


@pytest.mark.parametrize("changes", [("--model.fixed_cost", "6"), ("--model.sigma_x", "0"), ("--model.c_max", "0.05")])
def test_plot_of_models_that_lack_a_level(tmp_path, changes):
    path = tmp_path / "solution.png"
    assert run("solve", "--plot", path, *changes, *SMALL).status == 0
    assert path.stat().st_size > 10_000


def test_matplotlib_is_left_alone_without_a_plot(monkeypatch):
    monkeypatch.delitem(sys.modules, "ghm.cli.solve.figure", raising=False)
    run("solve", *SMALL)
    assert "ghm.cli.solve.figure" not in sys.modules


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--model.mu", "0.03"), ("discount rate k", "received 0", "raise r or lower mu")),
        (("--model.r", "-1"), ("discount rate k",)),
        (("--model.rho", "1.5"), ("rho must be between -1 and 1", "received 1.5")),
        (("--model.sigma_x", "nan"), ("sigma_x must be a finite number",)),
        (("--dt", "0.03", "--T", "1"), ("whole multiple of dt", "try T=0.99")),
        (("--dt", "0"), ("dt must be a finite number > 0",)),
        (("--dt", "1e-6", "--T", "1e-4"), ("cash nodes", "raise --dt")),
        (("--dt", "1e-6", "--T", "5"), ("time steps are more than", "raise dt")),
        (("--dt", "200", "--T", "200"), ("c_max 2 is less than", "lower --dt")),
        (("--model.c_max", "1e-6"), ("c_max 1e-06 is less than", "raise --model.c_max")),
        (("--at", "3"), ("--at must be from 0 to c_max = 2", "received 3.0")),
        (("--terminal", "soon"), ("soon", "liquidation")),
        (("--modle.sigma_x", "1"), ("unknown option --modle.sigma_x; did you mean", "--model.sigma_x")),
        (("--model.sigma_x", "abc"), ("abc",)),
        (("--terminal", "going_concern", "--model.recovery", "1.5"), ("immediate liquidation is optimal",)),
        (("--plot", "/no/such/place/x.png", *SMALL), ("/no/such/place/x.png cannot be written", "choose another file")),
        (("--plot", "picture.xyz", *SMALL), ("the ending must be one of", "try .png or .pdf")),
        (("--plot", "picture", *SMALL), ("the ending must be one of",)),
    ],
)
def test_bad_input_is_refused_with_one_message(words, parts):
    assert_refused(run("solve", *words), *parts)


@pytest.mark.parametrize("json_too", [True, False])
def test_without_an_infinite_horizon_solution_the_rest_is_shown_and_the_lack_said(json_too):
    ran = run("solve", "--model.carry_cost", "0", *SMALL, *(("--json",) if json_too else ()))
    assert (ran.status, ran.errors) == (0, "")
    if json_too:
        answer = json.loads(ran.output)
        assert answer["free_boundary"] is None
        assert answer["warnings"][-1].startswith("no infinite-horizon solution: holding cash costs nothing")
    else:
        assert "Note: no infinite-horizon solution: holding cash costs nothing" in ran.output
        assert "optimal firm value" in ran.output
        assert "Infinite horizon" not in ran.output


def test_no_command_is_mistaken_for_another():
    assert_refused(run("slove"), "no command 'slove'", "did you mean solve?")
    assert run("--help").status == 0
    assert "solve" in run("--help").output
