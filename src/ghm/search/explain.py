"""``ghm explain``: why a trial was run, stopped or chosen, in plain words, from the journal and the records alone."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from ghm.command_line import parse
from ghm.errors import UserError, shown
from ghm.io.platforms import fail
from ghm.io.text import percent_text
from ghm.search.decisions.ranking import captured_or_return, measure_of
from ghm.search.decisions.selection import Decision
from ghm.search.methods.registry import make_proposal
from ghm.search.records.directory import find_record
from ghm.search.records.journal import read_journal
from ghm.search.records.reader import known_trial, restored_search
from ghm.search.records.search_record import SearchRecord
from ghm.search.records.state import SearchState
from ghm.search.settings.config import RANK_WORDS
from ghm.search.settings.configurations import described
from ghm.search.settings.inactive import inactive_hyperparameters
from ghm.search.settings.methods import N_STARTUP
from ghm.search.trials.outcome import TrialRecord, TrialState
from ghm.training.logging.progress import number


@dataclass(frozen=True)
class ExplainConfig:
    """Say in plain words why a trial of a search was run, stopped or chosen."""

    results: Annotated[Path, tyro.conf.Positional]
    """Results JSON or directory of the search."""
    trial: int
    """Number of the trial."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``ghm explain``; return its exit status: 0, or 2 for the user's mistake."""
    config = parse(ExplainConfig, arguments, "ghm explain")
    try:
        text = explain(config.results, config.trial)
    except UserError as error:
        return fail(error)
    except OSError as error:
        return fail(f"{config.results} cannot be read: {error}")
    sys.stdout.write(shown(text) + "\n")
    return 0


def explain(results: Path, trial_num: int) -> str:
    """Why trial ``trial_num`` of the search at ``results`` was run, stopped or chosen.

    Raises:
        UserError: when there is no such search or trial, or its journal is damaged.
        OSError: when a file cannot be read.
    """
    results_dir, record = find_record(results, flag="")
    state = restored_search(results_dir, record)
    outcome = known_trial(state, trial_num)
    decisions = read_journal(results_dir)
    lines = [_what(outcome, record), *_proposed(outcome, decisions, record)]
    if outcome.stage == "explore":
        lines += [*_cuts(outcome, decisions, state), *_more_seeds(outcome, decisions, state)]
    lines += [*_chosen(outcome, decisions, state), *_raced(outcome, decisions), *_confirmed(outcome, state)]
    return "\n".join([*lines, _ended(outcome, decisions)])


def _what(outcome: TrialRecord, record: SearchRecord) -> str:
    where = f" on calibration {outcome.calibration}" if outcome.calibration else ""
    values = described(outcome.hyperparameters)
    if outcome.stage == "confirm":
        aim = f"repeats configuration {outcome.configuration} with the fresh seed {outcome.seed}{where}, to confirm it"
        return f"Trial {outcome.trial_num} of search {record.name} {aim}.\n{values}"
    of = f"configuration {outcome.configuration}, trained with seed {outcome.seed}{where}"
    return f"Trial {outcome.trial_num} of search {record.name}: {of}.\n{values}"


def _proposed(outcome: TrialRecord, decisions: list[Decision], record: SearchRecord) -> list[str]:
    config = record.config
    if outcome.configuration <= len(record.start_with):
        return ["Proposed: given with --start_with."]
    made = [d for d in decisions if d.kind == "proposal" and d.subject.get("configuration") == outcome.configuration]
    if not made:
        return ["Why it was proposed is not recorded: the search has no journal."]
    seen = made[-1].content.get("seen")
    how = config.method.proposed
    if seen is None and _replaced(outcome, record):
        return [
            "Proposed: the random draw was one that an earlier configuration has, so the next one that none has was taken, "
            "from a random place of the search space on. Only --seed_base, its number and the configurations before it decide."
        ]
    if seen is None:
        return [f"Proposed: {how}."]
    earlier = 0 if record.learn_from is None else len(record.learn_from.outcomes)
    if seen + earlier < N_STARTUP:
        return [
            f"Proposed: drawn at random, because only {seen + earlier} outcomes were available; proposals learn from {N_STARTUP} "
            "outcomes on."
        ]
    sources = [f"{earlier} outcomes of search {record.learn_from.search} (--learn_from)"] if record.learn_from else []
    sources += [f"the outcomes of configurations 1 to {seen}"] if seen else []
    later = f"The {outcome.configuration - 1 - seen} {'after these' if seen else 'before it'}"
    return [
        f"Proposed: {how}, from {' and '.join(sources)}. {later} were treated as pending (--proposal_lag "
        f"{config.proposal_lag}), whether or not they had ended, so that proposals never depend on timing."
    ]


def _replaced(outcome: TrialRecord, record: SearchRecord) -> bool:
    """Whether a search has not taken the configuration that it drew: on the same seeds nothing is trained twice."""
    config = record.config
    if config.method.learns or config.n_seeds == 1 or record.drift:
        return False
    inactive = inactive_hyperparameters(vars(config), record.choices)
    drawn = make_proposal(config.search_type, record.choices, config.seed_base, inactive)
    return drawn(outcome.configuration, ()) != outcome.hyperparameters


def _figure(state: SearchState, value: float, n_trials: int) -> str:
    """What ranks a configuration, in words: of its one trial, or of its several."""
    figure = f"a {'captured' if _by_captured_value(state) else 'firm'} value of {_amount(state, value)}"
    return figure if n_trials == 1 else f"{figure}, the {RANK_WORDS[state.config.rank_by]} of its trials"


def _amount(state: SearchState, value: float) -> str:
    """A figure that ranks configurations: a captured value in percent, a firm value as it is."""
    return percent_text(value) if _by_captured_value(state) else f"{value:.4f}"


def _by_captured_value(state: SearchState) -> bool:
    """Whether captured value ranks; a trial that failed has none, and is ranked like the others."""
    if measure_of(state.numbering) is not captured_or_return:
        return False
    at_rungs = (rung.captured_value for trial in state.trials for rung in trial.rungs)
    ended = (trial.captured_value for trial in state.trials)
    return any(value is not None for value in (*at_rungs, *ended))


def _cuts(outcome: TrialRecord, decisions: list[Decision], state: SearchState) -> list[str]:
    lines = []
    for decision in (one for one in decisions if one.kind == "cut"):
        ranking: list[list[Any]] = decision.content["ranking"]
        places = [one for one, _ in ranking]
        if outcome.configuration not in places:
            continue
        rank = places.index(outcome.configuration)
        value = ranking[rank][1]
        going = decision.content["go_on"]
        went = outcome.configuration in going
        several = len(state.numbering.numbers(outcome.configuration))
        reached = "all its trials had failed" if value is None else f"it had {_figure(state, value, several)}"
        verdict = "was promoted" if went else "was stopped"
        failed = any(one.configuration == outcome.configuration for one in state.failures)
        last = _last(ranking, going)
        threshold = "" if last is None else f", the last of them with {_amount(state, last)}"
        promoted = "All had failed: nobody could be promoted"
        if going:
            despite = "" if went else _despite(ranking, going, value, failed)
            promoted = f"The best {len(going)} were promoted (--keep {decision.subject['keep']:g}){threshold}{despite}"
        lines.append(
            f"At rung {decision.subject['rung']} its configuration {verdict}: {reached}, rank {rank + 1} of "
            f"{len(ranking)}{_among(decision, state)}. {promoted}."
        )
    return lines


def _among(decision: Decision, state: SearchState) -> str:
    """Of which configurations a cut was made, where the search has grown."""
    growth = decision.subject.get("growth", 0)
    if not state.record.grown or growth >= len(state.numbering.extents):
        return ""
    group = state.numbering.group(growth)
    return f" (of configurations {group.start} to {group.stop - 1})"


def _more_seeds(outcome: TrialRecord, decisions: list[Decision], state: SearchState) -> list[str]:
    """Whether the search grew by more seeds for the trial's configuration."""
    lines = []
    for decision in decisions:
        if decision.kind != "growth" or "chosen" not in decision.content:
            continue
        chosen, seeds = dict(decision.content["chosen"]), decision.content["seeds"]
        top = state.numbering.extents[decision.subject["growth"]].top
        which = "All of them" if top is None else f"The best {len(chosen)}"
        if (value := chosen.get(outcome.configuration)) is not None:
            rank = [*chosen].index(outcome.configuration) + 1
            lines.append(
                f"More seeds: its configuration ranked {rank} of {decision.content['of']} that were trained to their ends, with "
                f"{_figure(state, value, len(state.numbering.numbers(outcome.configuration)))}. {which} are trained on {seeds} "
                "seeds."
            )
        else:
            lines.append(
                f"No more seeds: its configuration was not among the {len(chosen)} that were trained on {seeds} seeds."
            )
    return lines


def _last(ranking: list[list[Any]], going: list[int]) -> float | None:
    """What the last promoted one had; one with a failed trial ranks below all without, whatever it had."""
    values = [value for one, value in ranking if one in going and value is not None]
    return values[-1] if values else None


def _despite(ranking: list[list[Any]], going: list[int], value: float | None, failed: bool) -> str:
    """Why a configuration was stopped with as much as the last promoted one, or more; nothing where it had less."""
    last = _last(ranking, going)
    if last is None or value is None or value < last:
        return ""
    if failed:
        return "; a configuration with a failed trial ranks below all without"
    return "; of equal ones the lower number ranks first" if value == last else ""


def _chosen(outcome: TrialRecord, decisions: list[Decision], state: SearchState) -> list[str]:
    lines = []
    for decision in (one for one in decisions if one.kind == "confirmation"):
        chosen = [one for one, _ in decision.content["chosen"]]
        seeds = decision.content["seeds"]
        where = f"on seeds {seeds[0]} to {seeds[-1]} for {decision.content['iterations']} iterations"
        if outcome.configuration in chosen:
            rank = chosen.index(outcome.configuration)
            value = decision.content["chosen"][rank][1]
            n_trials = sum(
                one.configuration == outcome.configuration and one.stage == "explore" for one in state.trials
            )
            lines.append(
                f"Confirmed: its configuration ranked {rank + 1} of {decision.content['of']} in the search, with "
                f"{_figure(state, value, n_trials)}. The best {len(chosen)} are trained again {where}."
            )
        else:
            lines.append(f"Not chosen for confirmation: its configuration was not among the best {len(chosen)}.")
    return lines


def _raced(outcome: TrialRecord, decisions: list[Decision]) -> list[str]:
    """What each look of a race decided on the trial's configuration."""
    number, lines = outcome.configuration, []
    for decision in decisions:
        content = decision.content
        if decision.kind != "race" or number not in (content["leader"], *(one for one, _, _ in content["compared"])):
            continue
        after = f"After {decision.subject['seeds']} seeds"
        behind = next(((a, b) for one, a, b in content["compared"] if one == number), None)
        if behind is None:
            last = ", and was trained alone on {} more, from which its value is".format(len(content["next"]))
            lines.append(f"{after} it led the race{last if content['final'] else ''}.")
            continue
        why = "more of its trainings had failed than of the leader's"
        if behind[0] is not None and behind[1] is not None:
            why = (
                f"it was {100 * behind[0]:.3f} percentage points of captured value behind configuration {content['leader']} on "
                f"the same seeds, where more than {100 * behind[1]:.3f} is beyond chance (paired t, 5% in the whole race)"
            )
        lines.append(f"{after} it {'went on' if number in content['go_on'] else 'was left out'}: {why}.")
    return lines


def _confirmed(outcome: TrialRecord, state: SearchState) -> list[str]:
    """What the confirmation found of the trial's configuration; nothing before it has."""
    confirmation = state.confirmation
    if confirmation is None or not confirmation.complete:
        return []
    order = [one.configuration for one in confirmation.configurations]
    if outcome.configuration not in order:
        return []
    place = order.index(outcome.configuration)
    found = confirmation.configurations[place]
    if found.confirmed is None:
        return ["None of its trainings on fresh seeds succeeded."]
    captured = any(one.captured_value is not None for one in found.trials)
    figure = (
        f"captured value of {percent_text(found.confirmed)}" if captured else f"firm value of {found.confirmed:.4f}"
    )
    return [f"On the fresh seeds it had a {figure}, rank {place + 1} of {len(order)}."]


def _ended(outcome: TrialRecord, decisions: list[Decision]) -> str:
    if outcome.status is TrialState.PAUSED:
        return f"It is paused at rung {outcome.iterations}; --resume continues the search."
    if outcome.status.is_at_rung:
        stopped = f"It was stopped at rung {outcome.iterations}; its checkpoint is kept"
        if any(decision.kind == "confirmation" for decision in decisions):
            return f"{stopped}. It cannot be promoted any more: the confirmation has been made without it."
        if any("chosen" in decision.content for decision in decisions):
            return f"{stopped}. It cannot be promoted any more: more seeds have been given without it."
        return f"{stopped}, and --resume with --keep 1.0 promotes it."
    if outcome.success:
        captured = outcome.captured_value
        also = "" if captured is None else f" and a captured value of {percent_text(captured)}"
        return f"It completed {outcome.iterations} iterations with a firm value of {number(outcome.best_return)}{also}."
    if outcome.status is TrialState.UNFINISHED:
        return f"It has no recorded end: it is running, or was killed with its search; {outcome.iterations} iterations are done."
    return f"It ended as {outcome.status} after {outcome.iterations} iterations: {outcome.error}"
