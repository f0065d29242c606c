"""How much a search still has to do: trainings to start and their iterations, as far as can be told from what is recorded."""

import bisect
import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ghm.errors import UserError
from ghm.search.decisions.growth import grow
from ghm.search.decisions.ranking import measure_of, score
from ghm.search.decisions.selection import go_on
from ghm.search.settings.config import MAX_TRIALS
from ghm.search.settings.trial_numbering import TrialNumbering, places
from ghm.search.trials.outcome import TrialRecord, TrialState


@dataclass(frozen=True)
class Workload:
    """What is still to be started."""

    parts: tuple[int, ...]
    """Training iterations of each process to start: a trial has one for each rung that it comes to, and one for its end."""
    n_trials: int
    """Trials that are not over, those that run included."""

    @property
    def iterations(self) -> int:
        """Training iterations of all of them."""
        return sum(self.parts)


def workload(
    numbering: TrialNumbering,
    records: Mapping[int, TrialRecord],
    again: Collection[int] = (),
    running: Collection[int] = (),
    ahead: Mapping[int, int] = MappingProxyType({}),
    n_confirmed: int | None = None,
    grown: Mapping[int, Sequence[int]] = MappingProxyType({}),
) -> Workload:
    """What is still to be started.

    Who goes on at a rung is known once all have come to it; before, how many. Nobody knows beforehand who fails.

    Args:
        numbering: instances and numbers of the trials.
        records: trials that were started, by number.
        again: failed trials that are to be run again.
        running: trials that run; of these only what comes after the present process counts.
        ahead: iterations of trials that had gone on from where they are recorded when their search was killed.
        n_confirmed: trials of the confirmation; None: as many as the settings ask for.
        grown: configurations that growths in seeds chose, by extent, as far as that is decided.
    """
    found = _Parts(records, again, set(running), ahead)
    config = numbering.config
    for at, extent in enumerate(numbering.extents):
        if numbering.adds_seeds(at):
            for number in added_numbers(numbering, at, grown):
                found.add(number, 0, config.n_iterations)
        else:
            _explore(numbering, found, list(numbering.group(at)), extent.rungs)
    count = numbering.n_confirmed if n_confirmed is None else n_confirmed
    for number in range(numbering.n_explored + 1, numbering.n_explored + count + 1):
        found.add(number, 0, config.confirm_iterations or config.n_iterations)
    return Workload(tuple(found.parts), len(found.numbers))


def affordable(before: TrialNumbering, budget: int, resumed: bool) -> int:
    """The most configurations that a budget of training iterations trains, rungs and confirmation included.

    Args:
        before: numbers of the search, whatever its ``n_trials``.
        budget: training iterations.
        resumed: the search goes on, and grows by what is more.

    Raises:
        UserError: when it is less than one configuration takes.
    """
    config, instances = before.config, before.n_instances

    def cost(count: int) -> int:
        grown = grow(before, config, count, again=False) if resumed else ()
        return workload(TrialNumbering(config, before.calibrations, count, grown), {}).iterations

    least = (config.rungs or (config.n_iterations,))[0] * instances
    count = bisect.bisect_right(range(1, min(budget // least, MAX_TRIALS // instances) + 1), budget, key=cost)
    if count == 0:
        raise UserError(
            f"--budget {budget} is less than one configuration takes, {cost(1)} training iterations; raise it"
        )
    return count


def run_again(records: Mapping[int, TrialRecord], retry_failed: bool, retry_machine: bool) -> set[int]:
    """Numbers of the failed trials that are to be run again."""
    return {k for k, one in records.items() if (retry_failed and one.failed) or (retry_machine and one.retryable)}


def added_numbers(numbering: TrialNumbering, at: int, grown: Mapping[int, Sequence[int]]) -> Collection[int]:
    """Numbers of the trials that growth ``at`` in seeds adds, as far as is decided who is chosen."""
    if at not in grown:
        return numbering.expected(at)
    chosen = {one: configurations for one, configurations in grown.items() if one <= at}
    before = {one: configurations for one, configurations in chosen.items() if one < at}
    return sorted({*numbering.added(chosen)} - {*numbering.added(before)})


class _Parts:
    """The parts so far, and the trials that they are of."""

    def __init__(
        self, records: Mapping[int, TrialRecord], again: Collection[int], running: set[int], ahead: Mapping[int, int]
    ) -> None:
        self._records, self._again, self._running, self._ahead = records, again, running, ahead
        self.parts: list[int] = []
        self.numbers: set[int] = set()

    def is_covered(self, number: int, end: int) -> bool:
        """Whether the trial has come to ``end``, or will never."""
        one = self._records.get(number)
        if one is None or number in self._again:
            return False
        return one.failed or self.has_passed(number, end)

    def has_passed(self, number: int, end: int) -> bool:
        """Whether the trial has come to ``end``."""
        return (one := self._records.get(number)) is not None and one.status.has_result and one.iterations >= end

    def waits(self, number: int) -> bool:
        """Whether the trial is paused at a rung."""
        return (one := self._records.get(number)) is not None and one.status is TrialState.PAUSED

    def trials(self, numbers: Iterable[int]) -> list[TrialRecord]:
        """Their records."""
        return [self._records[number] for number in numbers]

    def add(self, number: int, begin: int, end: int) -> None:
        """The part of the trial between two iterations, or what is left of it."""
        if self.is_covered(number, end):
            return
        self.numbers.add(number)
        if number in self._running:
            self._running.discard(number)
            return
        one = self._records.get(number)
        done = begin if one is None else max(one.iterations, self._ahead.get(number, 0), begin)
        if done < end:
            self.parts.append(end - done)


def _explore(numbering: TrialNumbering, found: _Parts, still: list[int], rungs: Sequence[int]) -> None:
    """Add what is left of the configurations ``still``, which pass ``rungs``."""
    config = numbering.config
    ends = (0, *rungs, config.n_iterations)
    for at, (begin, end) in enumerate(itertools.pairwise(ends), 1):
        numbers = [number for one in still for number in numbering.numbers(one)]
        for number in numbers:
            found.add(number, begin, end)
        if end == ends[-1]:
            return
        if not all(found.is_covered(number, end) for number in numbers):
            found.numbers |= {number for number in numbers if found.waits(number)}
            going = len(still)
            for after, following in itertools.pairwise(ends[at:]):
                going = places(config.keep, going)
                there = sum(found.has_passed(number, following) for number in numbers)
                found.parts += [following - after] * max(going * len(numbering.numbers(still[0])) - there, 0)
            return
        scores = [
            score(found.trials(numbering.numbers(one)), config.rank_by, measure_of(numbering), end) for one in still
        ]
        still = go_on(config.keep, scores)
