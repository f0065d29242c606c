"""``ghm train``: one training, as ``scripts/train_monte_carlo_ghm_time_augmented.py`` runs it."""

from collections.abc import Sequence

from ghm.training.main import main as train


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    return train(arguments, prog="ghm train")
