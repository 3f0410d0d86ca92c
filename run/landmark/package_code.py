"""Which files of MOS, and which packages, a program needs: all that its modules import, and what those import."""

import ast
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from mos.folders import project_folder

OWN = ("mos", "run")


def needed_modules(entries: Iterable[str]) -> tuple[dict[str, Path], set[str]]:
    """Follows the imports of modules of MOS, those inside functions too.

    Args:
        entries: names of modules to begin with.

    Returns:
        The modules of MOS with their files, and the names of all others that are imported.
    """
    found: dict[str, Path] = {}
    others: set[str] = set()
    waiting = list(entries)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        if name.partition(".")[0] not in OWN:
            others.add(name.partition(".")[0])
            continue
        file = _file(name)
        if file is None:  # a name inside a module: `from mos.errors import BadInput`
            continue
        found[name] = file
        parents = name.split(".")[:-1]
        waiting += [".".join(parents[: n + 1]) for n in range(len(parents))]
        waiting += _imports(ast.parse(file.read_text(encoding="utf-8")))
    return found, others - set(sys.stdlib_module_names)


def copied_files(modules: Mapping[str, Path]) -> list[Path]:
    """The files of modules, below the project's folder, and what lies beside them under the same name."""
    files = {beside for file in modules.values() for beside in file.parent.glob(f"{file.stem}.*")}
    return sorted(file.relative_to(project_folder()) for file in files if file.is_file())


def pinned(imported: Iterable[str]) -> list[str]:
    """The lines of requirements.txt for what is imported, and for what those packages need themselves."""
    pins = {
        _plain(match[1]): match[0]
        for line in (project_folder() / "requirements.txt").read_text().splitlines()
        if (match := re.match(r"([\w.-]+)==\S+", line))
    }
    makers = metadata.packages_distributions()
    waiting = [_plain(maker) for name in imported for maker in makers.get(name, ())]
    chosen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in chosen or name not in pins:
            continue
        chosen.add(name)
        waiting += _requires(name)
    return [line for name, line in pins.items() if name in chosen]


def _requires(name: str) -> Sequence[str]:
    wanted = metadata.requires(name) or ()
    return [_plain(re.match(r"[\w.-]+", line)[0]) for line in wanted if "extra ==" not in line]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _file(module: str) -> Path | None:
    path = project_folder().joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _imports(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found
