"""``ghm completion``: a script with which a shell completes commands and flags. tyro writes it."""

import importlib
import sys
from collections.abc import Sequence

from ghm.io.platforms import fail

SHELLS = ("bash", "zsh", "fish")

SETTINGS = {
    "train": "ghm.training.settings:TrainConfig",
    "search": "ghm.search.settings.config:SearchConfig",
    "solve": "ghm.cli.solve.config:SolveConfig",
    "evaluate": "ghm.cli.evaluate.config:EvaluateConfig",
    "report": "ghm.report.main:ReportConfig",
    "replay": "ghm.search.replay:ReplayConfig",
    "explain": "ghm.search.explain:ExplainConfig",
}
"""Where each command's settings are: their fields are its flags."""

USAGE = """usage: ghm completion {bash,zsh,fish}

Print a script that completes ghm's commands and flags. To load it in every new shell:

  bash  ghm completion bash > ~/.local/share/bash-completion/completions/ghm
  zsh   ghm completion zsh > "${fpath[1]}/_ghm"
  fish  ghm completion fish > ~/.config/fish/completions/ghm.fish
"""


def main(arguments: Sequence[str]) -> int:
    """Print the script of the shell that is named; returns the exit status."""
    if list(arguments) in (["-h"], ["--help"]):
        sys.stdout.write(USAGE)
        return 0
    if len(arguments) != 1 or arguments[0] not in SHELLS:
        return fail(
            f"ghm completion takes a shell, one of {', '.join(SHELLS)}; received {' '.join(arguments) or 'none'}"
        )
    import tyro

    settings = {}
    for command, place in SETTINGS.items():
        module, _, name = place.partition(":")
        settings[command] = getattr(importlib.import_module(module), name)
    # Prints the script and ends the program, as --help does.
    tyro.extras.subcommand_cli_from_dict(
        settings,
        prog="ghm",
        args=["--tyro-print-completion", arguments[0]],
        use_underscores=True,
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    return 0
