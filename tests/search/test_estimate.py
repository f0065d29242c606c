"""The time left, on simulated clocks over the paces of real trainings: within a factor of 1.5 from the second minute on."""

import dataclasses
import heapq
import itertools
from typing import Any

import pytest

from ghm.search.display.time_left import TrialPace, seconds_left, weight

# Six real trainings of the default space, two at a time on two cores: paths, seconds of start-up and compiling, seconds an
# iteration, seconds from the last iteration to the end. The first two compiled what the others found compiled.
RECORDED = [
    (500, 27.5, 0.070, 1.8), (250, 27.4, 0.069, 1.6), (1000, 1.9, 0.105, 1.2), (500, 1.4, 0.066, 0.8),
    (250, 1.4, 0.077, 0.7), (1000, 1.4, 0.085, 0.8),
]  # fmt: skip
STEPS, WORKERS, LOOK_S, RECORDS = 1000, 2, 2.0, 20
MEAN_WEIGHT = sum(weight(paths, STEPS) for paths in (250, 500, 1000)) / 3


class SimulatedSearch:
    """A search of recorded trainings, one after the other on each worker, as the display sees it at any time."""

    def __init__(self, n_trials: int, iterations: int) -> None:
        self.iterations = iterations
        later = itertools.chain(RECORDED, itertools.cycle(RECORDED[2:]))
        self.trials: list[tuple[float, float, tuple[int, float, float, float]]] = []
        free = [0.0] * WORKERS
        for cost in itertools.islice(later, n_trials):
            _, startup, rate, ending = cost
            began = free[0]
            heapq.heapreplace(free, began + startup + rate * iterations + ending)
            self.trials.append((began, began + startup + rate * iterations + ending, cost))
        self.total = max(ended for _, ended, _ in self.trials)

    def left(self, now: float) -> float | None:
        """What is said at ``now``."""
        paces = [self._pace(now, *trial) for trial in self.trials if trial[0] <= now]
        waiting = len(self.trials) - len(paces)
        return seconds_left(now, paces, [self.iterations] * waiting, MEAN_WEIGHT, WORKERS)

    def _pace(self, now: float, began: float, ended: float, cost: tuple[int, float, float, float]) -> TrialPace:
        paths, startup, rate, _ = cost
        pace = TrialPace(began, self.iterations, weight(paths, STEPS))
        step = self.iterations // RECORDS
        for record in range(1, RECORDS + 1):
            at = began + startup + rate * step * record
            if at <= now:
                # Compiling falls between the first two records of a training.
                pace.intervals.append((step, rate * step + (0.5 * startup if record == 1 else 0.0)))
                pace.done, pace.seen = step * record, at
        pace.ended = ended if ended <= now else None
        return pace


@pytest.mark.parametrize(("n_trials", "iterations"), [(6, 1000), (20, 500), (60, 1500)])
def test_from_the_second_minute_on_it_is_within_a_factor_of_one_and_a_half(n_trials: int, iterations: int) -> None:
    search = SimulatedSearch(n_trials, iterations)
    assert search.total > 180
    looked = 0
    now = 60.0
    while now < search.total - 5:
        said = search.left(now)
        assert said is not None
        assert 1 / 1.5 <= said / (search.total - now) <= 1.5, (now, said, search.total - now)
        looked += 1
        now += LOOK_S
    assert looked > 50


def test_a_variant_that_leaves_out_start_up_is_found_out() -> None:
    """Negative control: short trainings whose start-up is most of their time, told from the pace of iterations alone."""
    search = SimulatedSearch(40, 20)
    now = 60.0
    iterations_left = sum(1 for began, _, _ in search.trials if began > now) * 20
    told = iterations_left * 0.07 / WORKERS
    assert told < (search.total - now) / 1.5


def ended_trial(**changes: Any) -> TrialPace:
    """Ten seconds each of start-up, of training and of ending: 100 iterations of a tenth of a second."""
    made = TrialPace(0.0, 100, 1.0, [(50, 5.0), (50, 5.0)], done=100, seen=20.0, ended=30.0)
    return dataclasses.replace(made, **changes)


def running_trial() -> TrialPace:
    """Of the same kind: begun at 30, it has ten seconds of training and ten of ending before it at 40."""
    return TrialPace(30.0, 100, 1.0, [], done=0, seen=30.0)


@pytest.mark.parametrize(
    ("waiting", "workers", "mean_weight", "expected"),
    [
        (1, 1, 1.0, 30.0),
        (3, 1, 1.0, 90.0),
        (1, 1, 2.5, 45.0),  # start-up and ending take no longer where iterations do
        (2, 2, 1.0, 30.0),  # both at once
        (3, 2, 1.0, 60.0),
    ],
)
def test_trials_that_wait_take_their_start_up_their_training_and_their_ending(
    waiting: int, workers: int, mean_weight: float, expected: float
) -> None:
    """By hand, where each of the three is a third."""
    assert seconds_left(30.0, [ended_trial()], [100] * waiting, mean_weight, workers) == pytest.approx(expected)


def test_the_pace_of_the_rest_is_by_their_own_weight_and_that_of_all_trials() -> None:
    """Iterations of weight 1 and 3 that take 0.1 s and 0.3 s: one of weight 2 takes 0.2 s."""
    heavier = ended_trial(weight=3.0, intervals=[(50, 15.0), (50, 15.0)], seen=40.0, ended=50.0)
    for trials in ([ended_trial(), heavier], [heavier, ended_trial()]):
        assert seconds_left(50.0, trials, [100], 2.0, 1) == pytest.approx(10.0 + 20.0 + 10.0)


def test_the_next_trial_goes_to_the_worker_that_is_free_first() -> None:
    trials = [ended_trial(), running_trial()]
    assert seconds_left(40.0, trials, [], 1.0, 1) == pytest.approx(20.0)
    assert seconds_left(40.0, trials, [100], 1.0, 1) == pytest.approx(20.0 + 30.0)
    assert seconds_left(40.0, trials, [100], 1.0, 2) == pytest.approx(30.0), "the second worker is idle"
    assert seconds_left(40.0, trials, [100, 100], 1.0, 2) == pytest.approx(20.0 + 30.0)


def test_the_pace_is_the_median_iterations_and_the_rest_is_start_up() -> None:
    """Compiling in the first interval, a hurried and a disturbed one: neither the fastest nor the mean counts."""
    slow_first = TrialPace(5.0, 1000, 1.0, [(100, 30.0), (100, 10.0), (100, 5.0), (100, 10.0), (100, 25.0)], 500, 95.0)
    assert slow_first.rate == pytest.approx(0.1)
    assert slow_first.startup == pytest.approx(95.0 - 5.0 - 0.1 * 500)
    assert slow_first.startup_of_others == pytest.approx(40.0 - 20.0), "others find compiled what took it 20 s"
    assert slow_first.left(100.0, ending=7.0) == pytest.approx(0.1 * 500 - 5.0 + 7.0)
    uneven = TrialPace(0.0, 1000, 1.0, [(10, 0.1), (10, 0.1), (10, 0.1), (80, 8.0)])
    assert uneven.rate == pytest.approx(0.1), "the median is of iterations, not of intervals"


def test_nothing_is_said_before_a_pace_is_known() -> None:
    assert SimulatedSearch(6, 1000).left(20.0) is None, "compiling"
    assert seconds_left(0.0, [], [100] * 5, 1.0, 2) is None


def test_the_first_trial_on_a_machine_does_not_tell_how_long_two_others_take() -> None:
    """Twenty iterations of two seconds after 38 of compiling: others find that done, so nothing is known of them yet."""
    short = TrialPace(0.0, 20, 1.0, [(10, 1.0)], done=20, seen=39.0, ended=40.0)
    assert short.rate is None
    assert seconds_left(40.0, [short], [20, 20], 1.0, 1) is None, "1:20 were said"
    paced = dataclasses.replace(short, intervals=[(10, 1.0), (10, 1.0)])
    assert seconds_left(40.0, [paced], [20, 20], 1.0, 1) is None
    second = dataclasses.replace(short, started=40.0, seen=43.0, ended=44.0)
    assert seconds_left(44.0, [short, second], [20], 1.0, 1) == pytest.approx(4.0, abs=1.0)
    # Of trials that take longer than their start-up something is said at once.
    long = TrialPace(0.0, 1000, 1.0, [(500, 50.0), (500, 50.0)], done=1000, seen=138.0, ended=140.0)
    assert seconds_left(140.0, [long], [1000, 1000], 1.0, 1) == pytest.approx(2 * 140.0)
