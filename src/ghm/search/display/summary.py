"""What a search says at its end."""

import textwrap
from collections.abc import Sequence

from ghm.errors import shown
from ghm.io.text import WIDTH, table_lines
from ghm.search.decisions.confirmation import Confirmation, beaten_pairs
from ghm.search.decisions.ranking import (
    TOP,
    RungAgreement,
    leading,
    rung_agreements,
    seeds_between,
    unequal_seeds_note,
)
from ghm.search.records.state import SearchState
from ghm.search.records.values import BestConfiguration, trials_in_words
from ghm.search.settings.command import resume_command, verification_command
from ghm.search.settings.config import RANK_WORDS, RankBy
from ghm.search.settings.configurations import written
from ghm.search.settings.inactive import inactive_note
from ghm.search.trials.outcome import MOST_MACHINE_FAILURES, TrialRecord, TrialState
from ghm.training.logging.metrics import Metric, metric, policy_rows
from ghm.training.settings import Hyperparameters

# More failures than this are listed in the results JSON only.
MAX_FAILURES = 10

FIRM_VALUE, CAPTURED_VALUE = metric("best_return"), metric("captured_value")

_PLURAL: dict[RankBy, str] = {"mean": "means", "iqm": "interquartile means", "worst": "worst values"}

_NO_AGREEMENT = "\n    WARNING: no better than chance; use later rungs or a larger --keep"


def summary(state: SearchState, interrupted: bool) -> str:
    """Best configuration, top 5, failures with their reasons, path of the results, and the command to go on with."""
    blocks = [_heading(state)]
    best, config = state.best_configuration, state.config
    if best is not None:
        blocks += [_best(state, best), _top(state), *_started_with(state), *_confirmation(state.confirmation)]
        blocks += [*_rungs(rung_agreements(state.trials, state.numbering)), *_inactive(state)]
    elif state.trials and not interrupted and all(one.failed for one in state.trials):
        blocks.append("Every trial failed: there is no best configuration.")
    blocks += _failures(state)
    blocks.append(f"Results: {state.path}")
    if interrupted:
        blocks.append(f"Interrupted. Continue with:\n  {resume_command(state.path)}")
    elif best is not None:
        of_one = best.trial.calibration is not None
        where = f", on {best.trial.calibration} (on another calibration: --model.*)" if of_one else ""
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
    trial, measured = _trial(best.trial), _measured([best.trial])
    figure = measured.said(best.figure)
    if best.basis == "confirmed":
        ends = "" if best.interval is None else f"95% interval {' to '.join(map(measured.shown, best.interval))}; "
        lines = [
            f"Best configuration: {best.configuration}, {RANK_WORDS[best.by]} {figure} on fresh seeds",
            _filled(f"({ends}{_numbers(state, best)})", "   "),
            *_worst(best),
            _filled(f"(its best trial on them: {trial})", "   "),
        ]
    elif best.basis == "ranked":
        words = RANK_WORDS[state.config.rank_by]
        lines = [f"Best configuration: {best.configuration}, {words} {figure} over its {best.n_trials} trials"]
        lines += [*_worst(best), _filled(f"(its best trial: {trial})", "   ")]
    else:
        lines = [f"Best configuration: {trial}"]
    if (reference := state.reference_of(best.trial)) is not None:
        wind_up, optimal = reference.wind_up_return, reference.optimal_return
        on = "" if best.trial.calibration is None else f"on {best.trial.calibration}, "
        scale = f"0%: immediate liquidation, {wind_up:.4f}; 100%: the optimum, {optimal:.4f}"
        lines.append(_filled(f"({on}{CAPTURED_VALUE.label} {scale})", "   "))
    if verdict := best.shown.word("verdict_text"):
        lines.append(_filled(f"{best.shown_words}{verdict}"))
    if table := policy_rows(best.shown.figure, best.shown.word("action_rule"), state.config.T):
        rule = best.shown.word("action_rule")
        lines += ["", *table_lines((f"{rule} policy" if rule else "", "learned", "optimum"), *table), ""]
    values = vars(best.trial.hyperparameters)
    width = max(map(len, values))
    lines += [f"  {name:<{width}}  {written(value)}" for name, value in values.items()]
    return "\n".join(lines)


def _numbers(state: SearchState, best: BestConfiguration) -> str:
    """Numbers of the trials of a confirmed configuration, before and in the confirmation."""
    first, then = trials_in_words(best, state.trials)
    return f"{first} in the search, {then} on fresh seeds"


def _worst(best: BestConfiguration) -> list[str]:
    """The trial that decided, where the worst counts."""
    one = best.shown
    if one is best.trial:
        return []
    return [_filled(f"(its worst trial: {_trial(one)})", "   ")]


def _top(state: SearchState) -> str:
    """One column per configuration: side by side the names alone would be wider than a terminal."""
    tuned = "" if state.confirmation is None else " before the confirmation"
    first = state.ranking()[:TOP]
    if state.n_instances == 1:
        columns: list[tuple[str, ...]] = [
            ("rank", "trial", "iterations", FIRM_VALUE.label, CAPTURED_VALUE.label, *state.record.choices)
        ]
        for rank, one in enumerate(first, 1):
            (trial,) = one.trials
            captured = "" if trial.captured_value is None else CAPTURED_VALUE.shown(trial.captured_value)
            figures = (FIRM_VALUE.shown(trial.best_return), captured)
            columns.append(
                (str(rank), str(trial.trial_num), str(trial.iterations), *figures, *_values(state, one.hyperparameters))
            )
        return f"Top {TOP} configurations{tuned}\n{_rows(columns)}"
    rank_by = state.config.rank_by
    figures_of: tuple[RankBy, ...] = ("mean", "iqm", "worst") if rank_by == "iqm" else ("mean", "worst")
    calibrations = [calibration.name for calibration in state.record.calibrations]
    heads = ("rank", "configuration", "trials", *figures_of, "best", *map("on {}".format, calibrations), "failed")
    columns = [(*heads, *state.record.choices)]
    measured = _measured([trial for one in first for trial in one.trials])
    for rank, one in enumerate(first, 1):
        values = [*(one.figure(figure) for figure in figures_of), max(one.captured)]
        values += [one.figure_on(name, rank_by) for name in calibrations]
        texts = ("-" if value is None else measured.shown(value) for value in values)
        cells = (str(rank), str(one.configuration), str(len(one.trials)), *texts, str(one.failures))
        columns.append((*cells, *_values(state, one.hyperparameters)))
    title = f"Top {TOP} configurations{tuned}, by the {RANK_WORDS[rank_by]} {measured.label} of their trials"
    note = _filled(_unequal(state))
    return "\n".join([textwrap.fill(title, WIDTH, subsequent_indent="  "), _rows(columns), *([note] if note else [])])


def _unequal(state: SearchState) -> str:
    """How many seeds the first of the ranking have, where not all have as many; a confirmation gives them as many."""
    first = leading(state.ranking())
    if state.choice is not None or (seeds := seeds_between(first)) is None:
        return ""
    return f"They have {seeds[0]} to {seeds[1]} seeds. {unequal_seeds_note(seeds, len(first))}"


def _started_with(state: SearchState) -> list[str]:
    """How the configurations did that the search was to try first."""
    ranks = {one.configuration: (rank, one) for rank, one in enumerate(state.ranking(), 1)}
    lines = []
    for configuration in range(1, min(len(state.record.start_with), state.numbering.n_configurations) + 1):
        reached = "no result"
        if configuration in ranks and (figure := ranks[configuration][1].figure(state.config.rank_by)) is not None:
            rank, one = ranks[configuration]
            reached = f"{_measured(one.trials).said(figure)}, rank {rank} of {len(ranks)}"
        lines.append(f"  configuration {configuration}: {reached}")
    return ["Given with --start_with\n" + "\n".join(lines)] if lines else []


def _measured(trials: Sequence[TrialRecord]) -> Metric:
    """What the figures of these trials are."""
    return CAPTURED_VALUE if any(one.captured_value is not None for one in trials) else FIRM_VALUE


def _values(state: SearchState, hyperparameters: Hyperparameters) -> list[str]:
    return [written(getattr(hyperparameters, name, None)) for name in state.record.choices]


def _rows(columns: Sequence[tuple[str, ...]]) -> str:
    """Columns of text side by side, the first one to the left."""
    return "\n".join(table_lines(*zip(*columns, strict=True)))


def _confirmation(confirmation: Confirmation | None) -> list[str]:
    if confirmation is None or not any(one.trials for one in confirmation.configurations):
        return []
    measured = _measured([trial for one in confirmation.configurations for trial in one.trials])
    share = measured.kind == "share"
    raced = bool(confirmation.rounds)
    heads = ("configuration", "in search", "confirmed", "95% interval", "difference")
    rows: list[tuple[str, ...]] = [(*heads, *(("seeds", "race") if raced else ("failed",)))]
    for one in confirmation.configurations:
        interval = "too few seeds" if one.interval is None else " to ".join(map(measured.shown, one.interval))
        figures = ["-" if value is None else measured.shown(value) for value in (one.tuned, one.confirmed)]
        difference = "-"
        if one.difference is not None:
            difference = f"{round(100 * one.difference, 2) + 0.0:+.2f}" if share else f"{one.difference:+.4f}"
        # Since when it is out of the race is told by its seeds.
        last = (str(one.seeds), (one.race or "").partition(" at ")[0]) if raced else (str(one.failures),)
        rows.append((str(one.configuration), *figures, interval, difference, *last))
    seeds = confirmation.seeds
    state = "" if confirmation.complete else " (not finished)"
    title = (
        f"Confirmation on fresh seeds {seeds[0]} to {seeds[-1]}, {confirmation.iterations} iterations{state}; "
        f"{_PLURAL[confirmation.figure]} of {measured.label}{', differences in points' if share else ''}"
    )
    lines = [textwrap.fill(title, WIDTH, subsequent_indent="  "), *_narrow(rows)]
    if confirmation.first_beats_second is not None:
        lines.append(
            _filled(f"The first beats the second in {beaten_pairs(confirmation)} pairs of trainings on fresh seeds.")
        )
    if raced:
        failed = [
            f"{one.failures} of configuration {one.configuration}"
            for one in confirmation.configurations
            if one.failures
        ]
        lines += [_filled(f"Failed trainings: {', '.join(failed)}.")] if failed else []
    if raced and confirmation.complete:
        lines.append(
            _filled(
                "The first has its figures from seeds that decided nothing. Beaten: by more than chance; behind: by less."
            )
        )
    return ["\n".join(lines)]


def _narrow(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """A table that fits a terminal: without its second column, which the difference tells, where it has no room for that."""
    lines = table_lines(*rows)
    return lines if max(map(len, lines)) <= WIDTH else table_lines(*((one, *rest) for one, _, *rest in rows))


def _filled(text: str, indent: str = "  ") -> str:
    """Text as lines that fit a terminal, those after the first indented by ``indent``."""
    return textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent=indent)


def _rungs(agreements: Sequence[RungAgreement]) -> list[str]:
    """How far the rankings at two rungs agree; a warning where they agree no better than by chance."""
    lines = []
    for one in agreements:
        what = f"{one.rung} and {one.following} iterations, {one.configurations} configurations promoted"
        if one.correlation is None:
            lines.append(f"  {what}: too few to tell")
            continue
        rho, low, high = one.correlation
        warning = "" if low > 0 else _NO_AGREEMENT
        lines.append(f"  {what}: {rho:.2f} (95% interval {low:.2f} to {high:.2f}){warning}")
    return ["Rank agreement between rungs\n" + "\n".join(lines)] if lines else []


def _inactive(state: SearchState) -> list[str]:
    note = inactive_note(state.record.choices, vars(state.config))
    return [textwrap.fill(note, WIDTH)] if note else []


def _failures(state: SearchState) -> list[str]:
    failed = [one for one in state.trials if not one.success and one.status is not TrialState.PAUSED]
    if not failed:
        return []
    lines = [
        f"  trial {one.trial_num}: {one.status}: {one.error or 'no end was recorded'}{_again(one, state)}\n"
        f"    log: {state.path.parent / one.log}"
        for one in failed[:MAX_FAILURES]
    ]
    if len(failed) > MAX_FAILURES:
        lines.append(f"  and {len(failed) - MAX_FAILURES} more, in the results")
    return ["Not completed\n" + "\n".join(lines)]


def _again(outcome: TrialRecord, state: SearchState) -> str:
    if not outcome.infrastructure_failure or not outcome.final:
        return ""
    times = f"({outcome.machine_failures} of at most {MOST_MACHINE_FAILURES} such failures)"
    count = f"\n    the computer's fault, not the training's {times}: "
    if state.config.rungs or state.choice is not None or state.config.method.learns:
        return f"{count}--resume runs it again unless a decision has been made since"
    return count + ("--resume runs it again" if outcome.retryable else "only --resume --retry_failed runs it again")


def _trial(outcome: TrialRecord) -> str:
    """A trial with what it reached."""
    value = outcome.captured_value
    captured = "" if value is None else f", {CAPTURED_VALUE.said(value)}"
    return f"trial {outcome.trial_num}{_on(outcome)}, {FIRM_VALUE.said(outcome.best_return)}{captured}"


def _on(outcome: TrialRecord) -> str:
    return "" if outcome.calibration is None else f" on {outcome.calibration}"
