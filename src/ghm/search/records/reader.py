"""Reads a search as it was recorded: the results JSON and the trial directories beside it; nothing is written.

A trial's record is its own ``outcome.json`` and, where that is gone, its entry in the results JSON. A trial that was started and
left none runs, or was killed together with its search: its history says how far it has come. What is no record of ours is left
out and named in :attr:`~ghm.search.records.state.SearchState.damaged`; nothing in a file is ever executed.
"""

import contextlib
import shlex
from pathlib import Path
from typing import Any

import msgspec

from ghm.errors import UserError
from ghm.io.safe_read import DamagedError, parse_object, read_bytes
from ghm.io.sealed import check_seal, read_sealed
from ghm.io.values import require_path
from ghm.search.decisions.confirmation import stretches_of
from ghm.search.decisions.racing import Round
from ghm.search.decisions.selection import Decision
from ghm.search.records.directory import RECORD_NAME, recorded_trials, trial_directories
from ghm.search.records.journal import read_journal
from ghm.search.records.search_record import SearchRecord
from ghm.search.records.state import SearchState
from ghm.search.records.values import ReferenceReturns
from ghm.search.settings.configurations import parse_hyperparameters
from ghm.search.settings.methods import first_look
from ghm.search.trials.history import last_line
from ghm.search.trials.outcome import Count, Number, TrialRecord, TrialState
from ghm.training.settings import Hyperparameters


class _Reference(msgspec.Struct):
    optimal_return: float | None = None
    wind_up_return: float | None = None
    name: str | None = None


class _Choice(msgspec.Struct):
    chosen: tuple[Number, ...]
    seeds: tuple[Count, ...]
    iterations: Count
    race: tuple[Round, ...] = ()


class _Index(msgspec.Struct):
    """What of the results JSON is not settings: the rest is made from the trials."""

    results: list[Any]
    calibrations: tuple[_Reference, ...] = ()
    confirmation: _Choice | None = None
    optimal_return: float | None = None
    wind_up_return: float | None = None


def read_search(path: Path) -> SearchState:
    """The state of a search, from its results JSON or its directory (then the newest search in it).

    Raises:
        UserError: when there is no such file, or it is not a search's of this version.
    """
    require_path("results", path.absolute())
    path = newest_results(path) if path.is_dir() else path
    content = _read_results(path)
    try:
        state = SearchState(path, SearchRecord.from_dict(content))
        _take_index(state, msgspec.convert(content, _Index))
    except (DamagedError, msgspec.ValidationError) as error:
        raise UserError(
            f"{path} is not a search's results: {error}; give a search_results_*.json of this version"
        ) from error
    _take_directories(state)
    return state


def restored_search(results_dir: Path, record: SearchRecord) -> SearchState:
    """The state of the search ``record`` in its directory, whatever has become of its results JSON."""
    path = results_dir / record.results_name
    state = SearchState(path, record)
    with contextlib.suppress(OSError, DamagedError, msgspec.ValidationError):  # made again from the directories
        _take_index(state, msgspec.convert(read_sealed(path), _Index))
    _take_directories(state)
    return state


def known_trial(state: SearchState, number: int) -> TrialRecord:
    """The trial of that number, which a command's ``--trial`` names.

    Raises:
        UserError: when the search has none.
    """
    found = {one.trial_num: one for one in state.trials}
    if number not in found:
        known = f"it has {min(found)} to {max(found)}" if found else "it has none yet"
        raise UserError(f"--trial {number}: no record of such a trial in {state.path.parent}; {known}")
    return found[number]


def newest_results(directory: Path) -> Path:
    """The results JSON of the newest search in ``directory``; timestamps in names sort by time.

    Raises:
        UserError: when there is none.
    """
    found = sorted(directory.glob("search_results_*.json"))
    if not found:
        raise UserError(f"{directory} holds no search_results_*.json; give a search's results directory or file")
    return found[-1]


def _read_results(path: Path) -> dict[str, Any]:
    try:
        data = read_bytes(path, follow=True)
        content = parse_object(data)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror or error}; give a search_results_*.json or the search's directory"
        ) from error
    except DamagedError as error:
        raise UserError(f"{path} is {error}; give a search_results_*.json or the search's directory") from error
    # One without a seal comes from elsewhere, and there is nothing to hold it against.
    if "sha256" not in content:
        return content
    try:
        return check_seal(data)
    except DamagedError as error:
        raise UserError(
            f"{path}: {error}; --resume {shlex.quote(str(path.parent))} makes it again from the trials' own records"
        ) from error


def _take_index(state: SearchState, index: _Index) -> None:
    for place, entry in enumerate(index.results, 1):
        try:
            state.add(TrialRecord.from_entry(entry))
        except DamagedError as error:
            state.damaged[f"entry {place} of the results"] = str(error)
    for one in (_Reference(index.optimal_return, index.wind_up_return), *index.calibrations):
        if one.optimal_return is not None and one.wind_up_return is not None:
            state.references[one.name] = ReferenceReturns(one.optimal_return, one.wind_up_return)
    if (choice := index.confirmation) is not None:
        later = {seed for one in choice.race for seed in one.next}
        content: dict[str, Any] = {"iterations": choice.iterations, "chosen": [[n, None] for n in choice.chosen]}
        content["seeds"] = [seed for seed in choice.seeds if seed not in later]
        if first_look(len(choice.chosen), state.config.confirm_seeds if state.config.race else 0):
            content["race"] = state.config.confirm_seeds
        state.choose(Decision("confirmation", {}, content, ""))
        for look in choice.race:
            state.choose(Decision("race", {"seeds": look.seeds}, msgspec.to_builtins(look), ""))


def _take_directories(state: SearchState) -> None:
    directory = state.path.parent
    if not _owns(state.record, directory):
        return
    for number, outcome in recorded_trials(directory).items():
        state.add(outcome)
        last = last_line(state.directory(outcome)) if outcome.status.can_continue else None
        if last is not None and last.iteration > outcome.iterations:
            state.ahead[number] = last.iteration
    started = {
        number: place
        for number, place in trial_directories(directory).items()
        if number not in state.by_number and (place / "hyperparameters.json").exists()
    }
    if not started and not state.record.config.confirm and not state.record.grown:
        return
    proposed: dict[int, Hyperparameters] = {}
    for decision in _decisions(state):
        state.choose(decision)
        if decision.kind == "proposal":
            hyperparameters = decision.content["hyperparameters"]
            proposed[decision.subject["configuration"]] = parse_hyperparameters(hyperparameters)
    for number, place in started.items():
        try:
            state.add(_started(state, number, place, proposed))
        except (DamagedError, UserError, OSError) as error:
            state.damaged[place.name] = str(error)


def _owns(record: SearchRecord, directory: Path) -> bool:
    """Whether the trials in the directory are those of the search: of several results files there, one at most has them."""
    try:
        return bool(read_sealed(directory / RECORD_NAME).get("search") == record.name)
    except FileNotFoundError:
        return True
    except (OSError, DamagedError):
        return newest_results(directory).name == record.results_name


def _decisions(state: SearchState) -> list[Decision]:
    try:
        return read_journal(state.path.parent)
    except (UserError, OSError) as error:
        state.damaged["journal.jsonl"] = str(error)
        return []


def _started(state: SearchState, number: int, place: Path, proposed: dict[int, Hyperparameters]) -> TrialRecord:
    """A trial that was started and left no record: what the search gave it, and how far its history says that it has come."""
    numbering = state.numbering
    stretches = [] if state.choice is None else stretches_of(state.choice, state.rounds)
    configuration, instance, stage = numbering.placed(number, stretches, state.grown)
    # The file is not sealed; the decisions are.
    hyperparameters = proposed.get(configuration) or parse_hyperparameters(
        parse_object(read_bytes(place / "hyperparameters.json"))
    )
    last = last_line(place)
    return TrialRecord(
        number,
        hyperparameters,
        instance.seed,
        TrialState.UNFINISHED,
        iterations=0 if last is None else last.iteration,
        seconds=0.0 if last is None or last.seconds is None else last.seconds,
        configuration=configuration,
        calibration=None if instance.calibration is None else instance.calibration.name,
        stage=stage,
    )
