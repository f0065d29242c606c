"""Each journey is made once, whatever tests read it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.journeys.catalogue import JOURNEYS
from tests.journeys.searches import Stages
from tests.journeys.surfaces.stage import Stage

Reach = Callable[[str], Stage]


class Travels:
    """The journeys that were begun, each as far as was asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._begun: dict[Callable[[Path], Stages], Iterator[tuple[str, Stage]]] = {}
        self._reached: dict[str, Stage] = {}
        self._broken: dict[Callable[[Path], Stages], BaseException] = {}

    def reach(self, name: str) -> Stage:
        journey = next(journey for journey, names in JOURNEYS.items() if name in names)
        while name not in self._reached:
            if journey in self._broken:
                raise self._broken[journey]
            self._go_on(journey)
        return self._reached[name]

    def _go_on(self, journey: Callable[[Path], Stages]) -> None:
        if journey not in self._begun:
            place = self._root / f"journey-{len(self._begun)}"
            place.mkdir()
            self._begun[journey] = journey(place)
        try:
            name, stage = next(self._begun[journey])
        except BaseException as error:
            self._broken[journey] = error
            raise
        self._reached[name] = stage


@pytest.fixture(scope="session")
def reach(tmp_path_factory: pytest.TempPathFactory) -> Reach:
    """Makes a journey up to a stage, or gives back what was seen there."""
    return Travels(tmp_path_factory.mktemp("journeys")).reach
