"""What may be tried of a setting: lists, ranges, layers; drawn as said, recorded in every bit, and refused with a message."""

import dataclasses
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ghm.economics.model import GHMModel
from ghm.errors import UserError
from ghm.search import FloatRange, IntRange, Layers, LogFloat, LogInt, SearchSpace
from ghm.search.settings.calibrations import read_calibrations
from ghm.search.settings.configurations import (
    NAMES,
    make_hyperparameters,
    parse_hyperparameters,
    plain_hyperparameters,
)
from ghm.search.settings.distributions import Range
from ghm.training.settings import SEARCHABLE, Hyperparameters, TrainConfig

RANGES: dict[str, Range] = {
    "float": FloatRange(0.2, 3.0),
    "log": LogFloat(1e-5, 1e-1),
    "whole": IntRange(3, 12),
    "step": IntRange(100, 2000, step=50),
    "uneven step": IntRange(100, 2000, step=300),
    "log whole": LogInt(1, 1000),
    "float step": FloatRange(0.0, 1.0, step=0.1),
    "narrow": FloatRange(0.999, 0.9999),
    "narrow log": LogFloat(5.0, 5.0001),
}
DRAWS = 3000


@pytest.fixture(params=RANGES)
def values(request: pytest.FixtureRequest) -> Range:
    return RANGES[request.param]


def drawn(values: Range, count: int = DRAWS) -> list[Any]:
    generator = np.random.default_rng(8)
    return [values.draw(generator) for _ in range(count)]


def test_draws_lie_in_the_range_and_have_its_type(values: Range) -> None:
    found = drawn(values)
    assert all(values.low <= one <= values.high for one in found)
    assert {type(one) for one in found} == {type(values.low)}
    if values.step is not None:
        steps = (np.array(found) - values.low) / values.step
        assert np.abs(steps - steps.round()).max() < 1e-9
    assert values.at(0.0) == values.low
    assert values.at(1.0) == values.high if values.step != 300 else values.at(1.0) == 1900


def share_below(values: Range, one: np.ndarray) -> np.ndarray:
    """What the distribution says, written down anew: the share of draws at or below ``one``."""
    if values.step or isinstance(values.low, int):
        step = values.step or 1
        count = int((values.high - values.low + 1e-9) / step) + 1
        low, high = values.low - step / 2, values.low + (count - 0.5) * step
        one = one + step / 2
    else:
        low, high = values.low, values.high
    if values.log:
        low, high, one = np.log(low), np.log(high), np.log(one)
    return np.asarray((one - low) / (high - low))


def p_value(values: Range, found: list[Any]) -> float:
    """That ``found`` are draws, by the chi-squared test over at most ten groups of about equal shares."""
    ordered = np.unique(np.quantile(found, np.linspace(0.1, 1.0, 10), method="higher"))
    ordered[-1] = max(found)
    shares = np.diff(share_below(values, ordered), prepend=0.0)
    shares[-1] += 1 - shares.sum()
    counts = np.bincount(np.searchsorted(ordered, found), minlength=len(ordered))
    return float(stats.chisquare(counts, shares * len(found)).pvalue)


def test_draws_are_distributed_as_said(values: Range) -> None:
    # Nine tests at a level of 0.001 altogether (Bonferroni); the seed is fixed. Groups are of the sample's own quantiles, which
    # makes the test conservative.
    assert p_value(values, drawn(values)) > 0.001 / len(RANGES)


def test_the_test_would_see_a_range_that_forgets_the_logarithm() -> None:
    plain = dataclasses.replace(RANGES["log whole"], log=False)
    assert p_value(RANGES["log whole"], drawn(plain)) < 0.001 / len(RANGES)


def test_a_value_comes_back_from_its_place_and_from_json_in_every_bit(values: Range) -> None:
    for one in drawn(values, 200):
        assert values.at(values.place(one)) == one
        assert json.loads(json.dumps(one)) == one
        assert 0 <= values.place(one) <= 1
    assert Range(**json.loads(json.dumps(values.to_json()))) == values


def test_places_of_many_are_those_of_each(values: Range) -> None:
    """What the Gaussian process chooses among are places that values have."""
    found = values.places(np.random.default_rng(3), 100)
    if np.isfinite(values.size):
        assert found == pytest.approx([values.place(values.at(place)) for place in found], abs=1e-9)
    assert len(set(np.round(found, 12))) <= values.size


def test_the_points_of_a_grid() -> None:
    assert LogFloat(1e-5, 1e-1, points=5).grid() == pytest.approx((1e-5, 1e-4, 1e-3, 1e-2, 1e-1), rel=1e-5)
    assert FloatRange(0.0, 1.0, points=3).grid() == (0.0, 0.5, 1.0)
    assert IntRange(100, 400, step=100).grid() == (100, 200, 300, 400)
    assert IntRange(1, 9, points=3).grid() == (1, 5, 9)
    assert LogInt(1, 3, points=9).grid() == (1, 2, 3)
    assert FloatRange(0, 1, step=0.25).grid() == (0.0, 0.25, 0.5, 0.75, 1.0)
    with pytest.raises(UserError, match=r'add "points": 5 to 1e-05 to 0\.1'):
        LogFloat(1e-5, 1e-1).grid()


def test_layers_of_a_depth_and_a_width() -> None:
    layers = Layers(IntRange(1, 3), LogInt(16, 256))
    generator = np.random.default_rng(0)
    found = {layers.draw(generator) for _ in range(500)}
    assert {len(one) for one in found} == {1, 2, 3}
    assert all(len(set(one)) == 1 and 16 <= one[0] <= 256 for one in found)
    assert layers.size == 3 * 241
    assert Layers(IntRange(1, 2), LogInt(16, 64, points=2)).grid() == ((16,), (64,), (16, 16), (64, 64))


ACCEPTED: dict[str, tuple[str, str, Any]] = {
    "a list": ("lr_policy", "[0.001, 0.01]", (0.001, 0.01)),
    "1e3 for a whole number": ("n_trajectories", "[1e3, 250.0]", (1000, 250)),
    "widths as 64.0": ("policy_hidden", "[[64.0, 32]]", ((64, 32),)),
    "a range": ("lr_policy", '{"low": 1e-5, "high": 1e-1, "log": true}', LogFloat(1e-5, 1e-1)),
    "whole numbers for numbers": ("max_grad_norm", '{"low": 1, "high": 3}', FloatRange(1.0, 3.0)),
    "numbers for whole numbers": (
        "n_trajectories",
        '{"low": 1e2, "high": 2e3, "step": 5e1}',
        IntRange(100, 2000, step=50),
    ),
    "points": ("gae_lambda", '{"low": 0.8, "high": 1, "points": 3}', FloatRange(0.8, 1, points=3)),
    "layers": (
        "value_hidden",
        '{"layers": [1, 2], "width": {"low": 8, "high": 64, "log": true}}',
        Layers((1, 2), LogInt(8, 64)),
    ),
    "words": ("estimator", '["gae", "monte_carlo"]', ("gae", "monte_carlo")),
}


@pytest.mark.parametrize("case", ACCEPTED)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte-order mark"])
def test_accepted(case: str, mark: bytes, tmp_path: Path) -> None:
    name, text, expected = ACCEPTED[case]
    (tmp_path / "space.json").write_bytes(mark + f'{{"{name}": {text}}}'.encode())
    found = SearchSpace.from_file(tmp_path / "space.json").choices()
    assert found[name] == expected
    assert list(found) == [one for one in SEARCHABLE if one in (*NAMES, name)]
    assert SearchSpace.from_dict({key: one.to_json() for key, one in found.items()}).choices() == found


def test_numpys_scalars_are_plain_numbers() -> None:
    space = SearchSpace()
    space.lr_policy = LogFloat(np.float64(1e-5), np.float32(0.5))
    space.n_trajectories = IntRange(np.int64(100), np.int32(200), step=np.int8(5))
    choices = space.choices()
    assert choices["n_trajectories"] == IntRange(100, 200, step=5)
    json.dumps({name: one.to_json() for name, one in choices.items()})
    assert type(choices["lr_policy"].draw(np.random.default_rng(0))) is float
    assert type(choices["n_trajectories"].draw(np.random.default_rng(0))) is int


REFUSED = {
    '{"lr_policy": {"low": 1e-1, "high": 1e-5}}': "lr_policy: low of a range must be below high; received low 0.1, high 1e-05",
    '{"lr_policy": {"low": 1e-3, "high": 1e-3}}': r"one value is a list: \[0.001\]",
    '{"entropy_weight": {"low": 0, "high": 0.1, "log": true}}': "low of a logarithmic range must be > 0; received 0",
    '{"lr_policy": {"low": 0, "high": 0.1}}': "lr_policy must be a finite number > 0; received 0",
    '{"lr_policy": {"low": 0.1, "high": 1, "log": 1}}': "log of a range must be true or false; received 1",
    '{"n_trajectories": {"low": 100, "high": 200, "step": 500}}': "at most high - low, 100; received 500",
    '{"n_trajectories": {"low": 100, "high": 200, "step": 0}}': "step of a range must be > 0",
    '{"n_trajectories": {"low": 100, "high": 200, "step": 1.5}}': "step of n_trajectories must be a whole number",
    '{"n_trajectories": {"low": 1, "high": 200, "step": 2, "log": true}}': "a logarithmic range has no step",
    '{"n_trajectories": {"low": 1.5, "high": 200}}': "n_trajectories must be a whole number >= 1 and <= 1000000; received 1.5",
    '{"n_trajectories": [100.5]}': "n_trajectories must be a whole number >= 1 and <= 1000000; received 100.5",
    '{"lr_policy": {"low": 1e-5}}': 'or a range such as {"low": 1, "high": 10}',
    '{"lr_policy": {"low": 1, "high": 2, "hihg": 3}}': "with low, high, log, step, points; received",
    '{"lr_policy": {"low": 1, "high": "2"}}': "high of a range must be a finite number; received '2'",
    '{"lr_policy": {"low": 1, "high": 2, "points": 1}}': "points must be a whole number >= 2",
    '{"lr_policy": 0.1}': "lr_policy must be a list of values, or a range; received 0.1",
    '{"gae_lambda": {"low": 0.5, "high": 1.5}}': "gae_lambda must be at most 1; received 1.5",
    '{"gae_lambda": [true]}': "gae_lambda must be a finite number",
    '{"policy_hidden": {"low": 16, "high": 64}}': "policy_hidden must be 1 to 16 layer widths",
    '{"policy_hidden": {"layers": [0], "width": [16]}}': "layers must be a whole number >= 1 and <= 16; received 0",
    '{"policy_hidden": {"layers": [1], "width": {"low": 0, "high": 9}}}': "policy_hidden must be a whole number >= 1",
    '{"lr_policy": {"layers": [1], "width": [16]}}': "lr_policy has no layers",
    '{"estimator": {"low": 1, "high": 2}}': "estimator must be one of bootstrap",
    '{"estimator": ["sarsa"]}': "estimator must be one of bootstrap.* received 'sarsa'",
    '{"dt": [0.01]}': "dt is part of the problem.*--calibrations",
    '{"model": [1]}': "model is part of the problem.*--calibrations",
    '{"sigma_x": [0.1, 0.2]}': "sigma_x is part of the problem.*--calibrations",
    '{"seed": [1, 2]}': "seed is not in a search space; .*--n_seeds",
    '{"n_iterations": [100]}': "n_iterations is not in a search space.*--rungs",
    '{"log_freq": [100]}': "log_freq does not change how a policy learns",
    '{"lr_polcy": [0.1]}': "no 'lr_polcy' .did you mean 'lr_policy'",
    '{"lr_policy": [0.1], "lr_policy": [0.2]}': "the key 'lr_policy' is there twice",
    '{"lr_policy": {"low": 0.1, "high": 1, "low": 0.2}}': "the key 'low' is there twice",
    '{"lr_policy": [NaN]}': "not JSON",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused_with_the_file_the_condition_and_the_value(text: str, tmp_path: Path) -> None:
    (tmp_path / "space.json").write_text(text)
    with pytest.raises(UserError, match=f"--space .*space.json: .*{REFUSED[text]}"):
        SearchSpace.from_file(tmp_path / "space.json")


@pytest.mark.parametrize("make", [lambda: FloatRange(0, np.nan), lambda: LogInt(0, 5), lambda: IntRange(1, 3, step=9)])
def test_a_range_is_refused_when_it_is_made(make: Callable[[], Range]) -> None:
    with pytest.raises(UserError, match="range"):
        make()


def test_every_setting_of_a_training_is_searched_or_has_a_reason_not_to_be() -> None:
    """A new setting says itself whether a search may vary it, and under which others it has no effect."""
    of_the_run = {
        "device", "n_threads", "log_freq", "eval_freq", "evaluate_at", "ckpt_freq", "keep_checkpoints", "log_dir", "ckpt_dir",
        "result_file", "reference_file", "resume", "progress", "figures", "pause_at", "group", "parent_pid",
    }  # fmt: skip
    problem = {"dt", "T", "terminal", "model", "seed", "n_iterations"}
    assert {field.name for field in dataclasses.fields(TrainConfig)} == {*SEARCHABLE, *of_the_run, *problem}
    for setting in SEARCHABLE.values():
        for other, values in setting.metadata["inactive_under"].items():
            assert values
            assert all(one in str(SEARCHABLE[other].type) for one in values), (
                "a value that does not exist decides nothing"
            )


def test_a_configuration_with_other_settings_is_a_value() -> None:
    one = make_hyperparameters({"lr_policy": 0.5, "gae_lambda": 0.9})
    assert one == make_hyperparameters({"gae_lambda": 0.9, "lr_policy": 0.5})
    assert hash(one) == hash(pickle.loads(pickle.dumps(one)))
    assert pickle.loads(pickle.dumps(one)) == one
    assert one != Hyperparameters(lr_policy=0.5)
    assert isinstance(one, Hyperparameters)
    assert list(vars(one)) == [*NAMES, "gae_lambda"]
    assert parse_hyperparameters(json.loads(json.dumps(plain_hyperparameters(one)))) == one
    assert type(make_hyperparameters({})) is Hyperparameters
    with pytest.raises(UserError, match="gae_lambda must be at most 1; received 2"):
        make_hyperparameters({"gae_lambda": 2})


def test_calibrations_are_read_by_the_same_rules(tmp_path: Path) -> None:
    path = tmp_path / "firms.json"
    path.write_bytes(b'\xef\xbb\xbf[{"name": "calm", "sigma_x": 0.1}]')
    assert read_calibrations(path, GHMModel())[0].model.sigma_x == 0.1
    path.write_text('[{"name": "calm", "sigma_x": 0.1, "sigma_x": 0.3}]')
    with pytest.raises(UserError, match=r"--calibrations .* the key 'sigma_x' is there twice"):
        read_calibrations(path, GHMModel())
