"""The stored solution: what it is keyed by, when it is used again, when it is solved anew."""

import dataclasses
import io
import itertools

import numpy as np
import pytest

from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.io.sealed import seal_archive
from ghm.solvers import dynamic_program, free_boundary, store

MODEL, DT, T = GHMModel(), 0.05, 1.0
PROBLEM = Problem(MODEL, DT, T)


@pytest.fixture
def solved(monkeypatch):
    """Counts what is solved."""
    calls = []

    def counted(problem):
        calls.append(problem)
        return dynamic_program(problem)

    monkeypatch.setattr(store, "dynamic_program", counted)
    return calls


def same(one, other):
    return all(
        getattr(one, name) == getattr(other, name)
        if name in ("problem", "optimal_return", "outcomes", "slopes")
        else np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
        for name in (field.name for field in dataclasses.fields(one))
    )


def test_what_is_solved():
    reference = dynamic_program(PROBLEM)
    assert reference.wind_up_return == pytest.approx(1.0 + 4.95)
    assert reference.free_boundary is free_boundary(MODEL)
    levels = reference.levels
    assert dataclasses.astuple(reference.initial_levels) == (
        levels.payout_level[-1],
        levels.issue_below[-1],
        levels.issue_target[-1],
    )
    steps = np.round(reference.time_to_horizon[1:] / DT).astype(int)
    for name in levels._fields:
        np.testing.assert_array_equal(getattr(reference, name)[1:], getattr(levels, name)[steps - 1])
        assert np.isnan(getattr(reference, name)[0])


def test_levels_that_the_optimum_does_not_have_are_none():
    levels = dynamic_program(Problem(GHMModel(fixed_cost=6.0), DT, T)).initial_levels
    assert levels.payout_level is not None
    assert (levels.issue_below, levels.issue_target) == (None, None)
    assert dynamic_program(Problem(GHMModel(recovery=1.5), DT, T)).free_boundary is None


def test_captured_value_is_0_at_winding_up_and_1_at_the_optimum():
    reference = dynamic_program(PROBLEM)
    assert reference.captured_value(reference.wind_up_return) == 0.0
    assert reference.captured_value(reference.optimal_return) == 1.0
    assert reference.captured_value(reference.wind_up_return - 0.1) < 0.0
    hopeless = dataclasses.replace(reference, optimal_return=reference.wind_up_return)
    assert hopeless.captured_value(reference.wind_up_return) is None


def test_captured_value_is_undefined_where_closing_is_optimal_but_for_a_step():
    """At a recovery of 1.5 the firm gains what the step before its liquidation brings: a ratio to that says nothing."""
    closing = dynamic_program(Problem(GHMModel(recovery=1.5), DT, T))
    assert 0 < closing.optimal_return - closing.wind_up_return < closing.problem.model.step_from_zero(DT)
    assert closing.captured_value(closing.wind_up_return) is None
    assert dynamic_program(Problem(GHMModel(recovery=0.9), DT, T)).captured_value(closing.wind_up_return) is not None


def test_solved_once_and_read_back_the_same(tmp_path, solved):
    path = tmp_path / "reference.npz"
    first = store.load_or_solve(path, PROBLEM)
    again = store.load_or_solve(path, PROBLEM)
    assert len(solved) == 1
    assert same(first, again)
    assert same(first, store.load(path))
    assert not same(first, dataclasses.replace(first, optimal_return=0.0))  # negative control


def test_the_key_is_everything_the_solution_depends_on(tmp_path, solved):
    """Each parameter of the model, the step, the horizon and its payoff: another value is another solution."""
    path = tmp_path / "reference.npz"
    models = [MODEL, *(dataclasses.replace(MODEL, **{name: 1.01 * getattr(MODEL, name)}) for name in GHMModel.names())]
    problems = [(model, DT, T, "liquidation") for model in models]
    problems += [(MODEL, DT / 2, T, "liquidation"), (MODEL, DT, 2 * T, "liquidation"), (MODEL, DT, T, "zero")]
    found = [store.load_or_solve(path, Problem(*problem)).optimal_return for problem in problems]
    assert len(solved) == len(problems)
    assert all(one != other for one, other in itertools.combinations(found, 2))


def write(path, **arrays):
    """With a good seal, so that what is refused is the content."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    path.write_bytes(seal_archive(buffer.getvalue()))


@pytest.mark.parametrize(
    "damage", ["empty", "text", "cut", "no header", "an array less", "another format", "a figure less"]
)
def test_a_damaged_file_is_solved_again_and_replaced(tmp_path, solved, damage):
    path = tmp_path / "reference.npz"
    whole = store.load_or_solve(path, PROBLEM)
    content = path.read_bytes()
    arrays = dict(np.load(path))
    if damage in ("empty", "text", "cut"):
        path.write_bytes({"empty": b"", "text": b"no archive", "cut": content[: len(content) // 2]}[damage])
    else:
        header = str(arrays["header"])
        if damage == "no header":
            del arrays["header"]
        elif damage == "an array less":
            del arrays["values"]
        else:
            old, new = {
                "another format": (f'"format": {store.FORMAT}', '"format": 0'),
                "a figure less": ("optimal_return", "optional_return"),
            }[damage]
            assert old in header
            arrays["header"] = np.array(header.replace(old, new, 1))
        write(path, **arrays)
    assert same(whole, store.load_or_solve(path, PROBLEM))
    assert len(solved) == 2
    store.load_or_solve(path, PROBLEM)
    assert len(solved) == 2


def test_no_stored_solution_is_said(tmp_path):
    with pytest.raises(UserError, match="no stored solution"):
        store.load(tmp_path / "reference.npz")


def test_a_problem_without_solution_leaves_no_file(tmp_path):
    path = tmp_path / "reference.npz"
    with pytest.raises(UserError, match="immediate liquidation is optimal"):
        store.load_or_solve(path, Problem(GHMModel(recovery=1.5), DT, T, "going_concern"))
    assert not path.exists()


def test_a_bit_flipped_anywhere_is_noticed(tmp_path, monkeypatch):
    """Of 2,320 flips 172 ended in tracebacks of three kinds, and others could change the key or a name unseen."""
    path = tmp_path / "reference.npz"
    whole = store.load_or_solve(path, PROBLEM)
    good = path.read_bytes()
    monkeypatch.setattr(store, "dynamic_program", lambda *_: whole)
    for bit in np.random.default_rng(7).integers(8 * len(good), size=400):
        flipped = bytearray(good)
        flipped[bit // 8] ^= 1 << int(bit % 8)
        path.write_bytes(flipped)
        with pytest.raises(UserError, match=r"damaged solution of the model at .*reference\.npz"):
            store.load(path)
    assert same(whole, store.load_or_solve(path, PROBLEM))
    assert path.read_bytes() == good


def test_an_archive_that_grows_is_refused(tmp_path):
    """A few kilobytes that unpack to more than any solution has: refused at the bound, whatever its seal."""
    path = tmp_path / "reference.npz"
    write(path, header=np.array("{}"), values=np.zeros(store.MAX_BYTES // 8 + 1))
    assert path.stat().st_size < store.MAX_BYTES / 100
    with pytest.raises(UserError, match="damaged solution"):
        store.load(path)
