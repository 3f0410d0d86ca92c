"""A small tree of made-up runs, shared by the tests of the report."""

from pathlib import Path

import pytest

from tests.report.made_up_runs import build_tree


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of `build_tree`; tests only read it."""
    return build_tree(tmp_path_factory.mktemp("checkpoint"))
