"""What a search prints while it runs and at its end: every figure of every line against one worked out by hand."""

import dataclasses
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from report.by_hand import FRESH, confirmed, eight_trials, over_seeds, rung_trials, search_of, trial

from ghm.search.decisions.ranking import RungAgreement, ranked
from ghm.search.decisions.selection import Decision
from ghm.search.display.lines import PlainObserver, decision_text, outcome_text, plan_text
from ghm.search.display.observer import Plan
from ghm.search.display.running import SearchProgress, configuration, standing
from ghm.search.display.summary import _rungs, summary
from ghm.search.display.time_left import duration
from ghm.search.records.state import SearchState
from ghm.search.settings.config import SearchConfig
from ghm.search.settings.configurations import described
from ghm.search.settings.trial_numbering import TrialNumbering
from ghm.search.trials.trial import Trial, make_trial
from ghm.training.settings import Hyperparameters


@pytest.fixture
def search(tmp_path: Path) -> SearchState:
    return eight_trials(tmp_path)


def blocks(state: SearchState, interrupted: bool = False) -> list[str]:
    return summary(state, interrupted).split("\n\n")


def test_the_whole_summary_of_single_trainings(search: SearchState) -> None:
    heading, best, policy, hyperparameters, top, failed, results, command = blocks(search)
    assert heading == "Search summary: 6 of 10 trials completed, 1 failed, 3 not finished"
    assert best.splitlines() == [
        "Best configuration: trial 5, firm value 6.6150, captured value 95.0%",
        "  (captured value 0%: immediate liquidation, 5.9500; 100%: the optimum, 6.6500)",
        "  Issues equity only at too little cash: all in words.",
    ]
    assert [re.split(r"\s{2,}", line.strip()) for line in policy.splitlines()] == [
        ["learned", "optimum"],
        ["payout boundary", "0.2100", "0.1900"],
        ["issuance boundary", "0.0300", "0.0400"],
        ["post-issuance cash", "0.0800", "0.0700"],
        ["equity issues per firm over 10 years", "1.50", "1.25"],
        ["liquidated in the first half of the horizon", "12.5%", "7.5%"],
    ]
    assert hyperparameters.splitlines() == [
        "  lr_policy          0.0001",
        "  lr_baseline        0.003",
        "  entropy_weight     0.01",
        "  action_reg_weight  0.01",
        "  max_grad_norm      1",
        "  n_trajectories     500",
        "  policy_hidden      64x64",
        "  value_hidden       64x64",
    ]
    title, *rows = top.splitlines()
    assert title == "Top 5 configurations"
    table = {re.split(r"\s{2,}", row.strip())[0]: re.split(r"\s{2,}", row.strip())[1:] for row in rows[:6]}
    assert table == {
        "rank": ["1", "2", "3", "4", "5"],
        "trial": ["5", "2", "3", "1", "4"],
        "iterations": ["100"] * 5,
        "firm value": ["6.6150", "6.5800", "6.4540", "6.3700", "6.0900"],
        "captured value": ["95.0%", "90.0%", "72.0%", "60.0%", "20.0%"],
        "lr_policy": ["0.0001", "0.001", "0.001", "0.001", "0.0001"],
    }
    assert [row.split()[0] for row in rows[5:]] == list(vars(Hyperparameters()))
    assert failed.splitlines() == [
        "Not completed",
        "  trial 7: diverged: reason 7",
        f"    log: {search.path.parent}/trial_007/stderr.log",
        "  trial 8: interrupted: reason 8",
        f"    log: {search.path.parent}/trial_008/stderr.log",
    ]
    assert results == f"Results: {search.path}"
    assert command.startswith("Train the best configuration longer:\n")
    assert "--lr_policy 0.0001 " in command
    said = summary(search, interrupted=True)
    assert re.search(rf"Interrupted\. Continue with:\n  \S+ \S+ --resume {re.escape(str(search.path))}$", said), said


def columns(top: str) -> dict[str, list[str]]:
    """The first words of each line of a table whose columns are configurations."""
    return {row.split()[0]: row.split()[1:] for row in top.splitlines()[1:]}


def test_several_seeds(tmp_path: Path) -> None:
    _, best, top, *_ = blocks(over_seeds(tmp_path / "mean"))
    assert best.splitlines()[:2] == [
        "Best configuration: 2, mean captured value 68.5% over its 4 trials",
        "  (its best trial: trial 5, firm value 6.5800, captured value 90.0%)",
    ]
    assert top.startswith("Top 5 configurations, by the mean captured value of their trials\n")
    found = columns(top)
    assert {name: found[name] for name in ("configuration", "trials", "mean", "worst", "best", "failed")} == {
        "configuration": ["2", "1", "3"],
        "trials": ["4", "4", "4"],
        "mean": ["68.5%", "65.0%", "95.0%"],
        "worst": ["10.0%", "50.0%", "95.0%"],
        "best": ["90.0%", "80.0%", "95.0%"],
        "failed": ["0", "0", "1"],
    }
    iqm = blocks(over_seeds(tmp_path / "iqm", rank_by="iqm"))
    assert iqm[1].startswith("Best configuration: 2, interquartile mean captured value 87.0% over its 4 trials")
    assert columns(iqm[2])["iqm"] == ["87.0%", "65.0%", "95.0%"]
    worst = blocks(over_seeds(tmp_path / "worst", rank_by="worst"))
    assert worst[1].startswith("Best configuration: 1, worst captured value 50.0% over its 4 trials")


def test_confirmation(tmp_path: Path) -> None:
    _, best, top, confirmation, *_ = blocks(confirmed(tmp_path))
    found = re.match(
        r"Best configuration: 2, interquartile mean captured value 83\.0% on fresh seeds\n"
        r"  \(95% interval ([\d.]+)% to ([\d.]+)%; trials 5 to 8 in the search, trials 13 to 17 on\n"
        r"   fresh seeds\)\n"
        r"  \(its best trial on them: trial 17, firm value 6\.5520, captured value 86\.0%\)",
        best,
    )
    assert found is not None, best
    assert [float(end) / 100 for end in found.groups()] == pytest.approx(FRESH, abs=6e-4)
    assert top.startswith(
        "Top 5 configurations before the confirmation, by the mean captured value of\n  their trials\n  rank "
    )
    title, rest, head, first, second, last = confirmation.splitlines()
    assert title == "Confirmation on fresh seeds 1001 to 1005, 250 iterations; interquartile means of"
    assert rest == "  captured value, differences in points"
    assert re.split(r"\s{2,}", head.strip()) == [
        "configuration", "in search", "confirmed", "95% interval", "difference", "failed",
    ]  # fmt: skip
    cells = [re.split(r"\s{2,}", row.strip()) for row in (first, second)]
    assert [[*row[:3], *row[4:]] for row in cells] == [
        ["2", "87.0%", "83.0%", "-4.00", "0"],
        ["1", "65.0%", "76.5%", "+11.50", "1"],
    ]
    ends = [float(end.removesuffix("%")) / 100 for end in cells[0][3].split(" to ")]
    assert ends == pytest.approx(FRESH, abs=6e-4)
    assert cells[1][3] == "too few seeds"
    assert last == "  The first beats the second in 70% of 20 pairs of trainings on fresh seeds."


def test_rungs_and_who_was_stopped(tmp_path: Path) -> None:
    state = search_of(tmp_path, rung_trials(), rungs=(20,), keep=0.5)
    heading, best, top, rungs, *_ = blocks(state)
    assert heading == "Search summary: 2 of 4 trials completed, 2 stopped at a rung"
    assert best.startswith("Best configuration: trial 1, firm value 6.5100, captured value 80.0%"), (
        "not the one that was stopped at 0.99"
    )
    assert columns(top)["trial"] == ["1", "2", "3", "4"]
    assert rungs == "Rank agreement between rungs\n  20 and 100 iterations, 2 configurations promoted: too few to tell"
    known = [RungAgreement(20, 50, 7, (0.9, 0.5, 0.98)), RungAgreement(50, 100, 5, (0.2, -0.6, 0.8))]
    assert _rungs(known) == [
        "Rank agreement between rungs\n"
        "  20 and 50 iterations, 7 configurations promoted: 0.90 (95% interval 0.50 to 0.98)\n"
        "  50 and 100 iterations, 5 configurations promoted: 0.20 (95% interval -0.60 to 0.80)\n"
        "    WARNING: no better than chance; use later rungs or a larger --keep"
    ]


def test_configurations_that_completed_rank_above_those_that_were_stopped(tmp_path: Path) -> None:
    state = search_of(tmp_path, rung_trials(), rungs=(20,), keep=0.5)
    assert [one.configuration for one in ranked(state.scores())] == [1, 2, 3, 4]
    assert [one.trial_num for one in state.ranked] == [1, 2, 3, 4]


def test_failures_of_the_machine_are_counted(tmp_path: Path) -> None:
    state = search_of(
        tmp_path,
        [
            trial(1, None, "crashed", exit_status=-9, machine_failures=3),
            trial(2, None, "infrastructure", machine_failures=10),
            trial(3, None, "crashed", exit_status=1),
        ],
    )
    _, nothing, failed, _ = blocks(state)
    assert nothing == "Every trial failed: there is no best configuration."
    counted = [line.strip() for line in failed.splitlines() if "the computer's fault" in line]
    assert counted == [
        "the computer's fault, not the training's (3 of at most 10 such failures): --resume runs it again",
        "the computer's fault, not the training's (10 of at most 10 such failures): only --resume --retry_failed runs it again",
    ]


def test_many_failures_are_counted_and_not_listed(tmp_path: Path) -> None:
    state = search_of(tmp_path, [trial(number, None, "diverged") for number in range(1, 14)])
    (failed,) = [block for block in blocks(state) if block.startswith("Not completed")]
    assert failed.count("reason") == 10
    assert failed.endswith("  and 3 more, in the results")


class TestLines:
    """A line an event."""

    def plan(self, tmp_path: Path, total: int, pending: int, **settings: Any) -> Plan:
        config = SearchConfig(results_dir=tmp_path, **settings)
        return Plan(config, tmp_path, total, pending, numbering=TrialNumbering(config, (), config.n_trials))

    def test_plan(self, tmp_path: Path) -> None:
        plain = self.plan(tmp_path, 20, 20, n_trials=20, n_iterations=700)
        assert plan_text(plain) == f"Random search: 20 trials x 700 iterations, 1 worker, into {tmp_path}"
        more = self.plan(tmp_path, 20, 13, n_trials=20, n_iterations=700, n_workers=3)
        assert plan_text(more) == (
            f"Random search: 20 trials (7 done, 13 to run) x 700 iterations, 3 workers, into {tmp_path}"
        )
        # Of 10 configurations the best third is 4 of 10 (3.4 rounded up), then 2 of 4; two are confirmed on five seeds each.
        rungs = self.plan(
            tmp_path,
            40,
            40,
            n_trials=10,
            n_iterations=900,
            eval_freq=100,
            n_seeds=3,
            rungs=(100, 300),
            keep=0.34,
            confirm=2,
        )
        assert (
            "40 trials (10 configurations x 3 seeds; 10 for the confirmation; the best 34% are promoted at 100 and 300 "
            "iterations: 4 and 2)"
        ) in plan_text(rungs)

    def test_ends(self, search: SearchState) -> None:
        trials = search.by_number
        assert outcome_text(trials[2]) == "Completed in 20 s: firm value 6.5800, captured value 90.0%"
        assert outcome_text(trials[7]) == "diverged after 70 s: reason 7 (log: trial_007/stderr.log)"
        assert outcome_text(trial(3, 0.5, "paused", iterations=20)) == (
            "Paused at rung 20: firm value 6.3000, captured value 50.0%"
        )

    def test_the_best_of_several_seeds_is_a_configuration(self, tmp_path: Path) -> None:
        state, stream = over_seeds(tmp_path), io.StringIO()
        observer = PlainObserver(stream)
        observer.joined(Plan(state.config, state.path.parent, 12, 12), state, [])
        observer.trial_finished(started(state, 1), state.by_number[1])
        assert stream.getvalue().endswith("\nbest so far: configuration 2, mean captured value 68.5% over 4 trials\n")

    def test_decisions(self) -> None:
        cut = Decision("cut", {"rung": 20, "keep": 0.5}, {"of": 5, "go_on": [2, 4, 5], "ranking": []}, "")
        assert decision_text(cut) == "[Rung 20] 3 of 5 configurations promoted: 2, 4, 5"
        none = dataclasses.replace(cut, content={"of": 5, "go_on": [], "ranking": []})
        assert decision_text(none) == "[Rung 20] 0 of 5 configurations promoted: none"
        content = {"of": 9, "chosen": [[4, 0.9], [1, 0.8]], "seeds": [11, 12, 13], "iterations": 50}
        assert decision_text(Decision("confirmation", {"count": 2}, content, "")) == (
            "[Confirmation] trained again on 3 fresh seeds: configurations 4, 1"
        )

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (9.94, "9.9 s"),
            (42, "42 s"),
            (89, "89 s"),
            (90, "1.5 min"),
            (5400, "1.5 h"),
            (7200, "2.0 h"),
            (129600, "1.5 days"),
        ],
    )
    def test_lengths_of_time(self, seconds: float, text: str) -> None:
        assert duration(seconds) == text

    def test_one_that_takes_over_knows_the_best(self, search: SearchState) -> None:
        """Messages of a display that stands in for one that failed say no less."""
        stream = io.StringIO()
        observer = PlainObserver(stream)
        observer.joined(Plan(search.config, search.path.parent, 10, 2), search, [])
        observer.trial_finished(started(search, 2), search.by_number[2])
        assert "\nbest so far: trial 5, firm value 6.6150, captured value 95.0%\n" in stream.getvalue()


def started(state: SearchState, number: int, *lines: dict[str, Any], **settings: Any) -> Trial:
    """A trial of the search with this history."""
    one = make_trial(state.config, state.path.parent, number, Hyperparameters(**settings))
    one.directory.mkdir(parents=True, exist_ok=True)
    one.history_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return one


class TestRunning:
    """How a running search stands."""

    def progress(self, state: SearchState, clock: Any = lambda: 0.0) -> SearchProgress:
        return SearchProgress(Plan(state.config, state.path.parent, 4, 4), state, clock)

    def test_the_best_so_far_is_the_best_that_runs_while_none_has_ended(self, tmp_path: Path) -> None:
        state = search_of(tmp_path, [], n_trials=4)
        progress = self.progress(state)
        assert progress.best() == "best so far: none yet"
        for number, value in ((1, 0.4), (2, 0.8), (3, 0.1)):
            progress.start(started(state, number, {"iteration": 50, "exact_return": 6.0, "captured_value": value}))
        assert progress.best() == "best so far: trial 2, captured value 80.0%, still running"

    def test_the_best_that_has_ended(self, search: SearchState, tmp_path: Path) -> None:
        assert self.progress(search).best() == "best so far: trial 5, firm value 6.6150, captured value 95.0%"
        seeds = over_seeds(tmp_path / "seeds")
        assert self.progress(seeds).best() == "best so far: configuration 2, mean captured value 68.5% over 4 trials"

    def test_counts(self, search: SearchState) -> None:
        assert self.progress(search).counts() == "6 of 10 trials completed, 1 failed, 0 running"

    def test_one_trial(self, tmp_path: Path) -> None:
        """Ten iterations a second: 50 of 100 are left, five seconds."""
        state = search_of(tmp_path, [], n_trials=4)
        going = started(state, 1)
        progress = self.progress(state)
        progress.start(going)
        lines = [
            {"iteration": 10 * k, "seconds": float(k), "exact_return": 6.0 + k / 100, "captured_value": k / 10}
            for k in range(1, 6)
        ]
        going.history_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        progress.read()
        one = progress.running[1]
        assert standing(one) == "iteration 50/100: firm value 6.0500, captured value 50.0%, about 0:05 left"
        assert (one.iteration, one.iterations_left, one.seconds_left) == (50, 50, pytest.approx(5.0))
        # Of four trials of 100 iterations an eighth is done.
        assert progress.share_done == pytest.approx(50 / 400)

    def test_a_configuration_in_one_line(self) -> None:
        values = Hyperparameters(
            lr_policy=1e-4, lr_baseline=2e-3, entropy_weight=0.03, action_reg_weight=0.04, max_grad_norm=5.0, n_trajectories=250,
            policy_hidden=(6, 7), value_hidden=(8, 9),
        )  # fmt: skip
        assert configuration(values) == "lr 0.0001/0.002 entropy 0.03 paths 250 net 6x7/8x9 clip 5 reg 0.04"
        assert described(values) == (
            "  lr_policy=0.0001 lr_baseline=0.002 entropy_weight=0.03 action_reg_weight=0.04\n"
            "  max_grad_norm=5 n_trajectories=250 policy_hidden=6x7 value_hidden=8x9"
        )
