"""What a training run prints at its end."""

import textwrap
from typing import Any

from ghm.io.safe_read import DamagedError, parse_object
from ghm.io.text import WIDTH, error_text, loss_text, percent_text, table_lines
from ghm.training.logging.metrics import policy_rows
from ghm.training.settings import TrainConfig


def summary(config: TrainConfig, metrics: dict[str, Any], seconds: float) -> str:
    """The run in a few plain lines, and the policy beside the optimum."""
    captured, rule = metrics["captured_value"], metrics["action_rule"]
    untrained = _untrained(config)
    before = "" if captured is None or untrained is None else f" (before training {percent_text(untrained, 2)})"
    lines = [
        f"Trained {config.n_iterations} iterations in {seconds:.1f} s ({1000 * seconds / config.n_iterations:.1f} ms each).",
        f"  best firm value  {metrics['best_return']:.4f} at iteration {metrics['best_iteration']}"
        f" (optimum {metrics['optimal_return']:.4f}, immediate liquidation {metrics['wind_up_return']:.4f})",
        f"  captured value   {'undefined' if captured is None else percent_text(captured, 2)}{before}",
        f"  loss             {loss_text(metrics['loss'])} of firm value",
        f"  simulated check  {metrics['monte_carlo_return']:.4f} ± {error_text(metrics['monte_carlo_standard_error'])}",
        textwrap.fill(f"  verdict          {metrics['verdict_text']}", WIDTH, subsequent_indent=19 * " "),
        f"  checkpoints      {config.ckpt_dir}",
        "",
        *table_lines((f"{rule} policy", "learned", "optimum"), *policy_rows(metrics.get, rule, config.T)),
    ]
    if not metrics["monte_carlo_agrees"]:
        lines.append("  WARNING: the exact and the simulated firm value differ by more than four standard errors")
    return "\n".join(lines)


def _untrained(config: TrainConfig) -> float | None:
    """Captured value before the first iteration, from the run's history."""
    try:
        with config.history_path.open("rb") as file:
            first = parse_object(file.readline())
    except (OSError, DamagedError):
        return None
    captured = first.get("captured_value")
    return captured if isinstance(captured, float) and first.get("iteration") == 0 else None
