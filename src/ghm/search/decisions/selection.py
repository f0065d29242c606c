"""What a decision is, and who goes on at a rung: functions of what was recorded."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ghm.search.decisions.ranking import ConfigurationScore, ranked
from ghm.search.settings.trial_numbering import TrialNumbering, places
from ghm.training.settings import Hyperparameters

_BASIS = (
    "search_type",
    "seed_base",
    "n_seeds",
    "rank_by",
    "proposal_lag",
    "rungs",
    "n_iterations",
    "log_freq",
    "eval_freq",
)


@dataclass(frozen=True)
class Decision:
    """A decision: what it is about, what was decided, and a digest of what it was made from.

    ``subject`` names it: made again, a decision on the same subject must come out the same.
    """

    kind: str
    """``proposal``, ``cut``, ``growth``, ``confirmation`` or ``race``."""
    subject: Mapping[str, Any]
    """What it is about, as JSON types."""
    content: Mapping[str, Any]
    """What was decided, as JSON types."""
    basis: str
    """Digest of all that it was made from."""

    @property
    def key(self) -> str:
        """The subject as text."""
        return json.dumps([self.kind, self.subject], sort_keys=True)


def digest(*parts: Any) -> str:
    """SHA-256 of JSON values; numbers count with all their bits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def settings_at(numbering: TrialNumbering, growth: int) -> dict[str, Any]:
    """The settings that decisions are made under since a growth of the search, or since its start (0)."""
    basis = {name: getattr(numbering.config, name) for name in _BASIS}
    return basis | {"rungs": numbering.extents[growth].rungs, "n_seeds": numbering.n_seeds(growth)}


def facts(scores: Sequence[ConfigurationScore]) -> list[Any]:
    """What a decision sees of configurations, in the order of their numbers and free of anything about time."""
    return [
        [
            one.configuration,
            [None if r is None else [r.iteration, r.best_return, r.captured_value] for r in one.results],
        ]
        for one in sorted(scores, key=lambda one: one.configuration)
    ]


def go_on(keep: float, scores: Sequence[ConfigurationScore]) -> list[int]:
    """Numbers of the configurations that go on where the best share ``keep`` does; those that failed do not."""
    order = ranked(scores)
    return sorted(one.configuration for one in order[: places(keep, len(order))] if one.value is not None)


def cut(rung: int, keep: float, scores: Sequence[ConfigurationScore], settings: str, growth: int = 0) -> Decision:
    """The best share ``keep`` of the configurations, rounded up, goes on from ``rung``; those that failed do not.

    Args:
        rung: the iteration at which they pause.
        keep: share that goes on.
        scores: how they stand there.
        settings: digest of the search's settings.
        growth: number of the growth that added the configurations; 0: the search had them from its start.
    """
    ranking = [[one.configuration, one.value] for one in ranked(scores)]
    content = {"of": len(ranking), "ranking": ranking, "go_on": go_on(keep, scores)}
    subject = {"rung": rung, "keep": keep} | ({"growth": growth} if growth else {})
    return Decision("cut", subject, content, digest(settings, rung, keep, facts(scores)))


def best(
    count: int | None, scores: Sequence[ConfigurationScore], distinct: Callable[[Hyperparameters], Hyperparameters]
) -> list[list[Any]]:
    """Number and figure of the ``count`` best configurations, None: of all, without those that failed.

    Of those that are the same by ``distinct`` only the best: on the same seeds they would be the same trainings.
    """
    found: dict[Hyperparameters, ConfigurationScore] = {}
    for one in ranked(scores):
        if one.value is not None:
            found.setdefault(distinct(one.hyperparameters), one)
    return [[one.configuration, one.value] for one in list(found.values())[:count]]
