"""The ``ghm`` command: one word for each thing it does, the rest is that thing's own command line.

Modules are imported when their command is asked for, so that ``ghm --help`` needs none of them.
"""

import difflib
import importlib
import sys
from collections.abc import Sequence

from ghm import __version__
from ghm.io.platforms import run_program

EXIT_USER_ERROR = 2

COMMANDS = {
    "train": ("ghm.cli.train", "train one policy"),
    "search": ("ghm.cli.search", "search hyperparameters: many trainings, ranked by exact return"),
    "solve": ("ghm.cli.solve.command", "solve the model: the optimum that trained policies are judged by"),
    "evaluate": ("ghm.cli.evaluate.command", "judge any policy against the optimum"),
    "report": ("ghm.report.main", "write a search's report as one page, or its figures and tables"),
    "replay": ("ghm.search.replay", "run one trial of a search again"),
    "completion": ("ghm.cli.completion", "print a script with which a shell completes commands and flags"),
    "why": ("ghm.search.why", "say why a trial of a search was run, stopped or chosen"),
}
"""Each command's module, whose ``main(arguments)`` returns an exit status, and what it does."""


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
        return 0 if words else EXIT_USER_ERROR
    if words[0] not in COMMANDS:
        close = difflib.get_close_matches(words[0], COMMANDS, n=1)
        remedy = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(COMMANDS)}"
        sys.stderr.write(f"error: no command {words[0]!r}; {remedy}\n")
        return EXIT_USER_ERROR
    module = importlib.import_module(COMMANDS[words[0]][0])
    return int(module.main(words[1:]))


def usage() -> str:
    """What ``ghm --help`` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {purpose}" for name, (_, purpose) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: ghm COMMAND [OPTIONS]",
            "",
            "Hyperparameter search for Monte Carlo policy gradient on the GHM equity management model.",
            "",
            "commands:",
            *lines,
            "",
            "`ghm COMMAND --help` lists a command's options, `ghm --version` says which version this is.",
            "",
        ]
    )
