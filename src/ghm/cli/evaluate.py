"""``ghm evaluate``: what a checkpoint's policy is worth, beside the optimum."""

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ghm.cli.output import fail, level, print_json, print_table
from ghm.errors import UserError
from ghm.model import GHMModel

if TYPE_CHECKING:
    from ghm.training.checkpoint import TrainedPolicy


@dataclass(frozen=True)
class EvaluateConfig:
    """Judge a checkpoint's policy: exact and simulated return, captured value, levels beside the optimum's, a verdict."""

    checkpoint: Annotated[Path, tyro.conf.Positional]
    """Checkpoint of a training run, such as checkpoints/best_model.pt."""
    json: bool = False
    """Print JSON instead of a table."""
    model: GHMModel = dataclasses.field(default_factory=GHMModel)
    """Parameters that the checkpoint must have been trained with, or it is refused; by default its own are taken."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    config = _parse(words, GHMModel())
    try:
        from ghm.training.checkpoint import load_trained

        trained = load_trained(config.checkpoint)
        # Read again with the checkpoint's own model as the default: what then differs was asked for.
        _require_model(config.checkpoint, trained.config.model, _parse(words, trained.config.model).model)
        metrics = evaluate(trained)
    except UserError as error:
        return fail(str(error))
    if config.json:
        print_json({"checkpoint": str(config.checkpoint), **metrics})
    else:
        _print_table(config.checkpoint, metrics)
    if not metrics["monte_carlo_agrees"]:
        sys.stderr.write("warning: the exact and the simulated return differ by more than four standard errors\n")
    return 0


def evaluate(trained: "TrainedPolicy") -> dict[str, Any]:
    """Metrics of a trained policy as in docs/design/records.md, with its exact returns and what it was trained on.

    Raises:
        UserError: when the decision problem cannot be solved.
    """
    from ghm.reference.store import solve
    from ghm.training.evaluation import Evaluator
    from ghm.training.exact import ExactReturns

    config, grid = trained.config, trained.problem.grid
    reference = solve(config.model, config.dt, config.T, config.terminal)
    returns = ExactReturns.build(config.model, config.dt, config.n_steps, config.terminal, grid)
    return {
        "iteration": trained.standing.iteration,
        **Evaluator(grid, config, reference, returns).full_metrics(trained.tables),
        "dt": config.dt,
        "T": config.T,
        "terminal": config.terminal,
        "model": dataclasses.asdict(config.model),
    }


def _parse(words: Sequence[str], model: GHMModel) -> EvaluateConfig:
    return tyro.cli(
        EvaluateConfig,
        prog="ghm evaluate",
        args=list(words),
        # A positional argument without a default stays required.
        default=EvaluateConfig(checkpoint=tyro.MISSING, model=model),
        use_underscores=True,
        config=(tyro.conf.FlagCreatePairsOff,),
    )


def _require_model(path: Path, trained: GHMModel, asked: GHMModel) -> None:
    different = [
        f"{name} is {getattr(trained, name):g}, not {getattr(asked, name):g}"
        for name in GHMModel.names()
        if getattr(trained, name) != getattr(asked, name)
    ]
    if different:
        raise UserError(
            f"{path} was trained on another model: {'; '.join(different)}; leave out --model.* to judge it on its own"
        )


def _print_table(path: Path, metrics: dict[str, Any]) -> None:
    captured = metrics["captured_value"]
    print_table(
        f"{path}, iteration {metrics['iteration']}",
        [
            ("exact return", f"{metrics['exact_return']:.4f}", f"{metrics['optimal_return']:.4f}"),
            ("acting as it draws", f"{metrics['stochastic_return']:.4f}", ""),
            ("by its most likely action", f"{metrics['most_likely_return']:.4f}", ""),
            ("simulated return", f"{metrics['monte_carlo_return']:.4f}", ""),
            ("its standard error", f"{metrics['monte_carlo_standard_error']:.4f}", ""),
            ("return of winding up at once", f"{metrics['wind_up_return']:.4f}", ""),
            ("captured value", "undefined" if captured is None else f"{captured:.4f}", "1.0000"),
            ("pays out above", level(metrics["payout_level"]), level(metrics["optimal_payout_level"])),
            ("issues below", level(metrics["issue_below"]), level(metrics["optimal_issue_below"])),
            ("issues up to", level(metrics["issue_target"]), level(metrics["optimal_issue_target"])),
        ],
        ("", "policy", "optimum"),
    )
    sys.stdout.write(f"{metrics['verdict_text']}\n")
