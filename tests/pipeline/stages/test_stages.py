"""The stages together: alone or fused they give the same bytes, do nothing twice, and go on after every interruption."""

import hashlib
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from inputs import Download, circle, polygon, small_download, small_recipe

from pipeline import stages
from pipeline.contract import COLUMN_NAMES
from pipeline.dataset.folder import DatasetFolder
from pipeline.dataset.manifest import read_manifest
from pipeline.files import InputError, read_csv
from pipeline.geometry import vary
from pipeline.recipe import load_recipe
from pipeline.stages import samples as sample_stages
from pipeline.workers import Inline, open_executor


class Project:
    """A download, a recipe and a data set folder, with the stages to run on them."""

    def __init__(self, root, recipe=None, download=None):
        root.mkdir(exist_ok=True)
        self.download = download or small_download(root / "raw")
        self.recipe = recipe or small_recipe(root / "small.toml")
        self.folder = DatasetFolder(root / "set")

    def index(self, executor=None):
        return stages.index(self.folder, load_recipe(self.recipe), self.download.root, None, executor or Inline())

    def make(self, executor=None, assignment=None):
        """All stages, fused; True where any of them changed something."""
        executor = executor or Inline()
        return any(
            [
                self.index(executor).changed,
                stages.split(self.folder, assignment).changed,
                stages.variants(self.folder, executor, fused=True).changed,
            ]
        )

    def rows(self):
        return {row["sample"]: row for row in read_manifest(self.folder.manifest)}

    def read(self, path):
        return cv2.imread(str(self.folder.root / path), cv2.IMREAD_UNCHANGED)


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def tree(root):
    """Every file but the program's own state, by its bytes."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".work" not in path.parts
    }


def times(root):
    return {
        path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file() and path.parent.name in ("images", "masks")
    }


def test_a_data_set_has_pairs_and_a_row_for_each(project):
    project.make()
    rows = project.rows()
    assert len(rows) == 12 * 3
    assert list(rows) == sorted(rows)
    assert list(next(iter(rows.values()))) == list(COLUMN_NAMES)
    row = rows["rotated_90_P3_L_CM_CC"]
    assert {
        key: row[key]
        for key in (
            "image_id",
            "variant",
            "patient",
            "class",
            "kind",
            "side",
            "view",
            "density",
            "birads",
            "findings",
            "regions",
            "source",
            "source_width",
            "source_height",
            "scale",
            "pad_left",
            "pad_top",
            "spacing_mm",
        )
    } == {
        "image_id": "P3_L_CM_CC",
        "variant": "rotated_90",
        "patient": "P3",
        "class": "malignant",
        "kind": "CM",
        "side": "L",
        "view": "CC",
        "density": "",
        "birads": "5$2",
        "findings": "Mass",
        "regions": 1,
        "source": "Subtracted images/P3_L_CM_CC.jpg",
        "source_width": 40,
        "source_height": 60,
        "scale": 0.53333333,
        "pad_left": 10,
        "pad_top": 0,
        "spacing_mm": None,
    }
    for row in rows.values():
        assert row["image"] == f"{row['split']}/images/{row['sample']}.jpg"
        assert hashlib.sha256((project.folder.root / row["mask"]).read_bytes()).hexdigest() == row["mask_sha256"]
        mask = project.read(row["mask"])
        assert mask.shape == project.read(row["image"]).shape == (32, 32)
        assert set(np.unique(mask)) == {0, 255}
        assert (mask > 0).sum() == int(row["lesion_px"])


def test_variants_are_exact_turns_of_the_original(project):
    project.make()
    rows = project.rows()
    for row in rows.values():
        original = rows[row["image_id"]]
        np.testing.assert_array_equal(project.read(row["mask"]), vary(project.read(original["mask"]), row["variant"]))
        turned = vary(project.read(original["image"]), row["variant"]).astype(int)
        assert np.abs(project.read(row["image"]) - turned).mean() < 2, "apart from JPEG"


def test_image_and_mask_lie_on_each_other(tmp_path):
    """A white disc in the image is where the mask of its circle is."""
    download = Download(tmp_path / "raw")
    for patient in range(1, 4):
        path = download.add(f"P{patient}_L_DM_CC", [circle(25, 70, 12)], size=(61, 107))
        cv2.imwrite(str(path), cv2.circle(np.zeros((107, 61), np.uint8), (25, 70), 12, 255, -1))
    project = Project(tmp_path, download=download.write())
    project.make()
    for row in project.rows().values():
        image, mask = project.read(row["image"]), project.read(row["mask"])
        assert ((image >= 128) != (mask > 0)).mean() < 0.01


def test_one_by_one_and_with_two_workers_the_bytes_are_the_same(tmp_path):
    fused, single = Project(tmp_path / "a"), Project(tmp_path / "b")
    with open_executor(2) as executor:
        fused.make(executor)
    single.index()
    stages.split(single.folder)
    stages.masks(single.folder, Inline())
    assert len(list(single.folder.squares.rglob("*.png"))) == 24
    stages.variants(single.folder, Inline())
    assert tree(fused.folder.root) == tree(single.folder.root)
    assert not single.folder.squares.exists()


def test_a_second_run_has_nothing_to_do(project):
    assert project.make()
    before = times(project.folder.root), tree(project.folder.root)
    assert not project.make()
    assert not stages.masks(project.folder, Inline()).changed
    assert (times(project.folder.root), tree(project.folder.root)) == before


def test_each_stage_names_the_one_that_is_missing(project):
    with pytest.raises(InputError, match=r"has no recipe.toml; run the stage 'index' first"):
        stages.split(project.folder)
    project.index()
    with pytest.raises(InputError, match=r"has no assignment.csv; run the stage 'split' first"):
        stages.masks(project.folder, Inline())
    stages.split(project.folder)
    with pytest.raises(InputError, match="the square pairs of 12 images, P1_L_CM_CC first, are missing; run the stage 'masks'"):
        stages.variants(project.folder, Inline())


def test_another_split_moves_files_and_encodes_nothing(project, monkeypatch):
    project.make()
    before = project.rows()
    stamps = {path.name: time for path, time in times(project.folder.root).items()}
    small_recipe(project.download.root.parent / "small.toml", seed=2)
    monkeypatch.setattr(sample_stages, "make_samples", None)
    assert project.make()
    after = project.rows()
    moved = [sample for sample in after if after[sample]["split"] != before[sample]["split"]]
    assert moved
    assert {sample: row["image_sha256"] for sample, row in after.items()} == {
        sample: row["image_sha256"] for sample, row in before.items()
    }
    assert {path.name: time for path, time in times(project.folder.root).items()} == stamps
    assert len(times(project.folder.root)) == 72, "nothing is left at the old place"


def test_a_new_image_is_made_and_the_others_stay(project):
    project.make()
    before, stamps = project.rows(), times(project.folder.root)
    project.download.add("P9_R_DM_CC", [polygon((5, 5), (30, 8), (20, 50))])
    project.download.write()
    assert project.make()
    after = project.rows()
    assert set(after) - set(before) == {"P9_R_DM_CC", "rotated_90_P9_R_DM_CC", "mirrored_P9_R_DM_CC"}
    assert {sample: after[sample]["split"] for sample in before} == {sample: row["split"] for sample, row in before.items()}
    assert {path: time for path, time in times(project.folder.root).items() if path in stamps} == stamps


def test_a_changed_region_is_drawn_again_and_a_removed_image_goes(project):
    project.make()
    before, stamps = project.rows(), times(project.folder.root)
    project.download.shapes[0] = ("P1_L_DM_CC.jpg", circle(10, 10, 5), 1)
    (project.download.root / "Low energy images" / "P2_L_DM_CC.jpg").unlink()
    project.download.write()
    assert project.make()
    after = project.rows()
    assert set(before) - set(after) == {"P2_L_DM_CC", "rotated_90_P2_L_DM_CC", "mirrored_P2_L_DM_CC"}
    assert {sample for sample in after if after[sample]["mask_sha256"] != before[sample]["mask_sha256"]} == {
        "P1_L_DM_CC",
        "rotated_90_P1_L_DM_CC",
        "mirrored_P1_L_DM_CC",
    }
    now = times(project.folder.root)
    assert len(now) == 66
    assert sum(now[path] != stamps[path] for path in now if path in stamps) == 6


@pytest.mark.parametrize("fused", [True, False])
def test_an_image_that_changes_with_its_split_leaves_nothing_behind(project, fused):
    project.make()
    project.download.shapes = [(name, circle(12, 25, 7), size) for name, _, size in project.download.shapes]
    project.download.write()
    small_recipe(project.download.root.parent / "small.toml", seed=2)
    if not fused:
        project.index()
        stages.split(project.folder)
        stages.masks(project.folder, Inline())
    assert project.make()
    listed = {project.folder.root / row[kind] for row in project.rows().values() for kind in ("image", "mask")}
    assert set(times(project.folder.root)) == listed


def test_an_interrupted_run_goes_on(project, monkeypatch):
    project.index()
    stages.split(project.folder)
    work, calls = sample_stages.make_samples, []

    def stop_after_five(task):
        calls.append(task.image_id)
        if len(calls) > 5:
            raise KeyboardInterrupt
        return work(task)

    monkeypatch.setattr(sample_stages, "make_samples", stop_after_five)
    with pytest.raises(KeyboardInterrupt):
        stages.variants(project.folder, Inline(), fused=True)
    assert not project.folder.manifest.exists()
    assert len(project.folder.journal.read()) == 5
    with project.folder.journal.path.open("a") as file:
        file.write('{"image_id": "P1')  # power was cut within a line
    half = project.folder.root / "train" / "images" / ".P1_L_DM_CC.jpg.123.part"
    half.write_bytes(b"half")
    monkeypatch.setattr(sample_stages, "make_samples", lambda task: calls.append(task.image_id) or work(task))
    stages.variants(project.folder, Inline(), fused=True)
    assert len(calls) == 6 + 7
    assert not half.exists()
    fresh = Project(project.folder.root.parent / "fresh")
    fresh.make()
    assert fresh.folder.manifest.read_bytes() == project.folder.manifest.read_bytes()


def interrupted(function, after):
    """The function; after that number of calls it is as if Ctrl-C were pressed."""
    numbers = iter(range(after))

    def call(*arguments):
        if next(numbers, None) is None:
            raise KeyboardInterrupt
        return function(*arguments)

    return call


def change_sources(project):
    """Other regions in eight images of four patients."""
    shapes = project.download.shapes
    shapes[:8] = [(name, circle(12, 25, 7), size) for name, _, size in shapes[:8]]
    project.download.write()


def change_split(project):
    small_recipe(project.download.root.parent / "small.toml", seed=2)


@pytest.mark.parametrize(
    ("change", "stage", "place", "work"),
    [
        pytest.param(change_sources, "masks", sample_stages, "make_square", id="masks"),
        pytest.param(change_sources, "variants", sample_stages, "make_samples", id="variants"),
        pytest.param(change_split, "variants", Path, "replace", id="moving"),
    ],
)
def test_while_a_complete_set_is_remade_it_has_no_manifest(project, monkeypatch, change, stage, place, work):
    project.make()
    before = project.folder.manifest.read_bytes()
    change(project)
    project.index()
    stages.split(project.folder)
    assert project.folder.manifest.read_bytes() == before, "so far all files are those of the manifest"
    stamps = times(project.folder.root)
    with monkeypatch.context() as patch:
        patch.setattr(place, work, interrupted(getattr(place, work), after=3))
        with pytest.raises(KeyboardInterrupt):
            stages.masks(project.folder, Inline()) if stage == "masks" else stages.variants(project.folder, Inline(), fused=True)
    assert times(project.folder.root) != stamps, "it was interrupted in the middle"
    assert not project.folder.manifest.exists()
    assert project.make()
    fresh = Project(project.folder.root.parent / "fresh", project.recipe, project.download)
    fresh.make(assignment=project.folder.assignment)
    assert project.folder.manifest.read_bytes() == fresh.folder.manifest.read_bytes() != before


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"short"),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"),
    ],
)
def test_a_damaged_sample_is_made_again(project, damage):
    project.make()
    before = tree(project.folder.root)
    damage(project.folder.root / project.rows()["P4_L_CM_CC"]["image"])
    project.make()
    assert tree(project.folder.root) == before


def test_a_touched_file_is_hashed_and_left_alone(project, monkeypatch):
    project.make()
    path = project.folder.root / project.rows()["P4_L_CM_CC"]["image"]
    os.utime(path, ns=(1, 1))
    monkeypatch.setattr(sample_stages, "make_samples", None)
    assert not project.make()


def test_an_image_that_fails_late_is_dropped_and_the_split_stays(tmp_path):
    project = Project(tmp_path, download=small_download(tmp_path / "raw", patients=4))
    path = project.download.root / "Low energy images" / "P2_L_DM_CC.png"
    path.with_suffix(".jpg").unlink()
    data = bytearray(cv2.imencode(".png", Download.pixels("P2_L_DM_CC"))[1].tobytes())
    data[60:90] = bytes(30)  # the header and the end are sound, the pixels are not
    path.write_bytes(bytes(data))
    project.make()
    assert "P2_L_DM_CC" not in {row["image_id"] for row in project.rows().values()}
    assert {row["patient"] for row in read_csv(project.folder.assignment)} == {"P1", "P2", "P3", "P4"}
    (row,) = read_csv(project.folder.rejects)
    assert (row["image"], row["reason"], row["where"]) == ("P2_L_DM_CC", "pixels-unreadable", "Low energy images/P2_L_DM_CC.png")
    assert "download it again" in row["words"]
    assert not project.make(), "it is not tried again until its file changes"
    path.write_bytes(cv2.imencode(".png", Download.pixels("P2_L_DM_CC"))[1].tobytes())
    assert project.make()
    assert "P2_L_DM_CC" in project.rows()
    assert read_csv(project.folder.rejects) == []


def test_a_users_own_assignment_is_followed(project, tmp_path):
    mine = tmp_path / "mine.csv"
    mine.write_text("patient,split\nP1,test\nP2,test\nP3,valid\nP77,train\n")
    project.make(assignment=mine)
    splits = {row["patient"]: row["split"] for row in project.rows().values()}
    assert (splits["P1"], splits["P2"], splits["P3"]) == ("test", "test", "valid")
    assert set(splits) == {f"P{number}" for number in range(1, 7)}
    assert not project.make(), "without naming it again it stays"


@pytest.mark.parametrize(
    "data",
    [
        b"patient;split;fold\r\nP1;test;2\r\nP2;valid;0\r\nP77;train;\r\n",
        b"\xef\xbb\xbfpatient,split,fold\r\nP1,test,2\r\n,,\r\nP2,valid,0\r\nP77,train,\r\n,,\r\n",
        b'Patient, SPLIT ,Fold,note\nP1,Test,2.0,\n P2 ,Val,"0,0",x\nP77,TRAINING\n',
        "sep=\t\npatient\tsplit\tfold\nP1\ttest\t2\nP2\tvalidation\t0\nP77\ttrain\n".encode("utf-16"),
        b"patient,split,fold\n1.0,test,2\nP001,test,2\np002,valid,0\nP77,train\n",
    ],
)
def test_an_assignment_may_be_saved_by_a_spreadsheet(project, tmp_path, data):
    mine = tmp_path / "mine.csv"
    mine.write_bytes(data)
    project.index()
    summary = stages.split(project.folder, mine).summary
    rows = {row["patient"]: (row["split"], row["fold"]) for row in read_csv(project.folder.assignment)}
    assert (rows["P1"], rows["P2"]) == (("test", "2"), ("valid", "0"))
    assert summary["not_indexed"] == ["P77"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patient,split\n,train\n", "row 2 names no patient; name it, or remove the row"),
        ("patient,split,fold\nP1,train,1\nP1,train,2\n", "P1 has both fold 1 and fold 2; expected one"),
        ("patient,split,fold\nP1,train,\u00b2\n", "row 2 has fold '\u00b2'; expected a number from 0 to 2"),
        ("patient,split,split\nP1,train,test\n", "has 2 columns 'split'; keep one of them"),
        ("patient,split\nP1,dev\n", "row 2 gives P1 the split 'dev'; expected train, valid, test"),
        ("patient,split\nP1,train\nP1,test\n", "P1 is both in train and in test; expected one split each"),
        ("patient,split\nP001,train\nP1,test\n", "P1, in several spellings, is in train and in test; expected one"),
        ("patient,part\nP1,train\n", "has the columns patient, part; expected split too"),
        ("patient,split,fold\nP1,train,7\n", "row 2 has fold '7'; expected a number from 0 to 2"),
    ],
)
def test_a_faulty_assignment_is_reported(project, tmp_path, text, message):
    mine = tmp_path / "mine.csv"
    mine.write_text(text)
    project.index()
    with pytest.raises(InputError) as error:
        stages.split(project.folder, mine)
    assert message in str(error.value)


def test_too_few_patients_are_reported(tmp_path):
    project = Project(tmp_path, download=small_download(tmp_path / "raw", patients=2))
    with pytest.raises(InputError, match="set: 2 patients for 3 splits"):
        project.make()


def test_class_indices_have_colored_copies(tmp_path):
    download = small_download(tmp_path / "raw", patients=2)
    download.add("P3_L_DM_CC", label="Benign")
    download.add("P4_L_DM_CC", [], label="Normal")
    recipe = small_recipe(
        tmp_path / "classes.toml",
        variants=("original",),
        values="classes",
        with_regions=("malignant", "benign"),
        without_regions=("normal",),
    )
    project = Project(tmp_path, recipe, download.write())
    project.make()
    values = {row["class"]: set(np.unique(project.read(row["mask"]))) for row in project.rows().values()}
    assert values == {"malignant": {0, 2}, "benign": {0, 1}, "normal": {0}}
    benign = next(row for row in project.rows().values() if row["class"] == "benign")
    colored = project.read(benign["mask"].replace("/masks/", "/masks_color/"))
    assert {tuple(color) for color in colored.reshape(-1, 3)} == {(0, 0, 0), (0, 255, 0)}
    assert project.rows()["P4_L_DM_CC"]["lesion_px"] == 0


def test_the_published_recipe_splits_samples_and_writes_color_jpeg(tmp_path):
    download = small_download(tmp_path / "raw")
    download.add(
        "P7_L_DM_CC", [{"name": "ellipse", "cx": 10, "cy": 20, "rx": 16, "ry": 8}, polygon((1, 1), (9, 9), name="polyline")]
    )
    project = Project(tmp_path, "v2-published", download.write())
    project.make()
    rows = project.rows()
    count = {split: sum(row["split"] == split for row in rows.values()) for split in ("train", "valid", "test")}
    assert count == {"train": int(0.8 * 78), "valid": int(0.15 * 78), "test": 78 - int(0.8 * 78) - int(0.15 * 78)}
    image, mask = project.read(rows["P7_L_DM_CC"]["image"]), project.read(rows["P7_L_DM_CC"]["mask"])
    assert image.shape == mask.shape == (512, 512, 3)
    columns, lines = np.nonzero(mask[:, :, 0].T >= 128)
    scale, pad = 512 / 60, 10
    np.testing.assert_allclose(
        [columns.min(), columns.max(), lines.min(), lines.max()],
        [(10 + pad) * scale, (27 + pad) * scale, 20 * scale, 37 * scale],
        atol=scale,
    )
    assert rows["P7_L_DM_CC"]["regions"] == 1
    assert [row["sample"] for row in read_csv(project.folder.assignment)] == sorted(rows)


def test_the_card_lists_what_is_there(project):
    project.download.add("P8_L_DM_CC", file=False)
    project.download.write()
    project.make()
    card = project.folder.card.read_text()
    assert "| all | 6 | 12 | 36 |" in card
    assert "| `file-missing` | 1 |" in card
    assert "Not a medical device" in card
    assert all(doi in card for doi in ("10.7937/29kw-ae92", "10.1038/s41597-022-01238-0", "10.1007/s10278-013-9622-7"))
    assert "Not run on this data set yet" in card


def test_a_removed_folder_of_samples_is_made_again(project):
    project.make()
    before = tree(project.folder.root)
    shutil.rmtree(project.folder.root / "train")
    project.make()
    assert tree(project.folder.root) == before


def test_a_users_own_split_of_samples_stays_too(tmp_path):
    project = Project(tmp_path, "v1")
    mine = tmp_path / "mine.csv"
    names = [f"P{number}_L_DM_CC" for number in range(1, 7)]
    mine.write_text("sample,split\n" + "".join(f"{name},test\n" for name in names))
    project.make(assignment=mine)
    assert not project.make()
    assert {project.rows()[name]["split"] for name in names} == {"test"}
