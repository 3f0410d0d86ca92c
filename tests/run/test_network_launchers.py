"""Every network of the table has a launcher in each of its dimensions, and they differ in names alone."""

import pytest

from mos.networks.table import NETWORKS
from run.baseline.launchers import FOLDER, launcher_name, launcher_text

ENTRIES = [(name, dims) for name, network in NETWORKS.items() for dims in network.dims]


@pytest.mark.parametrize(("model", "dims"), ENTRIES)
def test_a_network_has_its_launcher_and_it_has_the_text_of_all(model, dims):
    path = FOLDER / launcher_name(model, dims)
    assert path.is_file(), f"write it: python -m run.baseline.launchers ({path.name})"
    assert path.read_text(encoding="utf-8") == launcher_text(model, dims)
    assert path.stat().st_mode & 0o111


@pytest.mark.parametrize("dims", [2, 3])
def test_launchers_of_one_dimension_differ_in_the_names_alone(dims):
    def without_names(model: str) -> list[str]:
        text = launcher_text(model, dims).replace(NETWORKS[model].title, "<title>")
        # Spaces line the remarks up, and move with the length of the name.
        return [" ".join(line.split()) for line in text.replace(model, "<name>").splitlines()]

    others = [name for name, network in NETWORKS.items() if dims in network.dims and name != "unet"]
    assert all(
        without_names(name) == without_names("vnet" if dims == 3 else "danet") for name in others
    )


def test_no_launcher_names_a_network_that_is_not_in_the_table():
    named = {path.name.split("-")[0].split("[")[0] for path in FOLDER.iterdir() if path.is_file()}
    assert named == set(NETWORKS)
