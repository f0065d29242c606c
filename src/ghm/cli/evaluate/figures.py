"""The pictures of ``ghm evaluate --figures``: those that a search's export draws of its best policy."""

from pathlib import Path

import matplotlib as mpl

from ghm.cli.figures import write_figure
from ghm.economics.action_rule import ActionRule
from ghm.economics.actions import Policy
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.report.analysis.policy import study
from ghm.report.drawing.plots import policy_figures
from ghm.report.export import STYLE
from ghm.solvers.dynamic_program import dynamic_program


def write_figures(directory: Path, policy: Policy, problem: Problem, action_rule: ActionRule) -> None:
    """Draw the policy, its value and simulated firms under one of its action rules beside the optimum's into ``directory``.

    Raises:
        UserError: when the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--figures {directory} cannot be written: {error.strerror or error}; choose another"
        ) from error
    found = study(policy, dynamic_program(problem), action_rule == "randomised")
    with mpl.rc_context(STYLE):
        for name, figure in policy_figures(found, "policy").items():
            for ending in (".pdf", ".png"):
                write_figure(directory / f"{name}{ending}", figure)
