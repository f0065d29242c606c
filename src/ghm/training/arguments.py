"""What is wrong with a command line, said before the parser says it less clearly."""

from collections.abc import Sequence

from ghm.errors import UserError

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
