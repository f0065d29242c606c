"""What a search says at its end."""

import textwrap

from ghm.search.records.index import ResultsIndex
from ghm.search.settings.command import resume_command, verification_command
from ghm.search.settings.space import NAMES
from ghm.search.trials.outcome import Outcome

TOP = 5
# Text is wrapped for a terminal as narrow as they come.
WIDTH = 80
# More failures than this are listed in the results JSON only.
MAX_FAILURES = 10


def summary(results: ResultsIndex, n_trials: int, interrupted: bool) -> str:
    """Best configuration, top 5, failures with their reasons, path of the results, and the command to go on with."""
    blocks = [_heading(results, n_trials)]
    best = results.best
    if best is not None:
        blocks += [_best(results, best), _top(results)]
    elif results.outcomes and all(outcome.final for outcome in results.outcomes) and not interrupted:
        blocks.append("Every trial failed: there is no best configuration.")
    blocks += _failures(results)
    blocks.append(f"Results: {results.path}")
    if interrupted:
        blocks.append(f"Interrupted. Continue with:\n  {resume_command(results.path)}")
    elif best is not None:
        command = verification_command(results.record.config, best.hyperparameters)
        blocks.append(f"Train the best configuration longer:\n  {command}")
    return "\n\n".join(blocks)


def _heading(results: ResultsIndex, n_trials: int) -> str:
    completed = len(results.ranked)
    failed = sum(not outcome.success and outcome.final for outcome in results.outcomes)
    missing = n_trials - completed - failed
    parts = [f"{completed} of {n_trials} trials completed"]
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{missing} not finished"] if missing > 0 else []
    return f"Search summary: {', '.join(parts)}"


def _best(results: ResultsIndex, best: Outcome) -> str:
    lines = [f"Best configuration: trial {best.trial_num}, return {best.best_return:.4f}{_captured(best)}"]
    if results.reference is not None:
        reference = results.reference
        lines.append(
            f"  (winding up at once: {reference.wind_up_return:.4f}; the optimum: {reference.optimal_return:.4f})"
        )
    if verdict := best.metrics.get("verdict_text"):
        lines.append(textwrap.fill(verdict, WIDTH, initial_indent="  ", subsequent_indent="  "))
    width = max(map(len, NAMES))
    lines += [f"  {name:<{width}}  {_shown(getattr(best.hyperparameters, name))}" for name in NAMES]
    return "\n".join(lines)


def _top(results: ResultsIndex) -> str:
    """A column a trial: side by side the names alone would be wider than a terminal."""
    columns = [("rank", "trial", "return", "captured", *NAMES)]
    for rank, outcome in enumerate(results.ranked[:TOP], 1):
        captured = "" if outcome.captured_value is None else f"{outcome.captured_value:.3f}"
        values = (_shown(getattr(outcome.hyperparameters, name)) for name in NAMES)
        columns.append((str(rank), str(outcome.trial_num), f"{outcome.best_return:.4f}", captured, *values))
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "  ".join([name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))])
        for name, *cells in zip(*columns, strict=True)
    ]
    return f"Top {TOP} configurations\n" + "\n".join(f"  {line}" for line in lines)


def _failures(results: ResultsIndex) -> list[str]:
    failed = [outcome for outcome in results.outcomes if not outcome.success]
    if not failed:
        return []
    lines = [
        f"  trial {o.trial_num}: {o.status}: {o.error}\n    log: {results.path.parent / o.log}"
        for o in failed[:MAX_FAILURES]
    ]
    if len(failed) > MAX_FAILURES:
        lines.append(f"  and {len(failed) - MAX_FAILURES} more, in the results")
    return ["Not completed\n" + "\n".join(lines)]


def _captured(outcome: Outcome) -> str:
    value = outcome.captured_value
    return "" if value is None else f", captured value {value:.3f} (0: closing the firm at once, 1: optimal)"


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"
