"""The validation card: calibrations far apart pass every line, and each planted fault fails the line that it should."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from solvers.calibrations import CALIBRATIONS
from solvers.policies import with_levels

from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.solvers import dynamic_program, free_boundary, policy_value
from ghm.solvers.free_boundary import _integrate
from ghm.solvers.validation import Card, Evidence, card, optimal_stopping, simulate, stopping, validate

DT, T = 0.05, 2.0
INFINITE = (
    "slope_at_payout",
    "curvature_at_payout",
    "value_at_payout",
    "equation",
    "increasing",
    "concave",
    "boundary_at_zero",
)
DECISION = ("time_step", "refined_grid", "exact_value", "simulated_optimum", "simulated_value")


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_calibrations_far_apart_pass(name):
    model = CALIBRATIONS[name]
    found = validate(Problem(model, DT, T))
    assert found.passed, found
    stopping = ("optimal_stopping",) if model.fixed_cost == 0 else ()
    assert tuple(line.name for line in found.lines) == (*INFINITE, *DECISION, *stopping)
    assert all(
        line.figure < line.tolerance / 5
        for line in found.lines
        if "simulated" not in line.name and line.name not in ("time_step", "optimal_stopping")
    )


def test_the_documented_problem_passes():
    found = validate(Problem())
    assert found.passed, found
    assert found.to_dict()["status"] == "PASS"
    assert found.failures == ()


@pytest.mark.parametrize("terminal", ["zero", "going_concern"])
def test_other_ends_pass(terminal):
    for model in (GHMModel(), CALIBRATIONS["no fixed cost"], CALIBRATIONS["cash melts away"]):
        assert validate(Problem(model, DT, T, terminal)).passed


MODEL, FREE = GHMModel(), CALIBRATIONS["no fixed cost"]


@pytest.fixture(scope="module")
def evidence():
    return Evidence.gather(Problem(MODEL, DT, T))


@pytest.fixture(scope="module")
def free_evidence():
    return Evidence.gather(Problem(FREE, DT, T))


def bent(boundary, value=lambda c: 0 * c, slope=lambda c: 0 * c):
    """The solution with something added to F and to F' below c*."""
    inner = boundary._inner
    return dataclasses.replace(boundary, _inner=lambda c: inner(c) + np.stack([value(c), slope(c)]))


def started(boundary, value=1.0, slope=1.0):
    """The equation integrated from another start at c*: ``value`` times m(c*)/k, with ``slope``."""
    from scipy.integrate import solve_ivp

    model, level = boundary.model, boundary.payout_level
    k = model.discount_rate

    def right_hand_side(c, state):
        return [state[1], 2 * (k * state[0] - model.drift(np.array(c)) * state[1]) / model.variance(np.array(c))]

    start = [value * float(model.drift(np.array(level))) / k, slope]
    inner = solve_ivp(
        right_hand_side, (level, 0), start, method="DOP853", rtol=1e-11, atol=1e-11, dense_output=True
    ).sol
    return dataclasses.replace(boundary, _inner=inner, value_at_zero=float(inner(0.0)[0]))


def later(boundary):
    level = 1.001 * boundary.payout_level
    inner = _integrate(boundary.model, level)
    return dataclasses.replace(
        boundary, payout_level=level, _inner=inner, value_at_zero=float(inner(np.zeros(1))[0, 0])
    )


def with_boundary(change):
    def plant(evidence):
        return dataclasses.replace(evidence, boundary=change(evidence.boundary))

    return plant


def wrong_drift(_):
    """Solved without the cost of holding cash where cash drifts: another model's equation."""
    return dataclasses.replace(free_boundary(dataclasses.replace(MODEL, carry_cost=0.021)), model=MODEL)


def wavy(boundary):
    """F' with a wave that is 0 at both ends, and its integral in F: the equation does not hold in between."""
    level = boundary.payout_level
    size, wave = 0.02, 3 * np.pi / level
    return bent(
        boundary,
        lambda c: size * (c / 2 - np.sin(2 * wave * c) / (4 * wave)) - size * level / 2,
        lambda c: size * np.sin(wave * c) ** 2,
    )


def dented(boundary):
    """F, and not F', with a dent well inside: neither its ends nor what is issued up to show it."""
    level = boundary.payout_level
    return bent(
        boundary, lambda c: np.where(abs(c / level - 0.75) < 0.2, -1e-3 * np.cos(2.5 * np.pi * (c / level - 0.75)), 0)
    )


def sinks_below_one(boundary):
    level = boundary.payout_level
    return bent(boundary, slope=lambda c: -0.01 * np.sin(np.pi * c / level) ** 2 * (c > 0.9 * level))


def coarse_grid(evidence):
    coarse = dynamic_program(Problem(MODEL, DT, T), refinement=0.1)
    return dataclasses.replace(evidence, optimum=coarse)


def coarse_in_between(evidence):
    """V as on a coarse grid in between, and right at both ends."""
    optimum = evidence.optimum
    bump = 1e-3 * np.sin(np.pi * optimum.cash / optimum.cash[-1]) ** 2
    return dataclasses.replace(evidence, optimum=dataclasses.replace(optimum, values=optimum.values + bump))


def pays_late(evidence):
    """The policy that is called optimal pays out only above 1.5 times the boundary, which its return and simulation both say."""
    optimum = evidence.optimum
    policy = with_levels(optimum.policy, payout_level=1.5 * optimum.levels.payout_level)
    return dataclasses.replace(
        evidence,
        achieved=policy_value(policy, Problem(MODEL, DT, T)),
        simulated=simulate(policy, Problem(MODEL, DT, T)),
    )


def biased_optimum(evidence):
    """J* too high, as from Gauss-Hermite quadrature across the jump at zero cash (docs/design/model.md)."""
    optimum = dataclasses.replace(
        evidence.optimum, optimal_return=evidence.optimum.optimal_return + 3e-3, values=evidence.optimum.values + 3e-3
    )
    return dataclasses.replace(evidence, optimum=optimum)


def biased_value(evidence):
    return dataclasses.replace(evidence, achieved=evidence.achieved - 3e-3)


def simulated_otherwise(**changes):
    """A simulation of the optimal policy under another model."""

    def plant(evidence):
        policy = evidence.optimum.policy
        other = dataclasses.replace(MODEL, **changes)
        return dataclasses.replace(evidence, simulated=simulate(policy, Problem(other, DT, T)))

    return plant


def coarse_step(evidence):
    """Every solution of the problem agrees with every other, and yet productivity moves cash by 47% in a step."""
    return Evidence.gather(Problem(GHMModel(sigma_a=1.5), 0.1, T))


def not_a_number(evidence):
    return dataclasses.replace(evidence, achieved=float("nan"))


FAULTS = {
    "c* too high": (with_boundary(later), "boundary_at_zero", {"boundary_at_zero"}),
    "F(c*) too low": (with_boundary(lambda b: started(b, value=0.999)), "value_at_payout", None),
    "F'(c*) too steep": (with_boundary(lambda b: started(b, slope=1.001)), "slope_at_payout", None),
    "F''(c*) not 0": (with_boundary(lambda b: started(b, value=1.001)), "curvature_at_payout", None),
    "another model's drift": (with_boundary(wrong_drift), "equation", None),
    "a wave in F'": (with_boundary(wavy), "concave", None),
    "a dent in F": (with_boundary(dented), "equation", {"equation"}),
    "F' below 1": (with_boundary(sinks_below_one), "increasing", None),
    "F(0) misstated": (
        with_boundary(lambda b: dataclasses.replace(b, value_at_zero=b.value_at_zero + 1e-4)),
        "boundary_at_zero",
        {"boundary_at_zero"},
    ),
    "a coarse time step": (coarse_step, "time_step", {"time_step"}),
    "a coarse grid": (coarse_grid, "refined_grid", None),
    "a grid that is coarse in between": (coarse_in_between, "refined_grid", {"refined_grid"}),
    "a policy that pays late": (pays_late, "exact_value", {"exact_value", "simulated_optimum"}),
    "J* too high": (biased_optimum, "simulated_optimum", {"refined_grid", "exact_value", "simulated_optimum"}),
    "an exact value too low": (biased_value, "simulated_value", {"exact_value", "simulated_value"}),
    "a simulation with more earnings": (
        simulated_otherwise(alpha=0.181),
        "simulated_value",
        {"simulated_optimum", "simulated_value"},
    ),
    "a simulation that pays less in liquidation": (
        simulated_otherwise(recovery=0.549),
        "simulated_optimum",
        {"simulated_optimum", "simulated_value"},
    ),
    "an exact value that is not a number": (not_a_number, "exact_value", {"exact_value", "simulated_value"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_fail_on_their_line(evidence, fault):
    plant, line, exactly = FAULTS[fault]
    found = card(plant(evidence))
    assert not found.passed
    assert line in found.failures
    if exactly is not None:
        assert set(found.failures) == exactly
    assert set(found.failures) < {line.name for line in found.lines}  # the others still pass


def test_every_line_of_the_card_is_failed_by_some_fault(evidence):
    failed = {name for plant, _, _ in FAULTS.values() for name in card(plant(evidence)).failures}
    assert failed == {*INFINITE, *DECISION}


def test_a_wrong_stopping_problem_fails_on_its_line(free_evidence, monkeypatch):
    assert card(free_evidence).passed
    right = stopping._operator
    monkeypatch.setattr(stopping, "_operator", lambda c, diffusion, drift, _: right(c, diffusion, drift, 0.1))
    planted = dataclasses.replace(free_evidence, stopping=optimal_stopping(FREE, 1.0))
    assert card(planted).failures == ("optimal_stopping",)


def test_with_no_fixed_cost_the_slope_at_zero_is_checked(free_evidence):
    assert free_evidence.boundary.payout_level > 0
    for share in (0.999, 1.001):
        level = share * free_evidence.boundary.payout_level
        inner = _integrate(FREE, level)
        wrong = dataclasses.replace(
            free_evidence.boundary, payout_level=level, _inner=inner, value_at_zero=float(inner(np.zeros(1))[0, 0])
        )
        assert card(dataclasses.replace(free_evidence, boundary=wrong)).failures == ("boundary_at_zero",)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"carry_cost": 0.0}, "holding cash costs nothing"),
        ({"proportional_cost": 1.0, "fixed_cost": 0.0}, "the firm holds no cash"),
        ({"sigma_x": 0.0}, "the firm holds no cash"),
        ({"recovery": 1.5}, "immediate liquidation is optimal"),
    ],
)
def test_what_cannot_be_checked_is_said(changes, note):
    found = validate(Problem(dataclasses.replace(MODEL, **changes), DT, T))
    assert any(note in text for text in found.notes)
    assert found.passed, found
    assert "equation" not in {line.name for line in found.lines}
    assert {line.name for line in found.lines} >= set(DECISION)


def test_figures_that_are_no_numbers_are_null_in_json_and_fail(evidence):
    found = card(not_a_number(evidence)).to_dict()
    assert found["status"] == "FAIL"
    by_name = {line["name"]: line for line in found["lines"]}
    assert by_name["exact_value"]["figure"] is None
    assert by_name["exact_value"]["status"] == "FAIL"
    assert by_name["equation"]["status"] == "PASS"


def test_simulation_repeats_itself_and_its_errors_are_honest():
    optimum = dynamic_program(Problem(MODEL, DT, T))
    policy = optimum.policy
    same = [simulate(policy, Problem(MODEL, DT, T), 2000, seed=5) for _ in range(2)]
    assert same[0] == same[1]
    # 200 samples of 500 paths: distances in standard errors have variance about 1 (chi-square, alpha = 1e-4: 0.62 to 1.42).
    samples = [simulate(policy, Problem(MODEL, DT, T), 500, seed) for seed in range(200)]
    distances = np.array([(s.mean - optimum.optimal_return) / s.standard_error for s in samples])
    assert abs(distances.mean()) < 4 / np.sqrt(200)
    assert distances.var() < 1.45


def test_the_documented_card_is_the_one_that_is_printed():
    text = (Path(__file__).resolve().parents[3] / "docs" / "design" / "model.md").read_text()
    printed = [
        re.split(r"\s{2,}", line.strip())
        for line in text.splitlines()
        if line.startswith("     ") and line.endswith("PASS")
    ]
    found = validate(Problem(MODEL))
    assert [claim for claim, *_ in printed] == [line.claim for line in found.lines]
    assert [tolerance for *_, tolerance, _ in printed] == [f"{line.tolerance:.1e}" for line in found.lines]
    # So is the one that the report's page shows; what is left of a figure after rounding differs between machines.
    recorded = Card.default()
    assert recorded.notes == found.notes
    assert [(line.name, line.claim, line.tolerance) for line in recorded.lines] == [
        (line.name, line.claim, line.tolerance) for line in found.lines
    ]
    assert all(
        line.figure == pytest.approx(now.figure, rel=1e-3, abs=0.01 * line.tolerance)
        for line, now in zip(recorded.lines, found.lines, strict=True)
    )
