"""The index: which images are kept, which are dropped and why, and that the counts add up."""

import json
import os
import shutil
from collections import Counter

import cv2
import numpy as np
import pytest
from inputs import REGIONS, TABLE, Download, circle, mammogram, polygon, small_download, small_recipe

from pipeline.annotations import find_annotations, read_annotations
from pipeline.contract import parse_image
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import InputError, read_csv
from pipeline.indexing.match import _choose
from pipeline.indexing.tables import Reject, read_images
from pipeline.recipe import load_recipe
from pipeline.stages import index
from pipeline.workers import Inline


@pytest.fixture
def run(tmp_path):
    def run_index(download, recipe="v2", annotations=None, out="set"):
        folder = DatasetFolder(tmp_path / out)
        outcome = index(folder, load_recipe(recipe), download.root, annotations, Inline())
        return folder, outcome

    return run_index


def reasons(folder):
    return {row["image"]: row["reason"] for row in read_csv(folder.rejects)}


def kept(folder):
    return [image.image_id for image in read_images(folder.index)]


def test_kept_and_dropped_images_add_up(tmp_path, run):
    download = Download(tmp_path / "raw")
    download.add("P1_L_DM_CC")
    download.add("P1_L_CM_CC", written="P1_L_CM_CC ")
    download.add("P2_L_DM_MLO_2", label="Malignant")
    download.add("P3_L_DM_CC", label="Benign")
    download.add("P4_L_DM_CC", shapes=[])
    download.add("P5_L_DM_CC", label="Normal", shapes=[])
    download.add("P6_L_DM_CC", file=False)
    download.add("P7_L_DM_CC", row=False)
    download.add("P8_L_DM_CC", label="Maybe")
    cv2.imwrite(str(download.root / "logo.png"), np.zeros((9, 9), np.uint8))
    folder, outcome = run(download.write())
    assert kept(folder) == ["P1_L_CM_CC", "P1_L_DM_CC", "P2_L_DM_MLO_2"]
    assert reasons(folder) == {
        "P3_L_DM_CC": "class-not-wanted",
        "P4_L_DM_CC": "no-region",
        "P5_L_DM_CC": "class-not-wanted",
        "P6_L_DM_CC": "file-missing",
        "P7_L_DM_CC": "not-in-table",
        "P8_L_DM_CC": "unknown-class",
        "logo": "unknown-name",
    }
    summary = outcome.summary
    assert summary["named"] == 10
    assert summary["named"] == summary["kept"] + sum(summary["left_out"].values()) + sum(summary["rejected"].values())


def test_regions_may_name_a_dicom_file_that_its_tags_identify(tmp_path, run):
    download = small_download(tmp_path / "raw", patients=3)
    download.add("P5_R_CM_MLO", [], file=False)
    pixels = Download.pixels("a").astype(np.uint16) * 16
    mammogram(download.root / "IM0001.dcm", pixels, PatientID="P5", ImageLaterality="R", ViewPosition="MLO")
    download.shapes.append(("IM0001.dcm", circle(9, 9, 5), 5))
    folder, _ = run(download.write())
    assert "P5_R_CM_MLO" in kept(folder)
    (row,) = [row for row in read_csv(folder.regions) if row["image_id"] == "P5_R_CM_MLO"]
    assert json.loads(row["attributes"]) == circle(9, 9, 5)


def test_regions_that_may_belong_to_two_dicom_files_are_an_error(tmp_path, run):
    download = small_download(tmp_path / "raw", patients=3)
    pixels = Download.pixels("a").astype(np.uint16) * 16
    for patient in ("P5", "P6"):
        (download.root / patient).mkdir()
        mammogram(download.root / patient / "IM0001.dcm", pixels, PatientID=patient)
    download.shapes.append(("IM0001.dcm", circle(9, 9, 5), 5))
    with pytest.raises(InputError) as error:
        run(download.write())
    assert f"{REGIONS} row 8: names IM0001, which may be any of 2 images, such as P5_L_CM_CC and P6_L_CM_CC" in str(error.value)


def test_regions_of_an_image_of_another_size_are_refused(tmp_path, run):
    download = Download(tmp_path / "raw")
    download.add("P1_L_DM_CC", [])
    download.add("P2_L_DM_CC")
    images = [{"id": 1, "file_name": "P1_L_DM_CC.png", "width": 60, "height": 40}]
    annotations = [{"id": 5, "image_id": 1, "segmentation": [[1, 1, 20, 1, 9, 9]]}]
    (download.root / "coco.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    folder, _ = run(download.write())
    (reject,) = read_csv(folder.rejects)
    assert (reject["image"], reject["reason"], reject["where"]) == ("P1_L_DM_CC", "annotation-size", "coco.json annotation 5")
    assert reject["words"].startswith("was drawn on 60 x 40 pixels, but the image has 40 x 60; is this the image")


def with_boxes(root):
    """Six images with an outlined lesion each; in P1 and P2 there is a second one with a box alone."""
    download = Download(root)
    names = [f"P{patient}_L_DM_CC" for patient in range(1, 7)]
    for name in names:
        download.add(name, [])
    download.write()
    (root / REGIONS).unlink()
    images = [{"id": number, "file_name": f"{name}.jpg", "width": 40, "height": 60} for number, name in enumerate(names)]
    outlines = [{"id": number, "image_id": number, "segmentation": [[3, 3, 20, 3, 9, 20]]} for number in range(6)]
    boxes = [{"id": 10 + number, "image_id": number, "segmentation": [], "bbox": [10, 40, 12, 8]} for number in range(2)]
    content = {"images": images, "annotations": outlines + boxes}
    (root / "coco.json").write_text(json.dumps(content))
    return download


def test_a_lesion_with_a_box_alone_rejects_its_image(tmp_path, run):
    folder, _ = run(with_boxes(tmp_path / "raw"))
    rejects = read_csv(folder.rejects)
    assert [(row["image"], row["reason"], row["where"]) for row in rejects] == [
        ("P1_L_DM_CC", "box-only", "coco.json annotation 10"),
        ("P2_L_DM_CC", "box-only", "coco.json annotation 11"),
    ]
    assert 'outline it, or set [mask] boxes = "draw" to take boxes as lesions' in rejects[0]["words"]
    assert len(kept(folder)) == 4


def test_boxes_are_regions_where_the_recipe_says_so(tmp_path):
    folder = DatasetFolder(tmp_path / "set")
    recipe = load_recipe("v2", {"mask": {"boxes": "draw"}})
    index(folder, recipe, with_boxes(tmp_path / "raw").root, None, Inline())
    regions = read_csv(folder.regions)
    assert len(regions) == 8
    assert [(row["image_id"], row["area_px"]) for row in regions if row["shape"] == "rect"] == [
        ("P1_L_DM_CC", "96.0"),
        ("P2_L_DM_CC", "96.0"),
    ]


def test_dicom_is_identified_by_its_name_or_its_tags(tmp_path, run):
    download = small_download(tmp_path / "raw", patients=3)
    named = download.add("P4_R_DM_MLO", file=False)
    tagged = download.add("P5_R_CM_MLO", file=False)
    download.add("P6_R_CM_CC", file=False)
    pixels = Download.pixels("a").astype(np.uint16) * 16
    mammogram(named.with_suffix(".dcm"), pixels, PatientID=None, ImageType=None, ImageLaterality="R", ViewPosition="MLO")
    mammogram(tagged.with_name("IM0001.dcm"), pixels, PatientID="P5", ImageLaterality="R", ViewPosition="MLO")
    mammogram(tagged.with_name("IM0002.dcm"), pixels, PatientID="P6", ImageType=["DERIVED", "PRIMARY"])
    folder, _ = run(download.write())
    assert {"P4_R_DM_MLO", "P5_R_CM_MLO"} <= set(kept(folder))
    assert {image.image_id: image.spacing_mm for image in read_images(folder.index)}["P5_R_CM_MLO"] == 0.1
    assert reasons(folder) == {"Subtracted images/IM0002.dcm": "unknown-kind", "P6_R_CM_CC": "file-missing"}


def test_a_dicom_file_whose_name_and_tags_disagree_is_rejected(tmp_path, run):
    download = small_download(tmp_path / "raw", patients=3)
    path = download.add("P4_R_DM_MLO", file=False).with_suffix(".dcm")
    mammogram(path, Download.pixels("a").astype(np.uint16) * 16, PatientID="P4")
    folder, _ = run(download.write())
    message = {row["reason"]: row["words"] for row in read_csv(folder.rejects)}["name-differs"]
    assert message == (
        "P4_R_DM_MLO.dcm is named side R, kind DM, view MLO but tagged side L, kind CM, view CC; correct one of them"
    )


def test_a_dicom_file_that_names_another_patient_than_its_tags_is_rejected(tmp_path, run):
    download = small_download(tmp_path / "raw", patients=3)
    path = download.add("P4_L_CM_CC", file=False).with_suffix(".dcm")
    mammogram(path, Download.pixels("a").astype(np.uint16) * 16, PatientID="P5")
    folder, _ = run(download.write())
    message = {row["reason"]: row["words"] for row in read_csv(folder.rejects)}["name-differs"]
    assert message == "P4_L_CM_CC.dcm names another patient than its tags; correct one of them"


def test_a_path_that_is_not_utf_8_is_rejected_and_shown(tmp_path, run):
    download = small_download(tmp_path / "raw", patients=3)
    download.write()
    odd = os.fsencode(download.root) + b"/M\xfcller"
    os.mkdir(odd)
    os.rename(os.fsencode(download.root) + b"/Low energy images/P1_L_DM_CC.jpg", odd + b"/P1_L_DM_CC.jpg")
    folder, _ = run(download)
    (reject,) = [row for row in read_csv(folder.rejects) if row["reason"] == "file-unreadable"]
    assert reject["where"] == "M\\udcfcller/P1_L_DM_CC.jpg"
    assert "has a path that is not valid UTF-8; rename the file or its folder" in reject["words"]


def test_the_strict_join_loses_what_the_published_set_lost(tmp_path, run):
    download = Download(tmp_path / "raw")
    download.add("P1_L_DM_CC")
    download.add("P1_L_CM_CC", written="P1_L_CM_CC ")
    folder, _ = run(download.write(), "v2-published")
    assert kept(folder) == ["P1_L_DM_CC"]
    assert reasons(folder) == {"P1_L_CM_CC": "strict-join"}


def test_full_takes_normal_images_without_regions_and_lesions_with_regions(tmp_path, run):
    download = Download(tmp_path / "raw")
    download.add("P1_L_DM_CC")
    download.add("P2_L_DM_CC", label="Benign")
    download.add("P3_L_DM_CC", label="Normal", shapes=[])
    download.add("P4_L_DM_CC", label="Normal")
    download.add("P5_L_DM_CC", label="Benign", shapes=[])
    folder, _ = run(download.write(), "full")
    assert kept(folder) == ["P1_L_DM_CC", "P2_L_DM_CC", "P3_L_DM_CC"]
    assert reasons(folder) == {"P4_L_DM_CC": "normal-with-region", "P5_L_DM_CC": "no-region"}


@pytest.mark.parametrize(
    ("shapes", "reason", "message"),
    [
        ([circle(20, 30, 5), {"name": "star"}], "region-malformed", "unknown shape 'star'"),
        (['{"name": "circle", '], "region-malformed", "is not valid JSON"),
        ([{"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1, 2, 3]}], "region-malformed", "2 x and 3 y"),
        (
            [circle(39, 30, 5), circle(45, 30, 9)],
            "region-outside-image",
            "more than half outside of the 40 x 60 image; is this the image",
        ),
        ([polygon((500, 500), (600, 500), (600, 600))], "region-outside-image", "polygon from x=500 y=500 to x=600 y=600"),
        ([circle(20, 30, 5), {"name": "point", "cx": 41, "cy": 3}], "region-outside-image", "point from x=41"),
    ],
)
def test_regions_that_do_not_fit_reject_their_image(tmp_path, run, shapes, reason, message):
    download = small_download(tmp_path / "raw", patients=3)
    download.add("P9_L_DM_CC", shapes)
    folder, _ = run(download.write())
    (row,) = read_csv(folder.rejects)
    assert (row["image"], row["reason"]) == ("P9_L_DM_CC", reason)
    assert row["where"].startswith(f"{REGIONS} row ")
    assert message in row["words"]
    assert len(kept(folder)) == 6


def test_a_region_with_at_most_half_of_it_outside_is_kept(tmp_path, run):
    download = Download(tmp_path / "raw")
    download.add("P1_L_DM_CC", [circle(0, 0, 0), {"name": "rect", "x": -3, "y": 5, "width": 7, "height": 4}])
    folder, _ = run(download.write())
    assert [float(row["inside"]) for row in read_csv(folder.regions)] == [1, 5 / 8]


@pytest.mark.parametrize(
    ("data", "reason"), [(b"", "file-empty"), (b"hello", "not-an-image"), (b"\xff\xd8\xff\xe0", "file-truncated")]
)
def test_a_broken_file_rejects_its_image_alone(tmp_path, run, data, reason):
    download = small_download(tmp_path / "raw", patients=3)
    (download.root / "Low energy images" / "P2_L_DM_CC.jpg").write_bytes(data)
    folder, _ = run(download)
    assert reasons(folder) == {"P2_L_DM_CC": reason}
    assert read_csv(folder.rejects)[0]["where"] == "Low energy images/P2_L_DM_CC.jpg"


def test_two_files_with_one_name(tmp_path, run):
    download = small_download(tmp_path / "raw", patients=3)
    first = download.root / "Low energy images" / "P2_L_DM_CC.jpg"
    (download.root / "copy").mkdir()
    shutil.copy(first, download.root / "copy" / first.name)
    folder, _ = run(download)
    assert reasons(folder) == {}, "the same bytes twice are one image"
    cv2.imwrite(str(download.root / "copy" / "P2_L_DM_CC .png"), np.zeros((60, 40), np.uint8))
    folder, _ = run(download)
    assert reasons(folder) == {"P2_L_DM_CC": "duplicate-name"}
    assert "is the name of different files; keep one of them" in read_csv(folder.rejects)[0]["words"]


@pytest.mark.parametrize("name", ["P2_L_DM_CC (1).jpg", "P2_L_DM_CC.jpg.jpg", "Copy of P2_L_DM_CC.jpg", "p2-l-dm-cc.JPG"])
def test_a_file_of_a_similar_name_is_asked_about_and_not_joined(tmp_path, run, name):
    download = small_download(tmp_path / "raw", patients=3)
    first = download.root / "Low energy images" / "P2_L_DM_CC.jpg"
    first.rename(first.with_name(name))
    folder, _ = run(download)
    words = {row["reason"]: row["words"] for row in read_csv(folder.rejects)}
    assert set(words) == {"file-missing", "unknown-name"}
    assert words["file-missing"].endswith(f"? Or did you mean Low energy images/{name}? Correct one of the names")
    assert words["unknown-name"].endswith(
        "; an annotation file names 'P2_L_DM_CC': did it mean this image? Correct one of the names"
    )


def test_regions_under_a_similar_name_are_asked_about(tmp_path, run):
    download = small_download(tmp_path / "raw", patients=3)
    path = download.root / REGIONS
    path.write_text(path.read_text().replace("P2_L_DM_CC", "p2_l_dm_cc"))
    folder, _ = run(download)
    words = {row["reason"]: row["words"] for row in read_csv(folder.rejects)}
    assert "; an annotation file names 'p2_l_dm_cc': did it mean this image?" in words["no-region"]
    assert "nobody drew" not in words["no-region"]
    assert "; did you mean Low energy images/P2_L_DM_CC.jpg?" in words["unknown-name"]


def test_every_file_is_a_reject_or_counted(tmp_path, run):
    download = small_download(tmp_path / "raw", patients=3)
    first = download.root / "Low energy images" / "P2_L_DM_CC.jpg"
    for number in range(5):
        for name in ("image.jpg", "P2_L_DM_CC.jpg", "P3_L_DM_CC.jpg"):
            path = download.root / f"case{number}" / name
            path.parent.mkdir(exist_ok=True)
            shutil.copy(first, path)
    folder, outcome = run(download)
    rejects = read_csv(folder.rejects)
    assert [row["where"] for row in rejects if row["reason"] == "unknown-name"] == [f"case{n}/image.jpg" for n in range(5)]
    (other,) = [row for row in rejects if row["reason"] == "duplicate-name"]
    assert other["where"].endswith(" and 4 more")
    summary = outcome.summary
    assert (summary["further_files"], summary["further_files_first"]) == (10, ["case0/P2_L_DM_CC.jpg"])
    assert summary["files"] == summary["kept"] + len(rejects) + summary["further_files"] == 21


def test_labels_of_dm_and_cm_that_differ_are_reported_and_kept(tmp_path, run):
    download = Download(tmp_path / "raw")
    download.add("P1_L_DM_CC", label="Benign")
    download.add("P1_L_CM_CC")
    folder, outcome = run(download.write())
    assert outcome.summary["label_pairs_differ"] == ["P1_L_DM_CC"]
    assert kept(folder) == ["P1_L_CM_CC"]


def test_file_sizes_are_compared(tmp_path, run):
    download = small_download(tmp_path / "raw", patients=3)
    with (download.root / "Low energy images" / "P2_L_DM_CC.jpg").open("ab") as file:
        file.write(b"\0" * 10)
    _, outcome = run(download)
    assert (outcome.summary["sizes_compared"], outcome.summary["sizes_differ"]) == (6, 1)


def test_nothing_is_read_again_until_something_changes(tmp_path, run, monkeypatch):
    import pipeline.indexing.inspect as module

    download = small_download(tmp_path / "raw", patients=3)
    folder, outcome = run(download)
    before = folder.index.read_bytes(), folder.index_state.read_bytes()
    reads = []
    original = module.read_bytes
    monkeypatch.setattr(module, "read_bytes", lambda path: reads.append(path.name) or original(path))
    _, again = run(download)
    assert (again.changed, again.summary, reads) == (False, outcome.summary, [])
    os.utime(download.root / "Low energy images" / "P2_L_DM_CC.jpg", ns=(1, 1))
    run(download)
    assert reads == ["P2_L_DM_CC.jpg"]
    assert folder.index.read_bytes() == before[0], "the same bytes at another time are the same image"
    assert folder.index_state.read_bytes() != before[1]


def test_annotations_may_lie_elsewhere(tmp_path, run):
    download = small_download(tmp_path / "raw with spaces", patients=3)
    elsewhere = tmp_path / "the annotations"
    elsewhere.mkdir()
    for name in (TABLE, REGIONS):
        (download.root / name).rename(elsewhere / name)
    folder, _ = run(download, annotations=elsewhere)
    assert len(kept(folder)) == 6


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda download: shutil.rmtree(download.root), "no such folder; RAW names the folder with the CDD-CESM download"),
        (
            lambda download: [path.unlink() for path in download.root.rglob("*.jpg")],
            "holds no image (.dcm, .dicom, .ima, ",
        ),
        (lambda download: (download.root / TABLE).unlink(), "holds no annotation table"),
        (
            lambda download: (download.root / REGIONS).unlink(),
            "holds no file of drawn regions (VIA CSV or JSON, COCO JSON, OsiriX XML, DICOM SEG, or boxes or masks by [layout]); ",
        ),
        (
            lambda download: (download.root / ".phantom-part").write_text(""),
            "holds a phantom that was interrupted; run the phantom command again",
        ),
    ],
)
def test_an_incomplete_download_is_an_error(tmp_path, run, damage, message):
    download = small_download(tmp_path / "raw", patients=3)
    damage(download)
    with pytest.raises(InputError) as error:
        run(download)
    assert message in str(error.value)


def test_a_folder_of_another_recipe_or_other_sources_is_refused(tmp_path, run):
    download = small_download(tmp_path / "raw", patients=3)
    run(download)
    with pytest.raises(
        InputError, match=r"was made by recipe 'v2', not 'v1' \(source.join is 'cleaned' there and 'strict' here\)"
    ):
        run(download, "v1")
    other = small_download(tmp_path / "other", patients=3)
    with pytest.raises(InputError, match=r"set: was made from .*raw, not .*other; choose another folder"):
        run(other)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("")
    with pytest.raises(InputError, match="is not empty and not a data set of this program"):
        run(download, out="letters")


def test_a_recipe_of_ones_own(tmp_path, run):
    folder, _ = run(small_download(tmp_path / "raw", patients=3), small_recipe(tmp_path / "mine.toml"))
    assert folder.load_recipe().image.size_px == 32


@pytest.mark.real
@pytest.mark.parametrize(
    ("recipe", "classes", "left_out"),
    [
        ("v2", {"malignant": 651}, {"class-not-wanted": 1344, "no-region": 11}),
        ("v2-published", {"malignant": 650}, {"class-not-wanted": 1344, "no-region": 11, "strict-join": 1}),
        ("v1", {"malignant": 650}, {"class-not-wanted": 1344, "no-region": 11, "strict-join": 1}),
        ("full", {"malignant": 651, "benign": 574, "normal": 749}, {"no-region": 24, "normal-with-region": 8}),
    ],
)
def test_what_each_recipe_takes_of_the_whole_set(real_annotations, recipe, classes, left_out):
    """By names and labels alone, as if every image file were there."""
    annotations = read_annotations(find_annotations(real_annotations), real_annotations)
    chosen, reasons = Counter(), Counter()
    for image_id in annotations.rows:
        choice = _choose(parse_image(image_id), [None], annotations, load_recipe(recipe))
        if isinstance(choice, Reject):
            reasons[choice.reason] += 1
        else:
            chosen[choice.row.cells["class"].lower()] += 1
    assert (chosen, reasons) == (classes, left_out)


def test_one_patient_in_two_spellings_is_one_patient(tmp_path, run):
    download = Download(tmp_path / "raw")
    for name in ("P1_L_DM_CC", "P001_R_DM_CC", "P02_L_DM_CC"):
        download.add(name)
    folder, _ = run(download.write())
    assert {image.image_id: image.patient for image in read_images(folder.index)} == {
        "P1_L_DM_CC": "P1",
        "P001_R_DM_CC": "P1",
        "P02_L_DM_CC": "P02",
    }


def test_an_archive_in_a_folder_without_images_is_named(tmp_path, run):
    download = Download(tmp_path / "raw")
    (download.root / "images.zip").write_bytes(b"PK")
    with pytest.raises(
        InputError, match=r"holds no image .*; found, not used: 1 file \(look like an archive that is not unpacked"
    ):
        run(download)
