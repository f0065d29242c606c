"""Stands in for the training script: same flags, records and exit statuses, no training, no heavy imports.

Each iteration turns one number into the next, so a resumed run can be compared bit for bit with an undisturbed one.
The environment tells it what to do:

STUB_STEP_S   seconds an iteration sleeps, default 0.005
STUB_HURRY    a file: once it exists, iterations sleep no longer, also those of runs that have begun
STUB_UNEVEN   if set, runs take up to five times as long, each by its configuration and the number of its process
STUB_PACE     if set, seconds of start-up: then records have seconds, and an iteration costs more with more paths and wider
              networks, as real ones do
STUB_MODES    JSON, seed -> how that run ends (see `fail`), default: it completes
STUB_LEDGER   file that gets a line `start SEED ITERATION` and `done SEED` for the tests to count, and `together SEED` when
              another process is in the trial's directory: each holds a lock there, which the system lets go of at its end
"""

from __future__ import annotations

# The tests start thousands of these. With json, hashlib, pathlib, signal and typing a process takes three times as long to
# start: what is rare imports what it needs.
import _signal as signal
import fcntl
import os
import sys
import time
from _json import encode_basestring_ascii

try:
    from _sha2 import sha256  # Python 3.12 and later
except ImportError:
    from _sha256 import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MODEL = ("alpha", "mu", "r", "carry_cost", "sigma_a", "sigma_x", "rho", "proportional_cost", "fixed_cost", "recovery")
INTEGERS = ("n_trajectories", "n_iterations", "seed", "n_threads", "log_freq", "eval_freq", "ckpt_freq")
INTEGERS += ("keep_checkpoints", "parent_pid", "pause_at")
TEXTS = ("terminal", "estimator", "baseline", "device", "progress", "log_dir", "ckpt_dir", "result_file")
TEXTS += ("reference_file", "resume", "group", "figures", "learner", "select")
LISTS = ("policy_hidden", "value_hidden", "evaluate_at")
BITS = 2**64


def parse(arguments: list[str]) -> dict[str, Any]:
    settings: dict[str, Any] = {"model": {}, "resume": None, "parent_pid": None, "pause_at": None}
    values: list[str] = []
    for argument in arguments:
        if argument.startswith("--"):
            values = []
            name = argument[2:]
        else:
            values.append(argument)
            if name.startswith("model."):
                settings["model"][name[6:]] = float(argument)
            elif name in LISTS:
                settings[name] = [int(value) for value in values]
            else:
                settings[name] = (int if name in INTEGERS else str if name in TEXTS else float)(argument)
    return settings


class OrphanedError(Exception):
    pass


class Run:
    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.checkpoints: str = settings["ckpt_dir"]
        self.result_file: str = settings["result_file"]
        self.directory = os.path.dirname(self.result_file)
        self.seed = settings["seed"]
        self.started = time.monotonic()
        self.mode = mode_of(self.seed)
        self.state: dict[str, Any] = {"iteration": 0, "x": self.seed, "best": None, "best_iteration": 0}
        self.stop = False
        self.paced = "STUB_PACE" in os.environ
        if self.paced:
            time.sleep(float(os.environ["STUB_PACE"]))
        self.slowness: float = 1 + os.getpid() * 7 % 5 if "STUB_UNEVEN" in os.environ else 1
        if self.paced:
            nets = sum(settings["policy_hidden"]) + sum(settings["value_hidden"])
            self.slowness = 0.5 + settings["n_trajectories"] / 1000 + nets / 512

    def check_parent(self) -> None:
        parent = self.settings["parent_pid"]
        if parent is not None and os.getppid() != parent:
            raise OrphanedError

    def write(self, path: str, text: str) -> None:
        self.check_parent()
        directory, name = os.path.split(path)
        temporary = f"{directory}/.{name}.{os.getpid()}.tmp"
        write_text(temporary, text)
        os.replace(temporary, path)

    def result(self, status: str, error: str | None = None) -> None:
        metrics: dict[str, Any] = {}
        if self.state["best"] is not None:
            metrics = {
                "best_return": self.state["best"],
                "best_iteration": self.state["best_iteration"],
                "final_return": self.value(),
                "captured_value": (self.state["best"] - 5.95) / 0.7048,
                "optimal_return": 6.6548,
                "wind_up_return": 5.95,
                "verdict": "near_optimal",
                "payout_level": None,
            }
        config = {key: value for key, value in self.settings.items() if key not in ("parent_pid", "resume")}
        content = {
            "format": 1,
            "status": status,
            "iterations": self.state["iteration"],
            "n_iterations": self.settings["n_iterations"],
            "seconds": time.monotonic() - self.started,
            "error": error,
            "metrics": metrics,
            "config": config,
        }
        body = json_text(content).removesuffix("}")
        digest = sha256(body.encode()).hexdigest()
        self.write(self.result_file, f'{body},\n  "sha256": "{digest}"\n}}\n')

    def value(self) -> float:
        return 5.95 + 0.7 * self.state["x"] / BITS

    def step(self) -> None:
        if not os.path.isfile(os.environ.get("STUB_HURRY", "")):
            time.sleep(float(os.environ.get("STUB_STEP_S", "0.005")) * self.slowness)
        self.check_parent()
        state = self.state
        state["iteration"] += 1
        rate = int(1e9 * self.settings["lr_policy"])
        state["x"] = (state["x"] * 6364136223846793005 + self.seed + state["iteration"] + rate) % BITS
        if state["best"] is None or self.value() > state["best"]:
            state["best"], state["best_iteration"] = self.value(), state["iteration"]
        self.write(f"{self.checkpoints}/latest.pt", sealed(state))
        record = {"iteration": state["iteration"], "exact_return": self.value()}
        if self.paced:
            record["seconds"] = time.monotonic() - self.started
        write_text(f"{self.directory}/history.jsonl", json_text(record) + "\n", "a")

    def run(self) -> int:
        self.check_parent()
        if self.mode == "refuse":
            sys.stderr.write("error: --log_dir logs cannot be written\n")
            return 2
        resume = self.settings["resume"]
        if resume is not None:
            try:
                self.state = unsealed(resume)
            except ValueError:
                sys.stderr.write(f"error: {resume} is no checkpoint, or a damaged one\n")
                return 8
        self.enter()
        ledger(f"start {self.seed} {self.state['iteration']}")
        for directory in (self.checkpoints, self.settings["log_dir"]):
            if not os.path.isdir(directory):
                os.mkdir(directory)
        sys.stdout.write(f"training with seed {self.seed}\n")
        while self.state["iteration"] < self.settings["n_iterations"]:
            if self.state["iteration"] == self.settings["pause_at"]:
                self.result("paused")
                return 7
            self.step()
            if self.stop:
                self.result("interrupted", "SIGTERM")
                return 4
            if self.state["iteration"] >= 2 and (status := self.fail()) is not None:
                return status
        for name in ("best_model.pt", "final_model.pt"):
            self.write(f"{self.checkpoints}/{name}", json_text(self.state))
        self.result("completed")
        ledger(f"done {self.seed}")
        return 0

    def enter(self) -> None:
        if "STUB_LEDGER" in os.environ:
            self.lock = os.open(f"{self.directory}/.stub.lock", os.O_CREAT | os.O_WRONLY)
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                ledger(f"together {self.seed}")

    def fail(self) -> int | None:
        mode = self.mode
        if mode.endswith("_once"):
            mark = f"{self.directory}/failed_once"
            if os.path.exists(mark):
                return None
            write_text(mark, "")
            mode = mode.removesuffix("_once")
        if mode == "diverge":
            self.result("diverged", "value_loss became nan at iteration 2")
            return 3
        if mode == "crash":
            raise RuntimeError("a defect of the training")
        if mode in ("SIGSEGV", "SIGKILL"):
            os.kill(os.getpid(), getattr(signal, mode))
        if mode == "out_of_memory":
            self.result("out_of_memory", "cannot allocate 8 GiB")
            return 5
        if mode == "infrastructure":
            sys.stderr.write("error: No space left on device\n")
            return 6
        if mode == "interrupted":
            self.result("interrupted", "SIGTERM")
            return 4
        if mode == "usage":
            sys.stderr.write("error: --n_trajectories must be a whole number >= 1\n")
            return 2
        if mode == "hang":
            time.sleep(3600)
        if mode == "hang_deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                time.sleep(1)
        if mode == "no_result":
            return 0
        if mode == "nan_result":
            write_text(self.result_file, '{"format": 1, "status": "completed", "metrics": {"best_return": NaN}}')
            return 0
        if mode == "weird_error":
            self.result("diverged", "bad \x1b[31m\n" + "x" * 10_000)
            return 3
        return None


def mode_of(seed: int) -> str:
    modes = os.environ.get("STUB_MODES", "{}")
    if modes == "{}":
        return "complete"
    import json

    return str(json.loads(modes).get(str(seed), "complete"))


def json_text(value: Any) -> str:
    """As ``json.dumps`` writes what the trials' records hold."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{encode_basestring_ascii(key)}: {json_text(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(json_text, value)) + "]"
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    return "null" if value is None else repr(value)


def sealed(state: dict[str, Any]) -> str:
    text = json_text(state)
    return f"{text}\n{sha256(text.encode()).hexdigest()}"


def unsealed(path: str) -> dict[str, Any]:
    import json

    with open(path, "rb") as file:
        text, _, digest = file.read().partition(b"\n")
    if sha256(text).hexdigest().encode() != digest:
        raise ValueError("damaged")
    return dict(json.loads(text))


def write_text(path: str, text: str, mode: str = "w") -> None:
    with open(path, mode) as file:
        file.write(text)


def ledger(line: str) -> None:
    if path := os.environ.get("STUB_LEDGER"):
        write_text(path, line + "\n", "a")


def main() -> int:
    run = Run(parse(sys.argv[1:]))

    def on_stop(_number: int, _frame: object) -> None:
        run.stop = True
        if run.mode == "hang":
            raise InterruptedError

    signal.signal(signal.SIGTERM, on_stop)
    signal.signal(signal.SIGINT, on_stop)
    signal.signal(signal.SIGHUP, on_stop)
    try:
        return run.run()
    except InterruptedError:
        run.result("interrupted", "SIGTERM")
        return 4
    except OrphanedError:
        os._exit(1)
