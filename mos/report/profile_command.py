"""What `cmd/profile` of every task does: opens what a run started with `--use_profile` recorded."""

import importlib.util
import os
import shlex
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mos.arguments import REQUIRED, option, parse
from mos.errors import BadInput
from mos.folders import PROFILE, TRACE_SUFFIX

DESCRIPTION = (
    "Open what a run started with --use_profile recorded: print where the time went, say how to open a trace in "
    "Perfetto, and start TensorBoard on the run's logs, whose page PYTORCH_PROFILER shows the traces (Ctrl-C ends it)."
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which run, and where to serve it."""

    run: str = option(
        REQUIRED, "run folder, such as '.checkpoint/<task>-phantom-0/<run>' (quote it)"
    )
    port: int = option(6006, "port of this machine that TensorBoard listens on")
    print_only: bool = option(
        False, "print everything, TensorBoard's command too, and start nothing"
    )

    def check(self) -> None:
        """Raises BadInput for a folder that is no run."""
        if not (Path(self.run) / "run.json").is_file():
            raise BadInput(
                f"--run {self.run}: no run.json there; give a run's folder, such as "
                "'.checkpoint/<task>-phantom-0/<run>' (quote it for its brackets and commas)"
            )
        if not 1 <= self.port <= 65535:
            raise BadInput(f"--port {self.port}: needs a number from 1 to 65535, such as 6006")


def open_profile(prog: str, argv: Sequence[str] | None = None) -> None:
    """Prints the profile and becomes TensorBoard.

    Args:
        prog: the command's name, for its help.

    Raises:
        BadInput: the run has no recording, or the port is taken.
    """
    options = parse(Options, argv, prog=prog, description=DESCRIPTION).options
    logs = Path(options.run).absolute() / "logs"
    traces = sorted(logs.glob(f"*{TRACE_SUFFIX}"))
    text = logs / f"{PROFILE}.txt"
    if not traces or not text.is_file():
        raise BadInput(
            f"--run {options.run}: holds no recording; train it with --use_profile, for instance five epochs more: "
            "--use_profile --increase_epoch 5"
        )
    print(text.read_text(encoding="utf-8"))
    print("traces, for https://ui.perfetto.dev (Open trace file; it stays in the browser):")
    for trace in traces:
        print(f"  {trace}  {trace.stat().st_size / 2**20:.1f} MiB")
    print()
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs)]
    command += ["--port", str(options.port)]
    print(f"TensorBoard: {shlex.join(command)}")
    print(f"  then http://localhost:{options.port}/#pytorch_profiler")
    print(
        f"  from another machine: ssh -L {options.port}:localhost:{options.port} {socket.gethostname()}, same address"
    )
    print(
        "  that page loads scripts from www.gstatic.com and cdnjs.cloudflare.com: without internet"
    )
    print("  it stays empty, and the table above and its other tabs are what there is")
    if importlib.util.find_spec("torch_tb_profiler") is None:
        print(
            "  its profiler page needs torch-tb-profiler (in requirements.txt), which this Python lacks: "
            f"{shlex.quote(sys.executable)} -m pip install torch-tb-profiler"
        )
    if options.print_only:
        return
    _check_free(options.port)
    sys.stdout.flush()
    os.execv(sys.executable, command)


def _check_free(port: int) -> None:
    """Raises BadInput where somebody listens on the port already."""
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            line.bind(("localhost", port))
        except OSError as error:
            raise BadInput(
                f"--port {port}: cannot be used ({error.strerror}); give another, such as --port {port + 1}"
            ) from error
