"""What callers give: numbers of other libraries, names of files that were edited, closed streams, a second run."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghm import GHMModel
from ghm.search import HyperparameterSearch, SearchConfig, SearchSpace
from ghm.training.settings import TrainConfig
from tests.search.instant import INSTANT
from tests.search.support import no_solver, read, run_search


def test_numpy_scalars_are_recorded_as_plain_numbers() -> None:
    model = GHMModel(sigma_x=np.linspace(0.1, 0.3, 3)[1], rho=np.float32(-0.5), c_max=np.int64(2))
    assert (model.sigma_x, model.rho, model.c_max) == (0.2, -0.5, 2.0)
    config = SearchConfig(
        model=model, dt=np.float64(0.1), T=np.int64(2), n_trials=np.int16(3), retry_failed=np.bool_(False)
    )
    trained = TrainConfig(lr_policy=np.float64(1e-3), policy_hidden=np.array([8, 8]), n_trajectories=np.int64(50))
    for settings in (config, trained):
        assert type(settings).from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    assert {type(value) for value in vars(model).values()} == {float}
    assert trained.policy_hidden == (8, 8)


def test_two_and_two_point_zero_are_one_model() -> None:
    assert json.dumps(vars(GHMModel(c_max=2))) == json.dumps(vars(GHMModel(c_max=2.0)))


def test_lists_and_texts_serve_where_tuples_and_paths_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    config = SearchConfig(rungs=[500, 1000], calibrations="~/c.json", results_dir="~/x")  # type: ignore[arg-type]
    assert config.rungs == (500, 1000)
    assert (config.calibrations, config.results_dir) == (tmp_path / "c.json", tmp_path / "x")


def test_a_subclass_may_name_its_lists_as_class_attributes() -> None:
    class Narrow(SearchSpace):
        lr_policy = [1e-2]  # noqa: RUF012

    assert Narrow().choices()["lr_policy"] == (1e-2,)
    assert Narrow().choices()["n_trajectories"] == SearchSpace().choices()["n_trajectories"]


@pytest.mark.parametrize(
    ("flag", "before", "after"),
    [
        ("--space", {"lr_policy": [1e-3]}, {"lr_policy": [1e-4]}),
        ("--calibrations", [{"name": "a", "sigma_x": 0.1}], [{"name": "a", "sigma_x": 0.3}]),
    ],
)
def test_a_file_that_is_given_again_is_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str, before: Any, after: Any
) -> None:
    file, results = tmp_path / "given.json", tmp_path / "r"
    file.write_text(json.dumps(before))
    assert run_search("--n_trials", 1, flag, file, "--results_dir", results, **INSTANT) == 0
    assert run_search("--resume", results, "--n_trials", 2, flag, file, **INSTANT) == 0, "the same content"
    file.write_text(json.dumps(after))
    assert run_search("--resume", results, "--n_trials", 3, flag, file, **INSTANT) == 2
    words = "would not be comparable" if flag == "--space" else "would mean other trainings"
    assert words in capsys.readouterr().err
    file.unlink()
    assert run_search("--resume", results, "--n_trials", 3, **INSTANT) == 0, "what is not named again holds as recorded"
    assert read(results)["search_config"][flag[2:]] == str(file)


def test_a_second_run_of_one_search_goes_on_with_it(tmp_path: Path) -> None:
    """The first is stopped after one trial, as by Ctrl-C; the second runs the rest in place."""

    class Stop:
        def __getattr__(self, name: str) -> Any:
            return lambda *_: search._stop(STOPPED) if name == "trial_finished" and not again else None

    class Stopped:
        def stop(self) -> None: ...

    STOPPED: Any = Stopped()
    again = False
    config = SearchConfig(n_trials=4, results_dir=tmp_path / "r")
    search = HyperparameterSearch(None, config, observers=[Stop()], solve=no_solver, **INSTANT)  # type: ignore[list-item]
    first = search.run()
    assert (first.interrupted, len(first.results.trials)) == (True, 1)
    again = True
    second = search.run()
    assert (second.interrupted, len(second.results.trials)) == (False, 4)
    assert len(search.run().results.trials) == 4, "a finished search runs nothing more"
    assert (tmp_path / "ledger").read_text().count("\n") == 4
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["r"]


@pytest.mark.parametrize(("command", "status"), [("--version", 0), ("search --dry_run", 0), ("explain nowhere", 2)])
@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_closed_streams_change_no_exit_status(tmp_path: Path, command: str, status: int, closed: str) -> None:
    program = [sys.executable, "-m", "ghm", *command.split()]
    done = subprocess.run(
        ["bash", "-c", f'"$@" {closed}', "-", *program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == status
    assert "NoneType" not in done.stderr
    assert "Traceback" not in done.stderr
