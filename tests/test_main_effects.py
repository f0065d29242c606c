"""Main effects of hyperparameters: planted ones are found, also where hyperparameters were drawn together."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from benchmark_modules import load_benchmark

from ghm.search.settings.configurations import NAMES
from tests.search.instant import INSTANT
from tests.search.support import run_search

LAYERS = ["32x32", "64x64", "128x128", "64x64x64"]


@pytest.fixture(scope="module")
def module() -> ModuleType:
    return load_benchmark("main_effects")


def draw(seed: int, n: int = 400) -> tuple[dict[str, list[object]], np.ndarray]:
    """A rate with effects −2, 0, 2; layers without any, drawn along with the rate; noise of standard deviation 1."""
    rng = np.random.default_rng(seed)
    rate = rng.integers(3, size=n)
    layers = np.where(rng.random(n) < 0.7, rate, rng.integers(4, size=n))
    outcome = 5 + 2.0 * (rate - 1) + rng.normal(size=n)
    return {"rate": [0.1 * int(i) for i in rate], "layers": [LAYERS[i] for i in layers], "one": [7] * n}, outcome


def test_planted_effects_are_found_and_no_others(module: ModuleType) -> None:
    """Fixed seed; α = 1e-3 for each of two tests and seven effects, 3.9 standard errors."""
    columns, outcome = draw(3)
    rate, layers = module.main_effects(columns, outcome)  # what never varied has none
    assert rate.values == [0.0, 0.1, 0.2]
    assert layers.values == ["32x32", "64x64", "128x128", "64x64x64"]
    assert np.all(np.abs(rate.effects - [-2, 0, 2]) < 3.9 * rate.errors)
    assert np.all(np.abs(layers.effects) < 3.9 * layers.errors)
    assert rate.effects.sum() == pytest.approx(0, abs=1e-9)
    assert rate.p_value < 1e-3 < layers.p_value
    # Wrong variant: means of the outcome by layers alone credit them with what the rate did.
    means = [outcome[[one == value for one in columns["layers"]]].mean() - outcome.mean() for value in layers.values]
    assert np.any(np.abs(means) > 3.9 * layers.errors)


def test_standard_errors_are_the_spread_over_draws(module: ModuleType) -> None:
    """Over 200 draws the spread of an effect is its standard error, within four of the spread's own errors, 20%."""
    found = [module.main_effects(*draw(seed, 120))[0] for seed in range(200)]
    spread = np.std([one.effects for one in found], axis=0)
    error = np.sqrt(np.mean([one.errors**2 for one in found], axis=0))
    assert np.all(np.abs(spread / error - 1) < 0.2)


def test_too_few_outcomes_are_refused(module: ModuleType) -> None:
    columns, outcome = draw(1, 4)
    with pytest.raises(ValueError, match="run more trials"):
        module.main_effects(columns, outcome)


def test_a_recorded_search_is_read(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stand-in trials; all that completed count, and each hyperparameter has a row."""
    search = ("--n_trials", 40, "--n_iterations", 4, "--progress", "none", "--results_dir", tmp_path / "r")
    assert run_search(*search, **INSTANT) == 0
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["main_effects.py", str(tmp_path / "r")])
    assert module.main() == 0
    printed = capsys.readouterr().out
    assert printed.startswith("40 trainings; captured value:")
    assert all(printed.count(f"| `{name}` |") == 1 for name in NAMES)


def test_a_directory_without_a_search_is_refused(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["main_effects.py", str(tmp_path / "nowhere")])
    assert module.main() == 2
    assert "cannot be read" in capsys.readouterr().err
