"""The loss of firm value beside captured value: its definition, its words, and why it and not captured value compares models."""

import math

import pytest
from cli.commands import run

import ghm
from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.io.text import loss_text
from ghm.policies.thresholds import ThresholdPolicy
from ghm.solvers import dynamic_program

DT, T = 0.05, 1.0


def test_loss_is_the_share_of_firm_value_that_is_missing():
    solution = dynamic_program(Problem(GHMModel(), DT, T))
    assert solution.loss(solution.optimal_return) == 0
    assert solution.loss(0.9 * solution.optimal_return) == pytest.approx(0.1)
    assert solution.loss(solution.wind_up_return) == pytest.approx(
        1 - solution.wind_up_return / solution.optimal_return
    )


def test_one_loss_is_many_captured_values():
    """A thousandth of firm value: a hundredth of the default firm's gain, nearly half where liquidation is nearly as good."""
    models = (GHMModel(), GHMModel(recovery=0.99, rho=0.7, carry_cost=0.001))
    missing = []
    for model in models:
        solution = dynamic_program(Problem(model))
        missing.append(1 - solution.captured_value(0.999 * solution.optimal_return))
    assert missing == pytest.approx([0.0094, 0.464], abs=5e-4)


@pytest.mark.parametrize(
    ("loss", "text"),
    [(0.00273, "0.27%"), (0.1234, "12%"), (1.5, "150%"), (0.0, "0%"), (4e-7, "0%"), (3e-6, "0.0003%"), (-0.002, "-0.20%"),
     (None, "undefined"), (math.nan, "undefined"), (math.inf, "undefined")],
)  # fmt: skip
def test_words(loss, text):
    assert loss_text(loss) == text


def test_an_evaluation_has_it_everywhere(tmp_path):
    policy = ThresholdPolicy.constant(DT, T, 0.5, 0.02, 0.1)
    found = ghm.evaluate(policy, dt=DT, T=T)
    loss = (found.solution.optimal_return - found.exact_return) / found.solution.optimal_return
    assert found.loss == pytest.approx(loss)
    assert found.to_dict()["loss"] == pytest.approx(loss)
    assert found.metrics()["loss"] == pytest.approx(loss)
    assert f"oses {loss_text(loss)} of firm value" in found.verdict.text
    path = tmp_path / "policy.npz"
    ghm.solve(dt=DT, T=T).save(path)
    shown = run("evaluate", path).output
    assert "loss of firm value" in shown
