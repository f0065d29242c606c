"""The policy that lies in a checkpoint as tables: the networks' own, read without them, and refused where it is not whole."""

import dataclasses
import io
import json
import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ghm.economics.model import GHMModel
from ghm.errors import UserError
from ghm.io.sealed import seal_archive
from ghm.training.checkpoints import stored
from ghm.training.checkpoints.checkpoint import Checkpoint, load_trained
from ghm.training.checkpoints.stored import LEVELS, MODES, SETTINGS, load_stored
from ghm.training.main import ExitStatus, train
from ghm.training.settings import TrainConfig

CASH = np.linspace(0.0, 1.0, 40)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoints of a short training."""
    directory = tmp_path_factory.mktemp("run")
    config = TrainConfig(
        n_iterations=6, dt=0.05, T=1.0, n_trajectories=20, policy_hidden=(8,), value_hidden=(8,), eval_freq=2,
        progress="none", log_dir=directory / "logs", ckpt_dir=directory / "checkpoints",
    )  # fmt: skip
    assert train(config) == ExitStatus.COMPLETED
    return directory / "checkpoints"


def acts(policy: Any) -> list[bytes]:
    """What a policy does, bit for bit."""
    return [np.asarray(part).tobytes() for time in (0.03, 0.4, 1.0) for part in policy(CASH, time)]


def test_it_is_the_networks_policy_to_the_last_bit(run: Path) -> None:
    trained, found = load_trained(run / "best_model.pt"), load_stored(run / "best_model.pt")
    assert acts(found.policy) == acts(trained.policy)
    assert found.action_rule == trained.returns.action_rule
    config = trained.config
    assert found.problem == config.problem


def test_reading_it_needs_no_pytorch(run: Path) -> None:
    for module, read, needed in (("stored", "load_stored", "False"), ("checkpoint", "load_trained", "True")):
        program = (
            f"import sys; from pathlib import Path; from ghm.training.checkpoints.{module} import {read};"
            f"{read}(Path(sys.argv[1])); print('torch' in sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(run / "best_model.pt")], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == needed


def test_a_link_to_a_checkpoint_is_read(run: Path, tmp_path: Path) -> None:
    """It is the user's own, as `ghm train --resume` and `ghm evaluate` are given it."""
    (tmp_path / "best.pt").symlink_to(run / "best_model.pt")
    assert stored.read_checkpoint(tmp_path / "best.pt") == stored.read_checkpoint(run / "best_model.pt")


def test_a_checkpoint_without_tables_is_refused_by_name(run: Path, tmp_path: Path) -> None:
    mine = shutil.copy(run / "final_model.pt", tmp_path / "my final_model.pt")
    with pytest.raises(UserError, match=r"final_model\.pt holds networks alone; give best_model\.pt") as refused:
        load_stored(mine)
    assert f"`ghm evaluate '{mine}'`" in str(refused.value)


def test_pytorch_reads_the_file_and_equal_runs_write_equal_files(run: Path, tmp_path: Path) -> None:
    content = torch.load(run / "best_model.pt", weights_only=True)
    checkpoint = Checkpoint.load(run / "best_model.pt")
    assert content["standing"] == vars(checkpoint.standing)
    tables, action_rule = load_trained(run / "best_model.pt").tables, load_stored(run / "best_model.pt").action_rule
    for name in ("one.pt", "two.pt"):
        checkpoint.save(tmp_path / name, (tables, action_rule))
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()


def forged(run: Path, path: Path, changes: dict[str, bytes | None]) -> Path:
    """The best policy's checkpoint with other files in it (None: left out), under a good seal."""
    members = stored.read_checkpoint(run / "best_model.pt")[1] | changes
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            if data is not None:
                archive.writestr(f"archive/{name}", data)
    path.write_bytes(seal_archive(file.getvalue()))
    return path


def array(values: Any) -> bytes:
    """In NumPy's format."""
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


PROBLEM: dict[str, Any] = {"model": dataclasses.asdict(GHMModel()), "dt": 0.05, "T": 1.0, "terminal": "liquidation"}


def settings(**changes: Any) -> bytes:
    return json.dumps({"format": stored.FORMAT, "problem": PROBLEM, "action_rule": "greedy"} | changes).encode()


def tables(run: Path, name: str, at: Any, value: float) -> bytes:
    """The stored array with another value in it."""
    values = np.load(io.BytesIO(stored.read_checkpoint(run / "best_model.pt")[1][name]))
    values[at] = value
    return array(values)


FORGERIES: dict[str, tuple[Any, str]] = {
    "missing": (lambda run: {MODES: None}, "policy/modes.npy"),
    "no array": (lambda run: {MODES: b"nonsense"}, "no array"),
    "another grid": (lambda run: {MODES: array(np.zeros((2, 3, 4), np.float32))}, "tables of shapes"),
    "double precision": (lambda run: {LEVELS: array(np.zeros((4, 20)))}, "not of finite numbers"),
    "not a number": (lambda run: {LEVELS: tables(run, LEVELS, (0, 3), np.nan)}, "not of finite numbers"),
    "a list": (lambda run: {SETTINGS: b"[]"}, "not an object"),
    "empty": (lambda run: {SETTINGS: b"{}"}, "'format'"),
    "another format": (lambda run: {SETTINGS: settings(format=3)}, "its format is 3; this version reads"),
    "another problem": (lambda run: {SETTINGS: settings(problem=PROBLEM | {"dt": 0})}, "dt must be"),
    "a model out of range": (
        lambda run: {SETTINGS: settings(problem=PROBLEM | {"model": PROBLEM["model"] | {"sigma_x": 1e200}})},
        "holds no whole policy",
    ),
    "no action rule": (lambda run: {SETTINGS: settings(action_rule="x")}, "no action rule 'x'"),
    "no JSON": (lambda run: {SETTINGS: b"not json"}, "not JSON"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_what_is_not_whole_is_refused_by_name(run: Path, tmp_path: Path, name: str) -> None:
    changes, reason = FORGERIES[name]
    with pytest.raises(UserError, match=reason) as refusal:
        load_stored(forged(run, tmp_path / "x.pt", changes(run)))
    assert "x.pt" in str(refusal.value)


def test_a_second_folder_or_file_of_one_name_is_refused(run: Path, tmp_path: Path) -> None:
    whole = (run / "best_model.pt").read_bytes()
    bare = whole[: -len("sha256 ") - 64 - 2] + b"\0\0"
    for name in ("other/policy/policy.json", f"archive/{SETTINGS}"):
        file = io.BytesIO(bare)
        with zipfile.ZipFile(file, "a") as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the second name
            archive.writestr(name, settings())
        (tmp_path / "x.pt").write_bytes(seal_archive(file.getvalue()))
        with pytest.raises(UserError, match=r"x\.pt is no checkpoint, or a damaged one"):
            load_stored(tmp_path / "x.pt")


def test_the_forger_makes_a_good_file_when_it_changes_nothing(run: Path, tmp_path: Path) -> None:
    assert acts(load_stored(forged(run, tmp_path / "x.pt", {})).policy) == acts(
        load_stored(run / "best_model.pt").policy
    )


def test_a_flipped_bit_is_refused_by_name(run: Path, tmp_path: Path) -> None:
    whole = (run / "best_model.pt").read_bytes()
    tables = whole.index(SETTINGS.encode())  # from the first of the tables on, and a few before
    for at in np.random.default_rng(1).integers(tables - 2000, len(whole), 60).tolist():
        data = bytearray(whole)
        data[at] ^= 1 << (at % 8)
        (tmp_path / "best_model.pt").write_bytes(data)
        with pytest.raises(UserError, match=r"best_model\.pt"):
            load_stored(tmp_path / "best_model.pt")
    shutil.copy(run / "best_model.pt", tmp_path)
    load_stored(tmp_path / "best_model.pt")


def test_a_directory_is_told_from_a_checkpoint(run: Path, tmp_path: Path) -> None:
    for directory in (run, run.parent):
        with pytest.raises(
            UserError, match=rf"{directory} is a directory; give one of {run}/best_model\.pt, .*latest\.pt"
        ):
            load_stored(directory)
    with pytest.raises(UserError, match=r"is a directory; give the path of a \.pt file"):
        load_stored(tmp_path)
