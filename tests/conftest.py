"""What holds for all tests."""

import functools
import itertools
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

# Before NumPy is imported: several test processes on two cores are a fifth slower, all in all, when each has threads of its own.
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

# Faults that the package would live on after end the test, in the processes it starts as well (ghm.io.guard).
os.environ["GHM_RAISE_HIDDEN"] = "1"

SLOWEST = (
    "test_trainer.py", "test_decisions.py", "test_journeys.py", "test_instances.py", "test_executors.py", "test_resume.py",
    "test_one_record.py", "test_every_field.py", "test_forking.py", "test_cluster_faults.py", "test_working_directory.py",
    "test_faults.py", "test_damage.py", "test_crash_points.py", "test_real_training.py", "test_pages.py", "test_estimator.py",
)  # fmt: skip
"""Files that take longest: they begin first, or the end of the last one would be waited for alone."""


def group_of(test: str) -> str:
    """What the test named so shares with others, which run in its process: its file, or what its id says, ``…@@group]``."""
    return test[:-1].rpartition("@@")[2] if "@@" in test else test.partition("::")[0]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--shuffle", type=int, metavar="SEED", help="tests in a random order: their groups, and those of a group"
    )


def shuffled(items: list[pytest.Item], seed: int) -> list[pytest.Item]:
    """The tests in a random order, those of a group one after the other."""
    order = random.Random(seed)
    groups = [list(group) for _, group in itertools.groupby(items, lambda item: group_of(item.nodeid))]
    for group in [groups, *groups]:
        order.shuffle(group)
    return list(itertools.chain(*groups))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests."""
    if (seed := config.getoption("shuffle")) is not None:
        items.sort(key=lambda item: group_of(item.nodeid))
        items[:] = shuffled(items, seed)
        return
    items.sort(key=lambda item: SLOWEST.index(item.path.name) if item.path.name in SLOWEST else len(SLOWEST))


@pytest.hookimpl(optionalhook=True)  # there is none without pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hands each group to one process, or the fixtures of a file would be made in all of them.

    Not pytest-xdist's own groups: what its version 3.8 does for them has no effect with pytest 9.2, and says nothing.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Groups(config, log)


@pytest.fixture(scope="session")
def cards_once() -> Iterator[None]:
    """Checking an optimum takes five CPU seconds for each firm; pages of many tests show the same two firms."""
    from ghm.solvers.validation import stored

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "validate", functools.cache(stored.validate))
        yield


@pytest.fixture(autouse=True, scope="session")
def _handed_out(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], None]:
    """Notes that this process has a group; fails where another one has it."""
    shared, ours = tmp_path_factory.getbasetemp().parent, set[str]()

    def note(group: str) -> None:
        if group not in ours:
            (shared / f"group {group.replace('/', ' ')}").touch(exist_ok=False)
            ours.add(group)

    return note if hasattr(request.config, "workerinput") else lambda _: None


@pytest.fixture(autouse=True)
def _in_one_process(request: pytest.FixtureRequest, _handed_out: Callable[[str], None]) -> None:
    _handed_out(group_of(request.node.nodeid))
