"""Runs a packaged program as a container would: without network, with no code but its own.

    python -I package_guard.py <package>/process.py

Knows nothing of MOS, so that nothing of it is loaded before the package's own copy is.
"""

import os
import runpy
import sys
from pathlib import Path

STRANGE = 3


def refuse_network(event: str, args: tuple) -> None:
    """An audit hook, which nothing can take away again; sockets of the machine itself are let through."""
    if event in ("socket.getaddrinfo", "socket.gethostbyname") or (
        event == "socket.connect" and isinstance(args[1], tuple)
    ):
        raise PermissionError(f"a packaged run has no network, and this one asked for it: {event}")


def foreign_modules(folder: Path) -> list[str]:
    """Modules of MOS that were loaded from elsewhere than the package."""
    found = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.partition(".")[0] in ("mos", "run") and file:
            if not Path(file).resolve().is_relative_to(folder):
                found.append(f"{name} ({file})")
    return sorted(found)


def main(program: Path) -> None:
    """Runs the program; its exit code, or STRANGE where it used code from outside."""
    sys.addaudithook(refuse_network)
    sys.argv = [str(program)]
    code = 0
    try:
        runpy.run_path(str(program), run_name="__main__")
    except SystemExit as stop:
        code = stop.code or 0
    if foreign := foreign_modules(program.parent):
        print(f"error: code from outside the package: {foreign[0]}", file=sys.stderr)
        code = STRANGE
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
