"""What a search says at its end."""

import textwrap
from collections.abc import Sequence

from ghm.io.text import share_text
from ghm.search.decisions.ranking import captured_or_return, result_at, rung_agreement
from ghm.search.decisions.selection import Confirmation, Confirmed
from ghm.search.decisions.statistics import aggregate
from ghm.search.records.index import ResultsIndex, best_trial
from ghm.search.settings.command import resume_command, verification_command
from ghm.search.settings.config import RANK_WORDS, RankBy
from ghm.search.settings.inactive import inactive_note
from ghm.search.settings.space import NAMES
from ghm.search.trials.outcome import MOST_MACHINE_FAILURES, Outcome
from ghm.search.trials.trial import RungResult
from ghm.training.settings import Hyperparameters

TOP = 5
# Text is wrapped for a terminal as narrow as they come.
WIDTH = 80
# More failures than this are listed in the results JSON only.
MAX_FAILURES = 10

_SCALE = " (0: closing the firm at once, 1: optimal)"

_NOT_FORETOLD = "\n    WARNING: it did not foretell the order beyond chance; use later rungs or a larger --keep"


def summary(results: ResultsIndex, n_trials: int, interrupted: bool) -> str:
    """Best configuration, top 5, failures with their reasons, path of the results, and the command to go on with."""
    blocks = [_heading(results, n_trials)]
    confirmation = results.confirmation
    winner = confirmation.winner if confirmation is not None and confirmation.complete else None
    best = results.best if winner is None else best_trial(winner.trials)
    if best is not None:
        blocks += [_best(results, best, winner), _top(results)]
        blocks += [*_confirmation(confirmation), *_rungs(results), *_inert(results)]
    elif results.outcomes and all(outcome.final for outcome in results.outcomes) and not interrupted:
        blocks.append("Every trial failed: there is no best configuration.")
    blocks += _failures(results)
    blocks.append(f"Results: {results.path}")
    if interrupted:
        blocks.append(f"Interrupted. Continue with:\n  {resume_command(results.path)}")
    elif best is not None:
        model = next((one.model for one in results.record.calibrations if one.name == best.calibration), None)
        where = "" if model is None else f", on {best.calibration} (--model.* chooses another firm)"
        command = verification_command(results.record.config, best.hyperparameters, model)
        blocks.append(f"Train the best configuration longer{where}:\n  {command}")
    return "\n\n".join(blocks)


def _heading(results: ResultsIndex, n_trials: int) -> str:
    completed = sum(outcome.success for outcome in results.outcomes)
    failed = sum(outcome.failed for outcome in results.outcomes)
    missing = n_trials - completed - failed
    parts = [f"{completed} of {n_trials} trials completed"]
    stopped = sum(outcome.status == "stopped_at_rung" for outcome in results.outcomes)
    parts += [f"{stopped} of them stopped at a rung"] if stopped else []
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{missing} not finished"] if missing > 0 else []
    return f"Search summary: {', '.join(parts)}"


def _best(results: ResultsIndex, best: Outcome, winner: Confirmed | None) -> str:
    """The best configuration by what decided: the confirmation, else what its trials are ranked by, else its one trial."""
    trial = f"trial {best.trial_num}{_on(best)}, return {best.best_return:.4f}{_captured(best)}"
    verdict = best.metrics.get("verdict_text")
    if winner is not None:
        assert winner.confirmed is not None
        ends = None if winner.interval is None else " to ".join(share_text(end, 4) for end in winner.interval)
        interval = "" if ends is None else f" (95% interval {ends})"
        _, what = _figures(winner.trials)
        figure = f"{what} {share_text(winner.confirmed, 4)}{interval} on fresh seeds"
        first = f"Best configuration: {winner.configuration}, {figure}"
        lines = [first, f"  (the best of these trainings: {trial})"]
    elif results.n_instances > 1:
        rank_by, leader = results.record.config.rank_by, results.leader
        assert leader is not None
        values, what = _figures(leader.trials)
        figure = f"{RANK_WORDS[rank_by]} {what} {share_text(aggregate(values, rank_by), 4)} of its {len(values)} trials"
        lines = [f"Best configuration: {leader.configuration}, {figure}", f"  (the best of them: {trial})"]
    else:
        lines = [f"Best configuration: {trial}{_SCALE if best.captured_value is not None else ''}"]
    if results.reference is not None:
        reference = results.reference
        lines.append(
            f"  (winding up at once: {reference.wind_up_return:.4f}; the optimum: {reference.optimal_return:.4f})"
        )
    if verdict:
        lines.append(textwrap.fill(verdict, WIDTH, initial_indent="  ", subsequent_indent="  "))
    width = max(map(len, NAMES))
    lines += [f"  {name:<{width}}  {_shown(getattr(best.hyperparameters, name))}" for name in NAMES]
    return "\n".join(lines)


def _top(results: ResultsIndex) -> str:
    """A column a configuration: side by side the names alone would be wider than a terminal."""
    tuned = "" if results.confirmation is None else ", as tuned"
    if results.n_instances == 1:
        title = f"Top {TOP} configurations{tuned}"
        columns: list[tuple[str, ...]] = [("rank", "trial", "return", "captured", *NAMES)]
        for rank, outcome in enumerate(results.ranked[:TOP], 1):
            captured = "" if outcome.captured_value is None else share_text(outcome.captured_value)
            figures = (f"{outcome.best_return:.4f}", captured)
            columns.append((str(rank), str(outcome.trial_num), *figures, *_values(outcome.hyperparameters)))
        return f"{title}\n{_rows(columns)}"
    rank_by, what = results.record.config.rank_by, ""
    figures_of: tuple[RankBy, ...] = ("mean", "iqm", "worst") if rank_by == "iqm" else ("mean", "worst")
    columns = [("rank", "configuration", "trials", *figures_of, "best", "failed", *NAMES)]
    for rank, one in enumerate(results.configurations[:TOP], 1):
        values, what = _figures(one.trials)
        spread = [*(aggregate(values, figure) for figure in figures_of), max(values)] if values else []
        shown = [share_text(value, 4) for value in spread] or ["-"] * (len(figures_of) + 1)
        cells = (str(rank), str(one.configuration), str(len(one.trials)), *shown, str(one.failures))
        columns.append((*cells, *_values(one.hyperparameters)))
    return f"Top {TOP} configurations{tuned}, ranked by {RANK_WORDS[rank_by]}, in {what}\n{_rows(columns)}"


def _figures(trials: Sequence[Outcome]) -> tuple[list[float], str]:
    """What a configuration's trials have reached, those that wait at a rung too, and what that is."""
    reached = [_figure(result_at(one, None)) for one in trials]
    values = [value for value in reached if value is not None]
    return values, "captured value" if any(one.captured_value is not None for one in trials) else "return"


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
        "interquartile means",
        _columns(rows),
    ]
    if confirmation.first_beats_second is not None:
        lines.append(f"  The first beats the second with a probability of {confirmation.first_beats_second:.2f}.")
    return ["\n".join(lines)]


def _rungs(results: ResultsIndex) -> list[str]:
    """How well each rung foretold the next one; a warning where it did not."""
    config = results.record.config
    ends: list[int | None] = [*config.rungs[1:], None]
    noun = "" if results.n_instances == 1 else " configurations"
    lines = []
    for rung, following in zip(config.rungs, ends, strict=False):
        pairs: dict[int, list[tuple[float, float]]] = {}
        for one in results.outcomes:
            if one.stage == "explore" and (
                one.status == "completed" or (following is not None and one.status != "paused")
            ):
                before, after = (_figure(result_at(one, at)) for at in (rung, following))
                if before is not None and after is not None:
                    pairs.setdefault(one.configuration, []).append((before, after))
        found = rung_agreement(pairs, config.rank_by)
        what = f"rung {rung}: {found.configurations}{noun} went on"
        if found.correlation is None:
            lines.append(f"  {what}, too few to tell how well it foretold {following or config.n_iterations}")
            continue
        rho, low, high = found.correlation
        verdict = "" if low > 0 else _NOT_FORETOLD
        lines.append(f"  {what}, rank correlation {rho:.2f} ({low:.2f} to {high:.2f}){verdict}")
    return ["Rungs\n" + "\n".join(lines)] if lines else []


def _figure(result: RungResult | None) -> float | None:
    return None if result is None else captured_or_return(result)


def _inert(results: ResultsIndex) -> list[str]:
    note = inactive_note(results.record.choices, vars(results.record.config))
    return [textwrap.fill(note, WIDTH)] if note else []


def _columns(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def _failures(results: ResultsIndex) -> list[str]:
    failed = [outcome for outcome in results.outcomes if not outcome.success and outcome.status != "paused"]
    if not failed:
        return []
    lines = [
        f"  trial {o.trial_num}: {o.status}: {o.error}{_again(o)}\n    log: {results.path.parent / o.log}"
        for o in failed[:MAX_FAILURES]
    ]
    if len(failed) > MAX_FAILURES:
        lines.append(f"  and {len(failed) - MAX_FAILURES} more, in the results")
    return ["Not completed\n" + "\n".join(lines)]


def _again(outcome: Outcome) -> str:
    if not outcome.infrastructure_failure or not outcome.final:
        return ""
    count = f"\n    the machine's failure {outcome.machine_failures} of at most {MOST_MACHINE_FAILURES}: "
    return count + ("--resume runs it again" if outcome.retryable else "only --resume --retry_failed runs it again")


def _captured(outcome: Outcome) -> str:
    value = outcome.captured_value
    return "" if value is None else f", captured value {share_text(value)}"


def _on(outcome: Outcome) -> str:
    return "" if outcome.calibration is None else f" on {outcome.calibration}"


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"
