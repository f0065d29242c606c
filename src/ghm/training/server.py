"""The process that a search's trials are forked from: it has imported and compiled all that a training needs, and runs none.

``python -m ghm.training.server FD ROOM`` prepares and says so on the socket ``FD``: ``ready``, or why trials must not be forked
from it. From then on each message there brings three descriptors: a trial's standard output, its standard error, and a channel.
The trial is forked twice: the process between ends at once, so that the trial is handed to the nearest ancestor that takes
orphans, which is whoever asked (it has said so, see `ghm.search.trials.forking`). So the trial is a child of the search as if
the search had started it: the search waits for it, sees how it ended, and is the parent whose death the trial notices, while
this process may be killed without any trial feeling it.

The trial writes its process number on the channel and waits for what it is to do; whoever is gone by then sends nothing, and
nothing is done. It leads a session of its own, and shows the command line that it would have had, by which those who look for
a trial's process find it (`ROOM` is a long argument of blanks, over which it is written).
"""

import ctypes
import gc
import importlib
import json
import os
import runpy
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

READY = b"ready"

MODULES = (
    "ghm.training.logging.progress",
    "ghm.training.main",
    "ghm.training.trainer",
    "tensorboard.compat.proto.event_pb2",
    "tensorboard.plugins.hparams.metadata",
    "tensorboard.summary.writer.record_writer",
)
"""What a training imports, late some of it."""

_DESCRIPTORS = 3

PID_BYTES = 8
"""Of the number that a trial tells."""

END = b"\n"
"""Of what a trial is told: what was cut off has none."""

# The process between has nothing to do but to end.
_LOOK_S = 0.0005


def warm_up() -> None:
    """Import what a training imports, and run once on tiny arrays what it runs compiled.

    Nothing here may start a thread, draw from a global generator, or touch a GPU, of which PyTorch's automatic gradient would
    make sure: no network learns.
    """
    for name in MODULES:
        importlib.import_module(name)
    from ghm.command_line import parse
    from ghm.economics.action_rule import Returns
    from ghm.policies.tabulated import TabulatedPolicy
    from ghm.simulation.kernel import Simulator
    from ghm.solvers.answers.evaluation import ExactEvaluation, PolicyEvaluation
    from ghm.solvers.dynamic_program import dynamic_program
    from ghm.training.exact import ExactReturns
    from ghm.training.learners.choice import gradient_estimator
    from ghm.training.learners.learner import Learner
    from ghm.training.problem import GriddedProblem
    from ghm.training.settings import TrainConfig

    # As the command line does: reading the settings' docstrings takes a tenth of a second.
    tiny = ["--dt", "0.1", "--T", "1.0", "--n_trajectories", "2", "--learner"]
    for name in ("model_free", "model_based"):
        config = parse(TrainConfig, [*tiny, name])
        problem = GriddedProblem.build(config.problem)
        learner = Learner(problem, config)
        tables = learner.tabulate().tables
        simulator = Simulator(problem.model, problem.grid, problem.terminal_values, config.seed)
        gradient_estimator(config, problem, simulator, learner)(tables, learner.given_values(), 1)
    ExactReturns.build(config.problem, problem.grid)(tables)
    # As one that is worth nothing, of which a verdict finds the fault.
    nothing = Returns(randomised=0.0, greedy=0.0)
    exact = ExactEvaluation(TabulatedPolicy(problem.grid, tables), dynamic_program(config.problem), nothing)
    PolicyEvaluation.of(exact, firms=2).metrics()


def main(arguments: Sequence[str]) -> None:
    """Prepare, and fork a trial for each message until whoever sends them is gone."""
    control, client = socket.socket(fileno=int(arguments[0])), os.getppid()
    control.send(_prepare())
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, _DESCRIPTORS)
        if not message:
            return
        try:
            between = os.fork()
        except OSError:  # no memory, no process left: who asked reads it from the channel, which closes
            between = None
        if between == 0:
            control.close()
            _hand_over(descriptors, client)
        for descriptor in descriptors:
            os.close(descriptor)
        if between is not None:
            os.waitpid(between, 0)


def _prepare() -> bytes:
    """``ready``, or why this process must not be forked."""
    warm_up()
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        return f"the libraries have started {threads - 1} threads, which do not survive a fork".encode()
    # What is frozen is never looked at again by the collector, which would write into every page of it.
    gc.collect()
    gc.freeze()
    return READY


def _hand_over(descriptors: Sequence[int], client: int) -> None:
    """In the process between: fork the trial and end."""
    between = os.getpid()
    try:
        if os.fork():
            os._exit(0)
    except OSError:
        os._exit(1)
    while os.getppid() == between:
        time.sleep(_LOOK_S)
    if os.getppid() != client:
        os._exit(1)
    os.setsid()
    _run(*descriptors)


def _run(stdout: int, stderr: int, channel: int) -> None:
    """In the trial: be told what to do, do it, and end with its exit status."""
    status = 1
    try:
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        os.close(stdout)
        os.close(stderr)
        with socket.socket(fileno=channel) as connection:
            request = _request(connection)
        if request is not None:
            os.environ.clear()
            os.environ.update(request["environment"])
            show_command(request["command"])
            status = run_command(request["command"])
    finally:
        # Not the interpreter's own end: what was registered for that is the server's.
        os._exit(status)


def _request(channel: socket.socket) -> dict[str, Any] | None:
    """What the trial is to do; None where whoever asked for it has gone."""
    try:
        channel.sendall(os.getpid().to_bytes(PID_BYTES, "big"))
        asked = b"".join(iter(lambda: channel.recv(1 << 16), b""))
    except OSError:
        return None
    return json.loads(asked) if asked.endswith(END) else None


def run_command(command: Sequence[str]) -> int:
    """Run what ``[python, script, ...]`` or ``[python, "-m", module, ...]`` runs, in this process; its exit status."""
    words = list(command[1:])
    while words[0] == "-P":  # no directory is put before the others here in any case
        words.pop(0)
    try:
        if words[0] == "-m":
            sys.argv = words[1:]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = words
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # the interpreter's own last resort
        traceback.print_exc()
        return 1
    return 0


def show_command(words: Sequence[str]) -> None:
    """Have the system show ``words`` as this process's command line, as far as there is room."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])  # proc(5): 48 and 49, counted from 1 with the two before the bracket
    text = b"\0".join(map(os.fsencode, words)) + b"\0"
    room = end - start
    ctypes.memmove(start, text[: room - 1].ljust(room - 1) + b"\0", room)


if __name__ == "__main__":
    main(sys.argv[1:])
