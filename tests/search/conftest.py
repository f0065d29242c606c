"""Trials of the search's tests take next to no time, unless a test says otherwise."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run: a failure can be looked at, and none comes by chance.
settings.register_profile("fixed", derandomize=True)
settings.load_profile("fixed")


@pytest.fixture(autouse=True, scope="session")
def _cards_once(cards_once: None) -> None:
    """Pages show a search's firms."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("STUB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STUB_STEP_S", "0.001")
    # A test that leaves --results_dir out must not write into the checkout.
    monkeypatch.chdir(tmp_path)
