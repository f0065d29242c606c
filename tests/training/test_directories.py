"""No run writes over another's record unasked."""

from pathlib import Path

import pytest

from ghm.errors import UserError
from ghm.training.checkpoints.directories import own_directories
from ghm.training.main import main
from ghm.training.settings import TrainConfig

SHORT = ["--n_iterations", "2", "--dt", "0.1", "--T", "1", "--n_trajectories", "20", "--progress", "plain"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def leave_run(directory: Path) -> None:
    (directory / "checkpoints").mkdir(parents=True)
    (directory / "checkpoints" / "latest.pt").touch()


def test_the_same_command_twice_keeps_both_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(SHORT) == 0
    first = {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}
    assert main(SHORT) == 0
    assert {path: path.read_bytes() for path in first} == first
    assert Path("runs/train-2/checkpoints/best_model.pt").is_file()
    assert "runs/train holds an earlier run, which is kept: this run goes into runs/train-2." in capsys.readouterr().out


def test_directories_that_the_user_chose_are_refused_when_they_hold_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    leave_run(Path("mine"))
    flags = ["--ckpt_dir", "mine/checkpoints", "--log_dir", "mine/logs"]
    assert main([*SHORT, *flags]) == 2
    assert "mine/checkpoints/latest.pt is of another run, which this one would overwrite" in capsys.readouterr().err
    assert [path.name for path in Path("mine").rglob("*") if path.is_file()] == ["latest.pt"], "nothing was written"


def test_only_a_run_that_is_there_is_offered_to_be_continued(capsys: pytest.CaptureFixture[str]) -> None:
    Path("logs").mkdir()
    Path("logs/events.out.tfevents.1").touch()
    assert main([*SHORT, "--ckpt_dir", "new", "--log_dir", "logs"]) == 2
    said = capsys.readouterr().err
    assert "logs/events.out.tfevents.1 is of another run" in said
    assert "choose other places, such as --ckpt_dir run-2/checkpoints --log_dir run-2/logs" in said
    assert "--resume" not in said
    leave_run(Path("my run"))
    assert main([*SHORT, "--ckpt_dir", "my run/checkpoints", "--log_dir", "more"]) == 2
    assert "--resume 'my run/checkpoints/latest.pt'" in capsys.readouterr().err


@pytest.mark.parametrize("more", [[], ["--result_file", "a/mine.json"]], ids=["default", "result file"])
def test_the_advice_of_the_refusal_works(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Other directories side by side have the same result beside them, so that other ones there were refused again."""
    assert main([*SHORT, "--ckpt_dir", "a/c1", "--log_dir", "a/l1", *more]) == 0
    assert main([*SHORT, "--ckpt_dir", "a/c2", "--log_dir", "a/l2", *more]) == 2
    said = capsys.readouterr().err
    advised = said[said.index("such as ") + len("such as ") :].split(", ")[0].split()
    assert main([*SHORT, *advised]) == 0
    assert Path(advised[1], "best_model.pt").is_file()
    assert main([*SHORT, "--ckpt_dir", "a/c2", "--log_dir", "a/l2", *more]) == 2
    assert "a/run-3/checkpoints" in capsys.readouterr().err


def test_a_run_that_continues_goes_on_where_it_was() -> None:
    leave_run(Path("runs/train"))
    leave_run(Path("runs/train-2"))
    for name in ("train", "train-2"):
        config = TrainConfig(resume=Path(f"runs/{name}/checkpoints/latest.pt"))
        assert own_directories(config).ckpt_dir == Path(f"runs/{name}/checkpoints")
    leave_run(Path("results/trial_001"))
    foreign = TrainConfig(resume=Path("results/trial_001/checkpoints/latest.pt"))
    assert own_directories(foreign).ckpt_dir == Path("runs/train-3/checkpoints"), "never into a search's trial"


def test_trials_of_a_search_are_left_to_the_search() -> None:
    leave_run(Path("mine"))
    config = TrainConfig(ckpt_dir=Path("mine/checkpoints"), parent_pid=1)
    assert own_directories(config) == config
    with pytest.raises(UserError, match="another run"):
        own_directories(TrainConfig(ckpt_dir=Path("mine/checkpoints")))


@pytest.mark.parametrize(("flag", "given"), [("--policy_hidden", "64,64"), ("--value_hidden", "64x64")])
def test_widths_in_one_word_are_refused_with_the_words_meant(
    flag: str, given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([flag, given]) == 2
    assert f"received '{given}'; write {flag} 64 64" in capsys.readouterr().err
