"""A sweep on a real Slurm: Debian's slurm-wlm, started by this test on loopback in a folder of its own."""

import os
import shutil
import socket
import subprocess
import time
from dataclasses import replace

import pytest

from tests.whole.conftest import told
from tests.whole.test_sweep import SWEEP, holder, is_gone, wait_for

# No munge, no cgroups, no accounting: nothing of the machine's own set-up is used or changed.
CONFIG = """\
ClusterName=mostest
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/none
CredType=cred/none
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,batch_sched_delay=0
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=test Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster of one node, this machine; the environment that speaks to it."""
    lacks = [tool for tool in ("slurmctld", "slurmd", "sbatch", "srun") if not shutil.which(tool)]
    if lacks:
        pytest.skip(f"needs Slurm (Debian: apt-get install slurm-wlm); there is no {lacks[0]}")
    if os.geteuid():
        pytest.skip("needs root: slurmd starts jobs as the user who submits them")
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    host = socket.gethostname().partition(".")[0]
    config = folder / "slurm.conf"
    config.write_text(CONFIG.format(host=host, ports=ports, folder=folder))
    environ = {"SLURM_CONF": str(config)}
    daemons = []
    try:
        for words in (["slurmctld", "-D", "-i"], ["slurmd", "-D"]):
            with open(folder / f"{words[0]}.out", "w") as out:
                daemon = subprocess.Popen(
                    words, env=os.environ | environ, stdout=out, stderr=subprocess.STDOUT
                )
            daemons.append(daemon)
        deadline = time.monotonic() + 30
        while "idle" not in ask(environ, "sinfo", "--noheader", "--format", "%T"):
            if time.monotonic() > deadline or any(d.poll() is not None for d in daemons):
                said = (folder / "slurmctld.out").read_text() + (folder / "slurmd.out").read_text()
                errors = [line for line in said.splitlines() if "error" in line or "fatal" in line]
                pytest.skip("this machine cannot run Slurm: " + "; ".join(errors[-2:]))
            time.sleep(0.2)
        yield environ
    finally:
        subprocess.run(
            ["scancel", "--user", "root"], env=os.environ | environ, capture_output=True, timeout=20
        )
        # The node first: it tells the controller.
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait()


def ask(environ, *words):
    return subprocess.run(
        words, env=os.environ | environ, capture_output=True, text=True, timeout=20
    ).stdout


def test_an_array_on_slurm_fails_alone_is_requeued_and_goes_on(press, trained, cluster, tmp_path):
    press = replace(press, environ=press.environ | cluster)
    file = tmp_path / "mine.yaml"
    file.write_text("""
launchers: [unet-2d-none]
settings: [phantom-tiny]
variants:
  - {dir_postfix: '[a,b]', COUNT: 500}
  - {dir_postfix: '[bad]', COUNT: 1, dataset_crop_size: [64, 64]}
  - {dir_postfix: '[good]', COUNT: 1}
""")
    words = [SWEEP, "--file", str(file)]
    status = lambda: press(*words, "--status").stdout  # noqa: E731
    submitted = press(*words, "--slurm", "--slurm_cpus", 1, "--jobs", 2, "--slurm_time", "1:00:00")
    assert "submitted 3 of 3 cells as job" in submitted.stdout
    job = submitted.stdout.split("as job ")[1].split(";")[0]
    run = press.run("unet-2d-none[a,b]")
    text = ask(cluster, "scontrol", "show", "job", job)
    assert "ArrayTaskThrottle=2" in text and "TimeLimit=01:00:00" in text

    # The other two finish and fail while the long one runs.
    done = press.run("unet-2d-none[good]")
    wait_for(lambda: (run / "epoch-0001").exists() and (done / "best").exists())
    wait_for(lambda: "1 finished, 1 running, 1 failed" in status())
    assert "error: --dataset_crop_size" in status()
    # Neither a second array nor a queue on this machine doubles what is in the queue.
    again = press(*words, "--slurm")
    assert "submitted 1 of 3" in again.stdout  # the failed one

    # Slurm's warning before the time limit: whole epochs are kept, the same job is queued again.
    trainer = holder(run)
    ask(cluster, "scancel", "--signal=USR2", f"{job}_0")
    wait_for(lambda: is_gone(trainer))
    wait_for(lambda: f"job {job}_0 pending" in status())
    assert "are in Slurm's queue" in told(press(*words, code=2))
    epochs = len([path for path in run.glob("epoch-????") if path.is_dir()])
    ask(cluster, "scontrol", "update", f"JobId={job}_0", "StartTime=now")
    wait_for((run / f"epoch-{epochs + 1:04d}").exists)

    # scancel: stopped, and a queue on this machine finishes it.
    trainer = holder(run)
    ask(cluster, "scancel", job)
    wait_for(lambda: is_gone(trainer) and not ask(cluster, "squeue", "--noheader"))
    assert not (run / "run.lock").exists()
    assert "1 finished, 1 stopped, 1 failed" in status()


def test_a_partition_that_is_not_there_is_refused_with_slurms_words(press, cluster, tmp_path):
    press = replace(press, environ=press.environ | cluster)
    (tmp_path / "mine.yaml").write_text("launchers: [unet-2d-none]\nsettings: [phantom-tiny]\n")
    words = [SWEEP, "--file", tmp_path / "mine.yaml", "--slurm", "--slurm_partition", "gpu"]
    assert "invalid partition" in told(press(*words, code=2))
