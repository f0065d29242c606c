"""How long a search will still take: from this machine's own pace, start-up included; nothing is said before it is known."""

import heapq
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

SECONDS_PER_ITERATION = 0.015
SECONDS_PER_PATH_STEP = 3e-8
"""How the time of an iteration grows with its paths: `weight` takes ratios of it alone, the pace itself is measured."""

FEWEST_INTERVALS = 2
"""Intervals between two records from which on a trial has a pace: compiling falls into the first."""


def weight(paths: float, n_steps: int) -> float:
    """Relative cost of an iteration of ``paths`` paths of ``n_steps`` steps."""
    return SECONDS_PER_ITERATION + SECONDS_PER_PATH_STEP * paths * n_steps


@dataclass
class TrialPace:
    """How fast one trial goes, by the clock of the search."""

    started: float
    """When its process was started (seconds of the search's clock)."""
    iterations: int
    """Iterations that it has to do, from where it starts."""
    weight: float
    """Relative cost of one of them."""
    intervals: list[tuple[int, float]] = field(default_factory=list)
    """Between two of its records each: iterations, and seconds of its own clock."""
    done: int = 0
    """Iterations done at the last record that was seen."""
    seen: float = 0.0
    """When that was."""
    ended: float | None = None

    @property
    def rate(self) -> float | None:
        """Seconds an iteration: the median over what was recorded, which compiling and pauses do not move."""
        if len(self.intervals) < FEWEST_INTERVALS:
            return None
        ordered = sorted((seconds / count, count) for count, seconds in self.intervals)
        half, passed = sum(count for _, count in ordered) / 2, 0
        for pace, count in ordered:
            passed += count
            if passed >= half:
                return pace
        return ordered[-1][0]

    @property
    def startup(self) -> float | None:
        """Seconds before its first iteration, and of compiling; None before there is a pace."""
        rate = self.rate
        return None if rate is None else max(self.seen - self.started - rate * self.done, 0.0)

    @property
    def startup_of_others(self) -> float | None:
        """Start-up of a trial after it: without the compiling that shows in its first interval, which others find done."""
        rate, startup = self.rate, self.startup
        if rate is None or startup is None:
            return None
        count, seconds = self.intervals[0]
        return max(startup - max(seconds - rate * count, 0.0), 0.0)

    @property
    def training(self) -> float | None:
        """Seconds of all its iterations."""
        rate = self.rate
        if rate is None:
            return None if self.ended is None else self.ended - self.started
        whole = rate * self.iterations
        return whole if self.ended is None else min(whole, self.ended - self.started)

    @property
    def ending(self) -> float:
        """Seconds from its last iteration to its end; 0 while it runs."""
        if self.ended is None:
            return 0.0
        return max(self.ended - self.seen - (self.rate or 0.0) * (self.iterations - self.done), 0.0)

    def left(self, now: float, ending: float) -> float | None:
        """Seconds to its end, of which ``ending`` after the last iteration; None before there is a pace."""
        rate = self.rate
        if rate is None:
            return None
        return max(rate * (self.iterations - self.done) - (now - self.seen), 0.0) + ending


def seconds_left(
    now: float, trials: Sequence[TrialPace], waiting: Sequence[int], mean_weight: float, n_workers: int
) -> float | None:
    """Seconds until all is done; None before anything is known.

    Args:
        now: the search's clock.
        trials: those that were started, in order; failed ones left out.
        waiting: iterations of each that is still to be started.
        mean_weight: relative cost of one of their iterations.
        n_workers: trials that run at once.
    """
    first_end = min((trial.ended for trial in trials if trial.ended is not None), default=None)
    later = {id(trial) for trial in trials if first_end is not None and trial.started >= first_end}
    # Too short to have a pace of its own, a first trial's time may be that of compiling, which others find done.
    known = [trial for trial in trials if trial.training is not None and (trial.rate is not None or id(trial) in later)]
    if not known:
        return None
    ending = _typical([trial.ending for trial in known if trial.ended is not None])
    # The newest start-up: the first trials on a machine compile what later ones find compiled.
    startup = next((one for trial in reversed(known) if (one := trial.startup_of_others) is not None), 0.0)
    pace = statistics.fmean((trial.training or 0.0) / (trial.iterations * trial.weight) for trial in known)
    busy = [_left(trial, now, ending, startup, pace) for trial in trials if trial.ended is None]
    # The next trial goes to the worker that is free first; the last round may be incomplete, and takes as long as a full one.
    free = sorted([*busy, *[0.0] * max(n_workers - len(busy), 0)])
    # So may be its start-up, where that would be most of what is left.
    shortest = min((pace * iterations * mean_weight + ending for iterations in waiting), default=math.inf)
    if startup > shortest and not any(id(trial) in later for trial in known):
        return None
    heapq.heapify(free)
    for iterations in waiting:
        heapq.heapreplace(free, free[0] + startup + pace * iterations * mean_weight + ending)
    return max(free)


def _left(trial: TrialPace, now: float, ending: float, startup: float, pace: float) -> float:
    left = trial.left(now, ending)
    if left is None:
        left = max(startup + pace * trial.iterations * trial.weight + ending - (now - trial.started), 0.0)
    return left


def _typical(values: Sequence[float]) -> float:
    return statistics.median_low(values) if values else 0.0


def duration(seconds: float) -> str:
    """A length of time in words: ``42 s``, ``3.5 min``, ``7.0 h``, ``12.3 days``."""
    for unit, length in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
