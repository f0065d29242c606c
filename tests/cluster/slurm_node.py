"""A Slurm cluster of one node, this one: munged, slurmctld and slurmd without systemd, on loopback only.

Needs Debian's packages slurm-wlm and munge, and root, since slurmd starts jobs for their owners.
"""

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.cluster.support import wait_until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo", "squeue")

# NoCtldInAddrAny and NoInAddrAny bind the daemons to the addresses that are named here, instead of to all.
# linuxproc finds a job's processes by their parents: control groups would need systemd, or rights that a container lacks.
CONFIGURATION = """
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={directory}/munge.socket
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd.pid
SlurmctldLogFile={directory}/slurmctld.log
SlurmdLogFile={directory}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=work Nodes={host} Default=YES State=UP
"""


@contextmanager
def slurm_node(directory: Path) -> Iterator[dict[str, str]]:
    """The node, and the environment with which Slurm's commands find it."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    assert not missing, f"{missing} are missing: apt-get install slurm-wlm munge"
    for name in ("state", "spool"):
        (directory / name).mkdir(parents=True)
    key = directory / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    directory.chmod(0o755)  # munged refuses a socket that others could not reach
    host, (controller, node) = socket.gethostname().split(".")[0], _free_ports()
    configuration = directory / "slurm.conf"
    settings: dict[str, Any] = {
        "host": host,
        "directory": directory,
        "controller": controller,
        "node": node,
        "cpus": os.cpu_count(),
    }
    settings["memory"] = psutil.virtual_memory().total >> 20
    configuration.write_text(CONFIGURATION.format(**settings))
    environment = os.environ | {"SLURM_CONF": str(configuration), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    munge = ["munged", "--foreground", "--force", "--key-file", key, "--socket", directory / "munge.socket"]
    munge += ["--pid-file", directory / "munged.pid", "--log-file", directory / "munged.log"]
    munge += ["--seed-file", directory / "munge.seed"]
    daemons: list[subprocess.Popen[bytes]] = []
    log = (directory / "daemons.log").open("ab")

    def start(*command: object) -> None:
        daemons.append(subprocess.Popen(list(map(str, command)), env=environment, stdout=log, stderr=log))

    try:
        start(*munge)
        wait_until((directory / "munge.socket").exists)
        start("slurmctld", "-D", "-i", "-f", configuration)
        start("slurmd", "-D", "-N", host, "-f", configuration)
        wait_until(lambda: "idle" in ask(environment, "sinfo", "--noheader", "--format=%T"))
        yield environment
    finally:
        ask(environment, "scancel", "--user=root")
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(30)
        log.close()


def ask(environment: dict[str, str], *command: str) -> str:
    """What a command of Slurm says."""
    said = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return said.stdout


def _free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as other:
        for listener in (one, other):
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in (one, other)]
