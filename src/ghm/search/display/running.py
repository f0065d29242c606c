"""How a running search stands: each trial from its history, the search from its trials."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ghm.io.safe_read import DamagedError, open_regular
from ghm.io.text import share_text
from ghm.search.display.observer import Plan
from ghm.search.display.time_left import TrialPace, seconds_left, weight
from ghm.search.records.index import ResultsIndex
from ghm.search.records.reader import parse_record
from ghm.search.settings.space import label
from ghm.search.trials.outcome import finite
from ghm.search.trials.trial import Trial
from ghm.training.logging.progress import duration, number
from ghm.training.settings import Hyperparameters

MAX_READ = 1 << 20
"""Bytes read at once: a history grows by a few hundred bytes a second, and only its end is wanted."""


class HistoryTail:
    """The newest figures of a trial's history.

    Args:
        path: The history file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._rest = b""
        self._file_number: int | None = None
        self.figures: dict[str, Any] = {}
        """The newest value of each figure; an evaluation's stay until the next one, whose missing ones replace them."""
        self.intervals: list[tuple[int, float]] = []
        """Iterations and seconds between each two records."""

    def read(self) -> None:
        """Take in what was appended since the last call."""
        for line in self._appended():
            record = parse_record(line)
            if record is not None:
                self._time(record)
                evaluated = finite(record.get("exact_return")) is not None
                self.figures.update({key: value for key, value in record.items() if evaluated or value is not None})

    def _time(self, record: dict[str, Any]) -> None:
        before, after = ((finite(one.get("iteration")), finite(one.get("seconds"))) for one in (self.figures, record))
        if None not in (*before, *after) and after[0] > before[0]:  # type: ignore[operator]
            self.intervals.append((int(after[0] - before[0]), after[1] - before[1]))  # type: ignore[operator]

    def _appended(self) -> list[bytes]:
        """Whole lines that are new; a line cut short waits for its end."""
        try:
            with open_regular(self._path) as file:
                status = os.fstat(file.fileno())
                # A run that starts over, or drops records after its checkpoint, writes a new or a shorter file.
                if status.st_ino != self._file_number or status.st_size < self._position:
                    self._position, self._rest, self._file_number, self.figures = 0, b"", status.st_ino, {}
                    self.intervals = []
                if status.st_size - self._position > MAX_READ:
                    self._position, self._rest = status.st_size - MAX_READ, b""
                file.seek(self._position)
                new = file.read()
        except (OSError, DamagedError):
            return []
        self._position += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        return lines


class Running:
    """How a running trial stands."""

    def __init__(self, trial: Trial, clock: Callable[[], float] = time.monotonic) -> None:
        self.trial, self._clock = trial, clock
        self._tail = HistoryTail(trial.history_path)
        self.read()
        self.first = self.iteration
        # What an earlier process recorded says nothing of this one's pace.
        self._tail.intervals.clear()
        cost = weight(trial.hyperparameters.n_trajectories, trial.config.n_steps)
        self.pace = TrialPace(clock(), max(trial.until - self.first, 1), cost, self._tail.intervals)

    def read(self) -> None:
        """Look at what the trial has recorded since the last look."""
        before = self.iteration
        self._tail.read()
        if self.iteration != before:
            self.pace.done, self.pace.seen, self.pace.intervals = self.done_here, self._clock(), self._tail.intervals

    @property
    def iteration(self) -> int:
        """Iterations done, as far as its history tells."""
        return int(self._figure("iteration") or 0)

    @property
    def share_done(self) -> float:
        """Share done of the iterations that were left when it was started, from 0 to 1."""
        return max(self.iteration - self.first, 0) / max(self.trial.until - self.first, 1)

    @property
    def done_here(self) -> int:
        """Iterations done since it was started."""
        return max(self.iteration - self.first, 0)

    @property
    def current_return(self) -> float | None:
        """Exact return at the last evaluation, the simulated one before the first."""
        exact = self._figure("exact_return")
        return self._figure("simulated_return") if exact is None else exact

    @property
    def captured_value(self) -> float | None:
        """Captured value at the last evaluation."""
        return self._figure("captured_value")

    @property
    def seconds_left(self) -> float | None:
        """Time left at the pace so far; None before there is one."""
        rate = self.pace.rate
        return None if rate is None else rate * (self.trial.until - self.iteration)

    def _figure(self, name: str) -> float | None:
        return finite(self._tail.figures.get(name))


class SearchProgress:
    """How a search stands, whatever the display."""

    def __init__(self, plan: Plan, results: ResultsIndex, clock: Callable[[], float] = time.monotonic) -> None:
        self._plan, self._results, self._clock = plan, results, clock
        self._started = clock()
        self._paces: list[TrialPace] = []
        paths = results.record.choices["n_trajectories"]
        n_steps = plan.config.training().n_steps
        self._mean_weight = sum(weight(one, n_steps) for one in paths) / len(paths)
        self._ended = 0
        self._total = plan.n_pending * plan.config.n_iterations if plan.iterations is None else plan.iterations
        self.running: dict[int, Running] = {}

    def start(self, trial: Trial) -> None:
        """A trial starts."""
        self.running[trial.number] = one = Running(trial, self._clock)
        self._paces.append(one.pace)

    def finish(self, trial: Trial, success: bool = True) -> None:
        """A trial ended."""
        one = self.running.pop(trial.number, None)
        if one is not None:
            one.read()
            one.pace.ended = self._clock()
            if not success:  # cut short, it says nothing of how long the others take
                self._paces.remove(one.pace)
        # What a failed trial has left undone will not be done.
        self._ended += trial.until - (0 if one is None else one.first)

    def read(self) -> None:
        """Look at what the running trials have recorded since the last look."""
        for one in self.running.values():
            one.read()

    @property
    def completed(self) -> int:
        """Trials that completed, those of earlier calls included."""
        return self._results.completed

    @property
    def failed(self) -> int:
        """Trials that failed for good."""
        return self._results.failed

    @property
    def n_trials(self) -> int:
        """Trials in total."""
        return self._plan.n_trials

    @property
    def share_done(self) -> float:
        """Share of this call's training that is done, from 0 to 1."""
        done = self._ended + sum(one.done_here for one in self.running.values())
        return min(done / max(self._total, 1), 1.0)

    @property
    def elapsed(self) -> float:
        """Seconds since the search started."""
        return self._clock() - self._started

    @property
    def seconds_left(self) -> float | None:
        """Time left at this machine's pace; None before it is known."""
        started = self._ended + sum(one.trial.until - one.first for one in self.running.values())
        iterations = max(self._total - started, 0)
        # Between rungs a trial goes on for less than the whole; what was started says for how much.
        each = self._plan.config.n_iterations
        if self._plan.config.rungs and self._paces:
            each = max(round(sum(pace.iterations for pace in self._paces) / len(self._paces)), 1)
        waiting = -(-iterations // each)
        return seconds_left(self._clock(), self._paces, waiting, each, self._mean_weight, self._plan.config.n_workers)

    def time_left(self) -> str:
        """Time left in words; nothing before it is known."""
        left = self.seconds_left
        return "" if left is None else f"about {duration(left)} left"

    def _best_running(self) -> str:
        """What the trials have reached that still run, while none has ended."""
        reached = [
            (one.captured_value, one.trial.number) for one in self.running.values() if one.captured_value is not None
        ]
        if not reached:
            return "best so far: none yet"
        value, number = max(reached)
        return f"best so far: captured value {share_text(value)}, trial {number}, which still runs"

    def counts(self) -> str:
        """Finished, failed and running trials, and how many stand at each rung."""
        parts = [f"{self.completed} of {self.n_trials} trials completed", f"{self.failed} failed"]
        for rung in self._plan.config.rungs:
            waiting = [
                o for o in self._results.outcomes if o.iterations == rung and o.status in ("paused", "stopped_at_rung")
            ]
            stopped = sum(outcome.status == "stopped_at_rung" for outcome in waiting)
            parts += [f"{len(waiting) - stopped} waiting and {stopped} stopped at {rung}"] if waiting else []
        return ", ".join([*parts, f"{len(self.running)} running"])

    def best(self) -> str:
        """The best configuration so far, and what its trials spread over."""
        leader, best = self._results.leader, self._results.best
        if leader is None or best is None:
            return self._best_running()
        if self._results.n_instances == 1:
            captured = "" if best.captured_value is None else f", captured value {share_text(best.captured_value)}"
            return f"best so far: trial {best.trial_num}, return {best.best_return:.4f}{captured}"
        values = [one.captured_value for one in leader.trials if one.captured_value is not None]
        spread = (
            f", captured value {share_text(min(values))} to {share_text(max(values))} over {len(values)} trials"
            if values
            else ""
        )
        return f"best so far: configuration {leader.configuration}{spread}"


def configuration(hyperparameters: Hyperparameters) -> str:
    """The eight hyperparameters on one line, what matters most first."""
    chosen = {name: label(value) for name, value in vars(hyperparameters).items()}
    return (
        f"lr {chosen['lr_policy']}/{chosen['lr_baseline']} entropy {chosen['entropy_weight']} "
        f"paths {chosen['n_trajectories']} net {chosen['policy_hidden']}/{chosen['value_hidden']} "
        f"clip {chosen['max_grad_norm']} reg {chosen['action_reg_weight']}"
    )


def standing(one: Running) -> str:
    """How a running trial stands, on one line."""
    captured = "" if one.captured_value is None else f", captured {share_text(one.captured_value)}"
    left = "" if one.seconds_left is None else f", about {duration(one.seconds_left)} left"
    total = one.trial.config.n_iterations
    return f"iteration {one.iteration}/{total}: return {number(one.current_return)}{captured}{left}"
