"""The house's order that no import contract holds: rooms stay small enough to be seen at a glance."""

from pathlib import Path

import pytest

import ghm

ROOMS = 8
"""Files of a room at most."""

PACKAGE = Path(ghm.__file__).parent
FOLDERS = [folder for name in ("search", "report") for folder in sorted((PACKAGE / name).rglob("*")) if folder.is_dir()]


def modules(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.py"))


@pytest.mark.parametrize("folder", [PACKAGE / "search", PACKAGE / "report", *FOLDERS], ids=lambda folder: folder.name)
def test_a_room_has_at_most_eight_files(folder: Path) -> None:
    assert len(modules(folder)) <= ROOMS, modules(folder)


def test_the_count_would_show_a_room_that_is_too_full() -> None:
    """Negative control: the whole package would not pass for one room."""
    assert len(list((PACKAGE / "search").rglob("*.py"))) > ROOMS
