"""Options of a training by group, and what is wrong with them, said before the parser says it less clearly."""

from collections.abc import Sequence

from ghm.errors import UserError

GROUPS = {
    "training": (
        "n_iterations", "seed", "lr_policy", "lr_baseline", "entropy_weight", "action_reg_weight", "max_grad_norm",
        "n_trajectories", "policy_hidden", "value_hidden",
    ),
    "problem": ("dt", "T", "terminal"),
    "learner": ("learner", "estimator", "baseline", "gae_lambda", "critic_memory", "select"),
    "execution": ("device", "n_threads"),
    "files and resuming": (
        "log_dir", "ckpt_dir", "result_file", "reference_file", "resume", "pause_at", "log_freq", "eval_freq", "evaluate_at",
        "ckpt_freq", "keep_checkpoints",
    ),
    "display": ("progress", "figures", "group"),
    "for searches": ("parent_pid",),
}  # fmt: skip
"""How help groups the options."""

_WIDTHS = ("--policy_hidden", "--value_hidden")


def require_separate_widths(arguments: Sequence[str]) -> None:
    """Refuse layer widths that are not separate words, such as ``64,64``.

    Raises:
        UserError: with the words that were meant.
    """
    for flag, value in zip(arguments, [*arguments[1:], ""], strict=False):
        name, _, attached = flag.partition("=")
        given = attached or value
        if name.replace("-", "_").replace("__", "--", 1) not in _WIDTHS or given.isdigit() or given.startswith("--"):
            continue
        widths = "".join(character if character.isdigit() else " " for character in given).split()
        meant = f"write {name} {' '.join(widths)}" if widths else f"such as {name} 64 64"
        raise UserError(f"{name} takes the layers' widths as words of their own; received {given!r}; {meant}")
