"""What seeds, calibrations, rungs and the confirmation say, in sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ghm.report.analysis.findings import percent
from ghm.search.decisions.ranking import Foretold, foretold
from ghm.search.records.reader import RecordedSearch, RecordedTrial
from ghm.search.settings.inert import inert_note
from ghm.search.trials.outcome import finite


@dataclass(frozen=True)
class RungPrediction:
    """How well the order of configurations at a rung foretold their order at the next one, or at the end."""

    rung: int
    following: int
    found: Foretold

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


def rung_predictions(search: RecordedSearch) -> list[RungPrediction]:
    """For each rung that trials went on from, how well it foretold the next one."""
    rungs = [int(rung) for rung in search.config.get("rungs") or () if finite(rung) is not None]
    last = finite(search.config.get("n_iterations"))
    if not rungs or last is None:
        return []
    found = []
    for rung, following in zip(rungs, [*rungs[1:], int(last)], strict=True):
        pairs: dict[int, list[tuple[float, float]]] = {}
        for trial in search.explored:
            before, after = (reached_by(trial, at, search.config) for at in (rung, following))
            if before is not None and after is not None and _went_to(trial, following):
                pairs.setdefault(trial.configuration, []).append((before, after))
        found.append(RungPrediction(rung, following, foretold(pairs, search.rank_by)))
    return found


def reached_by(trial: RecordedTrial, iteration: int, config: Mapping[str, Any]) -> float | None:
    """Captured value of the trial's best policy up to an iteration; None where it has no evaluation by then.

    The best policy is chosen at every eval_freq iterations and at the end; a history has more points, for its curve.
    """
    every, last = finite(config.get("eval_freq")) or 1, finite(config.get("n_iterations"))
    values = [
        value
        for record in trial.history
        if (at := finite(record.get("iteration"))) is not None
        and 0 < at <= iteration
        and (at % every == 0 or at == last)
        and (value := finite(record.get("captured_value"))) is not None
    ]
    return max(values, default=None)


def confirmation_sentences(search: RecordedSearch) -> list[str]:
    """What the confirmation found; nothing where there was none."""
    entries = confirmed_entries(search)
    if search.confirmation is None or not entries:
        return []
    seeds = search.confirmation.get("seeds")
    first = entries[0]
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


def inert_sentence(search: RecordedSearch) -> str | None:
    """Which varied hyperparameters have no effect under the search's settings."""
    lists = {name: values for name, values in search.space.items() if isinstance(values, list)}
    return inert_note(lists, search.config)


def _interval(entry: Mapping[str, Any]) -> str:
    interval = entry.get("interval")
    if not isinstance(interval, list) or len(interval) != 2:
        return ""
    return f" (95% interval {percent(finite(interval[0]))} to {percent(finite(interval[1]))})"


def _went_to(trial: RecordedTrial, iteration: int) -> bool:
    reached = finite(trial.metrics.get("iterations"))
    return trial.success and reached is not None and reached >= iteration
