"""What a decision is, and who goes on at a rung: functions of what was recorded."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ghm.search.decisions.ranking import ConfigurationScore, ranked


@dataclass(frozen=True)
class Decision:
    """A decision: what it is about, what was decided, and a digest of what it was made from.

    ``subject`` names it: made again, a decision on the same subject must come out the same.
    """

    kind: str
    """``proposal``, ``cut``, ``confirmation`` or ``race``."""
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


def facts(scores: Sequence[ConfigurationScore]) -> list[Any]:
    """What a decision sees of configurations, in the order of their numbers and free of anything about time."""
    return [
        [
            one.configuration,
            [None if r is None else [r.iteration, r.best_return, r.captured_value] for r in one.results],
        ]
        for one in sorted(scores, key=lambda one: one.configuration)
    ]


def places(keep: float, count: int) -> int:
    """How many of ``count`` configurations go on where the share ``keep`` does, rounded up."""
    return math.ceil(keep * count - 1e-9)  # 7% of 100 are 7, not 7.000000000000001 rounded up


def go_on(keep: float, scores: Sequence[ConfigurationScore]) -> list[int]:
    """Numbers of the configurations that go on where the best share ``keep`` does; those that failed do not."""
    order = ranked(scores)
    return sorted(one.configuration for one in order[: places(keep, len(order))] if one.value is not None)


def cut(rung: int, keep: float, scores: Sequence[ConfigurationScore], settings: str) -> Decision:
    """The best share ``keep`` of the configurations, rounded up, goes on from ``rung``; those that failed do not.

    Args:
        rung: the iteration at which they pause.
        keep: share that goes on.
        scores: how they stand there.
        settings: digest of the search's settings.
    """
    ranking = [[one.configuration, one.value] for one in ranked(scores)]
    content = {"of": len(ranking), "ranking": ranking, "go_on": go_on(keep, scores)}
    return Decision("cut", {"rung": rung, "keep": keep}, content, digest(settings, rung, keep, facts(scores)))
