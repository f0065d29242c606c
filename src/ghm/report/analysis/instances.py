"""What seeds, calibrations, rungs and the confirmation say, in sentences."""

from ghm.report.analysis.findings import percent
from ghm.search.decisions.ranking import RungAgreement, rung_agreements
from ghm.search.records.state import SearchState
from ghm.search.settings.inactive import inactive_note


def rung_sentences(search: SearchState) -> list[str]:
    """For each rung, how well it foretold the next one."""
    return [_rung_sentence(one) for one in rung_agreements(search.trials, search.config)]


def _rung_sentence(one: RungAgreement) -> str:
    count = one.configurations
    if one.correlation is None:
        return f"Too few configurations went on from iteration {one.rung} ({count}) to tell how well it foretold {one.following}."
    rho, low, high = one.correlation
    verdict = "" if low > 0 else ": it did not foretell it beyond chance, so later rungs or a larger --keep are safer"
    return (
        f"The order of {count} configurations at iteration {one.rung} foretold that at {one.following} with a rank "
        f"correlation of {rho:.2f} (95% interval {low:.2f} to {high:.2f}){verdict}."
    )


def confirmation_sentences(search: SearchState) -> list[str]:
    """What the confirmation found; nothing where there was none."""
    confirmation = search.confirmation
    if confirmation is None or not confirmation.configurations:
        return []
    first, *others = confirmation.configurations
    if first.confirmed is None:
        return ["No configuration was confirmed: none of their trainings on fresh seeds has completed."]
    where = f"{len(confirmation.seeds)} fresh seeds{'' if confirmation.complete else ' so far'}"
    worst = "its worst training reached " if confirmation.figure == "worst" else ""
    sentences = [
        f"Configuration {first.configuration} is the best of {len(confirmation.configurations)} trained again on {where}: "
        f"{worst}{percent(first.confirmed)}{_interval(first.interval)}, {percent(first.tuned)} when tuned."
    ]
    if confirmation.first_beats_second is not None and others:
        what = "The worst firm of a seed" if confirmation.figure == "worst" else "A training of it"
        sentences.append(
            f"{what} ends above one of the runner-up, configuration {others[0].configuration}, with a "
            f"probability of {confirmation.first_beats_second:.2f}."
        )
    return sentences


def inactive_sentence(search: SearchState) -> str | None:
    """Which varied hyperparameters have no effect under the search's settings."""
    return inactive_note(search.record.choices, vars(search.config))


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" (95% interval {percent(interval[0])} to {percent(interval[1])})"
