"""Holds the arrows of who may import whom, and that asking for help loads nothing heavy."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "torchvision", "monai", "pandas", "matplotlib", "SimpleITK", "scipy", "nibabel"}
HEAVY |= {"timm", "segmentation_models_pytorch"}
# Leaves: they import nothing of ours but each other, and everybody may import them.
LEAVES = {"mos.errors", "mos.shapes", "mos.files", "mos.timing", "mos.machine"}
_FILES = LEAVES | {"mos.folders"}
# What a package may import besides itself. Longest name wins.
ARROWS = {
    "mos": LEAVES | {"mos"},
    "mos.folders": {"mos.errors"},
    "mos.engine": _FILES | {"mos.options", "mos.arguments"},  # a trainer is entered by its options
    # The table of metrics says what a column of a file is called and means; one of them is enough.
    # The rest is for its command, which every task has.
    "mos.report": _FILES | {"mos.metrics.table", "mos.arguments", "mos.near_miss"},
    "mos.data": LEAVES,
    "mos.networks": LEAVES,
    "mos.doctor": _FILES | {"mos.arguments"},
    "mos.losses": LEAVES,
    "mos.metrics": _FILES,  # the compiled kernel is kept in the cache folder
    "mos.io": LEAVES,
}
PACKAGES = {name for name in ARROWS if (PROJECT / name.replace(".", "/")).is_dir()} - {"mos"}


def module_name(file: Path) -> str:
    parts = file.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST, package: str) -> set[str]:
    """All modules imported anywhere in a syntax tree, relative ones made absolute."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            # `from mos import shapes` imports mos.shapes as much as `import mos.shapes` does.
            found.update({base, *(f"{base}.{alias.name}" for alias in node.names)})
    return {name for name in found if name}


def top_level(tree: ast.Module) -> ast.Module:
    """The tree without what stands inside functions: what an import of the module loads."""

    class Cut(ast.NodeTransformer):
        def visit_FunctionDef(self, node):
            return None

        visit_AsyncFunctionDef = visit_FunctionDef
        visit_Lambda = ast.NodeTransformer.generic_visit

        def visit_If(self, node):
            typing_only = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
            return None if typing_only else self.generic_visit(node)

    return Cut().visit(tree)


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def known_modules() -> dict[str, Path]:
    files = [*PROJECT.glob("mos/**/*.py"), *PROJECT.glob("run/**/*.py")]
    return {module_name(file): file for file in files}


def forbidden(importer: str, imported: str, modules: set[str]) -> bool:
    """Whether an arrow from `importer` to `imported` (modules of ours) is not in house.md."""
    if imported not in modules or imported in ("mos", "run"):
        return False
    if importer.startswith("run."):
        own = ".".join(importer.split(".")[:2])
        return inside(imported, "run") and not inside(imported, own)
    if inside(imported, "run"):
        return True
    rule = max((name for name in ARROWS if inside(importer, name)), key=len)
    if rule == "mos":
        # The light modules beside the packages: options, arguments, files.
        return any(inside(imported, package) for package in PACKAGES)
    return not (inside(imported, rule) or any(inside(imported, name) for name in ARROWS[rule]))


@pytest.mark.parametrize("module", sorted(known_modules()))
def test_a_module_imports_only_what_the_house_allows(module):
    modules = known_modules()
    file = modules[module]
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    found = imports(ast.parse(file.read_text(encoding="utf-8")), package)
    wrong = sorted(name for name in found if forbidden(module, name, set(modules)))
    assert not wrong, f"{module} must not import {', '.join(wrong)}"


@pytest.mark.parametrize("module", sorted(LEAVES | {"mos.folders"}))
def test_a_leaf_imports_nothing_of_ours_but_leaves(module):
    file = known_modules()[module]
    ours = {n for n in imports(ast.parse(file.read_text()), "mos") if n in known_modules()}
    assert ours <= LEAVES | {"mos"}


def light_modules() -> list[str]:
    """The modules that an import of a command loads before it has read its arguments."""
    return sorted(m for m, f in known_modules().items() if f.parent.name == "mos")


@pytest.mark.parametrize("module", light_modules())
def test_modules_beside_the_packages_are_light(module):
    tree = top_level(ast.parse(known_modules()[module].read_text(encoding="utf-8")))
    heavy = {name.partition(".")[0] for name in imports(tree, "mos")} & HEAVY
    assert (
        not heavy
    ), f"{module} imports {heavy} at its top; move that into the function that needs it"


@pytest.mark.parametrize(
    ("importer", "imported", "wrong"),
    [
        ("mos.engine.fit", "mos.engine.task", False),
        ("mos.engine.fit", "mos.folders", False),
        ("mos.engine.fit", "mos.data.bundle", True),
        ("mos.data.bundle", "mos.io.read", True),
        ("mos.data.bundle", "mos.errors", False),
        ("mos.data.bundle", "mos.folders", True),
        ("mos.report.page", "mos.metrics.surface", True),
        ("mos.arguments", "mos.engine.fit", True),
        ("mos.engine.fit", "run.baseline.task", True),
        ("run.baseline.task", "mos.engine.fit", False),
        ("run.baseline.task", "run.baseline.dataset", False),
        ("run.baseline.task", "run.other.task", True),
    ],
)
def test_the_arrows_themselves(importer, imported, wrong):
    assert forbidden(importer, imported, {importer, imported}) == wrong


def test_every_way_to_write_an_import_is_seen():
    tree = ast.parse(
        "import a.b\nfrom . import c\nfrom ..d import e\ndef f():\n  from g import h\n"
    )
    assert imports(tree, "mos.x") == {"a.b", "mos.x", "mos.x.c", "mos.d", "mos.d.e", "g", "g.h"}
    assert "g" not in imports(top_level(tree), "mos.x")


def started_modules() -> list[str]:
    """The modules that launchers start, read off their `mos_run` lines."""
    texts = [f.read_text() for f in PROJECT.glob(".scripts/**/*") if f.is_file()]
    return sorted({name for text in texts for name in re.findall(r"^mos_run (\S+)", text, re.M)})


@pytest.mark.parametrize("module", started_modules())
def test_help_loads_nothing_heavy(module):
    program = (
        "import runpy, sys\n"
        f"sys.argv = ['x', '--help']\n"
        "try:\n"
        f"    runpy.run_module({module!r}, run_name='__main__')\n"
        "except SystemExit as stop:\n"
        "    assert not stop.code, stop.code\n"
        f"print('loaded:', *sorted(set(sys.modules) & {HEAVY!r}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded:"
