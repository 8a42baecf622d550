"""Partners through the stages: found, registered, stored, resumed, moved; a faulty one costs nothing else."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from inputs import Download, circle, small_recipe

from pipeline import stages
from pipeline.audit import audit
from pipeline.commands.masks import print_pixels
from pipeline.contract import PARTNER_COLUMNS, sample_name
from pipeline.dataset import partners as partner_stage
from pipeline.dataset.folder import DatasetFolder
from pipeline.dataset.partner_files import make_partner
from pipeline.exports import export
from pipeline.files import InputError, read_csv
from pipeline.geometry import lay_over, square_image, vary
from pipeline.privacy.site_key import SiteKey
from pipeline.recipe import load_recipe
from pipeline.workers import Inline, open_executor

VARIANTS = ("original", "mirrored")


def breast(shift=0, level=120):
    """A breast of its own edges, 40 x 60 px, moved down by some pixels."""
    image = cv2.ellipse(np.zeros((60, 40), np.uint8), (0, 25 + shift), (30, 20), 0, 0, 360, level, -1)
    return cv2.circle(image, (15, 22 + shift), 4, level + 80, -1)


def pair_recipe(path, **changes):
    small_recipe(path, variants=VARIANTS, **changes)
    path.write_text(path.read_text().replace("[split]", "[partner]\nuse = true\n[split]"))
    return path


class Project:
    """Six patients with DM and CM of one view; the CM image is moved by 5 px, and those of P6 are not used themselves."""

    def __init__(self, root):
        self.root, self.raw = root, root / "raw"
        self.download = Download(self.raw)
        for patient in range(1, 7):
            for kind in ("DM", "CM"):
                label = "Benign" if (patient, kind) == (6, "CM") else "Malignant"
                path = self.download.add(f"P{patient}_L_{kind}_CC", label=label)
                cv2.imwrite(str(path), breast(5 * (kind == "CM"), 100 + patient))
        self.download.add("P7_L_DM_CC")
        self.download.write()
        self.folder = DatasetFolder(root / "set")
        self.recipe = pair_recipe(root / "small.toml")

    def source(self, image_id):
        return self.raw / ("Low energy images" if "_DM_" in image_id else "Subtracted images") / f"{image_id}.jpg"

    def index(self):
        return stages.index(self.folder, load_recipe(self.recipe), self.raw, None, Inline())

    def make(self, executor=None):
        changed = self.index().changed
        stages.split(self.folder)
        self.outcome = stages.variants(self.folder, executor or Inline(), fused=True)
        return changed or self.outcome.changed

    def table(self):
        return {row["image_id"]: row for row in read_csv(self.folder.partners, PARTNER_COLUMNS)}

    def rows(self):
        return {row["sample"]: row for row in self.folder.read_manifest()}

    def path(self, sample):
        row = self.rows()[sample]
        return self.folder.root / row["split"] / "partners" / Path(row["image"]).name

    def files(self):
        paths = (path for path in self.folder.root.rglob("*") if path.is_file() and ".work" not in path.parts)
        return {path.relative_to(self.folder.root).as_posix(): path.read_bytes() for path in paths}

    def times(self, kind="partners"):
        return {path.name: path.stat().st_mtime_ns for path in self.folder.root.glob(f"*/{kind}/*")}

    def audit(self):
        """The findings of the audit but for images that show the same, which the breasts of all these patients do."""
        findings = audit(self.folder.root, executor=Inline())
        return {finding.code: finding.examples for finding in findings if finding.code != "duplicate-pixels"}


@pytest.fixture
def project(tmp_path):
    made = Project(tmp_path)
    made.make()
    return made


def test_each_image_has_the_other_of_its_view_registered_onto_its_square(project):
    table = project.table()
    assert list(table) == sorted(table) == sorted({row["image_id"] for row in project.rows().values()})
    row = table["P1_L_DM_CC"]
    assert (row["partner"], row["source"], row["status"]) == ("P1_L_CM_CC", "Subtracted images/P1_L_CM_CC.jpg", "registered")
    assert row["source_sha256"] == project.rows()["P1_L_CM_CC"]["source_sha256"]
    assert (int(row["dx_px"]), int(row["dy_px"])) == pytest.approx((0, -5), abs=1)
    assert float(row["agreement"]) > 0.9
    partner = cv2.imread(str(project.source("P1_L_CM_CC")), cv2.IMREAD_GRAYSCALE)
    square = square_image(lay_over(partner, 40, 60, int(row["dx_px"]), int(row["dy_px"])), 32)
    for variant in VARIANTS:
        stored = cv2.imread(str(project.path(sample_name(variant, "P1_L_DM_CC"))), cv2.IMREAD_GRAYSCALE)
        assert np.abs(stored.astype(int) - vary(square, variant)).mean() < 3, "apart from JPEG"


def test_a_partner_that_the_recipe_leaves_out_is_read_and_a_missing_one_is_counted(project, capsys):
    table = project.table()
    assert "P6_L_CM_CC" not in table
    assert (table["P6_L_DM_CC"]["partner"], table["P6_L_DM_CC"]["status"]) == ("P6_L_CM_CC", "registered")
    assert {name: value for name, value in table["P7_L_DM_CC"].items() if value} == {
        "image_id": "P7_L_DM_CC",
        "status": "missing",
    }
    assert len(project.times()) == 11 * len(VARIANTS)
    counts = json.loads(project.folder.description.read_text())["partners"]
    assert (counts["registered"], counts["missing"], counts["faults"]) == (11, 1, {})
    print_pixels("variants", project.outcome)
    line = "images with a registered partner: 11, without one in the download: 1; partners.csv lists them"
    assert capsys.readouterr().out.splitlines()[1] == f"variants: {line}"
    assert f"Counts: {line}." in " ".join(project.folder.card.read_text().split())


def test_images_and_masks_are_those_of_the_recipe_without_partners(project, tmp_path):
    plain = DatasetFolder(tmp_path / "plain")
    recipe = load_recipe(project.recipe, {"partner": {"use": False}})
    stages.index(plain, recipe, project.raw, None, Inline())
    stages.split(plain)
    stages.variants(plain, Inline(), fused=True)
    assert plain.manifest.read_bytes() == project.folder.manifest.read_bytes()
    assert not plain.partners.exists()
    assert not list(plain.root.rglob("partners*"))
    assert "partner" not in plain.recipe.read_text() + plain.description.read_text()


def test_two_workers_and_one_make_the_same_bytes_and_nothing_is_made_twice(project, tmp_path):
    other = DatasetFolder(tmp_path / "other")
    with open_executor(2) as executor:
        stages.index(other, load_recipe(project.recipe), project.raw, None, executor)
        stages.split(other)
        stages.masks(other, executor)
        stages.variants(other, executor)
    before, times = project.files(), project.times()
    assert {path: (other.root / path).read_bytes() for path in before} == before
    assert not project.make()
    assert (project.files(), project.times()) == (before, times)


def test_a_changed_partner_is_made_again_and_its_image_only_where_it_is_an_image_itself(project):
    images, times = project.times("images"), project.times()
    cv2.imwrite(str(project.source("P6_L_CM_CC")), breast(9, 90))
    assert project.make()
    made = {name for name, time in project.times().items() if times[name] != time}
    assert made == {"P6_L_DM_CC.jpg", "mirrored_P6_L_DM_CC.jpg"}
    assert project.times("images") == images
    assert int(project.table()["P6_L_DM_CC"]["dy_px"]) == pytest.approx(-9, abs=1)
    project.source("P6_L_CM_CC").unlink()
    assert project.make()
    assert project.table()["P6_L_DM_CC"]["status"] == "missing"
    assert project.times().keys() == times.keys() - made


def test_another_split_moves_partners_and_makes_none(project, monkeypatch):
    before, times = {name: row["split"] for name, row in project.rows().items()}, project.times()
    pair_recipe(project.recipe, seed=2)
    monkeypatch.setattr(partner_stage, "make_partner", None)
    assert project.make()
    assert any(before[name] != row["split"] for name, row in project.rows().items())
    assert project.times() == times
    assert all(project.path(name).exists() for name in project.rows() if not name.endswith("P7_L_DM_CC"))
    assert project.audit() == {}


def test_a_damaged_or_lost_partner_is_found_by_the_audit_and_made_again(project):
    files = project.files()
    lost, cut, changed, other, extra = (project.path(f"P{number}_L_DM_CC") for number in (1, 2, 3, 4, 7))
    lost.unlink()
    cut.write_bytes(cut.read_bytes()[:100])
    cv2.imwrite(str(changed), np.zeros((32, 32), np.uint8))
    cv2.imwrite(str(other), np.zeros((32, 30), np.uint8))
    cv2.imwrite(str(extra), np.zeros((32, 32), np.uint8))
    relative = {path: path.relative_to(project.folder.root).as_posix() for path in (lost, cut, changed, other, extra)}
    assert project.audit() == {
        "partner": tuple(
            sorted(
                [
                    f"{relative[lost]}: is missing",
                    f"{relative[cut]}: cannot be decoded",
                    f"{relative[changed]}: differs from the file in partners.csv",
                    f"{relative[other]}: is 30 x 32; its image is 32 x 32",
                    f"{relative[extra]}: is not listed",
                ]
            )
        )
    }
    extra.unlink()
    project.make()
    assert project.files() == files
    assert project.audit() == {}


def test_a_partner_that_cannot_be_read_costs_its_image_nothing(tmp_path, capsys):
    project = Project(tmp_path)
    project.source("P6_L_CM_CC").write_bytes(b"no image")
    project.make()
    row = project.table()["P6_L_DM_CC"]
    assert (row["partner"], row["status"], row["dx_px"]) == ("P6_L_CM_CC", "not-an-image", "")
    assert "P6_L_DM_CC" in project.rows()
    assert not project.path("P6_L_DM_CC").exists()
    assert json.loads(project.folder.description.read_text())["partners"]["faults"] == {"not-an-image": 1}
    print_pixels("variants", project.outcome)
    assert "with one that cannot be used (not-an-image): 1" in capsys.readouterr().out
    assert not project.make()
    cv2.imwrite(str(project.source("P6_L_CM_CC")), breast(5))
    assert project.make()
    assert project.table()["P6_L_DM_CC"]["status"] == "registered"


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    project, calls = Project(tmp_path), []

    def stop_after_four(task):
        calls.append(task.image_id)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return make_partner(task)

    monkeypatch.setattr(partner_stage, "make_partner", stop_after_four)
    with pytest.raises(KeyboardInterrupt):
        project.make()
    assert not project.folder.manifest.exists()
    monkeypatch.setattr(partner_stage, "make_partner", lambda task: calls.append(task.image_id) or make_partner(task))
    project.make()
    assert len(calls) == 5 + 11 - 4
    assert len(project.table()) == 12


def test_under_a_site_key_partners_have_keyed_names(project, tmp_path):
    folder, key = DatasetFolder(tmp_path / "keyed"), SiteKey(b"0123456789abcdef0123456789abcdef")
    stages.index(folder, load_recipe(project.recipe), project.raw, None, Inline(), key)
    stages.split(folder)
    stages.variants(folder, Inline(), fused=True, raw=project.raw, key=key)
    rows = read_csv(folder.partners, PARTNER_COLUMNS)
    assert [row["status"] for row in rows].count("registered") == 11
    text = folder.partners.read_text()
    assert not any(f"P{number}_" in text for number in range(1, 8))


def test_nnunet_takes_partners_as_a_second_channel_and_other_formats_say_that_they_do_not(project):
    (root,) = export(project.folder, "nnunet", None, {}).output.glob("Dataset*")
    assert json.loads((root / "dataset.json").read_text())["channel_names"] == {"0": "mammogram", "1": "partner"}
    for name, row in project.rows().items():
        if row["variant"] == "original":
            part = "Ts" if row["split"] == "test" else "Tr"
            channel = cv2.imread(str(root / f"images{part}" / f"{name}_0001.png"), cv2.IMREAD_UNCHANGED)
            stored = cv2.imread(str(project.path(name)), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(channel, np.zeros((32, 32)) if stored is None else stored)
    line = "the images' partners are left out; nnunet takes them as a second channel"
    assert line in export(project.folder, "coco", None, {}).lines
    assert line not in export(project.folder, "nnunet", None, {}).lines


def test_an_export_is_written_again_after_its_partners_have_changed(project):
    export(project.folder, "nnunet", None, {})
    assert not export(project.folder, "nnunet", None, {}).changed
    cv2.imwrite(str(project.source("P6_L_CM_CC")), breast(9, 90))
    project.make()
    assert export(project.folder, "nnunet", None, {}).changed


def test_the_report_counts_them(project):
    stages.report(project.folder)
    text = " ".join(re.sub(r"<[^>]+>", " ", project.folder.report.read_text()).split())
    assert "registered partners 11 images without one: 1" in text


def test_without_the_indexs_table_nothing_is_dropped(project):
    project.folder.partner_index.unlink()
    with pytest.raises(InputError, match=r"has no partners\.csv; run the stage 'index' first"):
        stages.variants(project.folder, Inline(), fused=True)
    before = project.times()
    assert project.index().changed
    stages.variants(project.folder, Inline(), fused=True)
    assert project.times() == before


def test_the_audit_is_made_again_after_partners_have_changed(project):
    stages.audit(project.folder, Inline())
    assert not stages.audit(project.folder, Inline()).changed
    cv2.imwrite(str(project.source("P6_L_CM_CC")), breast(9, 90))
    project.make()
    assert stages.audit(project.folder, Inline()).changed


@pytest.mark.parametrize("kind", ["DM", "CM"])
def test_second_exposures_go_together(tmp_path, kind):
    download = Download(tmp_path / "raw")
    for patient in range(1, 4):
        for name in (f"P{patient}_L_DM_MLO", f"P{patient}_L_CM_MLO"):
            download.add(name, [circle(20, 30, 8)])
    download.add("P1_L_DM_MLO2")
    download.add("P1_L_CM_MLO2")
    download.add(f"P2_L_{kind}_MLO_2")
    folder = DatasetFolder(tmp_path / "set")
    stages.index(folder, load_recipe(pair_recipe(tmp_path / "small.toml")), download.write().root, None, Inline())
    partners = {name: partner.partner for name, partner in folder.read_partner_sources().items()}
    other = {"DM": "CM", "CM": "DM"}[kind]
    assert partners["P1_L_DM_MLO2"] == "P1_L_CM_MLO2"
    assert partners["P1_L_DM_MLO"] == "P1_L_CM_MLO"
    assert partners[f"P2_L_{kind}_MLO_2"] == f"P2_L_{other}_MLO"
    assert partners[f"P2_L_{other}_MLO"] == f"P2_L_{kind}_MLO"
