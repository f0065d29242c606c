"""A search as it was recorded: the results JSON and the trial directories beside it, read and never written.

There are two readings of the same entries. :func:`read_outcomes` is for going on with a search: what is damaged is left
out, since it can be made again. :func:`read_search` is for people, who want to see whatever there is.

Files may come from an interrupted, running or foreign search, so every figure is checked when it is used: what is no
finite number counts as missing, and nothing in a file is ever executed.
"""

import contextlib
import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ghm.economics.model import GHMModel
from ghm.errors import UserError
from ghm.io.safe_read import DamagedError, parse_object, read_bytes
from ghm.io.sealed import check_seal, read_sealed
from ghm.search.records.directory import most_bytes, trial_directories
from ghm.search.records.journal import read_journal
from ghm.search.records.search_record import SearchRecord
from ghm.search.settings.config import MAX_TRIALS, RankBy
from ghm.search.settings.space import label
from ghm.search.trials.outcome import NO_RETURN, Outcome, finite
from ghm.search.trials.trial import OUTCOME_NAME, directory_name, directory_number
from ghm.training.settings import require_path

MAX_HISTORY_BYTES = 64_000_000
"""A history has some 300 bytes a line and a hundred lines; one of this size has 200,000."""

_RANK_BY: Mapping[str, RankBy] = {"iqm": "iqm", "worst": "worst"}

UNFINISHED = "unfinished"
"""Status of a trial that has a directory but no result: running, or interrupted with its search."""


@dataclass(frozen=True)
class RecordedTrial:
    """One trial: its record in the results JSON, and the files of its directory."""

    number: int
    hyperparameters: Mapping[str, Any]
    metrics: Mapping[str, Any]
    status: str
    """``completed``, ``stopped_at_rung``, how it failed (``diverged``, ``crashed``, …), or ``UNFINISHED``."""
    directory: Path
    configuration: int = 0
    """Number of its configuration."""
    seed: int | None = None
    calibration: str | None = None
    """Name of the model that it was trained on; None: the search's own."""
    stage: str = "explore"
    """``explore`` or ``confirm``."""
    rungs: Mapping[int, float] = dataclasses.field(default_factory=dict)
    """Captured value (return, where that is undefined) of its best policy at the rungs that it reached, by iteration."""

    def reached(self, iteration: int, last: int) -> float | None:
        """What its best policy had reached by a rung, or by the ``last`` iteration; None where it did not come so far."""
        if iteration < last:
            return self.rungs.get(iteration)
        if self.status != "completed":
            return None
        return self.best_return if self.captured_value is None else self.captured_value

    @property
    def unfinished(self) -> bool:
        """Whether the trial is running, or was interrupted and can go on."""
        return self.status in (UNFINISHED, "interrupted", "paused")

    @property
    def success(self) -> bool:
        """Whether the trial went as far as it was asked to and left a figure to compare."""
        return self.status in ("completed", "stopped_at_rung") and self.best_return is not None

    @property
    def failed(self) -> bool:
        """Whether the trial ended without a usable result."""
        return not self.success and not self.unfinished

    @property
    def best_return(self) -> float | None:
        """Exact return of the trial's best policy."""
        value = finite(self.metrics.get("best_return"))
        return None if value == NO_RETURN else value

    @property
    def captured_value(self) -> float | None:
        """Share of the optimum's value over winding up that the best policy captured."""
        return finite(self.metrics.get("captured_value"))

    @property
    def seconds(self) -> float | None:
        """Training time."""
        return finite(self.metrics.get("seconds"))

    @property
    def reason(self) -> str:
        """Why the trial has no result, in one line."""
        error = self.metrics.get("error") or self.metrics.get("reason")
        if isinstance(error, str) and error.strip():
            return error.strip().splitlines()[-1]
        return "its figures are missing or not finite" if self.status == "completed" else "no reason was recorded"

    @property
    def best_checkpoint(self) -> Path:
        """File of the best policy; it may not exist."""
        return self.directory / "checkpoints" / "best_model.pt"

    @cached_property
    def history(self) -> tuple[Mapping[str, Any], ...]:
        """Lines of history.jsonl that are whole; empty where there is no such file."""
        try:
            data = read_bytes(self.directory / "history.jsonl", MAX_HISTORY_BYTES)
        except (OSError, DamagedError):
            return ()
        return tuple(record for line in data.splitlines() if (record := parse_record(line)) is not None)


def instances_of(entry: Mapping[str, Any]) -> list[Any]:
    """Numbers of the trials of an entry of ``configurations``."""
    return _listed(entry.get("instances"))


def parse_record(line: bytes) -> dict[str, Any] | None:
    """One line of history.jsonl; None for a line cut short or no JSON object."""
    try:
        return parse_object(line, lenient=True)
    except DamagedError:
        return None


@dataclass(frozen=True)
class RecordedSearch:
    """A search: its settings, its trials in order of number, and the model's own answer."""

    path: Path
    config: Mapping[str, Any]
    space: Mapping[str, Any]
    environment: Mapping[str, Any]
    optimal_return: float | None
    wind_up_return: float | None
    trials: tuple[RecordedTrial, ...]
    configurations: tuple[Mapping[str, Any], ...] = ()
    """Entries of ``configurations``, by number; empty in records of searches from before there were any."""
    confirmation: Mapping[str, Any] | None = None
    """The entry ``confirmation``."""
    calibrations: tuple[Mapping[str, Any], ...] = ()
    """Entries of ``calibrations``: a name and the model's parameters each."""

    @cached_property
    def explored(self) -> tuple[RecordedTrial, ...]:
        """Trials of the exploration, by number."""
        return tuple(trial for trial in self.trials if trial.stage == "explore")

    @cached_property
    def completed(self) -> tuple[RecordedTrial, ...]:
        """Trials that went as far as they were asked to, those of the confirmation too, by number."""
        return tuple(trial for trial in self.trials if trial.success)

    @cached_property
    def ranked(self) -> tuple[RecordedTrial, ...]:
        """Successful trials of the exploration: those that went further first, then the better ones, then by number.

        Better by return; where they were trained on several models, by captured value.
        """
        return tuple(sorted((trial for trial in self.explored if trial.success), key=self._rank))

    @cached_property
    def best(self) -> RecordedTrial | None:
        """The best trial of the best configuration: the confirmed one, or the one that leads as tuned."""
        chosen = _mapping(next(iter(_listed(_mapping(self.confirmation).get("configurations"))), None))
        if _mapping(self.confirmation).get("complete") is True:
            confirmed = [trial for trial in self.completed if trial.stage == "confirm"]
            ours = [trial for trial in confirmed if trial.configuration == chosen.get("configuration")]
            if ours:
                return min(ours, key=self._rank)
        # As the search itself ranks: what waits at a rung has come as far as that.
        standing = [
            trial
            for trial in self.explored
            if trial.success or (trial.status == "paused" and trial.best_return is not None)
        ]
        if self.several_instances:
            leader = next((entry.get("number") for entry in self.ranking if self._over(entry)), None)
            standing = [trial for trial in standing if trial.configuration == leader]
        return min(standing, key=self._rank, default=None)

    @property
    def n_instances(self) -> int:
        """Trials of each configuration."""
        seeds = finite(self.config.get("n_seeds")) or 1.0
        return max(int(seeds), 1) * max(len(self.calibrations), 1)

    def trials_of(self, entry: Mapping[str, Any]) -> list[RecordedTrial]:
        """Explored trials of an entry of ``configurations``."""
        number = finite(entry.get("number"))
        return [] if number is None else self._by_configuration.get(int(number), [])

    @cached_property
    def _by_configuration(self) -> dict[int, list[RecordedTrial]]:
        found: dict[int, list[RecordedTrial]] = {}
        for trial in self.explored:
            found.setdefault(trial.configuration, []).append(trial)
        return found

    def _over(self, entry: Mapping[str, Any]) -> bool:
        """Whether a configuration can lead: all its trials are over or wait at a rung, and there is a figure of them."""
        trials = self.trials_of(entry)
        going = any(trial.unfinished and trial.status != "paused" for trial in trials)
        return len(trials) >= self.n_instances and not going and finite(entry.get(self.rank_by)) is not None

    def _rank(self, trial: RecordedTrial) -> tuple[float, float, int]:
        # All that completed went equally far, whatever their records say of it.
        stopped = trial.status in ("stopped_at_rung", "paused")
        reached = finite(trial.metrics.get("iterations")) or 0.0 if stopped else math.inf
        figure = trial.captured_value if len(self.calibrations) > 1 else trial.best_return
        return -reached, math.inf if figure is None else -figure, trial.number

    @property
    def several_instances(self) -> bool:
        """Whether configurations were trained on more than one seed or calibration."""
        return any(len(instances_of(entry)) > 1 for entry in self.configurations)

    def model_of(self, trial: RecordedTrial) -> GHMModel | None:
        """The calibration that a trial was trained on; None: the search's own model.

        Raises:
            UserError: when the record has no such calibration, or no sound one.
        """
        if trial.calibration is None:
            return None
        entry = next((one for one in self.calibrations if one.get("name") == trial.calibration), {})
        parameters: dict[str, Any] = {name: entry.get(name) for name in GHMModel.names()}
        return GHMModel.from_dict(parameters)

    @property
    def rank_by(self) -> RankBy:
        """What of a configuration's trials ranks it."""
        return _RANK_BY.get(str(self.config.get("rank_by")), "mean")

    @cached_property
    def ranking(self) -> tuple[Mapping[str, Any], ...]:
        """Entries of ``configurations``, the best first: those without a failure, that went further, of higher value."""

        def key(entry: Mapping[str, Any]) -> tuple[float, float, float, float]:
            value = finite(entry.get(self.rank_by))
            failures = finite(entry.get("failures")) or 0.0
            reached = finite(entry.get("iterations")) or 0.0
            return failures, -reached, math.inf if value is None else -value, finite(entry.get("number")) or 0.0

        return tuple(sorted(self.configurations, key=key))

    @property
    def failed(self) -> tuple[RecordedTrial, ...]:
        """Trials that ended without a usable result."""
        return tuple(trial for trial in self.trials if trial.failed)

    @property
    def unfinished(self) -> tuple[RecordedTrial, ...]:
        """Trials that were started and have no result."""
        return tuple(trial for trial in self.trials if trial.unfinished)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the hyperparameters, those of the search space first."""
        extra = {name: None for trial in self.trials for name in trial.hyperparameters}
        return tuple({**dict.fromkeys(self.space), **extra})

    @cached_property
    def varied(self) -> tuple[str, ...]:
        """Hyperparameters of which the recorded trials tried more than one value."""
        return tuple(
            name for name in self.names if len({label(trial.hyperparameters.get(name)) for trial in self.trials}) > 1
        )

    @property
    def reference_path(self) -> Path:
        """The model's solution, kept once a search."""
        return self.path.parent / "reference.npz"


def read_search(path: Path) -> RecordedSearch:
    """Read a search from its results JSON, or the newest one in a directory.

    Raises:
        UserError: when there is no such file, or it is not a search's.
    """
    require_path("results", path.absolute())
    path = newest_results(path) if path.is_dir() else path
    content = _read_object(path, follow=True)
    results = content.get("results")
    if not isinstance(results, list) or not isinstance(content.get("search_config"), dict):
        raise UserError(
            f"{path} is not a search's results: it has no search_config or results; give a search_results_*.json"
        )
    trials = {trial.number: trial for entry in results if (trial := _trial(entry, path.parent)) is not None}
    search = RecordedSearch(
        path=path,
        config=content["search_config"],
        space=_mapping(content.get("search_space")),
        environment=_mapping(content.get("environment")),
        optimal_return=finite(content.get("optimal_return")),
        wind_up_return=finite(content.get("wind_up_return")),
        trials=(),
        configurations=tuple(entry for entry in _listed(content.get("configurations")) if isinstance(entry, dict)),
        confirmation=_mapping(content.get("confirmation")) or None,
        calibrations=tuple(entry for entry in _listed(content.get("calibrations")) if isinstance(entry, dict)),
    )
    for trial in _unfinished(search, set(trials)):
        trials[trial.number] = trial
    return dataclasses.replace(search, trials=tuple(trials[number] for number in sorted(trials)))


def read_outcomes(results_dir: Path, record: SearchRecord) -> dict[int, Outcome]:
    """Recorded outcomes by trial number: the trials' own records and, where those are gone, the results JSON's."""
    found = {outcome.trial_num: outcome for outcome in _outcomes_of_json(results_dir / record.results_name)}
    for number, directory in trial_directories(results_dir).items():
        with contextlib.suppress(OSError, DamagedError):
            outcome = Outcome.from_entry(read_sealed(directory / OUTCOME_NAME))
            if outcome.trial_num == number:
                found[number] = outcome
    return found


def _outcomes_of_json(path: Path) -> list[Outcome]:
    """Outcomes in a results JSON; none if it is missing or damaged, since the trials' directories have them."""
    try:
        entries = read_sealed(path, most_bytes(path)).get("results")
        return [Outcome.from_entry(entry) for entry in entries] if isinstance(entries, list) else []
    except (OSError, DamagedError):
        return []


def newest_results(directory: Path) -> Path:
    """The results JSON of the newest search in ``directory``; timestamps in names sort by time.

    Raises:
        UserError: when there is none.
    """
    found = sorted(directory.glob("search_results_*.json"))
    if not found:
        raise UserError(f"{directory} holds no search_results_*.json; give a search's results directory or file")
    return found[-1]


def _read_object(path: Path, *, follow: bool = False) -> dict[str, Any]:
    try:
        data = read_bytes(path, most_bytes(path), follow=follow)
        content = parse_object(data, lenient=True)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}; give a search_results_*.json") from error
    except DamagedError as error:
        raise UserError(f"{path} is {error}; give a search_results_*.json") from error
    # One without a seal comes from elsewhere, and there is nothing to hold it against.
    if "sha256" not in content:
        return content
    try:
        return check_seal(data)
    except DamagedError as error:
        raise UserError(
            f"{path}: {error}; --resume {path.parent} makes it again from the trials' own records"
        ) from error


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _trial(entry: Any, directory: Path) -> RecordedTrial | None:
    """A trial from its entry in the results; None where it has no number."""
    entry = _mapping(entry)
    number = entry.get("trial_num")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= MAX_TRIALS:
        return None
    metrics = _mapping(entry.get("metrics"))
    success = bool(metrics.get("success", entry.get("success", False)))
    recorded = metrics.get("status", entry.get("status"))
    status = "completed" if success else recorded if isinstance(recorded, str) and recorded != "completed" else "failed"
    status = "stopped_at_rung" if recorded == "stopped_at_rung" else status
    configuration, seed, calibration = (entry.get(key) for key in ("configuration", "seed", "calibration"))
    return RecordedTrial(
        number,
        _mapping(entry.get("hyperparameters")),
        metrics,
        status,
        directory / directory_name(number),
        configuration if isinstance(configuration, int) and not isinstance(configuration, bool) else number,
        seed if isinstance(seed, int) and not isinstance(seed, bool) else None,
        calibration if isinstance(calibration, str) else None,
        "confirm" if entry.get("stage") == "confirm" else "explore",
        _rungs(entry.get("rungs")),
    )


def _rungs(listed: Any) -> dict[int, float]:
    found = {}
    for entry in map(_mapping, _listed(listed)):
        iteration, captured, value = (finite(entry.get(key)) for key in ("iteration", "captured_value", "best_return"))
        figure = value if captured is None else captured
        if iteration is not None and figure is not None:
            found[int(iteration)] = figure
    return found


def _unfinished(search: RecordedSearch, recorded: set[int]) -> list[RecordedTrial]:
    """Trials of the search that have a directory, and no entry in the results yet."""
    directory = search.path.parent
    found, proposed = [], _proposed(directory)
    # Once something is confirmed, the exploration is over.
    stage = "explore" if search.confirmation is None else "confirm"
    for file in directory.glob("trial_*/hyperparameters.json"):
        number = directory_number(file.parent.name)
        if number is None or number in recorded:
            continue
        try:
            hyperparameters = _read_object(file)
        except UserError:
            hyperparameters = {}
        # The file is not sealed; the decisions are, and what none of them proposed is damaged.
        if proposed and hyperparameters not in proposed:
            hyperparameters = {}
        # Numbers run through the instances of a configuration before the next one's.
        configuration = (number - 1) // search.n_instances + 1 if stage == "explore" else 0
        found.append(RecordedTrial(number, hyperparameters, {}, UNFINISHED, file.parent, configuration, stage=stage))
    return found


def _proposed(directory: Path) -> list[Any]:
    """The hyperparameters that the search has decided to try; none where its journal is missing or damaged."""
    with contextlib.suppress(UserError, OSError):
        return [one.content.get("hyperparameters") for one in read_journal(directory) if one.kind == "proposal"]
    return []
