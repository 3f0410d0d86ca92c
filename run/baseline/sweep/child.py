"""Becomes a launcher that ends with the sweep: `child.py <pid of the sweep> <command> ...`.

Started as a script, so that it costs 20 ms and needs nothing of ours.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Asks the kernel for SIGTERM when the sweep goes, however it goes, and becomes the command."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # It went before we asked.
    if os.getppid() != parent:
        sys.exit(128 + signal.SIGTERM)
    # Slurm's warning goes to every process of a job; only the one that waits for us may act on it.
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
