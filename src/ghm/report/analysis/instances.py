"""What seeds, calibrations, rungs and the confirmation say, in sentences."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ghm.report.analysis.findings import percent
from ghm.search.decisions.ranking import RungAgreement, rung_agreement
from ghm.search.records.reader import RecordedSearch
from ghm.search.settings.inactive import inactive_note
from ghm.search.trials.outcome import finite


@dataclass(frozen=True)
class RungPrediction:
    """How well the order of configurations at a rung foretold their order at the next one, or at the end."""

    rung: int
    following: int
    found: RungAgreement

    @property
    def sentence(self) -> str:
        """The finding in words."""
        count = self.found.configurations
        if self.found.correlation is None:
            return (
                f"Too few configurations went on from iteration {self.rung} ({count}) to tell how well it foretold "
                f"{self.following}."
            )
        rho, low, high = self.found.correlation
        verdict = (
            "" if low > 0 else ": it did not foretell it beyond chance, so later rungs or a larger --keep are safer"
        )
        return (
            f"The order of {count} configurations at iteration {self.rung} foretold that at {self.following} with a rank "
            f"correlation of {rho:.2f} (95% interval {low:.2f} to {high:.2f}){verdict}."
        )


def rungs_and_end(search: RecordedSearch) -> list[int]:
    """Iterations of the rungs, and of the end; empty where there are no rungs."""
    listed, last = search.config.get("rungs"), finite(search.config.get("n_iterations"))
    rungs = [int(rung) for rung in listed if finite(rung) is not None] if isinstance(listed, list | tuple) else []
    return [*rungs, int(last)] if rungs and last is not None else []


def rung_predictions(search: RecordedSearch) -> list[RungPrediction]:
    """For each rung that trials went on from, how well it foretold the next one."""
    ends = rungs_and_end(search)
    found = []
    for rung, following in itertools.pairwise(ends):
        pairs: dict[int, list[tuple[float, float]]] = {}
        for trial in search.explored:
            before, after = (trial.reached(at, ends[-1]) for at in (rung, following))
            if before is not None and after is not None and trial.status != "paused":
                pairs.setdefault(trial.configuration, []).append((before, after))
        found.append(RungPrediction(rung, following, rung_agreement(pairs, search.rank_by)))
    return found


def confirmation_sentences(search: RecordedSearch) -> list[str]:
    """What the confirmation found; nothing where there was none."""
    entries = confirmed_entries(search)
    if search.confirmation is None or not entries:
        return []
    seeds = search.confirmation.get("seeds")
    first = entries[0]
    if finite(first.get("confirmed")) is None:
        return ["No configuration was confirmed: none of their trainings on fresh seeds has completed."]
    where = f"{len(seeds)} fresh seeds" if isinstance(seeds, list) else "fresh seeds"
    state = "" if search.confirmation.get("complete") is True else " so far"
    sentences = [
        f"Configuration {first.get('configuration')} is the best of {len(entries)} trained again on {where}{state}: "
        f"{percent(finite(first.get('confirmed')))}{_interval(first)}, {percent(finite(first.get('tuned')))} when tuned."
    ]
    beats = finite(search.confirmation.get("first_beats_second"))
    if beats is not None and len(entries) > 1:
        sentences.append(
            f"A training of it ends above one of the runner-up, configuration {entries[1].get('configuration')}, with a "
            f"probability of {beats:.2f}."
        )
    return sentences


def confirmed_entries(search: RecordedSearch) -> list[Mapping[str, Any]]:
    """Entries of the confirmation's configurations, the best first."""
    entries = (search.confirmation or {}).get("configurations")
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def inactive_sentence(search: RecordedSearch) -> str | None:
    """Which varied hyperparameters have no effect under the search's settings."""
    lists = {name: values for name, values in search.space.items() if isinstance(values, list)}
    return inactive_note(lists, search.config)


def _interval(entry: Mapping[str, Any]) -> str:
    interval = entry.get("interval")
    if not isinstance(interval, list) or len(interval) != 2:
        return ""
    return f" (95% interval {percent(finite(interval[0]))} to {percent(finite(interval[1]))})"
