"""The search space as the user assigns it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghm.errors import UserError
from ghm.search import SearchSpace
from ghm.search.settings.configurations import NAMES
from ghm.search.settings.inactive import size


def test_assignment_after_construction() -> None:
    space = SearchSpace()
    space.lr_policy = [3e-4, 1e-3]
    assert space.choices()["lr_policy"] == (3e-4, 1e-3)
    assert size(space.choices()) == 11_664 // 3 * 2


def test_numpy_values_become_plain_ones() -> None:
    space: Any = SearchSpace()
    space.lr_policy = np.logspace(-4, -2, 3)
    space.n_trajectories = [np.int64(100)]
    space.policy_hidden = [(np.int32(8), 8)]
    choices = space.choices()
    assert choices["lr_policy"] == pytest.approx((1e-4, 1e-3, 1e-2), rel=1e-12)
    json.dumps(choices)


def test_checked_when_used_not_when_assigned() -> None:
    space = SearchSpace()
    space.lr_policy = []
    with pytest.raises(UserError, match="lr_policy must hold 1 to 10000 values"):
        space.choices()


def test_the_checked_space_does_not_follow_later_changes() -> None:
    space = SearchSpace()
    choices = space.choices()
    space.lr_policy.append(9.0)
    assert 9.0 not in choices["lr_policy"]


def test_two_spaces_share_no_lists() -> None:
    SearchSpace().lr_policy.append(9.0)
    assert 9.0 not in SearchSpace().lr_policy


def test_a_file_names_what_it_changes(tmp_path: Path) -> None:
    (tmp_path / "space.json").write_text('{"lr_policy": [0.5], "value_hidden": [[8], [8, 8]]}')
    space = SearchSpace.from_file(tmp_path / "space.json")
    assert space.lr_policy == [0.5]
    assert space.value_hidden == [(8,), (8, 8)]
    assert space.policy_hidden == SearchSpace().policy_hidden


def test_names_follow_the_hyperparameters() -> None:
    assert tuple(field.name for field in dataclasses.fields(SearchSpace)) == NAMES


def test_a_value_of_another_list_is_refused_by_name() -> None:
    space = SearchSpace()
    space.policy_hidden = [(64, 0)]
    with pytest.raises(UserError, match=r"search space: policy_hidden must be a whole number >= 1"):
        space.choices()
