"""How a running search stands: each trial from its history, the search from its trials."""

import os
import time
from pathlib import Path
from typing import Any

from ghm.reading import DamagedError, open_regular
from ghm.search.displays.observer import Plan
from ghm.search.records.index import ResultsIndex
from ghm.search.records.reader import parse_record
from ghm.search.settings.space import label
from ghm.search.trials.outcome import finite
from ghm.search.trials.trial import Trial
from ghm.training.config import Hyperparameters
from ghm.training.progress import duration, number

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

    def read(self) -> None:
        """Take in what was appended since the last call."""
        for line in self._appended():
            record = parse_record(line)
            if record is not None:
                evaluated = finite(record.get("exact_return")) is not None
                self.figures.update({key: value for key, value in record.items() if evaluated or value is not None})

    def _appended(self) -> list[bytes]:
        """Whole lines that are new; a line cut short waits for its end."""
        try:
            with open_regular(self._path) as file:
                status = os.fstat(file.fileno())
                # A run that starts over, or drops records after its checkpoint, writes a new or a shorter file.
                if status.st_ino != self._file_number or status.st_size < self._position:
                    self._position, self._rest, self._file_number, self.figures = 0, b"", status.st_ino, {}
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

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self._tail = HistoryTail(trial.history_path)
        self.read()
        self.first = self.iteration

    def read(self) -> None:
        """Look at what the trial has recorded since the last look."""
        self._tail.read()

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
        """Time left at the pace so far; None before the first record."""
        seconds = self._figure("seconds")
        left = self.trial.until - self.iteration
        return seconds / self.iteration * left if seconds is not None and self.iteration else None

    def _figure(self, name: str) -> float | None:
        return finite(self._tail.figures.get(name))


class SearchProgress:
    """How a search stands, whatever the display."""

    def __init__(self, plan: Plan, results: ResultsIndex) -> None:
        self._plan, self._results = plan, results
        self._started = time.monotonic()
        self._ended = 0
        self._total = plan.n_pending * plan.config.n_iterations if plan.iterations is None else plan.iterations
        self.running: dict[int, Running] = {}

    def start(self, trial: Trial) -> None:
        """A trial starts."""
        self.running[trial.number] = Running(trial)

    def finish(self, trial: Trial) -> None:
        """A trial ended."""
        one = self.running.pop(trial.number, None)
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
        return time.monotonic() - self._started

    @property
    def seconds_left(self) -> float:
        """Time left: the rest at the pace so far, the plan's estimate before there is a pace."""
        share = self.share_done
        # With less than a hundredth done, start-up is most of what was measured.
        return self.elapsed / share * (1 - share) if share > 0.01 else max(self._plan.seconds - self.elapsed, 0.0)

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
            return "best so far: none yet"
        if self._results.n_instances == 1:
            captured = "" if best.captured_value is None else f", captured value {best.captured_value:.3f}"
            return f"best so far: trial {best.trial_num}, return {best.best_return:.4f}{captured}"
        values = [one.captured_value for one in leader.trials if one.captured_value is not None]
        spread = f", captured value {min(values):.3f} to {max(values):.3f} over {len(values)} trials" if values else ""
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
    captured = "" if one.captured_value is None else f", captured {one.captured_value:.3f}"
    return (
        f"iteration {one.iteration}/{one.trial.config.n_iterations}: return {number(one.current_return)}{captured}, "
        f"about {duration(one.seconds_left)} left"
    )
