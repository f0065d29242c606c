"""What a search says at its end."""

import textwrap
from collections.abc import Sequence

from ghm.errors import shown
from ghm.io.text import share_text
from ghm.search.decisions.ranking import ConfigurationScore, RungAgreement, rung_agreements
from ghm.search.decisions.selection import Confirmation
from ghm.search.records.state import SearchState
from ghm.search.records.values import BestConfiguration
from ghm.search.settings.command import resume_command, verification_command
from ghm.search.settings.config import RANK_WORDS, RankBy
from ghm.search.settings.inactive import inactive_note
from ghm.search.settings.space import NAMES
from ghm.search.trials.outcome import MOST_MACHINE_FAILURES, Outcome, TrialState
from ghm.training.logging.progress import number
from ghm.training.settings import Hyperparameters

TOP = 5
# Text is wrapped for a terminal as narrow as they come.
WIDTH = 80
# More failures than this are listed in the results JSON only.
MAX_FAILURES = 10

_SCALE = " (0: closing the firm at once, 1: optimal)"

_PLURAL: dict[RankBy, str] = {"mean": "means", "iqm": "interquartile means", "worst": "the worst of each"}

_NOT_FORETOLD = "\n    WARNING: it did not foretell the order beyond chance; use later rungs or a larger --keep"


def summary(state: SearchState, interrupted: bool) -> str:
    """Best configuration, top 5, failures with their reasons, path of the results, and the command to go on with."""
    blocks = [_heading(state)]
    best, config = state.best_configuration, state.config
    if best is not None:
        blocks += [_best(state, best), _top(state), *_confirmation(state.confirmation)]
        blocks += [*_rungs(rung_agreements(state.trials, config), state.n_instances), *_inactive(state)]
    elif state.trials and not interrupted and all(one.failed for one in state.trials):
        blocks.append("Every trial failed: there is no best configuration.")
    blocks += _failures(state)
    blocks.append(f"Results: {state.path}")
    if interrupted:
        blocks.append(f"Interrupted. Continue with:\n  {resume_command(state.path)}")
    elif best is not None:
        of_one = best.trial.calibration is not None
        where = f", on {best.trial.calibration} (--model.* chooses another firm)" if of_one else ""
        model = state.model_of(best.trial) if of_one else None
        command = verification_command(config, best.trial.hyperparameters, model)
        blocks.append(f"Train the best configuration longer{where}:\n  {command}")
    return shown("\n\n".join(blocks))


def _heading(state: SearchState) -> str:
    counts = state.counts()
    parts = [f"{counts.completed} of {counts.asked} trials completed"]
    parts += [f"{counts.stopped} stopped at a rung"] if counts.stopped else []
    parts += [f"{counts.failed} failed"] if counts.failed else []
    parts += [f"{counts.unfinished} not finished"] if counts.unfinished else []
    return f"Search summary: {', '.join(parts)}"


def _best(state: SearchState, best: BestConfiguration) -> str:
    """The best configuration by what decided: the confirmation, else what its trials are ranked by, else its one trial."""
    trial = (
        f"trial {best.trial.trial_num}{_on(best.trial)}, return {number(best.trial.best_return)}{_captured(best.trial)}"
    )
    figure = f"{_measured([best.trial])} {share_text(best.figure, 4)}"
    if best.basis == "confirmed":
        ends = None if best.interval is None else " to ".join(share_text(end, 4) for end in best.interval)
        interval = "" if ends is None else f" (95% interval {ends})"
        which = f"{RANK_WORDS[best.by]} " if best.by == "worst" else ""
        lines = [f"Best configuration: {best.configuration}, {which}{figure}{interval} on fresh seeds"]
        lines += [*_worst(best), f"  (the best of these trainings: {trial})"]
    elif best.basis == "ranked":
        words = RANK_WORDS[state.config.rank_by]
        lines = [f"Best configuration: {best.configuration}, {words} {figure} of its {best.n_trials} trials"]
        lines += [*_worst(best), f"  (the best of them: {trial})"]
    else:
        lines = [f"Best configuration: {trial}{_SCALE if best.captured_value is not None else ''}"]
    if (reference := state.reference_of(best.trial)) is not None:
        wind_up, optimal = reference.wind_up_return, reference.optimal_return
        lines.append(f"  (winding up at once: {wind_up:.4f}; the optimum: {optimal:.4f})")
    if verdict := best.shown.word("verdict_text"):
        verdict = verdict if best.shown is best.trial else f"Trial {best.shown.trial_num}{_on(best.shown)}: {verdict}"
        lines.append(textwrap.fill(verdict, WIDTH, initial_indent="  ", subsequent_indent="  "))
    width = max(map(len, NAMES))
    lines += [f"  {name:<{width}}  {_shown(getattr(best.trial.hyperparameters, name))}" for name in NAMES]
    return "\n".join(lines)


def _worst(best: BestConfiguration) -> list[str]:
    """The trial that decided, where the worst counts."""
    one = best.shown
    if one is best.trial:
        return []
    return [f"  (its worst: trial {one.trial_num}{_on(one)}, return {number(one.best_return)}{_captured(one)})"]


def _top(state: SearchState) -> str:
    """A column a configuration: side by side the names alone would be wider than a terminal."""
    tuned = "" if state.confirmation is None else ", as tuned"
    first = state.ranking()[:TOP]
    if state.n_instances == 1:
        columns: list[tuple[str, ...]] = [("rank", "trial", "return", "captured", *NAMES)]
        for rank, one in enumerate(first, 1):
            (trial,) = one.trials
            captured = "" if trial.captured_value is None else share_text(trial.captured_value)
            figures = (number(trial.best_return), captured)
            columns.append((str(rank), str(trial.trial_num), *figures, *_values(one.hyperparameters)))
        return f"Top {TOP} configurations{tuned}\n{_rows(columns)}"
    rank_by = state.config.rank_by
    figures_of: tuple[RankBy, ...] = ("mean", "iqm", "worst") if rank_by == "iqm" else ("mean", "worst")
    columns = [("rank", "configuration", "trials", *figures_of, "best", "failed", *NAMES)]
    for rank, one in enumerate(first, 1):
        cells = (str(rank), str(one.configuration), str(len(one.trials)), *_spread(one, figures_of), str(one.failures))
        columns.append((*cells, *_values(one.hyperparameters)))
    what = _measured([trial for one in first for trial in one.trials])
    return f"Top {TOP} configurations{tuned}, ranked by {RANK_WORDS[rank_by]}, in {what}\n{_rows(columns)}"


def _spread(one: ConfigurationScore, figures: Sequence[RankBy]) -> list[str]:
    """Figures of a configuration's trials and the best of them."""
    values = [*(one.figure(figure) for figure in figures), max(one.captured)]
    return ["-" if value is None else share_text(value, 4) for value in values]


def _measured(trials: Sequence[Outcome]) -> str:
    """What the figures of these trials are."""
    return "captured value" if any(one.captured_value is not None for one in trials) else "return"


def _values(hyperparameters: Hyperparameters) -> list[str]:
    return [_shown(getattr(hyperparameters, name)) for name in NAMES]


def _rows(columns: Sequence[tuple[str, ...]]) -> str:
    """Columns of text side by side, the first one to the left."""
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "  ".join([name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))])
        for name, *cells in zip(*columns, strict=True)
    ]
    return "\n".join(f"  {line}" for line in lines)


def _confirmation(confirmation: Confirmation | None) -> list[str]:
    if confirmation is None or not any(one.trials for one in confirmation.configurations):
        return []
    rows: list[tuple[str, ...]] = [("configuration", "tuned", "confirmed", "95% interval", "difference", "failed")]
    for one in confirmation.configurations:
        interval = "-" if one.interval is None else " to ".join(share_text(end, 4) for end in one.interval)
        figures = ["-" if value is None else share_text(value, 4) for value in (one.tuned, one.confirmed)]
        difference = "-" if one.difference is None else f"{one.difference:+.4f}"
        rows.append((str(one.configuration), *figures, interval, difference, str(one.failures)))
    seeds = confirmation.seeds
    state = "" if confirmation.complete else " (not finished)"
    lines = [
        f"Confirmed on seeds {seeds[0]} to {seeds[-1]}, {confirmation.iterations} iterations{state}; "
        f"{_PLURAL[confirmation.figure]}",
        _columns(rows),
    ]
    if confirmation.first_beats_second is not None:
        lines.append(f"  The first beats the second with a probability of {confirmation.first_beats_second:.2f}.")
    return ["\n".join(lines)]


def _rungs(agreements: Sequence[RungAgreement], n_instances: int) -> list[str]:
    """How well each rung foretold the next one; a warning where it did not."""
    noun = "" if n_instances == 1 else " configurations"
    lines = []
    for one in agreements:
        what = f"rung {one.rung}: {one.configurations}{noun} went on"
        if one.correlation is None:
            lines.append(f"  {what}, too few to tell how well it foretold {one.following}")
            continue
        rho, low, high = one.correlation
        verdict = "" if low > 0 else _NOT_FORETOLD
        lines.append(f"  {what}, rank correlation {rho:.2f} ({low:.2f} to {high:.2f}){verdict}")
    return ["Rungs\n" + "\n".join(lines)] if lines else []


def _inactive(state: SearchState) -> list[str]:
    note = inactive_note(state.record.choices, vars(state.config))
    return [textwrap.fill(note, WIDTH)] if note else []


def _columns(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def _failures(state: SearchState) -> list[str]:
    failed = [one for one in state.trials if not one.success and one.status is not TrialState.PAUSED]
    if not failed:
        return []
    lines = [
        f"  trial {one.trial_num}: {one.status}: {one.error or 'no record of an end'}{_again(one, state)}\n"
        f"    log: {state.path.parent / one.log}"
        for one in failed[:MAX_FAILURES]
    ]
    if len(failed) > MAX_FAILURES:
        lines.append(f"  and {len(failed) - MAX_FAILURES} more, in the results")
    return ["Not completed\n" + "\n".join(lines)]


def _again(outcome: Outcome, state: SearchState) -> str:
    if not outcome.infrastructure_failure or not outcome.final:
        return ""
    count = f"\n    the machine's failure {outcome.machine_failures} of at most {MOST_MACHINE_FAILURES}: "
    if state.config.rungs or state.choice is not None or state.config.method.learns:
        return f"{count}--resume runs it again unless a decision has been made since"
    return count + ("--resume runs it again" if outcome.retryable else "only --resume --retry_failed runs it again")


def _captured(outcome: Outcome) -> str:
    value = outcome.captured_value
    return "" if value is None else f", captured value {share_text(value)}"


def _on(outcome: Outcome) -> str:
    return "" if outcome.calibration is None else f" on {outcome.calibration}"


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"
