"""A Python that has imported torch and MONAI already: tests press launchers without paying for it.

`serve` imports them once and then forks a process for every start it is asked for; a small program
named by MOS_PYTHON stands in for the interpreter and asks. Everything else is as in a cold start: the
launcher, the arguments, the environment, a process that can be killed; torchrun's processes too, which
PYTHON_EXEC names the same program. Tests that ask for `launcher` instead of `press` start cold.
"""

import json
import os
import runpy
import signal
import socket
import struct
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
CLIENT = """#!{python} -IS
import array, json, os, signal, socket, struct, sys

argv = sys.argv[2:] if sys.argv[1:2] == ["-u"] else sys.argv[1:]  # torchrun's are unbuffered
if argv[:1] != ["-m"] or not argv[1].startswith(("run.", "mos.engine.several")):
    os.execv("{python}", ["{python}", *sys.argv[1:]])
line = socket.socket(socket.AF_UNIX)
line.connect("{address}")
words = {{"argv": argv[1:], "environ": dict(os.environ), "cwd": os.getcwd()}}
text = json.dumps(words).encode()
socket.send_fds(line, [struct.pack("<I", len(text))], [0, 1, 2])
line.sendall(text)
pid = struct.unpack("<I", line.recv(4))[0]
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: os.kill(pid, number))
status = struct.unpack("<i", line.recv(4))[0]
if os.WIFSIGNALED(status):
    signal.signal(os.WTERMSIG(status), signal.SIG_DFL) if os.WTERMSIG(status) != 9 else None
    os.kill(os.getpid(), os.WTERMSIG(status))
sys.exit(os.WEXITSTATUS(status))
"""


def write_client(folder: Path, address: Path) -> Path:
    """The program that MOS_PYTHON names."""
    path = folder / "python"
    path.write_text(CLIENT.format(python=sys.executable, address=address))
    path.chmod(0o755)
    return path


def serve(address: str) -> None:
    """Listens until it is terminated."""
    sys.path.insert(0, str(PROJECT))
    import torch.distributed.run
    import torch.utils.tensorboard  # noqa: F401  read for its imports, like the others
    from monai.networks.nets.dynunet import DynUNet  # noqa: F401

    import run.baseline.building
    import run.baseline.checking
    import run.baseline.predicting
    import run.baseline.train
    import run.landmark.train  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen()
    while True:
        line, _ = server.accept()
        if os.fork() == 0:
            server.close()
            _keep(line)
        line.close()


def _keep(line: socket.socket) -> None:
    """Forks the process that was asked for, and tells how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, handles, _, _ = socket.recv_fds(line, 4, 3)
    wanted = b""
    while len(wanted) < struct.unpack("<I", head)[0]:
        wanted += line.recv(1 << 16)
    pid = os.fork()
    if pid == 0:
        line.close()
        _become(json.loads(wanted), handles)
    line.sendall(struct.pack("<I", pid))
    line.sendall(struct.pack("<i", os.waitpid(pid, 0)[1]))
    os._exit(0)


def _become(wanted: dict, handles: list[int]) -> None:
    """Runs `python -m module arguments` in this process, as far as a program can tell."""
    for number, handle in enumerate(handles):
        os.dup2(handle, number)
        os.close(handle)
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["environ"])
    module, *arguments = wanted["argv"]
    sys.argv = [module, *arguments]
    sys.orig_argv = [sys.executable, "-m", module, *arguments]
    name = f"{module}.__main__" if module.count(".") == 1 else module  # a task's package
    code = 1
    try:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else bool(error.code)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
