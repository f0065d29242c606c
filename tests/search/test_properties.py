"""Whatever the settings, they survive a round trip; whatever the damage, it is recovered or refused."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tyro
from hypothesis import given, settings
from hypothesis import strategies as st

from ghm.economics.model import GHMModel
from ghm.io.sealed import DamagedError, read_sealed, seal, write_sealed
from ghm.search import SearchConfig, SearchSpace
from ghm.search.settings.command import training_arguments, verification_command
from ghm.search.trials.outcome import NO_RETURN, TrialRecord, TrialState
from ghm.training.settings import Hyperparameters, TrainConfig
from tests.search.instant import INSTANT
from tests.search.support import comparable, read, results_file, run_search

positive = st.floats(min_value=0, max_value=1e300, exclude_min=True)
non_negative = st.floats(min_value=0, max_value=1e300)
layers = st.lists(st.integers(1, 1024), min_size=1, max_size=16).map(tuple)
hyperparameters = {
    "lr_policy": positive,
    "lr_baseline": positive,
    "entropy_weight": non_negative,
    "action_reg_weight": non_negative,
    "max_grad_norm": positive,
    "n_trajectories": st.integers(1, 10**5),
    "policy_hidden": layers,
    "value_hidden": layers,
}
models = st.builds(
    GHMModel,
    alpha=st.floats(-1e6, 1e6),
    r=st.floats(0.02, 1.0),
    rho=st.floats(-1, 1),
    sigma_x=st.floats(1e-9, 10),
    proportional_cost=st.floats(1, 100),
    c_max=st.floats(min_value=0, max_value=1e12, exclude_min=True),
)
# A horizon is a whole multiple of the step by construction.
horizons = st.builds(lambda dt, n: {"dt": dt, "T": n * dt}, st.floats(1e-4, 1.0), st.integers(1, 10_000))
paths = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1).map(Path)
search_configs = st.builds(
    lambda horizon, **others: SearchConfig(**horizon, **others),
    horizon=horizons,
    search_type=st.sampled_from(["random", "grid"]),
    n_trials=st.integers(1, 10**6),
    n_workers=st.integers(1, 1024),
    seed_base=st.integers(0, 2**62),
    device=st.sampled_from(["cpu", "cuda"]),
    results_dir=paths,
    trial_timeout=st.none() | positive,
    space=st.none() | paths,
    terminal=st.sampled_from(["liquidation", "zero", "going_concern"]),
    model=models,
)
train_configs = st.builds(
    lambda horizon, **others: TrainConfig(**horizon, **others),
    horizon=horizons,
    **hyperparameters,
    seed=st.integers(0, 2**63 - 1),
    n_iterations=st.integers(1, 10**9),
    result_file=st.none() | paths.map(lambda path: Path("/") / path),
    model=models,
)


@given(search_configs)
def test_search_settings_survive_json(config: SearchConfig) -> None:
    assert SearchConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@settings(max_examples=50, deadline=None)
@given(train_configs)
def test_training_settings_survive_the_command_line(config: TrainConfig) -> None:
    assert tyro.cli(TrainConfig, args=training_arguments(config), use_underscores=True) == config


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {name: st.lists(v, min_size=1, max_size=5, unique=True) for name, v in hyperparameters.items()}
    )
)
def test_spaces_survive_json(values: dict[str, list[Any]]) -> None:
    space = SearchSpace.from_dict(json.loads(json.dumps(values)))
    assert space.choices() == {name: tuple(items) for name, items in values.items()}


finite = st.floats(allow_nan=False, allow_infinity=False)
shown = st.characters(categories=["L", "N", "P", "S"])
names = st.text(shown, max_size=20).filter(
    lambda name: name not in ("success", "status", "error", "log", "iterations", "seconds", "final_return")
)
lines = st.text(shown, max_size=100)
outcomes = st.builds(
    TrialRecord,
    trial_num=st.integers(1, 10**6),
    hyperparameters=st.builds(Hyperparameters, **hyperparameters),
    seed=st.integers(0, 2**63),
    status=st.sampled_from(list(TrialState)),
    error=st.none() | lines,
    iterations=st.integers(0, 10**9),
    seconds=st.floats(0, 1e9),
    metrics=st.dictionaries(names, st.none() | st.booleans() | finite | st.integers(-(2**60), 2**60) | lines).map(
        lambda metrics: {key: value for key, value in metrics.items() if key != "best_return"}
    ),
    attempts=st.integers(1, 100),
    exit_status=st.none() | st.integers(-64, 255),
)


@given(outcomes, st.none() | st.floats(-1e8, 1e8))
def test_outcomes_survive_json(outcome: TrialRecord, best: float | None) -> None:
    if best is not None:
        outcome.metrics["best_return"] = best
    entry = json.loads(json.dumps(outcome.to_entry(), allow_nan=False))
    if best is None and outcome.status.has_result:
        with pytest.raises(DamagedError, match="without a return"):
            TrialRecord.from_entry(entry)
        return
    assert TrialRecord.from_entry(entry) == outcome
    assert entry["metrics"]["best_return"] == (NO_RETURN if best is None else best)
    assert isinstance(f"{entry['metrics']['best_return']:.4f}", str)


json_values = st.recursive(
    st.none() | st.booleans() | finite | st.text(shown, max_size=9), lambda v: st.lists(v, max_size=3)
)
records = st.dictionaries(
    st.text(shown, max_size=9).filter(lambda key: key != "sha256"), json_values, min_size=1, max_size=5
)


@contextmanager
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@given(records)
def test_sealed_records_survive(content: dict[str, Any]) -> None:
    with directory() as place:
        write_sealed(place / "r.json", content)
        assert read_sealed(place / "r.json") == content
        assert json.loads((place / "r.json").read_text())["sha256"]


@given(records, st.data())
def test_no_flipped_or_missing_byte_goes_unnoticed(content: dict[str, Any], data: st.DataObject) -> None:
    good = seal(content)
    with directory() as place:
        (place / "r.json").write_bytes(damaged(good, data))
        with pytest.raises(DamagedError):
            read_sealed(place / "r.json")


def test_without_its_seal_a_flipped_digit_would_go_unnoticed() -> None:
    """The control: JSON alone does not tell."""
    assert json.loads(b'{"n_iterations": 300}'.replace(b"300", b"200")) == {"n_iterations": 200}


def damaged(good: bytes, data: st.DataObject) -> bytes:
    position = data.draw(st.integers(0, len(good) - 1))
    if data.draw(st.booleans(), "truncated"):
        return good[:position]
    flip = data.draw(st.integers(1, 255))
    return good[:position] + bytes([good[position] ^ flip]) + good[position + 1 :]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results_dir = tmp_path_factory.mktemp("search") / "r"
    run_search("--n_trials", 3, "--results_dir", results_dir, "--progress", "none", **INSTANT)
    return results_dir


VICTIMS = [
    "results",
    "search.json",
    "trial_002/outcome.json",
    "trial_002/hyperparameters.json",
    "trial_002/result.json",
]


@settings(max_examples=80, deadline=None)
@given(victim=st.sampled_from(VICTIMS), data=st.data())
def test_any_damaged_record_is_recovered(finished: Path, victim: str, data: st.DataObject) -> None:
    with directory() as place:
        results_dir = place / "r"
        shutil.copytree(finished, results_dir)
        path = results_file(results_dir) if victim == "results" else results_dir / victim
        path.write_bytes(damaged(path.read_bytes(), data))
        assert run_search("--resume", results_dir, "--progress", "none", **INSTANT) == 0
        assert comparable(read(results_dir)) == comparable(read(finished))


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_damaged_with_nothing_beside_it_a_results_file_is_refused(finished: Path, data: st.DataObject) -> None:
    with directory() as place:
        path = place / results_file(finished).name
        path.write_bytes(damaged(results_file(finished).read_bytes(), data))
        assert run_search("--resume", path, "--progress", "none", **INSTANT) == 2
        assert list(place.iterdir()) == [path]


@settings(max_examples=50, deadline=None)
@given(config=search_configs, best=st.builds(Hyperparameters, **hyperparameters))
def test_the_verification_command_trains_what_was_found(config: SearchConfig, best: Hyperparameters) -> None:
    import shlex

    flags = shlex.split(verification_command(config, best))[2:]
    longer = tyro.cli(TrainConfig, args=flags, use_underscores=True)
    for name in ("lr_policy", "policy_hidden", "n_trajectories"):
        assert getattr(longer, name) == getattr(best, name)
    for name in ("dt", "T", "model", "terminal", "estimator", "baseline", "device"):
        assert getattr(longer, name) == getattr(config, name)
    assert longer.n_iterations == 4 * config.n_iterations
