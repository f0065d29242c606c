"""``ghm evaluate``: what a policy is worth, beside the optimum, wherever it comes from."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ghm.cli.evaluate.config import GROUPS, EvaluateConfig
from ghm.cli.evaluate.sources import load_function
from ghm.cli.evaluate.table import print_evaluation
from ghm.cli.output import print_json
from ghm.command_line import parse
from ghm.economics.actions import Policy
from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.io.platforms import fail
from ghm.io.spinner import working
from ghm.policies.table_files import load_table
from ghm.solvers.answers.comparison import Comparison, compare
from ghm.solvers.answers.evaluation import ExactEvaluation, PolicyEvaluation, evaluate
from ghm.solvers.dynamic_program import dynamic_program

if TYPE_CHECKING:
    from ghm.training.checkpoints.checkpoint import TrainedPolicy


@dataclass(frozen=True)
class Judged:
    """A policy, the problem that it was judged on, and the figures found."""

    title: str
    policy: Policy
    problem: Problem
    figures: dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    config = _parse(words, {})
    try:
        with working("judging the policy"):
            judged = _judge(config, words)
            comparison = _compare(config, judged) if config.output is not None else None
            if config.figures is not None:
                from ghm.cli.evaluate.figures import write_figures

                write_figures(config.figures, judged.policy, judged.problem, judged.figures["action_rule"])
    except UserError as error:
        return fail(error)
    figures = judged.figures if comparison is None else {**judged.figures, "errors": comparison.error_figures()}
    if config.json:
        print_json(figures)
    else:
        print_evaluation(judged.title, figures)
        for written in (config.output, config.figures):
            sys.stdout.write(f"Written: {written}\n" if written is not None else "")
    if not figures["monte_carlo_agrees"]:
        sys.stderr.write("warning: the exact and the simulated firm value differ by more than four standard errors\n")
    return 0


def _parse(words: Sequence[str], problem: dict[str, Any]) -> EvaluateConfig:
    """The settings that ``words`` give; what they leave out of the problem is as ``problem`` says."""
    return parse(EvaluateConfig, words, "ghm evaluate", EvaluateConfig(**problem), groups=GROUPS)


def _judge(config: EvaluateConfig, words: Sequence[str]) -> Judged:
    """Load the policy that was asked for, and judge it.

    Raises:
        UserError: when there is none, or it cannot be judged.
    """
    if config.policy is not None:
        return _judge_function(load_function(config.policy), config, config.policy, {"policy": config.policy})
    if config.source is None:
        raise UserError("no policy to judge; give a checkpoint (.pt), a table (.npz), or --policy module:function")
    if config.source.suffix.lower() == ".npz":
        table = load_table(config.source)
        config = _parse(words, table.problem)
        return _judge_function(table.policy, config, str(config.source), {"table": str(config.source)})
    return _judge_checkpoint(config, words)


def _judge_function(policy: Any, config: EvaluateConfig, title: str, source: dict[str, Any]) -> Judged:
    found = evaluate(policy, config.problem, name=title)
    return Judged(title, found.policy, config.problem, {**source, **found.to_dict()})


def _judge_checkpoint(config: EvaluateConfig, words: Sequence[str]) -> Judged:
    from ghm.training.checkpoints.checkpoint import load_trained

    assert config.source is not None
    trained = load_trained(config.source)
    problem = trained.problem.problem
    own = {name: getattr(problem, name) for name in ("model", "dt", "T", "terminal")}
    # Read again with the checkpoint's own problem as the default: what then differs was asked for.
    _require_own(config, own, _parse(words, own))
    title = f"{config.source}, iteration {trained.standing.iteration}"
    figures = {"checkpoint": str(config.source), **evaluate_checkpoint(trained)}
    return Judged(title, trained.drawn_policy, problem, figures)


def evaluate_checkpoint(trained: "TrainedPolicy") -> dict[str, Any]:
    """Metrics of a trained policy as in docs/design/records.md, with its exact returns and what it was trained on.

    Raises:
        UserError: when the discrete-time problem cannot be solved.
    """
    exact = ExactEvaluation(trained.drawn_policy, dynamic_program(trained.problem.problem), trained.returns)
    evaluation = PolicyEvaluation.of(exact, seed=trained.config.seed)
    return {"iteration": trained.standing.iteration, **evaluation.to_dict()}


def _compare(config: EvaluateConfig, judged: Judged) -> Comparison:
    assert config.output is not None
    comparison = compare(
        judged.policy, judged.problem, config.cash_grid, config.time_grid, judged.figures["action_rule"]
    )
    comparison.save(config.output)
    return comparison


def _require_own(config: EvaluateConfig, own: dict[str, Any], asked: EvaluateConfig) -> None:
    """Refuse to judge a checkpoint on another problem than its own."""
    model = own["model"]
    different = [
        f"{name} is {getattr(model, name):g}, not {getattr(asked.model, name):g}"
        for name in GHMModel.names()
        if getattr(model, name) != getattr(asked.model, name)
    ]
    if different:
        raise UserError(
            f"{config.source} was trained on another model: {'; '.join(different)}; leave out --model.* to judge it on its own"
        )
    for name in ("dt", "T", "terminal"):
        if own[name] != getattr(asked, name):
            raise UserError(
                f"{config.source} was trained with {name} = {own[name]}, not {getattr(asked, name)}; "
                f"leave out --{name} to judge it on its own problem"
            )
