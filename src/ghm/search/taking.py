"""Takes over a results directory: an earlier search in it is moved or continued, and the search's record written."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from ghm.errors import UserError
from ghm.io.atomic import remove_unfinished_writes, write_atomically
from ghm.io.sealed import write_sealed
from ghm.search.decisions.selection import Decision
from ghm.search.records.directory import RECORD_NAME, SETTINGS_NAME, UNREADABLE_NAME, finish_move, move_earlier
from ghm.search.records.journal import from_outcomes, read_journal
from ghm.search.records.search_record import SearchRecord
from ghm.search.resolved import ResolvedSearch
from ghm.search.settings.command import settings_text
from ghm.search.settings.methods import first_look
from ghm.search.settings.trial_numbering import TrialNumbering, places
from ghm.search.trials.outcome import TrialRecord
from ghm.search.trials.trial import Trial


def moved_note(results_dir: Path, moved: Path) -> str:
    """What the user is told of an earlier search that was moved."""
    if moved.name.startswith(UNREADABLE_NAME):
        return f"{results_dir} held files by names that a search uses, but no search that can be read; they are kept as {moved}."
    go_on = shlex.join(["--resume", str(moved)])
    return f"{results_dir} held an earlier search; it is kept, whole, as {moved} ({go_on} goes on with it)."


def take_directory(resolved: ResolvedSearch) -> tuple[SearchRecord, Path | None]:
    """Take over the directory: finish or make room, and write the search's record; also where an earlier search is now."""
    remove_unfinished_writes(resolved.results_dir)
    finish_move(resolved.results_dir)
    moved = None
    if resolved.recorded is None:
        moved = move_earlier(resolved.results_dir)
    else:
        require_continuation(resolved)
    record = resolved.record()
    write_sealed(resolved.results_dir / RECORD_NAME, record.to_dict())
    told = None if record.learn_from is None else record.learn_from.to_dict()
    text = settings_text(record.config, record.choices, record.calibrations, record.start_with, record.grown, told)
    write_atomically(resolved.results_dir / SETTINGS_NAME, text.encode())
    return record, moved


def require_continuation(resolved: ResolvedSearch) -> None:
    """Refuse settings under which what was decided would come out otherwise; nothing is written.

    Raises:
        UserError: when there are such settings.
    """
    config, decisions = resolved.config, read_journal(resolved.results_dir)
    recorded = resolved.recorded
    if (
        recorded is not None
        and resolved.grown != recorded.grown
        and any(one.kind == "confirmation" for one in decisions)
    ):
        raise UserError(
            "--n_trials, --n_seeds, --rungs: a confirmation has been made among the configurations and figures recorded so far, "
            "and would come out otherwise; leave them out, or go on in a new search: "
            f"{_new_search(recorded, resolved.results_dir)}"
        )
    if config.retry_failed:
        require_no_retry(decisions)
    iterations = config.confirm_iterations or config.n_iterations
    require_same_size(decisions, resolved.numbering, config.confirm_seeds, iterations, config.keep, config.race)


def _new_search(recorded: SearchRecord, results_dir: Path) -> str:
    """The flags of a search in which no trial, nor one of its confirmation, has a seed that this one has used."""
    seed_base = recorded.config.seed_base + recorded.numbering.n_explored + recorded.numbering.n_confirmed
    settings = shlex.join(["--config", str(results_dir / SETTINGS_NAME), "--seed_base", str(seed_base)])
    flags = f"{settings} --results_dir ELSEWHERE"
    if recorded.config.search_type == "grid":  # it has all its configurations: none comes first, and it learns nothing
        return flags
    learned = shlex.join(["--learn_from", str(results_dir)])
    return f"{flags}, with --start_with FILE for the best of this one (tpe and gp: {learned})"


def check_same(outcome: TrialRecord, trial: Trial, results_dir: Path) -> None:
    """Refuse a record that is of another trial than the search runs under its number.

    Raises:
        UserError: when it is.
    """
    recorded = (outcome.trial_num, outcome.seed, outcome.hyperparameters, outcome.calibration, outcome.configuration)
    planned = (trial.number, trial.config.seed, trial.hyperparameters, trial.calibration, trial.configuration)
    if recorded != planned:
        raise UserError(
            f"{results_dir}: the record of trial {trial.number} has seed {outcome.seed} or hyperparameters that this "
            "search does not give it; remove its directory, or accept it with --allow_drift"
        )


def require_same_size(
    made: Iterable[Decision],
    numbering: TrialNumbering,
    confirm_seeds: int,
    confirm_iterations: int,
    keep: float,
    race: bool = False,
) -> None:
    """Refuse a continuation that would undo what was decided among all configurations of a group, or among all.

    Raises:
        UserError: when there is such a decision and it was among another number, on other seeds, or kept more; or less,
            and a confirmation has been made since.
    """
    # Of those made again, the last: also of a cut that a larger --keep has made anew.
    latest = {(one.kind, one.subject.get("rung", one.key), one.subject.get("growth", 0)): one for one in made}
    decisions = list(latest.values())
    chosen = next((one.kind for one in decisions if "chosen" in one.content), None)
    for decision in decisions:
        if decision.kind == "cut" and decision.subject["keep"] > keep:
            raise UserError(
                f"--keep {keep:g}: at --rungs {decision.subject['rung']} a share of {decision.subject['keep']:g} has gone on "
                "already; give at least as much"
            )
        if decision.kind == "cut" and _lets_more_go_on(decision, keep) and chosen is not None:
            what = "confirmation" if chosen == "confirmation" else "choice for more seeds"
            raise UserError(
                f"--keep {keep:g}: a {what} has been made among those that went on at --keep "
                f"{decision.subject['keep']:g}, and more would change who is chosen; leave --keep out, or start a new search"
            )
        growth = decision.subject.get("growth", 0)
        first = decision.kind == "cut" and decision.subject["rung"] == min(
            one.subject["rung"] for one in decisions if one.kind == "cut" and one.subject.get("growth", 0) == growth
        )
        n_configurations = numbering.n_configurations
        if first:
            n_configurations = len(numbering.group(growth)) if growth < len(numbering.extents) else 0
        if (first or decision.kind == "confirmation") and decision.content["of"] != n_configurations:
            raise UserError(
                f"--n_trials: a {decision.kind} has been made among {decision.content['of']} configurations, which would "
                f"come out otherwise among {n_configurations}; give the recorded number, or start a new search"
            )
        if decision.kind == "confirmation":
            races = decision.content.get("race")
            if bool(races) != bool(first_look(len(decision.content["chosen"]), confirm_seeds if race else 0)):
                how, remedy = ("as a race", "give") if races else ("without one", "leave out")
                raise UserError(f"--race: the confirmation has been made {how}; {remedy} --race")
            recorded = (races or len(decision.content["seeds"]), decision.content["iterations"])
            if recorded != (confirm_seeds, confirm_iterations):
                raise UserError(
                    f"--confirm: the confirmation runs {recorded[0]} seeds of {recorded[1]} iterations, not "
                    f"{confirm_seeds} of {confirm_iterations}; give the recorded --confirm_seeds and --confirm_iterations"
                )


def require_no_retry(made: Iterable[Decision]) -> None:
    """Refuse to run failed trials again where their failure has had consequences.

    Raises:
        UserError: when a decision was made from outcomes.
    """
    for decision in made:
        if from_outcomes(decision):
            raise UserError(
                f"--retry_failed: a {decision.kind} has been made from the outcomes recorded so far, and would come out "
                "otherwise; start a new search"
            )


def _lets_more_go_on(cut: Decision, keep: float) -> bool:
    count = cut.content["of"]
    return places(keep, count) > places(cut.subject["keep"], count)
