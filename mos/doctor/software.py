"""Looks at Python and its packages; runs where nothing is installed, to say so."""

import platform
import runpy
import sys
from importlib import import_module
from pathlib import Path

from mos.doctor.finding import Finding
from mos.folders import project_folder

OLDEST_PYTHON = (3, 11)
# MONAI alone takes seconds to load: that it is there is enough.
_LOADED = ("numpy", "scipy.spatial", "torch")


def look_at_software() -> list[Finding]:
    """Findings on the interpreter, and on the packages against the pins of `requirements.txt`."""
    return [_python(), _packages(project_folder() / "requirements.txt")]


def _python() -> Finding:
    found = f"{platform.python_version()} in {sys.prefix}"
    if sys.version_info < OLDEST_PYTHON:
        needed = "Python 3.11 or later is needed: install one, or name one in MOS_PYTHON"
        return Finding("python", found, "wrong", needed)
    return Finding("python", found)


def _packages(pins_file: Path) -> Finding:
    """Versions against the pins; `.scripts/packages.py` reads both, as it does for every launcher."""
    tools = runpy.run_path(str(project_folder() / ".scripts" / "packages.py"))
    pins = dict(tools["read_pins"](str(pins_file)))
    found = {name: tools["installed_version"](name) for name in pins}
    missing = [name for name, version in found.items() if version is None]
    other = [
        f"{name} {version} (pinned {pins[name]})"
        for name, version in found.items()
        # A local part names the build (2.14.1+cpu), not another version.
        if version is not None and version.partition("+")[0] != pins[name]
    ]
    if len(missing) == len(pins):
        advice = "any launcher installs them: .scripts/baseline/unet-2d-none --help"
        return Finding("packages", f"none of the {len(pins)} is installed", "wrong", advice)
    install = f"'{sys.executable}' -m pip install -r requirements.txt"
    if missing:
        return Finding("packages", "missing: " + ", ".join(missing), "wrong", install)
    if other:
        advice = f"numbers may differ from those of other machines; {install}"
        return Finding("packages", "not as pinned: " + ", ".join(other), "note", advice)
    broken = _broken()
    if broken:
        return Finding("packages", broken, "wrong", f"install again: {install} --force-reinstall")
    return Finding("packages", f"all {len(pins)} as pinned in requirements.txt")


def _broken() -> str:
    """Why a package that is installed does not load; empty when all do."""
    for name in _LOADED:
        try:
            import_module(name)
        except Exception as error:  # a missing library, a wrong build: each raises its own
            said = (str(error).splitlines() or [""])[0]
            return f"{name} does not load: {type(error).__name__}: {said}"
    return ""
