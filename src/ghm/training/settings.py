"""Settings of one training run: a frozen dataclass that is also the command line of the training script."""

import dataclasses
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

from ghm.economics.model import GHMModel, Terminal
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.io.values import Settings, is_whole, make_plain, require_integer, require_kinds, require_number

LearnerName = Literal["model_based", "model_free"]
Estimator = Literal["bootstrap", "conditional", "martingale", "monte_carlo", "gae", "after_state"]
Baseline = Literal["network", "exact", "returns"]
Selection = Literal["exact", "simulated"]
Device = Literal["cpu", "cuda"]
Progress = Literal["auto", "live", "plain", "none"]
Figures = Literal["drawn", "none"]

ESTIMATORS: dict[LearnerName, tuple[Estimator, ...]] = {
    "model_based": ("bootstrap", "conditional", "martingale", "monte_carlo"),
    "model_free": ("after_state", "gae", "monte_carlo"),
}
"""Estimators of each learner, its own first."""

BASELINES: dict[LearnerName, tuple[Baseline, ...]] = {"model_based": ("network", "exact"), "model_free": ("returns",)}
"""Baselines of each learner, its own first."""

OWN_ESTIMATOR = "; ".join(f"{learner}: {names[0]}" for learner, names in ESTIMATORS.items())
OWN_BASELINE = "; ".join(f"{learner}: {names[0]}" for learner, names in BASELINES.items())
"""The defaults that follow from the learner, as help shows them."""

# A wider or deeper network than this is a typing error, not a model of a two-dimensional state.
MAX_HIDDEN_LAYERS = 16
MAX_HIDDEN_WIDTH = 8192
# Of one network; its optimiser keeps three times as many numbers.
MAX_WEIGHTS = 1 << 24

MAX_TRAJECTORIES = 1_000_000
MAX_ITERATIONS = 1_000_000_000
MAX_THREADS = 1024

MAX_VISITS = 1_000_000_000
"""Most steps of all paths of an iteration together: some learners keep each of them."""


def shown_as(default: Any, metavar: str = "", hint: str = "") -> Any:
    """A field for which help shows a unit in the place of its value, or ``hint`` in the place of its default."""
    return dataclasses.field(default=default, metadata={"metavar": metavar, "hint": hint})


def searched(default: Any, hint: str = "", /, **inactive_under: tuple[str, ...]) -> Any:
    """A field of a setting that a search may vary; it has no effect where another setting has one of the values named."""
    return dataclasses.field(default=default, metadata={"inactive_under": inactive_under, "hint": hint})


def _but(*kept: Estimator) -> tuple[Estimator, ...]:
    return tuple(one for one in get_args(Estimator) if one not in kept)


@dataclass(frozen=True)
class Hyperparameters:
    """The eight hyperparameters that a search varies.

    Raises:
        UserError: when a value is out of range; the message names the flag, the value and the bound.
    """

    lr_policy: float = searched(1e-3)
    """Learning rate of the policy network, positive."""
    lr_baseline: float = searched(3e-3, baseline=("exact",), estimator=("after_state",))
    """Learning rate of the value network, positive.
    Without effect under `--baseline exact` or `--estimator after_state`."""
    entropy_weight: float = searched(0.01)
    """Weight of the bonus for random actions (entropy), fading to 0.
    At least 0. The entropy is that of the three modes: hold, pay, issue."""
    action_reg_weight: float = searched(0.01)
    """Weight of the penalty on boundaries near the ends of their range."""
    max_grad_norm: float = searched(1.0)
    """Largest norm of a gradient; longer ones are scaled down to it."""
    n_trajectories: int = searched(500)
    """Simulated paths per iteration, at least 1."""
    policy_hidden: tuple[int, ...] = searched((64, 64))
    """Widths of the policy network's hidden layers."""
    value_hidden: tuple[int, ...] = searched((64, 64), baseline=("exact",), estimator=("after_state",))
    """Widths of the value network's hidden layers.
    Without effect under `--baseline exact` or `--estimator after_state`."""

    def __post_init__(self) -> None:
        make_plain(self)
        for name in ("lr_policy", "lr_baseline", "max_grad_norm"):
            require_number(name, getattr(self, name), lower=0.0, strict=True)
        for name in ("entropy_weight", "action_reg_weight"):
            require_number(name, getattr(self, name), lower=0.0)
        require_integer("n_trajectories", self.n_trajectories, lower=1, upper=MAX_TRAJECTORIES)
        for name in ("policy_hidden", "value_hidden"):
            require_layers(name, getattr(self, name))


@dataclass(frozen=True)
class TrainConfig(Hyperparameters, Settings):
    """Everything that decides a training run, and where it leaves its record.

    Raises:
        UserError: when a value is out of range; the message names the flag, the value and the bound.
    """

    n_iterations: int = 5000
    """Training iterations, at least 1."""
    dt: float = 0.01
    """Time step (years)."""
    T: float = 10.0
    """Horizon (years), a multiple of dt."""
    terminal: Terminal = "liquidation"
    """Firm value at the horizon (going_concern: that of a firm that lives on).
    liquidation: cash and the liquidation value; zero: nothing; going_concern: the infinite-horizon value F."""
    learner: LearnerName = searched("model_based")
    """Uses the model's probabilities or not.
    model_based: the transition law. model_free: a simulator and what a transaction costs, as where a model cannot be solved."""
    estimator: Estimator | None = searched(None, OWN_ESTIMATOR)
    """How the gradient is estimated.
    model_based: bootstrap (the default), multi-step returns bootstrapped from V; conditional, the same with its sampled tail,
    which makes it unbiased; martingale; monte_carlo. model_free: after_state (the default), a critic of the cash that a
    transaction leaves; gae, generalised advantages; monte_carlo, the textbook's REINFORCE."""
    baseline: Baseline | None = searched(None, OWN_BASELINE)
    """Source of the baseline, the value that actions are compared with.
    model_based: network (the default), learned from the transition law's multi-step returns; exact, the policy's own value by
    one backward pass. model_free: returns, a critic fitted to sampled returns."""
    gae_lambda: float = searched(0.95, estimator=_but("gae"))
    """Estimator gae: its λ, from 0 (one step) to 1 (whole paths).
    How much later temporal differences count, in advantages and in the critic's targets."""
    critic_memory: float = searched(0.1, estimator=_but("after_state"))
    """Estimator after_state: iterations remembered, as a share of those done.
    From 0 to 1."""
    select: Selection = searched("exact")
    """Firm value by which the best policy is chosen.
    exact: computed from the transition law; simulated: a mean over paths, which other models have too."""
    seed: int = 123
    """Seed of the random draws and of the initial networks, at least 0."""
    device: Device = "cpu"
    """Where the networks run.
    Paths are always simulated on the CPU."""
    n_threads: int = 1
    """Threads of this run."""
    log_freq: int = 100
    """Iterations between two lines of the log."""
    eval_freq: int = 500
    """Evaluate at least every N iterations, at least twenty times a run.
    Each multiple of it, and the last iteration, also writes a checkpoint. Lines of the log and, of runs of 20 iterations and
    more, at least twenty iterations are evaluated, too; the best policy is chosen among all of them."""
    evaluate_at: tuple[int, ...] = ()
    """Further iterations to evaluate at, increasing.
    A search gives its rungs."""
    ckpt_freq: int = 5000
    """Iterations between two numbered checkpoints."""
    keep_checkpoints: int = 1
    """Numbered checkpoints to keep, besides best_model.pt and final_model.pt."""
    log_dir: Path = Path("runs/train/logs")
    """Directory of the TensorBoard event files."""
    ckpt_dir: Path = Path("runs/train/checkpoints")
    """Directory of the checkpoints."""
    result_file: Path | None = shown_as(None, hint="result.json beside --ckpt_dir")
    """JSON file of the result."""
    reference_file: Path | None = shown_as(None, hint="reference.npz beside --ckpt_dir")
    """File of the model's solution."""
    resume: Path | None = None
    """Checkpoint to continue from."""
    progress: Progress = "auto"
    """Live table or plain lines (auto: by terminal).
    auto: live on a terminal, else plain; none: nothing."""
    figures: Figures = "drawn"
    """Whether to draw the best policy for TensorBoard at the end.
    That takes a second or two; a search draws none for its trials."""
    pause_at: int | None = None
    """Iteration to pause at; the run can continue from latest.pt.
    Bit for bit as if it had not paused, since schedules follow n_iterations. A pause evaluates nothing; evaluate_at does."""
    group: str | None = None
    """Name under which TensorBoard shows this run together with others."""
    parent_pid: int | None = None
    """Process whose end also ends this run.
    A search gives its own."""
    model: GHMModel = dataclasses.field(default_factory=GHMModel)
    """Parameters of the model."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_kinds(self)
        self._choose("estimator", ESTIMATORS[self.learner])
        self._choose("baseline", BASELINES[self.learner])
        for name in ("gae_lambda", "critic_memory"):
            require_number(name, getattr(self, name), lower=0.0)
            if getattr(self, name) > 1:
                raise UserError(f"--{name} must be at most 1; received {getattr(self, name)!r}")
        for name in ("n_iterations", "log_freq", "eval_freq", "ckpt_freq", "keep_checkpoints"):
            require_integer(name, getattr(self, name), lower=1, upper=MAX_ITERATIONS)
        require_integer("n_threads", self.n_threads, lower=1, upper=MAX_THREADS)
        if self.pause_at is not None:
            require_integer("pause_at", self.pause_at, lower=1, upper=MAX_ITERATIONS)
        self._require_points()
        if self.group is not None and not isinstance(self.group, str):
            raise UserError(f"--group must be text; received {self.group!r}")
        # Seeds are one 64-bit word of the generator's key.
        require_integer("seed", self.seed, lower=0, upper=2**63 - 1)
        if (visits := self.n_trajectories * self.problem.n_steps) > MAX_VISITS:
            raise UserError(
                f"--n_trajectories {self.n_trajectories} paths of {self.problem.n_steps:,} steps are {visits:,} steps an "
                f"iteration, more than {MAX_VISITS:,}; lower --n_trajectories or raise --dt"
            )

    @property
    def problem(self) -> Problem:
        """What is trained on."""
        return Problem(self.model, self.dt, self.T, self.terminal)

    def _require_points(self) -> None:
        given, last = self.evaluate_at, self.n_iterations
        whole = isinstance(given, tuple) and all(map(is_whole, given))
        if not whole or list(given) != sorted({*given}) or not all(1 <= one <= last for one in given):
            raise UserError(f"--evaluate_at must be increasing whole numbers from 1 to {last}; received {given!r}")

    def _choose(self, name: str, choices: tuple[str, ...]) -> None:
        """Put the learner's own choice where none was given; refuse another learner's."""
        value = getattr(self, name)
        if value is None:
            object.__setattr__(self, name, choices[0])
        elif value not in choices:
            raise UserError(
                f"--{name} must be one of {', '.join(choices)} with --learner {self.learner}; received {value!r}"
            )

    @property
    def n_steps(self) -> int:
        """Time steps in an episode, n = T/dt."""
        return self.problem.n_steps

    @property
    def result_path(self) -> Path:
        """Where the result file goes."""
        return self.result_file or self.ckpt_dir.parent / "result.json"

    @property
    def history_path(self) -> Path:
        """Where the run's history goes: one JSON object a line, beside the result file."""
        return self.result_path.with_name("history.jsonl")

    @property
    def reference_path(self) -> Path:
        """Where the model's solution is kept."""
        return self.reference_file or self.ckpt_dir.parent / "reference.npz"


SEARCHABLE = {field.name: field for field in dataclasses.fields(TrainConfig) if "inactive_under" in field.metadata}
"""Every setting that a search may vary, by name; the eight hyperparameters first."""


def require_layers(name: str, value: Any) -> None:
    """Refuse hidden layers that are not a non-empty tuple of widths."""
    if not isinstance(value, tuple) or not 1 <= len(value) <= MAX_HIDDEN_LAYERS:
        raise UserError(f"--{name} must be 1 to {MAX_HIDDEN_LAYERS} layer widths, such as 64 64; received {value!r}")
    for width in value:
        require_integer(name, width, lower=1, upper=MAX_HIDDEN_WIDTH)
    if (weights := sum(below * above for below, above in pairwise(value))) > MAX_WEIGHTS:
        raise UserError(
            f"--{name} {value!r} makes {weights:,} weights, more than {MAX_WEIGHTS:,}; give narrower layers"
        )
