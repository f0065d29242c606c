"""Racing of seeds: the better half of the configurations to confirm is trained on more seeds, again and again.

======  ===========================================================================================================
symbol  meaning
======  ===========================================================================================================
K, S    configurations to confirm, and seeds that each would have without a race: at most K S trainings
R       looks, ⌈log₂ K⌉: at each the better half goes on, the last one leaves the leader
n       seeds that those in the race have been trained on so far, all on the same
d, s    mean and standard deviation of the leader's value less another's, paired by seed
======  ===========================================================================================================

Each look comes after an Rth of (K − 1) S trainings (sequential halving: Karnin, Koren and Somekh 2013, *ICML*). The last S are
the winner's own, on seeds that decided nothing: what is reported of it is from these alone, so it is not flattered by having won
(the winner's curse). A configuration is *beaten*, rather than behind, where d > t s/√n with the quantile of Student's t(n − 1)
at 1 − α/(R (K − 1)); one that is beaten does not go on, whatever its place. The best is called beaten with a probability of at
most α, since one of K − 1 others has to be ahead of it so far at one of R looks (Bonferroni; for normal differences).

``benchmarks/confirmation.py`` compares races and other confirmations; docs/design/search.md has the table.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from ghm.search.decisions.confirmation import chosen_by, stretches_of
from ghm.search.decisions.ranking import ConfigurationScore, values_by_seed
from ghm.search.decisions.selection import Decision, digest, facts
from ghm.search.settings.methods import n_looks
from ghm.search.trials.outcome import Count, Number

ALPHA = 0.05
"""Probability that the best configuration is called beaten, at most."""


@dataclass(frozen=True)
class Standing:
    """How a configuration in the race stands."""

    by_seed: Mapping[int, float]
    """Its captured value by seed, without the seeds of which a training failed."""
    failures: int = 0

    @property
    def rank(self) -> tuple[int, float]:
        """Sorts the better one first: as in every ranking, one with a failure comes after all without."""
        values = list(self.by_seed.values())
        return self.failures, -float(np.mean(values)) if values else math.inf


@dataclass(frozen=True)
class Round:
    """What a look decides."""

    leader: Number
    compared: tuple[tuple[Number, float | None, float | None], ...]
    """Of each other one its number, d, and beyond what it is beaten; None where fewer than two seeds are shared."""
    beaten: tuple[Number, ...]
    go_on: Annotated[tuple[Number, ...], Meta(min_length=1)]
    """Configurations that are trained on more seeds, in the order in which they were chosen; of the last round the winner."""
    next: tuple[Count, ...]
    """On which."""
    final: bool
    seeds: Number
    """On how many they have been trained, n."""


def judge(race: Mapping[int, Standing], look: int, used: int, count: int, seeds: int, done: Sequence[int]) -> Round:
    """Who goes on, and on which seeds.

    Args:
        race: how each configuration in the race stands, by number, in the order in which they were chosen.
        look: number of the look, from 1.
        used: trainings so far of all that were ever in it.
        count: configurations that were, K.
        seeds: of each without a race, S.
        done: seeds that those in it have been trained on, one after the other.
    """
    level = ALPHA / (n_looks(count) * (count - 1))
    order = sorted(race, key=lambda one: (race[one].rank, one))
    compared = tuple((one, *_behind(race[order[0]], race[one], level)) for one in order[1:])
    beaten = {
        one for one, behind, allowed in compared if behind is not None and allowed is not None and behind > allowed
    }
    better = [one for one in order[: (len(order) + 1) // 2] if one not in beaten]
    final = look == n_looks(count) or len(better) == 1
    going = order[:1] if final else [one for one in race if one in better]
    pool = (count - 1) * seeds
    more = seeds if final else (pool * (look + 1) // n_looks(count) - used) // len(going)
    following = range(done[-1] + 1, done[-1] + 1 + more)
    return Round(order[0], compared, tuple(sorted(beaten)), tuple(going), tuple(following), final, len(done))


def race_round(
    choice: Decision, rounds: Sequence[Decision], scores: Sequence[ConfigurationScore], settings: str
) -> Decision:
    """The decision of :func:`judge` on the configurations that were trained last, ``scores`` (in the order of the choice)."""
    stretches = stretches_of(choice, rounds)
    done = [seed for _, seeds in stretches for seed in seeds]
    used = sum(len(configurations) * len(seeds) for configurations, seeds in stretches)
    race = {}
    for one in scores:
        values = {seed: float(np.mean(values)) for seed, values in values_by_seed(one.trials).items()}
        race[one.configuration] = Standing(values, one.failures)
    found = judge(race, len(rounds) + 1, used, len(chosen_by(choice)), choice.content["race"], done)
    content = msgspec.json.decode(msgspec.json.encode(found))  # as it is read back
    return Decision("race", {"seeds": found.seeds}, content, digest(settings, choice.basis, found.seeds, facts(scores)))


def _behind(leader: Standing, other: Standing, level: float) -> tuple[float | None, float | None]:
    """How far the other one is behind the leader, and the most that is not beyond chance at this level."""
    from scipy.special import stdtrit  # late: most searches have no race, and SciPy takes a while to import

    shared = sorted(leader.by_seed.keys() & other.by_seed.keys())
    if len(shared) < 2:
        return None, None
    differences = np.array([leader.by_seed[seed] - other.by_seed[seed] for seed in shared])
    error = float(differences.std(ddof=1)) / math.sqrt(len(shared))
    return float(differences.mean()), float(stdtrit(len(shared) - 1, 1 - level)) * error
