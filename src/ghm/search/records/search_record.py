"""What a search is: its settings, space, code and environment; and what differs when it is resumed.

The record is kept twice, in ``search.json`` and at the head of the results JSON, so that either can be made again.
"""

import dataclasses
import itertools
import re
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import msgspec

from ghm.errors import UserError
from ghm.io.sealed import DamagedError
from ghm.search.methods.earlier import Earlier
from ghm.search.records.environment import code_version, environment
from ghm.search.settings.calibrations import Calibration, parse_calibrations
from ghm.search.settings.config import SearchConfig
from ghm.search.settings.configurations import plain_hyperparameters
from ghm.search.settings.inactive import inactive_hyperparameters
from ghm.search.settings.space import Choices, SearchSpace, parse_configurations
from ghm.search.settings.trial_numbering import Extent, TrialNumbering
from ghm.training.settings import Hyperparameters

FORMAT = 1

_NAME = re.compile(r"\d{8}-\d{6}(-\d+)?\Z")

DECISIVE = (
    "search_type",
    "n_iterations",
    "dt",
    "T",
    "terminal",
    "learner",
    "estimator",
    "baseline",
    "gae_lambda",
    "critic_memory",
    "select",
    "seed_base",
    "device",
    "n_threads",
    "log_freq",
    "eval_freq",
    "rank_by",
    "proposal_lag",
    "model",
)
"""Settings that the trials' results depend on: a resumed search must have the same. Seeds and rungs may only grow."""


@dataclass(frozen=True)
class SearchRecord:
    """Everything but the trials."""

    name: str
    """When the search was started, as in ``search_results_20231215-143022.json``."""
    config: SearchConfig
    choices: Choices
    code: dict[str, str]
    """Versions that results depend on, see :func:`ghm.search.records.environment.code_version`."""
    environment: dict[str, Any]
    """What it was started on."""
    calibrations: tuple[Calibration, ...] = ()
    """Models that every configuration is trained on; empty: the settings' own one."""
    start_with: tuple[Hyperparameters, ...] = ()
    """Its first configurations, given by the user."""
    grown: tuple[Extent, ...] = ()
    """Its extents since its start, the present one last; empty where it has not grown."""
    learn_from: Earlier | None = None
    """Outcomes of an earlier search that its proposals learn from."""
    drift: tuple[dict[str, Any], ...] = ()
    """What differed, and when, each time it was resumed with --allow_drift."""

    @property
    def inactive(self) -> tuple[str, ...]:
        """Hyperparameters without effect under its settings, whatever the configuration."""
        return inactive_hyperparameters(vars(self.config), self.choices)

    @property
    def numbering(self) -> TrialNumbering:
        """Instances and numbers of its trials."""
        return TrialNumbering(self.config, self.calibrations, self.config.n_trials, self.grown)

    @property
    def results_name(self) -> str:
        """File name of the results JSON."""
        return f"search_results_{self.name}.json"

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON types."""
        return {
            "format": FORMAT,
            "search": self.name,
            "search_config": self.config.lasting().to_dict(),
            "search_space": {name: values.to_json() for name, values in self.choices.items()},
            "calibrations": [calibration.to_dict() for calibration in self.calibrations],
            **({"start_with": [plain_hyperparameters(one) for one in self.start_with]} if self.start_with else {}),
            **({"growth": [vars(one) | {"rungs": list(one.rungs)} for one in self.grown]} if self.grown else {}),
            **({} if self.learn_from is None else {"learn_from": self.learn_from.to_dict()}),
            "code": self.code,
            "environment": self.environment,
            "drift": list(self.drift),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The record that :meth:`to_dict` wrote, found in ``search.json`` or in a results JSON.

        Raises:
            DamagedError: when a part is missing or of the wrong type: no search of ours wrote it.
        """
        missing = [key for key in ("format", "search", "search_config", "search_space", "code") if key not in values]
        if missing:
            raise DamagedError(f"not a search's results: it lacks {', '.join(missing)}")
        if values["format"] != FORMAT:
            raise DamagedError(f"format {str(values['format'])[:20]!r}; this version reads format {FORMAT}")
        name, code, around = values["search"], values["code"], values.get("environment", {})
        drift = values.get("drift", [])
        if not isinstance(name, str) or not _NAME.match(name):
            raise DamagedError(f"the search's name is {str(name)[:80]!r}, not a time such as 20231215-143022")
        if not isinstance(code, dict) or not all(isinstance(version, str) for version in code.values()):
            raise DamagedError("code must map names to versions")
        if not isinstance(around, dict) or not isinstance(drift, list) or not all(isinstance(d, dict) for d in drift):
            raise DamagedError("environment or drift has the wrong type")
        try:
            config = SearchConfig.from_dict(values["search_config"])
            choices = SearchSpace.from_dict(values["search_space"]).choices()
            models = values.get("calibrations") or None
            calibrations = () if models is None else parse_calibrations(_plain(models), config.model)
            start_with = parse_configurations(values.get("start_with", []), choices)
            grown = msgspec.convert(values.get("growth", []), tuple[Extent, ...])
            told = values.get("learn_from")
            earlier = None if told is None else Earlier.from_dict(told, choices)
            found = cls(name, config, choices, code, around, calibrations, start_with, grown, earlier, tuple(drift))
            _require_extents(found.numbering)
            found.numbering.require_countable()
        except (UserError, msgspec.ValidationError) as error:
            raise DamagedError(str(error)) from error
        return found


def _require_extents(numbering: TrialNumbering) -> None:
    """Refuse extents that shrink, or of which the last is not that of the settings."""
    extents, config = numbering.extents, numbering.config
    whole = Extent(config.n_trials, config.rungs, config.n_seeds)
    now = Extent(extents[-1].n_trials, extents[-1].rungs, numbering.n_seeds(len(extents) - 1))
    pairs = list(itertools.pairwise(extents))
    if now != whole or any(b.n_trials < a.n_trials or {*a.rungs} - {*b.rungs} or b.n_seeds < 1 for a, b in pairs):
        raise DamagedError("growth does not lead to the settings")


def _plain(models: Any) -> Any:
    """Calibrations without the returns that the results JSON has beside them."""
    if not isinstance(models, list) or not all(isinstance(one, dict) for one in models):
        return models
    return [{key: value for key, value in one.items() if not key.endswith("_return")} for one in models]


def new_record(
    config: SearchConfig,
    choices: Choices,
    taken: Container[str] = (),
    calibrations: tuple[Calibration, ...] = (),
    start_with: tuple[Hyperparameters, ...] = (),
    learn_from: Earlier | None = None,
) -> SearchRecord:
    """The record of a search that starts now, with a name that is not among those ``taken``."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    name, copy = stamp, 1
    # Two searches within a second, or a clock that was set back.
    while name in taken:
        copy += 1
        name = f"{stamp}-{copy}"
    return SearchRecord(
        name, config, choices, code_version(), environment(), calibrations, start_with, learn_from=learn_from
    )


def resumed_record(
    recorded: SearchRecord,
    config: SearchConfig,
    choices: Choices,
    calibrations: tuple[Calibration, ...] = (),
    start_with: tuple[Hyperparameters, ...] = (),
    learn_from: Earlier | None = None,
    grown: tuple[Extent, ...] = (),
) -> SearchRecord:
    """The record of a search that goes on with these settings.

    Raises:
        UserError: when results would depend on the difference, unless ``config.allow_drift``.
    """
    # Of files that were not named again, the names stay beside the contents.
    kept = {
        name: getattr(config, name) or getattr(recorded.config, name)
        for name in ("space", "start_with", "calibrations", "learn_from")
    }
    config = dataclasses.replace(config, **kept)
    now = dataclasses.replace(
        recorded,
        config=config,
        code=code_version(),
        choices=choices,
        calibrations=calibrations,
        start_with=start_with,
        grown=grown,
        learn_from=learn_from,
    )
    if config.search_type != "grid" and config.n_trials < recorded.config.n_trials and not config.allow_drift:
        raise UserError(
            f"--n_trials {config.n_trials} is fewer than the {recorded.config.n_trials} of the search to --resume, some of "
            "which would be missing without a word; leave it out, or accept it with --allow_drift"
        )
    if renumbered := _renumbered(recorded, now):
        raise UserError(
            "--resume: under these settings numbers of recorded trials would mean other trainings, also with --allow_drift:\n  "
            + "\n  ".join(renumbered)
            + "\nGive the recorded settings (or none: they hold by themselves), or start a new search in another --results_dir"
        )
    differences = find_drift(recorded, now)
    if not differences:
        return now
    if not config.allow_drift:
        raise UserError(
            "--resume: the search was started with something else, and its trials would not be comparable:\n  "
            + "\n  ".join(differences)
            + "\nGive the recorded settings (or none: they hold by themselves), or accept it with --allow_drift"
        )
    entry = {"time": datetime.now().isoformat(timespec="seconds"), "differences": differences}
    return dataclasses.replace(now, drift=(*recorded.drift, entry))


def _renumbered(recorded: SearchRecord, now: SearchRecord) -> list[str]:
    """What differs of that by which a trial's number says its configuration, seed and calibration, one line each."""
    lines = _differences("seed_base", recorded.config.seed_base, now.config.seed_base)
    if "grid" in (now.config.search_type, recorded.config.search_type):
        lines += _differences("search_type", recorded.config.search_type, now.config.search_type)
    if "grid" in (now.config.search_type, recorded.config.search_type) or now.config.method.learns:
        lines += _space_differences(recorded, now)
    lines += _differences("start_with", recorded.start_with, now.start_with)
    earlier = [record.learn_from for record in (recorded, now)]
    told = [None if one is None else f"{one.search} ({one.digest[:12]})" for one in earlier]
    lines += _differences("learn_from", *told)
    names = [[one.name for one in record.calibrations] for record in (recorded, now)]
    lines += _differences("calibrations", *names)
    # One of another content is another model, whatever it is called.
    return lines + _changed_models(recorded, now)


def _changed_models(recorded: SearchRecord, now: SearchRecord) -> list[str]:
    models = [{one.name: one.model for one in record.calibrations} for record in (recorded, now)]
    return [
        line
        for name in sorted({*models[0], *models[1]})
        for line in _differences(f"calibration {name}", models[0].get(name), models[1].get(name))
    ]


def find_drift(recorded: SearchRecord, now: SearchRecord) -> list[str]:
    """What results depend on and differs, one line each."""
    lines = []
    for name in DECISIVE:
        lines += _differences(name, getattr(recorded.config, name), getattr(now.config, name))
    lines += _space_differences(recorded, now)
    lines += _changed_models(recorded, now)
    for name in sorted({*recorded.code, *now.code}):
        lines += _differences(f"version of {name}", recorded.code.get(name), now.code.get(name))
    return lines


def _space_differences(recorded: SearchRecord, now: SearchRecord) -> list[str]:
    spaces = [{name: values.to_json() for name, values in record.choices.items()} for record in (recorded, now)]
    return [
        line
        for name in dict.fromkeys((*spaces[0], *spaces[1]))
        for line in _differences(f"search space: {name}", spaces[0].get(name), spaces[1].get(name))
    ]


def _differences(name: str, recorded: Any, now: Any) -> list[str]:
    if dataclasses.is_dataclass(recorded) and type(now) is type(recorded):
        fields = [field.name for field in dataclasses.fields(recorded)]
        return [
            line
            for field in fields
            for line in _differences(f"{name}.{field}", getattr(recorded, field), getattr(now, field))
        ]
    return [] if recorded == now else [f"{name}: recorded {recorded}, now {now}"]
