"""The ``ghm`` command."""


def main() -> None:
    """Run the command line."""
