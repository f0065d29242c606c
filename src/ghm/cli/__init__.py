"""The ``ghm`` command: one word for each thing it does, the rest is that thing's own command line.

Modules are imported when their command is asked for, so that ``ghm --help`` needs none of them.
"""

import difflib
import importlib
import sys
from collections.abc import Sequence

from ghm import __version__
from ghm.io.platforms import ExitStatus, run_program

COMMANDS = {
    "solve": ("ghm.cli.solve.command", "solve the model: the optimal policy, its value, the infinite horizon"),
    "train": ("ghm.training.main", "train one policy"),
    "search": ("ghm.search.main", "search hyperparameters: many trainings, ranked by captured value"),
    "report": ("ghm.report.main", "write a search's page again, or its figures and tables; compare searches"),
    "explain": ("ghm.search.explain", "explain why a trial was run, stopped or chosen"),
    "replay": ("ghm.search.replay", "train a trial again from its record, and compare"),
    "evaluate": ("ghm.cli.evaluate.command", "evaluate a policy, trained or your own, against the optimum"),
    "completion": ("ghm.cli.completion", "print a script that completes commands and options in a shell"),
}
"""Commands in the order of use: module, whose ``main(arguments)`` returns an exit status, and what it does."""

OTHER_NAMES = {"why": "explain"}
"""Short for a command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    return run_program(lambda: _main(words), ends=arguments is None)


def _main(words: list[str]) -> int:
    if words == ["--version"]:
        sys.stdout.write(f"ghm {__version__}\n")
        return 0
    if not words or words[0] in ("-h", "--help"):
        (sys.stdout if words else sys.stderr).write(usage())
        return 0 if words else ExitStatus.USER_ERROR
    name = OTHER_NAMES.get(words[0], words[0])
    if name not in COMMANDS:
        close = difflib.get_close_matches(words[0], COMMANDS, n=1)
        remedy = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(COMMANDS)}"
        sys.stderr.write(f"error: no command {words[0]!r}; {remedy}\n")
        return ExitStatus.USER_ERROR
    module = importlib.import_module(COMMANDS[name][0])
    return int(module.main(words[1:]))


def usage() -> str:
    """What ``ghm --help`` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {purpose}" for name, (_, purpose) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: ghm COMMAND [OPTIONS]",
            "",
            "Train policies for a firm that holds cash, search the hyperparameters, compare with the exact optimum.",
            "",
            "commands:",
            *lines,
            "",
            "`ghm COMMAND --help` lists the options of a command; `ghm --version` prints the version.",
            "",
        ]
    )
