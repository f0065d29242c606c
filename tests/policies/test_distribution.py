"""From raw outputs to the distribution of an action: bounds, probabilities, and no flat pieces."""

import numpy as np
import pytest
import torch
from policies.torch_distribution import torch_distribution
from scipy.special import softmax

from ghm.economics.grid import LEVEL_SHIFT
from ghm.economics.model import GHMModel
from ghm.policies.distribution import LOGIT_BOUND, LOWEST_LOG_STD, RAW_OUTPUTS, Distribution, LevelBounds

MODEL = GHMModel()
BOUNDS = LevelBounds.of(MODEL, 0.01)
K, M = 3, 5


def raw_outputs(scale: float, seed: int = 0, dtype: type[np.floating] = np.float64) -> np.ndarray:
    return (scale * np.random.default_rng(seed).standard_normal((K, M, RAW_OUTPUTS))).astype(dtype)


def test_distribution_is_the_stated_map() -> None:
    z = raw_outputs(2.0)
    found = Distribution.of(z, BOUNDS)
    levels = found.levels
    expected = softmax(6 * np.tanh(z[..., :3] / 6), axis=-1).transpose(2, 0, 1)
    assert np.allclose(found.modes, expected)
    assert np.allclose(found.log_modes, np.log(expected))

    def share(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    b, i = z[:, M - 1], z[:, 0]  # the payout level is read off at c̄, the issue target at 0
    # Levels plus the shift of four steps' lengths: from nearly 0 to c̄, and from one step's length to half of c̄.
    step = np.hypot(0.12 * 0.1, 0.18 * 0.01)
    pay_low, pay_high, issue_low, issue_high = np.log([0.9 * 4 * step, 2.0 + 4 * step, 5 * step, 1.0 + 4 * step])
    assert np.allclose(levels[0], pay_low + (pay_high - pay_low) * share(b[:, 3]))
    assert np.allclose(levels[2], issue_low + (issue_high - issue_low) * share(i[:, 5]))
    assert np.allclose(levels[1], np.exp(-3 + 3 * share(b[:, 4])))
    assert np.allclose(levels[3], np.exp(-3 + 3 * share(i[:, 6])))


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
def test_everything_stays_within_its_bounds(scale: float) -> None:
    found = Distribution.of(raw_outputs(scale, dtype=np.float32), BOUNDS)
    hold = 1 - found.modes[1:].sum(axis=0)
    for probability in (*found.modes, hold):
        # The lowest: both other logits at +6, this one at -6; single precision leaves the difference 1 - sum some 1e-7.
        assert probability.min() > np.exp(-2 * LOGIT_BOUND) / 2.001 - 2e-7
        assert probability.max() < 1
    medians, spreads = np.exp(found.levels[0::2]), found.levels[1::2]
    edge = 1 + 1e-5  # of single precision
    assert np.all(spreads >= np.exp(LOWEST_LOG_STD) / edge)
    assert np.all(spreads <= edge)
    assert np.all(medians[0] >= BOUNDS.payout_lower / edge)
    assert np.all(medians[1] >= BOUNDS.issue_lower / edge)
    assert np.all(medians[0] <= BOUNDS.payout_upper * edge)
    assert np.all(medians[1] <= BOUNDS.issue_upper * edge)


def test_everything_is_in_the_precision_of_the_outputs_and_contiguous() -> None:
    found = Distribution.of(raw_outputs(1.0, dtype=np.float32), BOUNDS)
    by_raw = found.by_raw(np.ones((3, K, M), np.float32), np.ones((4, K), np.float32))
    for array, shape in ((found.modes, (3, K, M)), (found.levels, (4, K)), (by_raw, (K, M, RAW_OUTPUTS))):
        assert array.shape == shape
        assert array.dtype == np.float32
        assert array.flags.c_contiguous


@pytest.mark.parametrize("scale", [0.3, 3.0, 8.0])
def test_the_gradient_is_pytorchs(scale: float) -> None:
    """Of a linear function of probabilities and levels; with the levels' nodes exchanged, or unbounded logits, it is another."""
    generator = np.random.default_rng(1)
    by_modes, by_levels = generator.standard_normal((3, K, M)), generator.standard_normal((4, K))
    raw = torch.tensor(raw_outputs(scale), requires_grad=True)
    log_modes, levels = torch_distribution(raw, BOUNDS)
    objective = (log_modes.exp() * torch.from_numpy(by_modes)).sum() + (levels * torch.from_numpy(by_levels)).sum()
    (expected,) = torch.autograd.grad(objective, raw)
    found = Distribution.of(raw.detach().numpy(), BOUNDS)
    assert np.allclose(found.by_raw(by_modes, by_levels), expected.numpy(), rtol=1e-9, atol=1e-12)
    for wrong in (found._replace(logits=np.zeros_like(found.logits)), found._replace(ranges=found.ranges[::-1])):
        assert not np.allclose(wrong.by_raw(by_modes, by_levels), expected.numpy(), rtol=1e-4, atol=1e-6)


def test_no_map_has_a_flat_piece() -> None:
    """Far from the start, each quantity still answers to its raw output: nothing is out of the gradient's reach."""
    for value in (-8.0, 0.0, 8.0):
        found = Distribution.of(np.full((K, M, RAW_OUTPUTS), value), BOUNDS)
        for row, (node, output) in enumerate([(M - 1, 3), (M - 1, 4), (0, 5), (0, 6)]):
            slope = found.by_raw(np.zeros((3, K, M)), np.eye(4)[row][:, None] * np.ones(K))
            assert slope[0, node, output] > 1e-5
        slope = found.by_raw(np.eye(3)[1][:, None, None] * np.ones((K, M)), np.zeros((4, K)))
        assert slope[0, 0, 1] > 1e-3


def test_probabilities_add_to_one() -> None:
    assert np.allclose(Distribution.of(raw_outputs(5.0), BOUNDS).modes.sum(axis=0), 1)


def levels_between(bounds: LevelBounds, model: GHMModel, dt: float) -> list[tuple[float, float]]:
    """Lowest and highest median payout level and issue target, in cash."""
    shift = LEVEL_SHIFT * model.step_from_zero(dt)
    ends = (bounds.payout_lower, bounds.payout_upper), (bounds.issue_lower, bounds.issue_upper)
    return [(max(low - shift, 0.0), high - shift) for low, high in ends]


def test_bounds_hold_the_useful_range() -> None:
    """The optimum (pays above 0.19, and everything near the horizon, issues up to 0.07) lies well within."""
    payout, issue = levels_between(BOUNDS, MODEL, 0.01)
    assert payout == (0.0, pytest.approx(MODEL.c_max))
    assert issue[0] < 0.0725 / 2
    assert issue[1] > 2 * 0.0725


@pytest.mark.parametrize("c_max", [0.5, 2.0, 73.0, 192.0, 1000.0])
def test_bounds_do_not_depend_on_how_far_the_range_of_cash_goes(c_max: float) -> None:
    """The optimum's levels are the same whatever c̄: they stay within, and about as near to the middle of the map."""
    model = GHMModel(c_max=c_max)
    bounds = LevelBounds.of(model, 0.01)
    payout, issue = levels_between(bounds, model, 0.01)
    assert payout[0] < 0.02 < 0.192 < payout[1]
    assert issue[0] < 0.0726 / 2 < 2 * 0.0726 < issue[1]
    shift = LEVEL_SHIFT * model.step_from_zero(0.01)
    for level, low, high in (
        (0.192, bounds.payout_lower, bounds.payout_upper),
        (0.0726, bounds.issue_lower, bounds.issue_upper),
    ):
        assert 0.03 < np.log((level + shift) / low) / np.log(high / low) < 0.97


@pytest.mark.parametrize(
    "model",
    [GHMModel(sigma_x=0.0), GHMModel(c_max=0.01), GHMModel(sigma_x=50.0), GHMModel(alpha=0.0, sigma_x=0.0)],
    ids=["no transitory shock", "short range", "long shocks", "nothing moves at zero"],
)
def test_bounds_stay_in_order_at_the_edges(model: GHMModel) -> None:
    bounds = LevelBounds.of(model, 0.01)
    assert 0 < bounds.payout_lower < bounds.payout_upper
    assert min(bounds.issue_lower, bounds.issue_upper) > 0
    if model.c_max / 2 > model.step_from_zero(0.01):  # else there is no useful target within the range
        assert bounds.issue_lower < bounds.issue_upper


def test_bounds_follow_the_unit_of_cash() -> None:
    large = GHMModel(alpha=18.0, sigma_x=12.0, fixed_cost=0.2, c_max=200.0)
    for name, value in vars(LevelBounds.of(MODEL, 0.01)).items():
        assert getattr(LevelBounds.of(large, 0.01), name) == pytest.approx(100 * value)
