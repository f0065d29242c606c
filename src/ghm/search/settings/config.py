"""Settings of a search: a frozen dataclass that is also the command line of the search script."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from ghm.economics.model import GHMModel, Terminal
from ghm.errors import UserError
from ghm.io.values import Settings, make_plain, require_integer, require_kinds, require_number
from ghm.search.settings.methods import METHODS, Method, SearchType, first_look, n_looks
from ghm.training.settings import (
    MAX_ITERATIONS,
    OWN_BASELINE,
    OWN_ESTIMATOR,
    Baseline,
    Device,
    Estimator,
    LearnerName,
    Progress,
    Selection,
    TrainConfig,
    shown_as,
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

OF_ONE_CALL = ("config", "time_limit", "resume", "top", "dry_run", "retry_failed", "allow_drift", "progress")
"""Flags that say what this one call does; a resumed search does not inherit them."""


@dataclass(frozen=True)
class SearchConfig(Settings):
    """Everything that decides a search, and where it leaves its record.

    Raises:
        UserError: when a value is out of range; the message names the flag, the value and the bound.
    """

    search_type: SearchType = "random"
    """Method; tpe and gp learn from earlier trials.
    Random draws from the search space; every configuration of it (grid); a tree-structured Parzen estimator (tpe, needs
    `ghm[optuna]`) or a Gaussian process (gp), which learn from earlier configurations (with rungs,
    from what these reached at the first)."""
    n_trials: int = 20
    """Number of configurations, with --resume the total; a grid tries all.
    A configuration is a choice of hyperparameters; a trial is one training of it. With one seed and one calibration, the
    default, each configuration is one trial."""
    n_seeds: int = 1
    """Seeds per configuration; if more than 1, the same for all.
    With --resume more of them, for all configurations or the best (--top)."""
    top: int | None = shown_as(None, hint="all")
    """With --resume and --n_seeds: only the best N get more seeds.
    Of those trained to their ends, by --rank_by. The choice is in the journal, see ghm explain."""
    calibrations: Path | None = None
    """JSON file of sets of model parameters; configurations train on all.
    A list of objects, each with a name and the parameters that differ from the search's model."""
    rank_by: RankBy = "mean"
    """Ranking statistic (iqm: mean of the middle half).
    Of their captured values over seeds and calibrations: mean, interquartile mean (iqm) or worst."""
    proposal_lag: int = 4
    """tpe and gp: configuration k learns from configurations 1 to k − N.
    So N can run at once, and proposals are the same with any number of workers. They need ten outcomes to learn from; the
    configurations before those are random."""
    rungs: tuple[int, ...] = ()
    """Iterations at which all trials pause and only the best continue.
    Increasing, below n_iterations. A trial that continues does so from its checkpoint. With --resume rungs can be added, for
    configurations that are added."""
    keep: float = 0.34
    """Share of configurations kept at a rung; the number is rounded up.
    With --resume it may be raised, and more of them continue."""
    confirm: int = 0
    """How many of the best to train again at the end, on fresh seeds."""
    confirm_seeds: int = 5
    """Fresh seeds of the confirmation; the search uses none of them."""
    race: bool = False
    """With --confirm: more seeds for the better half, until one is left.
    As many trainings; the last --confirm_seeds of them are the winner's own, from which alone its value is reported."""
    confirm_iterations: int | None = shown_as(None, hint="n_iterations")
    """Training iterations per trial of the confirmation."""
    n_iterations: int = 5000
    """Training iterations per trial."""
    budget: int | None = None
    """Training iterations of the whole search; n_trials follows from it.
    As many configurations as can be trained, rungs and confirmation included, whatever fails."""
    time_limit: float | None = shown_as(None, metavar="HOURS")
    """Time after which the search stops cleanly; --resume continues it."""
    n_workers: int = 1
    """Trials that run at the same time, each in its own process."""
    executor: ExecutorName = "local"
    """Where trials run."""
    dask_scheduler: str | None = None
    """Scheduler of a running Dask cluster: tcp://host:port, or its file."""
    heartbeat: float = shown_as(60.0, metavar="SECONDS")
    """Silence after which a Dask worker counts as lost.
    So does a search whose directory another one wants."""
    dt: float = 0.01
    """Time step (years)."""
    T: float = 10.0
    """Horizon (years), a multiple of dt."""
    seed_base: int = 123
    """With one seed per configuration, configuration k has seed_base + k.
    With several seeds per configuration, all use seed_base + 1, seed_base + 2 and so on."""
    device: Device = "cpu"
    """Where the networks run.
    With several GPUs each worker gets its own."""
    results_dir: Path = Path("results/hyperparam_search")
    """Directory of the results.
    An earlier search there is moved, whole, to RESULTS_DIR_earlier/."""
    log_freq: int = 100
    """Iterations between two lines of a trial's log."""
    eval_freq: int = 500
    """Evaluate at least every N iterations, at least twenty times a run.
    Each multiple of it also writes a checkpoint."""
    ckpt_freq: int = 5000
    """Iterations between two numbered checkpoints."""
    keep_checkpoints: int = 1
    """Numbered checkpoints to keep, besides best_model.pt and final_model.pt."""
    resume: Path | None = None
    """Search to continue: its directory or results JSON.
    Its settings hold unless given again."""
    retry_failed: bool = False
    """With --resume: run failed trials again.
    Refused once a decision was made from their results."""
    allow_drift: bool = False
    """With --resume: continue although code or settings have changed.
    The record keeps what changed."""
    trial_timeout: float | None = shown_as(None, metavar="SECONDS")
    """Time after which a trial is stopped and counted as failed."""
    max_retries: int = 1
    """Retries of a trial that was killed or ran out of memory or disk."""
    space: Path | None = None
    """JSON file of what to search: lists or ranges.
    Such as {"lr_policy": {"low": 1e-5, "high": 0.1, "log": true}, "n_trajectories": [250, 500]}. Any setting that changes how a
    policy learns can be named; one of the eight hyperparameters that is not keeps its default list."""
    start_with: Path | None = None
    """JSON file of configurations to try first.
    A list of objects such as [{"lr_policy": 0.001}], of values in the space. What one does not name has the default of ghm train,
    or the first value of a list that lacks it."""
    learn_from: Path | None = None
    """Results of an earlier search, whose outcomes tpe and gp know.
    Of the same problem and iterations; the plan says how many of its configurations are used. They are copied into the record."""
    config: Path | None = None
    """TOML file of settings, such as a search's search.toml; options override it.
    The model's are in [model]; [space] and [[calibrations]] are what --space and --calibrations read. For the command line."""
    dry_run: bool = False
    """Print the plan and stop."""
    progress: Progress = "auto"
    """Live table or plain lines (auto: by terminal).
    auto: live on a terminal, else plain; none: nothing."""
    learner: LearnerName = "model_based"
    """Uses the model's probabilities or not.
    model_based: the transition law; model_free: a simulator and what a transaction costs."""
    estimator: Estimator | None = shown_as(None, hint=OWN_ESTIMATOR)
    """How the gradient is estimated.
    model_based: the first four, bootstrap by default; model_free: the last three, after_state by default."""
    baseline: Baseline | None = shown_as(None, hint=OWN_BASELINE)
    """Source of the baseline, the value that actions are compared with.
    model_based: network by default, or exact; model_free: returns."""
    gae_lambda: float = TrainConfig.gae_lambda
    """Estimator gae: its λ, from 0 (one step) to 1 (whole paths)."""
    critic_memory: float = TrainConfig.critic_memory
    """Estimator after_state: iterations remembered, as a share of those done.
    From 0 to 1."""
    select: Selection = "exact"
    """Firm value by which a trial's best policy is chosen."""
    terminal: Terminal = "liquidation"
    """Firm value at the horizon (going_concern: that of a firm that lives on).
    liquidation: cash and the liquidation value; zero: nothing; going_concern: the infinite-horizon value F."""
    n_threads: int = 1
    """Threads per trial."""
    model: GHMModel = dataclasses.field(default_factory=GHMModel)
    """Parameters of the model."""

    def __post_init__(self) -> None:
        make_plain(self)
        require_kinds(self)
        require_integer("n_trials", self.n_trials, lower=1, upper=MAX_TRIALS)
        require_integer("n_workers", self.n_workers, lower=1, upper=MAX_WORKERS)
        require_integer("max_retries", self.max_retries, lower=0, upper=MAX_RETRIES)
        require_integer("n_seeds", self.n_seeds, lower=1, upper=MAX_SEEDS)
        require_integer("proposal_lag", self.proposal_lag, lower=1, upper=MAX_LAG)
        require_integer("confirm", self.confirm, lower=0, upper=MAX_TRIALS)
        require_integer("confirm_seeds", self.confirm_seeds, lower=1, upper=MAX_SEEDS)
        if self.confirm_iterations is not None:
            require_integer("confirm_iterations", self.confirm_iterations, lower=1, upper=MAX_ITERATIONS)
        # The last trial's seed, seed_base + k, must still be a seed.
        require_integer("seed_base", self.seed_base, lower=0, upper=2**62)
        for name in ("trial_timeout", "time_limit"):
            if getattr(self, name) is not None:
                require_number(name, getattr(self, name), lower=0.0, strict=True)
        if self.budget is not None:
            require_integer("budget", self.budget, lower=1)
        for name in ("budget", "start_with"):
            if getattr(self, name) is not None and self.search_type == "grid":
                raise UserError(
                    f"--{name} is not for a grid, which has all its configurations once; use --search_type random"
                )
        if self.top is not None:
            require_integer("top", self.top, lower=1, upper=MAX_TRIALS)
            if self.resume is None:
                raise UserError(
                    f"--top {self.top} needs --resume: it says how many configurations of an earlier search get more seeds"
                )
        if self.learn_from is not None and not self.method.learns:
            raise UserError(
                f"--learn_from is for tpe and gp: --search_type {self.search_type} learns nothing; leave one out"
            )
        for name in ("retry_failed", "allow_drift"):
            if getattr(self, name) and self.resume is None:
                raise UserError(f"--{name} needs --resume: it says how an earlier search is continued")
        shared = self.training(evaluate_at=())
        # The learner's own choice where none was given, so that the record says what was run.
        for name in ("estimator", "baseline"):
            object.__setattr__(self, name, getattr(shared, name))
        self._require_executor()
        self._require_rungs()
        self._require_race()

    def _require_executor(self) -> None:
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
                f"--rungs must increase and stay below --n_iterations {self.n_iterations}; "
                f"received {' '.join(map(str, self.rungs))}"
            )
        require_number("keep", self.keep, lower=0.0, strict=True)
        if self.keep > 1:
            raise UserError(f"--keep must be a share, above 0 and at most 1; received {self.keep!r}")

    def _require_race(self) -> None:
        if self.race and (self.confirm < 2 or self.rank_by == "worst"):
            raise UserError("--race needs --confirm 2 or more, and compares means, so not --rank_by worst; change them")
        if self.race and not first_look(self.confirm, self.confirm_seeds):
            least = -(-2 * n_looks(self.confirm) * self.confirm // (self.confirm - 1))
            raise UserError(
                f"--race needs --confirm_seeds {least} or more with --confirm {self.confirm}, two seeds before the first look; "
                f"received {self.confirm_seeds}"
            )

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
