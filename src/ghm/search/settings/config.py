"""Settings of a search: a frozen dataclass that is also the command line of the search script."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from ghm.economics.model import GHMModel, Terminal
from ghm.errors import UserError
from ghm.io.plain import make_plain
from ghm.search.settings.methods import METHODS, Method, SearchType
from ghm.training.settings import (
    MAX_ITERATIONS,
    Baseline,
    Device,
    Estimator,
    LearnerName,
    Progress,
    Selection,
    TrainConfig,
    require_choice,
    require_integer,
    require_number,
    require_path,
)

RankBy = Literal["mean", "iqm", "worst"]
ExecutorName = Literal["local", "dask"]

RANK_WORDS: Mapping[RankBy, str] = {"mean": "mean", "iqm": "interquartile mean", "worst": "worst"}
"""How a configuration's trials are made one figure, in words."""

# More processes than this on one machine is a typing error.
MAX_WORKERS = 1024
MAX_TRIALS = 1_000_000
MAX_RETRIES = 100
# Signs come six times a heartbeat; a busy file server takes tenths of a second for each.
MIN_HEARTBEAT = 1.0
# Half of it is waited for a search of another host, the whole of it for a lost worker: longer is a typing error.
MAX_HEARTBEAT = 3600.0
MAX_SEEDS = 10_000
# A proposal sees nothing of the configurations less than this far before it; more than this learns nothing.
MAX_LAG = 10_000

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
    "n_seeds",
    "rank_by",
    "proposal_lag",
    "rungs",
    "model",
)
"""Settings that the trials' results depend on: a resumed search must have the same."""

OF_ONE_CALL = ("resume", "dry_run", "retry_failed", "allow_drift", "progress")
"""Flags that say what this one call does; a resumed search does not inherit them."""


@dataclass(frozen=True)
class SearchConfig:
    """Everything that decides a search, and where it leaves its record.

    Raises:
        UserError: when a value is out of range; the message names the flag, the value and the bound.
    """

    search_type: SearchType = "random"
    """Random draws from the search space; every configuration of it; or proposals that learn from what was recorded: a
    tree-structured Parzen estimator (needs `ghm[optuna]`), a Gaussian process."""
    n_trials: int = 20
    """Configurations of the search in total, also with --resume; a grid's number follows from its space. With one seed
    and one calibration, the default, each is one trial."""
    n_seeds: int = 1
    """Seeds that each configuration is trained on: the same ones for all, seed_base + 1 and so on."""
    calibrations: Path | None = None
    """Models that each configuration is trained on, as a JSON file: a list of objects with a name and parameters."""
    rank_by: RankBy = "mean"
    """What of a configuration's trials ranks it: mean, interquartile mean, or worst."""
    proposal_lag: int = 4
    """A learning proposal sees the outcomes of all configurations but the last ones, this many; so many can run at once."""
    rungs: tuple[int, ...] = ()
    """Iterations below n_iterations at which all configurations are evaluated and pause, and only the best go on, from
    their checkpoints."""
    keep: float = 0.34
    """Share of the configurations that go on at each rung; with --resume a larger one lets more of them go on."""
    confirm: int = 0
    """Best configurations to train again on fresh seeds once the search is over; also of a finished search."""
    confirm_seeds: int = 5
    """Fresh seeds of the confirmation, disjoint from all that the search tunes on."""
    confirm_iterations: int | None = None
    """Training iterations of the confirmation; default: n_iterations."""
    n_iterations: int = 5000
    """Training iterations of each trial."""
    n_workers: int = 1
    """Trials that run at the same time, each in its own process; with --dask_scheduler, the cluster's workers decide."""
    executor: ExecutorName = "local"
    """Who runs the trials: processes of this host, or a Dask cluster, started here unless --dask_scheduler names one."""
    dask_scheduler: str | None = None
    """With --executor dask: address of a running scheduler (tcp://host:port), or its scheduler file."""
    heartbeat: float = 60.0
    """With --executor dask: seconds of silence after which a search, or whoever runs a trial, counts as lost."""
    dt: float = 0.01
    """Length of a time step (years)."""
    T: float = 10.0
    """Horizon of an episode (years), a whole multiple of dt."""
    seed_base: int = 123
    """Trial k trains with seed seed_base + k; with several seeds, each configuration with seed_base + 1 and so on."""
    device: Device = "cpu"
    """Where the networks run; with several GPUs the workers get different ones."""
    results_dir: Path = Path("results/hyperparam_search")
    """Directory of the trials and the results JSON; an earlier search there is moved, whole, to RESULTS_DIR_earlier/."""
    log_freq: int = 100
    """Iterations between two log lines of a trial, each of them an exact evaluation."""
    eval_freq: int = 500
    """Iterations between two exact evaluations of a trial with a checkpoint to continue from."""
    ckpt_freq: int = 5000
    """Iterations between two numbered checkpoints of a trial."""
    keep_checkpoints: int = 1
    """Numbered checkpoints kept a trial (the newest ones), besides best_model.pt and final_model.pt."""
    resume: Path | None = None
    """Results JSON, or results directory, of a search to continue; its settings hold unless given again."""
    retry_failed: bool = False
    """With --resume: run failed trials again; refused once a decision was made from their outcomes."""
    allow_drift: bool = False
    """With --resume: continue although code or settings differ from the record; the difference is recorded."""
    trial_timeout: float | None = None
    """Seconds after which a trial is stopped and counted as failed; default: none."""
    max_retries: int = 1
    """Times a trial is started again after a failure of the machine (killed, out of memory, disk)."""
    space: Path | None = None
    """Search space as a JSON file of lists; a hyperparameter that it does not name keeps its default list."""
    dry_run: bool = False
    """Print the plan and stop."""
    progress: Progress = "auto"
    """Progress display: live table, plain lines, none; auto picks live on a terminal."""
    learner: LearnerName = "model_based"
    """What the trials' learner may know: model_based, the transition law; model_free, a simulator and what transactions cost."""
    estimator: Estimator | None = None
    """Policy-gradient estimator of the trials: bootstrap (default), conditional, martingale, monte_carlo; model_free:
    after_state (default), gae, monte_carlo."""
    baseline: Baseline | None = None
    """Where values come from: network (default) or exact; model_free: returns."""
    gae_lambda: float = TrainConfig.gae_lambda
    """λ of `--estimator gae`, 0 to 1."""
    critic_memory: float = TrainConfig.critic_memory
    """Iterations that the critic of `--estimator after_state` remembers, as a share of those done, 0 to 1."""
    select: Selection = "exact"
    """Returns by which a trial's best policy is chosen: exact ones, or simulated ones, which other models have too."""
    terminal: Terminal = "liquidation"
    """What shareholders get at the horizon: cash and liquidation value; nothing; or the infinite-horizon value."""
    n_threads: int = 1
    """Threads of a trial; one core a trial unless told otherwise."""
    model: GHMModel = dataclasses.field(default_factory=GHMModel)
    """Parameters of the model."""

    def __post_init__(self) -> None:
        make_plain(self)
        require_choice("search_type", self.search_type, SearchType)
        require_integer("n_trials", self.n_trials, lower=1, upper=MAX_TRIALS)
        require_integer("n_workers", self.n_workers, lower=1, upper=MAX_WORKERS)
        require_integer("max_retries", self.max_retries, lower=0, upper=MAX_RETRIES)
        require_integer("n_seeds", self.n_seeds, lower=1, upper=MAX_SEEDS)
        require_choice("rank_by", self.rank_by, RankBy)
        require_choice("progress", self.progress, Progress)
        require_integer("proposal_lag", self.proposal_lag, lower=1, upper=MAX_LAG)
        require_integer("confirm", self.confirm, lower=0, upper=MAX_TRIALS)
        require_integer("confirm_seeds", self.confirm_seeds, lower=1, upper=MAX_SEEDS)
        if self.confirm_iterations is not None:
            require_integer("confirm_iterations", self.confirm_iterations, lower=1, upper=MAX_ITERATIONS)
        # The last trial's seed, seed_base + k, must still be a seed.
        require_integer("seed_base", self.seed_base, lower=0, upper=2**62)
        if self.trial_timeout is not None:
            require_number("trial_timeout", self.trial_timeout, lower=0.0, strict=True)
        for name in ("retry_failed", "allow_drift", "dry_run"):
            if not isinstance(getattr(self, name), bool):
                raise UserError(f"--{name} must be true or false; received {getattr(self, name)!r}")
        for name in ("retry_failed", "allow_drift"):
            if getattr(self, name) and self.resume is None:
                raise UserError(f"--{name} needs --resume: it says how an earlier search is continued")
        for name in ("results_dir", "resume", "space", "calibrations"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, require_path(name, getattr(self, name)))
        shared = self.training(evaluate_at=())
        # The learner's own choice where none was given, so that the record says what was run.
        for name in ("estimator", "baseline"):
            object.__setattr__(self, name, getattr(shared, name))
        self._require_executor()
        self._require_rungs()

    def _require_executor(self) -> None:
        require_choice("executor", self.executor, ExecutorName)
        if self.dask_scheduler is not None and (not isinstance(self.dask_scheduler, str) or not self.dask_scheduler):
            raise UserError(f"--dask_scheduler must be an address or a file; received {self.dask_scheduler!r}")
        if self.dask_scheduler is not None and self.executor != "dask":
            raise UserError("--dask_scheduler needs --executor dask: it says where that cluster is")
        require_number("heartbeat", self.heartbeat, lower=MIN_HEARTBEAT)
        if self.heartbeat > MAX_HEARTBEAT:
            raise UserError(f"--heartbeat must be at most {MAX_HEARTBEAT:g} seconds; received {self.heartbeat!r}")

    def _require_rungs(self) -> None:
        if not isinstance(self.rungs, tuple):
            raise UserError(f"--rungs must be a list of iterations; received {self.rungs!r}")
        for rung in self.rungs:
            require_integer("rungs", rung, lower=1)
        if list(self.rungs) != sorted({*self.rungs}) or (self.rungs and self.rungs[-1] >= self.n_iterations):
            raise UserError(
                f"--rungs must increase and stay below --n_iterations {self.n_iterations}; received {self.rungs}"
            )
        require_number("keep", self.keep, lower=0.0, strict=True)
        if self.keep > 1:
            raise UserError(f"--keep must be a share, above 0 and at most 1; received {self.keep!r}")

    @property
    def method(self) -> Method:
        """Its search method."""
        return METHODS[self.search_type]

    def training(self, **settings: Any) -> TrainConfig:
        """The training settings that all trials share, with ``settings`` in addition.

        All rungs are among them: an evaluation that a training without pauses would not make could find another best policy.
        """
        names = {field.name for field in dataclasses.fields(TrainConfig)} - {"resume", "progress", "figures"}
        shared = {name: getattr(self, name) for name in names & {field.name for field in dataclasses.fields(self)}}
        return TrainConfig(**shared | {"evaluate_at": self.rungs} | settings)

    def lasting(self) -> Self:
        """These settings without what concerns one call only."""
        defaults = SearchConfig()
        return dataclasses.replace(self, **{name: getattr(defaults, name) for name in OF_ONE_CALL})

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON types."""
        return {
            key: str(value) if isinstance(value, Path) else value for key, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """The settings that :meth:`to_dict` wrote; one that is missing keeps its default.

        Raises:
            UserError: when ``values`` is no mapping, a key is unknown, or a value has the wrong type or range.
        """
        if not isinstance(values, dict):
            raise UserError(f"search settings must be a mapping; received {type(values).__name__}")
        unknown = sorted(str(key) for key in set(values) - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise UserError(f"unknown search settings {unknown}")
        arguments = dict(values)
        if "model" in arguments:
            arguments["model"] = _model(arguments["model"])
        return cls(**arguments)


def _model(values: Any) -> GHMModel:
    if not isinstance(values, dict):
        raise UserError(f"model must be a mapping of parameters; received {type(values).__name__}")
    return GHMModel.from_dict(values)
