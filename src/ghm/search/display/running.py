"""How a running search stands: each trial from its history, the search from its state."""

import dataclasses
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from ghm.io.safe_read import DamagedError, open_regular
from ghm.io.text import percent_text
from ghm.search.decisions.workload import Workload
from ghm.search.display.lines import best_text, reached_text
from ghm.search.display.observer import Plan
from ghm.search.display.time_left import TrialPace, seconds_left, weight
from ghm.search.records.state import SearchState
from ghm.search.settings.configurations import NAMES
from ghm.search.settings.distributions import Range, label
from ghm.search.trials.history import HistoryLine, parse_line
from ghm.search.trials.outcome import TrialRecord, TrialState
from ghm.search.trials.trial import Trial
from ghm.training.logging.progress import duration
from ghm.training.settings import Hyperparameters

MAX_READ = 1 << 20
"""Bytes read at once: a history grows by a few hundred bytes a second, and only its end is wanted."""

CHEAP_S = 0.001
"""What is left of a search is made out anew at each event if that takes no longer; else it takes `SHARE` of the time at most."""

SHARE = 0.01


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
        self.newest: HistoryLine | None = None
        """The newest value of each figure; an evaluation's stay until the next one, whose missing ones replace them."""
        self.intervals: list[tuple[int, float]] = []
        """Iterations and seconds between each two lines."""

    def read(self) -> None:
        """Take in what was appended since the last call."""
        for text in self._appended():
            if (line := parse_line(text)) is not None:
                self._take(line)

    def _take(self, line: HistoryLine) -> None:
        before = self.newest
        if before is not None:
            if before.seconds is not None and line.seconds is not None and line.iteration > before.iteration:
                self.intervals.append((line.iteration - before.iteration, line.seconds - before.seconds))
            if line.exact_return is None:
                new = {name: value for name, value in msgspec.structs.asdict(line).items() if value is not None}
                line = msgspec.structs.replace(before, **new)
        self.newest = line

    def _appended(self) -> list[bytes]:
        """Whole lines that are new; a line cut short waits for its end."""
        try:
            with open_regular(self._path) as file:
                status = os.fstat(file.fileno())
                # A run that starts over, or drops records after its checkpoint, writes a new or a shorter file.
                if status.st_ino != self._file_number or status.st_size < self._position:
                    self._position, self._rest, self._file_number, self.newest = 0, b"", status.st_ino, None
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
        self._tail.read()
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
            self.first = min(self.first, self.iteration)  # it went back to its checkpoint
            self.pace.done, self.pace.seen, self.pace.intervals = (
                self.iteration - self.first,
                self._clock(),
                self._tail.intervals,
            )

    @property
    def iteration(self) -> int:
        """Iterations done, as far as its history tells."""
        return 0 if self._tail.newest is None else self._tail.newest.iteration

    @property
    def iterations_left(self) -> int:
        """Iterations to its end, or to the rung where it pauses."""
        return max(self.trial.until - self.iteration, 0)

    @property
    def current_return(self) -> float | None:
        """Exact firm value at the last evaluation, the simulated one before the first."""
        newest = self._tail.newest
        if newest is None or newest.exact_return is not None:
            return None if newest is None else newest.exact_return
        return newest.simulated_return

    @property
    def captured_value(self) -> float | None:
        """Captured value at the last evaluation."""
        return None if self._tail.newest is None else self._tail.newest.captured_value

    @property
    def seconds_left(self) -> float | None:
        """Time left at the pace so far; None before there is one."""
        rate = self.pace.rate
        return None if rate is None else rate * self.iterations_left


class SearchProgress:
    """How a search stands, whatever the display."""

    def __init__(self, plan: Plan, state: SearchState, clock: Callable[[], float] = time.monotonic) -> None:
        self._plan, self._state, self._clock = plan, state, clock
        self._started = clock()
        self._paces: list[TrialPace] = []
        n_steps = plan.config.training().n_steps
        paths = state.record.choices["n_trajectories"]
        paths = dataclasses.replace(paths, points=5).grid() if isinstance(paths, Range) else paths.grid()
        self._mean_weight = sum(weight(one, n_steps) for one in paths) / len(paths)
        self.running: dict[int, Running] = {}
        self._work = Workload((), 0)
        self._is_stale, self._next = True, 0.0
        self._total = self._workload.iterations

    def start(self, trial: Trial) -> None:
        """A trial starts."""
        self.running[trial.number] = one = Running(trial, self._clock)
        self._paces.append(one.pace)
        self._is_stale = True

    def finish(self, trial: Trial, outcome: TrialRecord) -> None:
        """A trial ended."""
        one = self.running.pop(trial.number, None)
        self._is_stale = True
        if one is not None:
            one.read()
            one.pace.ended = self._clock()
            if not outcome.status.has_result:  # cut short, it says nothing of how long the others take
                self._paces.remove(one.pace)

    def read(self) -> None:
        """Look at what the running trials have recorded since the last look."""
        for one in self.running.values():
            one.read()

    @property
    def share_done(self) -> float:
        """Share of this call's training that is done, from 0 to 1."""
        left = self._workload.iterations + sum(one.iterations_left for one in self.running.values())
        return max(1.0 - left / max(self._total, 1), 0.0)

    @property
    def elapsed(self) -> float:
        """Seconds since the search started."""
        return self._clock() - self._started

    @property
    def seconds_left(self) -> float | None:
        """Time left at this machine's pace; None before it is known."""
        parts = self._workload.parts
        return seconds_left(self._clock(), self._paces, parts, self._mean_weight, self._plan.config.n_workers)

    def time_left(self) -> str:
        """Time left in words; nothing before it is known."""
        left = self.seconds_left
        return "" if left is None else f"about {duration(left)} left"

    def counts(self) -> str:
        """Finished, failed and running trials, and how many are paused or stopped at each rung."""
        found = self._state.counts(self.running)
        parts = [f"{found.completed} of {found.asked} trials completed", f"{found.failed} failed"]
        for rung in self._plan.config.rungs if found.paused or found.stopped else ():
            here = [
                one.status
                for one in self._state.by_number.values()
                if one.status.is_at_rung and one.iterations == rung and one.trial_num not in self.running
            ]
            stopped = here.count(TrialState.STOPPED_AT_RUNG)
            parts += [f"{len(here) - stopped} paused and {stopped} stopped at rung {rung}"] if here else []
        return ", ".join([*parts, f"{found.running} running"])

    def best(self) -> str:
        """The best configuration so far; while there is none, the best trial that runs."""
        best = self._state.best_configuration
        return self._best_running() if best is None else best_text(best)

    def _best_running(self) -> str:
        """What the trials have reached that still run, while none has ended."""
        reached = [
            (one.captured_value, one.trial.number) for one in self.running.values() if one.captured_value is not None
        ]
        if not reached:
            return "best so far: none yet"
        value, trial = max(reached)
        return f"best so far: trial {trial}, captured value {percent_text(value)}, still running"

    @property
    def _workload(self) -> Workload:
        """What is still to be started. Of very many trials it may be some events old."""
        if self._is_stale and self._clock() >= self._next:
            began = time.thread_time()  # not the time that others take the processor for
            self._work = self._state.workload(self._plan.again, self.running)
            cost, self._is_stale = time.thread_time() - began, False
            self._next = 0.0 if cost < CHEAP_S else self._clock() + cost / SHARE
        return self._work


def configuration(hyperparameters: Hyperparameters) -> str:
    """A configuration in a row of a table, what matters most first, with short names."""
    chosen = {name: label(value) for name, value in vars(hyperparameters).items()}
    return (
        f"lr {chosen['lr_policy']}/{chosen['lr_baseline']} entropy {chosen['entropy_weight']} "
        f"paths {chosen['n_trajectories']} net {chosen['policy_hidden']}/{chosen['value_hidden']} "
        f"clip {chosen['max_grad_norm']} reg {chosen['action_reg_weight']}"
    ) + "".join(f" {name} {value}" for name, value in chosen.items() if name not in NAMES)


def standing(one: Running) -> str:
    """How a running trial stands, on one line."""
    left = "" if one.seconds_left is None else f", about {duration(one.seconds_left)} left"
    total = one.trial.config.n_iterations
    return f"iteration {one.iteration}/{total}: {reached_text(one.current_return, one.captured_value)}{left}"
