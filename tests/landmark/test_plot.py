"""cmd/plot-test of landmarks: what is drawn, and what the page shows, are the points that were scored."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from mos.data.landmark_bundle import landmark_hash, open_landmarks
from mos.data.points import to_original
from mos.errors import BadInput
from mos.folders import dataset_path
from mos.metrics.landmark import case_means, score_points
from mos.report.point_images import load_point_images
from run.landmark.cmd import plot_test, summary
from run.landmark.phantom import ensure
from tests.report.opened_page import block
from tests.report.test_page_in_browser import CHROMIUM, answers

SMALL = ["--case_mm", "10", "--sheet_mm", "5", "--dpi", "40"]


def stored_run(root, bundle, away=(3.0, -4.0)):
    """A run whose every point was found `away` (x, y) in original pixels from where it is."""
    run = root / "landmark-phantom-tiny" / "unet-64"
    epoch = run / "epoch-0002"
    epoch.mkdir(parents=True)
    (run / "best").symlink_to("epoch-0002")
    about = {"name": "phantom-tiny", "path": str(bundle.path), "sha256": landmark_hash(bundle)}
    labels = {str(number): name for number, name in enumerate(bundle.names, 1)}
    record = {"task": "landmark", "setting": "phantom-tiny", "network": "unet", "labels": labels}
    (run / "run.json").write_text(json.dumps(record | {"dataset": about, "finished": "now"}))
    line = {"epoch": 2, "stage": "valid", "mre": 2.0}
    (run / "metric.jsonl").write_text(json.dumps(line) + "\n")
    cases = bundle.cases["test"]
    place = [np.array([getattr(c, key) for c in cases])[:, None] for key in ("factor", "offset")]
    true = to_original(bundle.points["test"].double().numpy(), *place)
    found = true + np.array(away)
    scale = np.array([case.scale for case in cases])
    raw = score_points(found, true, bundle.visible["test"].numpy(), scale)
    tables = {key: torch.from_numpy(value) for key, value in (raw | case_means(raw)).items()}
    names = {"case": [c.id for c in cases], "patient": [c.patient for c in cases]}
    tables |= {"predicted": torch.from_numpy(found).float(), **names}
    torch.save(tables, epoch / "test-metrics.pt")
    return run


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The folder of a stored run after plot-test and summary, and its dataset."""
    root = tmp_path_factory.mktemp("plotted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOS_CACHE", str(root / "cache"))
        patch.setenv("MOS_CHECKPOINT", str(root / "checkpoint"))
        ensure("phantom-tiny")
        bundle = open_landmarks(dataset_path("landmark", "phantom-tiny"))
        run = stored_run(root / "checkpoint", bundle)
        plot_test.main(["--run", str(run), *SMALL, "--formats", "png", "svg", "--names", "true"])
        summary.main([])
        yield run, bundle


def test_stored_points_are_as_far_off_as_their_scores_say(drawn):
    run, bundle = drawn
    table = torch.load(run / "best" / "test-metrics.pt")
    for row, case in enumerate(bundle.cases["test"]):
        images = load_point_images(run / "best" / "test-images" / f"{case.id}.npz")
        away = (images.prediction - images.reference) * images.scale
        known = images.scored
        mm = np.hypot(*away[known].T)
        assert mm == pytest.approx(table["raw_mre"][row].numpy()[known], rel=1e-4)
        assert images.image.shape[1:] == case.content and images.names == bundle.names
        masked = ~bundle.visible["test"][row].numpy()
        assert sorted(set(range(len(bundle.names))) - set(known)) == list(np.flatnonzero(masked))


def test_every_case_and_a_sheet_are_drawn_in_the_formats_asked_for(drawn):
    run, bundle = drawn
    figures = run / "best" / "test-figures"
    ids = [case.id for case in bundle.cases["test"]]
    names = [f"cases/{name}" for name in ids] + ["sheet-points"]
    expected = sorted(f"{name}.{form}" for name in names for form in ("png", "svg"))
    assert sorted(json.loads((figures / "figures.json").read_text())) == expected
    assert all((figures / name).stat().st_size > 500 for name in expected)


def test_the_page_shows_the_points_of_every_case(drawn):
    run, bundle = drawn
    text = (run.parents[1] / "summary" / "landmark" / "result.html").read_text()
    cases = block(text, "pictures-1")
    assert set(cases) == {case.id for case in bundle.cases["test"]}
    (version,) = cases[bundle.cases["test"][0].id]
    (x, y), (u, v) = version["reference"][0], version["runs"]["unet-64"]["prediction"][0]
    factor = bundle.cases["test"][0].factor
    assert (u - x, v - y) == pytest.approx((3 / factor[0], -4 / factor[1]), abs=0.02)
    assert version["image"].startswith("data:image/png")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium")
def test_a_click_on_a_case_opens_its_image_with_its_points(drawn, tmp_path):
    run, bundle = drawn
    page = run.parents[1] / "summary" / "landmark" / "result.html"
    found = answers(
        page,
        tmp_path,
        """(async () => {
            document.querySelector("button.one-case").click();
            for (let i = 0; i < 100 && !document.querySelector("dialog .point"); i++) await new Promise((go) => setTimeout(go, 20));
            const count = (what) => document.querySelectorAll(`dialog .points-frame ${what}`).length;
            return [count("image"), count(".point"), count("path.prediction"), document.querySelector("dialog h2").textContent,
                document.querySelector("dialog .viewer p.quiet").textContent];
        })()""",
    )
    case = found[3]
    row = [one.id for one in bundle.cases["test"]].index(case)
    points = int(bundle.visible["test"][row].sum())
    assert found[:3] == [1, points, points]
    assert "largest first" in found[4]


def test_points_of_other_scores_are_named_and_left_out(drawn, tmp_path, monkeypatch):
    run, bundle = drawn
    other = stored_run(tmp_path, bundle, away=(0.0, 1.0))
    (other / "best" / "test-images").symlink_to(run / "best" / "test-images")
    summary.main(["--checkpoint_folder", str(tmp_path)])
    text = (tmp_path / "summary" / "landmark" / "result.html").read_text()
    assert "pictures-1" not in text or block(text, "pictures-1") == {}
    assert "errs by" in text and "plot-test makes them again" in text


@pytest.mark.parametrize(
    "options, said",
    [
        (["--cases", "nobody"], "'nobody': is no test case of"),
        (["--epoch", "7"], "has no test scores of it"),
        (["--epoch", "last"], "needs best, latest or a number"),
        (["--formats", "gif"], "needs any of png pdf svg"),
        (["--sheet_cases", "0"], "needs 1 or more"),
    ],
)
def test_what_cannot_be_drawn_is_refused(drawn, options, said):
    run, _ = drawn
    with pytest.raises(BadInput, match=said):
        plot_test.main(["--run", str(run), *options])


def test_a_dataset_that_has_changed_is_refused(drawn, tmp_path):
    run, bundle = drawn
    other = stored_run(tmp_path, bundle)
    record = json.loads((other / "run.json").read_text())
    record["dataset"]["sha256"] = "another"
    (other / "run.json").write_text(json.dumps(record))
    with pytest.raises(BadInput, match="has changed since"):
        plot_test.main(["--run", str(other), *SMALL])
