"""Searches that several test modules read; none of them writes into one."""

import pytest
from factory import Made, add_policy, make_search


@pytest.fixture(autouse=True, scope="session")
def _cards_once(cards_once: None) -> None:
    """Pages show a search's firms."""


@pytest.fixture(scope="session")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A search with failures, an unfinished trial, and a checkpoint of its best trial, on a small problem."""
    made = make_search(
        tmp_path_factory.mktemp("studied"),
        24,
        failures={3: ("diverged", "policy_loss is nan at iteration 1700"), 7: ("crashed", "killed by SIGKILL")},
        unfinished=[4],
        T=1.0,
        dt=0.05,
    )
    add_policy(made)
    return made
