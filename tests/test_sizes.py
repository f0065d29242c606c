"""Sizes that follow from recorded numbers are refused before room for them is made."""

import dataclasses
import io
import json
import pickle
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghm.economics.grid import StateGrid
from ghm.economics.model import MAX_RATE, MAX_SIZE, GHMModel
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.io.safe_read import read_bytes
from ghm.io.sealed import DamagedError, seal_archive
from ghm.policies.table_files import load_table
from ghm.search import SearchConfig, SearchSpace
from ghm.search.records.search_record import SearchRecord
from ghm.search.settings.calibrations import read_calibrations
from ghm.solvers.free_boundary import free_boundary
from ghm.training.checkpoints import stored
from ghm.training.checkpoints.checkpoint import Checkpoint
from ghm.training.checkpoints.stored import load_stored
from ghm.training.settings import MAX_WEIGHTS, Hyperparameters, TrainConfig
from tests.cli.commands import assert_refused, run

MEGABYTE = 1 << 20


@contextmanager
def at_most(megabytes: float) -> Iterator[None]:
    """Whatever happens inside takes no more memory than that."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * MEGABYTE
    finally:
        tracemalloc.stop()


def test_reading_a_small_file_makes_room_for_a_small_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 883)
    with at_most(1):
        assert len(read_bytes(tmp_path / "file")) == 883
    with pytest.raises(AssertionError), at_most(1):  # what it was, and what the measure must see
        (tmp_path / "file").open("rb").read(512_000_000)


@pytest.mark.parametrize("name", GHMModel.names())
@pytest.mark.parametrize("value", [1e300, -1e300])
def test_every_parameter_of_the_model_has_bounds(name: str, value: float) -> None:
    assert_refused(run("solve", f"--model.{name}={value}"), name, "must be", "received")


CORNERS = [
    {name: sign * most}
    for name, most in [
        (name, MAX_RATE if name in ("mu", "r", "carry_cost", "sigma_a") else MAX_SIZE) for name in GHMModel.names()
    ]
    for sign in (1, -1)
]


@pytest.mark.parametrize(
    "change", [*CORNERS, {"c_max": 1e6}, {"r": MAX_RATE, "c_max": 1e4}, {"mu": 0.03 - 2e-9}], ids=str
)
def test_a_grid_of_any_model_within_them_has_bounded_size(change: dict[str, float]) -> None:
    with at_most(400):
        try:
            problem = Problem(dataclasses.replace(GHMModel(), **change), 0.1, 1.0)
            grid = StateGrid.build(problem)
        except UserError:
            return
    assert grid.cash.size <= 4000


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_equation_that_cannot_be_integrated_is_said() -> None:
    with pytest.raises(UserError, match="no infinite-horizon solution: its equation cannot be integrated"):
        free_boundary(GHMModel(alpha=1e-300, mu=-1e4, r=1.0, sigma_a=0.0, sigma_x=1.0))


def test_networks_paths_and_threads_have_bounds() -> None:
    for change, words in (
        ({"policy_hidden": (8192, 8192)}, "67,108,864 weights, more than"),
        ({"value_hidden": (8192,) * 16}, "weights, more than"),
        ({"n_trajectories": 10**12}, "n_trajectories must be a whole number >= 1 and <= 1000000"),
        ({"n_trajectories": 10**6, "dt": 0.001}, "10,000,000,000 steps an iteration, more than 1,000,000,000"),
        ({"n_threads": 10**6}, "n_threads must be a whole number >= 1 and <= 1024"),
        ({"n_iterations": 10**18}, "n_iterations must be a whole number >= 1 and <= 1000000000"),
    ):
        with pytest.raises(UserError, match=words):
            TrainConfig(**change)  # type: ignore[arg-type]
    widest = int(MAX_WEIGHTS**0.5)
    assert Hyperparameters(policy_hidden=(widest, widest)).policy_hidden == (widest, widest)


def test_trials_beyond_counting_are_refused_before_any_is_numbered() -> None:
    record = SearchRecord("20260101-000000", SearchConfig(), SearchSpace().choices(), {}, {}).to_dict()
    for changes in (
        {"n_seeds": 10_000, "n_trials": 1_000_000},
        {"confirm": 1_000_000, "confirm_seeds": 10_000, "n_trials": 1000},
    ):
        with at_most(5), pytest.raises(DamagedError, match=r"trials, more than 1,000,000"):
            SearchRecord.from_dict(record | {"search_config": record["search_config"] | changes})


class Large:
    """A few bytes of a pickle that make a large object."""

    def __reduce__(self) -> tuple[Any, ...]:
        return bytearray, (300_000_000,)


def repeated() -> Any:
    """A list of a list of a list …, each of which holds the next one ten times."""
    part: Any = [0]
    for _ in range(30):
        part = [part] * 10
    return part


@pytest.mark.parametrize(
    "content",
    [Large(), repeated(), "x" * 2_000_000, [{"format": 1}] * 200_000],
    ids=["bytearray", "repeated", "text", "parts"],
)
def test_a_checkpoint_is_no_larger_in_memory_than_on_disk(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "best_model.pt"
    path.write_bytes(seal_archive(archived({"data.pkl": pickle.dumps({"format": stored.FORMAT, "x": content}, 2)})))
    with at_most(40), pytest.raises(UserError, match=r"best_model\.pt is no checkpoint of this program"):
        Checkpoint.load(path)


def archived(members: dict[str, bytes]) -> bytes:
    """As PyTorch writes it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in ({"version": b"3\n", "byteorder": b"little"} | members).items():
            file.writestr(f"archive/{name}", data)
    return buffer.getvalue()


@pytest.mark.parametrize("change", [{"r": 1e300}, {"r": 1e12}, {"c_max": 1e300}, {"carry_cost": -1e9}], ids=str)
def test_a_stored_policy_makes_no_grid_of_recorded_size(change: dict[str, float], tmp_path: Path) -> None:
    problem = {"model": dataclasses.asdict(GHMModel()) | change, "dt": 0.01, "T": 10.0, "terminal": "liquidation"}
    settings = json.dumps({"format": stored.FORMAT, "problem": problem, "action_rule": "greedy"}).encode()
    arrays = {stored.MODES: np.zeros((2, 24, 242), np.float32), stored.LEVELS: np.zeros((4, 24), np.float32)}
    members = {stored.SETTINGS: settings, **{name: npy(array) for name, array in arrays.items()}}
    path = tmp_path / "best_model.pt"
    path.write_bytes(seal_archive(archived(members)))
    with at_most(20), pytest.raises(UserError, match="holds no whole policy"):
        load_stored(path)


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_a_table_that_grows_when_it_is_unpacked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ghm.policies.table_files.MAX_BYTES", 10 * MEGABYTE)
    np.savez_compressed(tmp_path / "policy.npz", mode_probabilities=np.zeros(100 * MEGABYTE // 8))
    with at_most(40), pytest.raises(UserError, match="unpacks to more than"):
        load_table(tmp_path / "policy.npz")


def refuse(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make()


def test_calibrations_come_from_a_file_that_ends() -> None:
    refuse(lambda: read_calibrations(Path("/dev/zero"), GHMModel()), "the file is not a regular file")
