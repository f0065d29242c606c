"""What a surface says of a search, in one table, and whether several surfaces say the same.

A figure is compared as precisely as it is shown: ``95.0%`` agrees with 0.9503, and not with 0.9510.
"""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SLACK = 1e-9
"""Two figures without rounding differ by less: CSV files have twelve digits."""

STATES = ("completed", "failed", "interrupted", "paused", "stopped")


@dataclass(frozen=True)
class Figure:
    """A number as it was shown."""

    value: float
    half: float = 0.0
    """Half a unit of its last digit."""

    def agrees(self, other: "Figure") -> bool:
        return abs(self.value - other.value) <= self.half + other.half + SLACK


def shown(text: str) -> Figure:
    """The number that a text shows, a percentage as a share."""
    plain = text.strip().replace(",", "").rstrip(".%")
    unit = 10.0 ** -len(plain.partition(".")[2]) * (0.01 if "%" in text else 1.0)
    return Figure(float(plain) * (0.01 if "%" in text else 1.0), unit / 2)


@dataclass(frozen=True)
class Table:
    """What one surface says; None where it does not say it."""

    trials_asked: int | None = None
    trials_completed: int | None = None
    """Trained to their last iteration; what was stopped at a rung has not completed."""
    trials_failed: int | None = None
    trials_interrupted: int | None = None
    trials_paused: int | None = None
    trials_stopped: int | None = None
    trials_unfinished: int | None = None
    """Asked for, and neither completed, stopped nor failed."""
    configurations_asked: int | None = None
    configurations_completed: int | None = None
    configurations_failed: int | None = None
    configurations_interrupted: int | None = None
    configurations_paused: int | None = None
    configurations_stopped: int | None = None
    statuses: Mapping[int, str] | None = None
    """By trial, of all trials that were started."""
    iterations: Mapping[int, int] | None = None
    """Training iterations done, by trial."""
    returns: Mapping[int, Figure] | None = None
    """Return of the best policy, by trial."""
    captured: Mapping[int, Figure] | None = None
    """Captured value of the best policy, by trial."""
    best_trial: int | None = None
    best_configuration: int | None = None
    best_value: Figure | None = None
    """The best return."""
    captured_value: Figure | None = None
    """Captured value of the best configuration, by what decided that it is the best."""
    rank_order: tuple[int, ...] | None = None
    """Configurations, the best first; some surfaces show the first few."""
    optimum: Figure | None = None
    wind_up: Figure | None = None
    seeds: Mapping[int, int] | None = None
    """Training seed, by trial."""
    calibrations: Mapping[int, str] | None = None
    """Name of the model, by trial; empty for the search's own."""
    progress: Figure | None = None
    """Share of the work that is done."""
    time_left: str | None = None
    verdict: str | None = None
    """In a sentence, on the best policy."""


FIELDS = tuple(field.name for field in dataclasses.fields(Table))


def counted(statuses: Mapping[int, str], configurations: Mapping[int, int]) -> dict[str, int]:
    """Counts by status, of trials and of configurations: one has the worst status of its trials."""
    trials = Counter(kind(status) for status in statuses.values())
    of: dict[int, set[str]] = {}
    for number, status in statuses.items():
        of.setdefault(configurations[number], set()).add(kind(status))
    order = ("failed", "interrupted", "running", "paused", "stopped", "completed")
    whole = Counter(next(state for state in order if state in found) for found in of.values())
    return {f"trials_{state}": trials[state] for state in STATES} | {
        f"configurations_{state}": whole[state] for state in STATES
    }


def kind(status: str) -> str:
    """The state that a status is counted as; every failure by its own name is a failure."""
    if status in ("completed", "interrupted", "paused", "running"):
        return status
    return {"stopped_at_rung": "stopped", "unfinished": "interrupted"}.get(status, "failed")


def disagreements(field: str, tables: Mapping[str, Table]) -> list[str]:
    """What two surfaces say differently of a field, a line each."""
    said = {name: value for name, table in tables.items() if (value := getattr(table, field)) is not None}
    if not said:
        return []
    if isinstance(next(iter(said.values())), Mapping):
        keys = sorted({key for value in said.values() for key in value})
        return [line for key in keys for line in _differ(f"{field} of {key}", _of_key(key, said))]
    return _differ(field, said)


def _of_key(key: int, said: Mapping[str, Any]) -> dict[str, Any]:
    """Those that list every trial say "absent" of one that they lack; the others say nothing."""
    every = {name: value.get(key, "absent" if isinstance(value, Listing) else None) for name, value in said.items()}
    return {name: value for name, value in every.items() if value is not None}


class Listing(dict[int, Any]):
    """A mapping by trial that is said to hold every trial that was started."""


def _differ(what: str, said: Mapping[str, Any]) -> list[str]:
    if len(said) < 2:
        return []
    first = min(said, key=lambda name: getattr(said[name], "half", 0.0))
    return [
        f"{what}: {first} says {_text(said[first])}, {name} says {_text(value)}"
        for name, value in said.items()
        if not _same(said[first], value)
    ]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Figure) and isinstance(other, Figure):
        return one.agrees(other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        length = min(len(one), len(other), 5)  # the closing summary shows five
        return one[:length] == other[:length] and (len(one) == len(other) or length == 5)
    return bool(one == other)


def _text(value: Any) -> str:
    return f"{value.value:g}" if isinstance(value, Figure) else repr(value)
