"""Files that lie where annotations are and are not read: each is listed with what it looks like."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from inputs import REGIONS, TABLE, Download, small_download
from small_sets import make_set

from pipeline.annotations import UnreadFiles, describe_unread, find_others
from pipeline.annotations.unread import _describe
from pipeline.commands.index import print_counts
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import InputError, read_csv
from pipeline.recipe import load_recipe
from pipeline.stages import index
from pipeline.workers import Inline

LABELME = json.dumps({"version": "5.2", "flags": {}, "shapes": [], "imagePath": "P1_L_DM_CC.jpg"})
VIA_3 = {"project": {"pid": "x"}, "config": {}, "attribute": {}, "file": {}, "metadata": {}, "view": {}}


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.json", LABELME, "LabelMe"),
        ("a.json", LABELME.encode("utf-16"), "LabelMe"),
        ("a.json", json.dumps(VIA_3), "VIA 3"),
        ("a.csv", "# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata\n", "VIA 3"),
        ("a.json", '[{"result": [{"from_name": "x", "to_name": "y"}]}]', "Label Studio"),
        ("a.json", '{"theme": "dark"}', "JSON of another kind"),
        ("a.xml", '<?xml version="1.0"?><annotations><image id="0"></image></annotations>', "CVAT XML"),
        ("a.xml", "<annotation><object><bndbox/></object></annotation>", "Pascal VOC XML"),
        ("a.xml", "<?xml?><plist/>", "OsiriX XML"),
        ("a.xml", b"\xff\xfe\xff", "XML of another kind"),
        ("a.txt", "0 0.5 0.5 0.1 0.2\n1 0.25 1e-3 0.1 0.2 0.3 0.4", "YOLO labels"),
        ("a.txt", "Dear reader,\n1 2 3 4 5 apples\n", ""),
        ("a.txt", "", ""),
        ("a.tsv", "what\thow many\n", "a table without the expected columns"),
        ("a.txt", "0 .5 .5 .1 1. .2 .3", "YOLO labels"),
        ("a.xlsm", "PK", "a workbook of Excel with macros"),
        ("a.zip", "PK", "an archive that is not unpacked"),
        ("a.nii.gz", "", "NIfTI"),
        ("A.XLS", "", "a workbook of Excel before 2007"),
        ("P1_L_DM_CC_mask.bmp", "BM", "a mask in a format that is not read"),
        ("a.json", '[{"image": "x.png", "label": [{"polygonlabels": ["lesion"], "points": []}]}]', "Label Studio"),
        ("a.png.json", '{"objects": [{"geometryType": "polygon", "classTitle": "lesion"}]}', "Supervisely"),
        ("a.json", '[{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": []}}]', "GeoJSON"),
        ("a.mrk.json", '{"@schema": "https://x/markups-schema-v1.0.3.json#", "markups": []}', "3D Slicer markups"),
        ("dataset.json", '{"training": [{"image": "a", "label": "b"}]}', "a list of MONAI or nnU-Net"),
    ],
)
def test_what_a_file_looks_like(tmp_path, name, content, kind):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert find_others(tmp_path) == [tmp_path / name]
    assert _describe(tmp_path / name) == kind


def test_files_of_a_kind_are_one_entry_and_links_to_folders_are_listed(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.xml").write_text("<annotation><object/><object></object></annotation>")
    (tmp_path / "elsewhere").symlink_to(os.sep)
    (tmp_path / "read.json").write_text("{}")
    found = describe_unread(find_others(tmp_path), [tmp_path / "read.json"], [tmp_path], {})
    assert found == [
        UnreadFiles("Pascal VOC XML", 3, "0.xml"),
        UnreadFiles("a link to a folder, where no annotations are looked for", 1, "elsewhere"),
    ]
    assert [str(files) for files in found] == [
        "3 files, 0.xml first (look like Pascal VOC XML)",
        "elsewhere (looks like a link to a folder, where no annotations are looked for)",
    ]


def test_they_are_printed_and_nobody_is_said_to_have_drawn_nothing(tmp_path, capsys):
    download = small_download(tmp_path / "raw", patients=3)
    download.add("P4_L_DM_CC", [])
    download.write()
    folder, recipe = DatasetFolder(tmp_path / "set"), load_recipe("v2")
    index(folder, recipe, download.root, None, Inline())
    assert read_csv(folder.rejects)[0]["words"].endswith("; nobody drew its lesion")
    (download.root / "reader 2.json").write_text(LABELME)
    outcome = index(folder, recipe, download.root, None, Inline())
    assert outcome.changed
    assert outcome.summary["unread"] == [{"looks_like": "LabelMe", "count": 1, "first": "reader 2.json"}]
    words = read_csv(folder.rejects)[0]["words"]
    assert words.endswith("; it may be in a file that was found and not used: reader 2.json (looks like LabelMe)")
    print_counts(outcome.summary)
    printed = capsys.readouterr().out
    assert "index: found, not used: reader 2.json (looks like LabelMe)" in printed
    assert "nobody drew" not in printed


def test_titles_above_a_header_are_reported(tmp_path, capsys):
    download = small_download(tmp_path / "raw", patients=4)
    table = download.root / TABLE
    table.write_text("Readings of 2021\n\n" + table.read_text())
    print_counts(index(DatasetFolder(tmp_path / "set"), load_recipe("v2"), download.root, None, Inline()).summary)
    assert f"index: {TABLE}: its header is row 3; what is above it was skipped\n" in capsys.readouterr().out


def test_an_error_names_what_was_found_instead(tmp_path):
    download = small_download(tmp_path / "raw", patients=3)
    (download.root / REGIONS).rename(download.root / "regions.zip")
    with pytest.raises(InputError, match=r"holds no file of drawn regions .*; found, not used: regions.zip \(looks like an arch"):
        index(DatasetFolder(tmp_path / "set"), load_recipe("v2"), download.root, None, Inline())


def test_annotations_of_raw_are_listed_where_others_are_given(tmp_path):
    download = small_download(tmp_path / "raw", patients=3)
    (tmp_path / "mine").mkdir()
    for name in (TABLE, REGIONS):
        (download.root / name).rename(tmp_path / "mine" / name)
    (download.root / "old.csv").write_text("#filename,file_size,region_shape_attributes\n")
    (tmp_path / "mine" / "old.csv").write_text("unlike,any\n")
    outcome = index(DatasetFolder(tmp_path / "set"), load_recipe("v2"), download.root, tmp_path / "mine", Inline())
    assert outcome.summary["unread"] == [
        {"looks_like": "VIA 2", "count": 1, "first": "raw/old.csv"},
        {"looks_like": "a table without the expected columns", "count": 1, "first": "mine/old.csv"},
    ]


def test_what_is_no_file_is_passed_over_with_a_line(tmp_path, monkeypatch):
    download = small_download(tmp_path / "raw", patients=3)
    (download.root / "other.csv").symlink_to("nowhere.csv")
    (download.root / "loop.json").symlink_to("loop.json")
    os.mkfifo(download.root / "pipe.xml")
    monkeypatch.chdir(tmp_path)
    outcome = index(DatasetFolder(tmp_path / "set"), load_recipe("v2"), Path("raw"), None, Inline())
    assert {files["first"]: files["looks_like"].split(";")[0] for files in outcome.summary["unread"]} == {
        "other.csv": "a link to a file that is not there",
        "loop.json": "a link that leads back to itself",
        "pipe.xml": "a named pipe, not a file with contents",
    }


def test_the_card_and_the_description_list_them(tmp_path):
    download = small_download(tmp_path / "raw", patients=3)
    (download.root / "second reader.xls").write_text("")
    folder = make_set(tmp_path, download)
    kinds = json.loads(folder.description.read_text())["unread"]
    assert kinds == [{"looks_like": "a workbook of Excel before 2007", "count": 1, "first": "second reader.xls"}]
    line = "Found with the annotations, and not used: second reader.xls (looks like a workbook of Excel before 2007)."
    assert line in folder.card.read_text()


def test_an_image_that_an_unread_file_or_a_similar_name_names_is_not_normal_for_want_of_an_annotation(tmp_path):
    download = small_download(tmp_path / "raw", patients=4)
    (download.root / TABLE).unlink()
    rows = (download.root / REGIONS).read_text().replace("P2_L_DM_CC", "P2_L_DM_CC (1)").splitlines()
    (download.root / REGIONS).write_text("\n".join(row for row in rows if not row.startswith(("P1_L_CM", "P3_L_DM", "P4_L_DM"))))
    (download.root / "other.json").write_text(LABELME.replace("P1_L_DM_CC", "folder/P3_L_DM_CC"))
    (download.root / "P4_L_DM_CC.json").write_text('{"shapes": [], "imagePath": null}')
    recipe = load_recipe("full", {"layout": {"unlisted_class": "normal"}})
    folder = DatasetFolder(tmp_path / "set")
    index(folder, recipe, download.root, None, Inline())
    assert [image.image_id for image in folder.read_images()] == ["P1_L_CM_CC"]
    words = {row["image"]: row["words"] for row in read_csv(folder.rejects) if row["reason"] == "not-in-table"}
    assert set(words) == {"P2_L_DM_CC", "P3_L_DM_CC", "P4_L_DM_CC"}
    assert "found and not used" in words["P3_L_DM_CC"]
    assert "names 'P2_L_DM_CC (1)'" in words["P2_L_DM_CC"]


def test_an_image_that_a_mask_names_which_was_not_read_is_not_normal_for_want_of_an_annotation(tmp_path):
    raw = tmp_path / "raw"
    for number in range(1, 6):
        path = raw / "img" / f"{number}_L_CC.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), Download.pixels(str(number), (9, 9)))
    for name in ("Masks/1_L_CC.png", "Masks/2_L_CC.bmp", "masks 2/3_L_CC_mask.png", "mask_4_L_CC.gif"):
        (raw / name).parent.mkdir(exist_ok=True)
        (raw / name).write_bytes(cv2.imencode(".png", cv2.circle(np.zeros((9, 9), np.uint8), (4, 4), 2, 255, -1))[1].tobytes())
    layout = {"image": r"img/(?P<image>(?P<patient>\d+)_(?P<side>L)_(?P<view>CC))$", "mask": "^Masks/(?P<image>.*)$"}
    recipe = load_recipe("full", {"layout": layout | {"kind": "DM", "unlisted_class": "normal"}})
    folder = DatasetFolder(tmp_path / "set")
    outcome = index(folder, recipe, raw, None, Inline())
    assert [image.image_id for image in folder.read_images()] == ["P5_L_DM_CC"]
    rejects = {row["image"]: row for row in read_csv(folder.rejects)}
    assert {name: row["reason"] for name, row in rejects.items()} == {
        "P1_L_DM_CC": "normal-with-region",
        "P2_L_DM_CC": "not-in-table",
        "P3_L_DM_CC": "not-in-table",
        "P4_L_DM_CC": "not-in-table",
        "3_L_CC_mask": "unknown-name",
    }
    assert rejects["3_L_CC_mask"]["where"] == "masks 2/3_L_CC_mask.png"
    (unread,) = outcome.summary["unread"]
    assert unread == {"looks_like": "a mask in a format that is not read", "count": 2, "first": "Masks/2_L_CC.bmp"}


def own_images(tmp_path: Path, label: str, names: list[str]) -> tuple[DatasetFolder, dict]:
    """Indexes three own images, of which those without an annotation are normal, with a COCO file that names images."""
    raw, mine = tmp_path / "raw" / "visit 1", tmp_path / "mine"
    for number in (1, 2, 3):
        raw.mkdir(parents=True, exist_ok=True)
        (raw / f"case 0{number} (left) cc.PNG").write_bytes(
            cv2.imencode(".png", Download.pixels(str(number), (20, 20)))[1].tobytes()
        )
    mine.mkdir(exist_ok=True)
    images = [{"id": number, "file_name": name, "width": 20, "height": 20} for number, name in enumerate(names, 1)]
    regions = [
        {"id": image["id"], "image_id": image["id"], "category_id": 1, "segmentation": [[4, 4, 12, 4, 12, 12]]}
        for image in images
    ]
    categories = [{"id": 1, "name": label}]
    (mine / "coco.json").write_text(json.dumps({"images": images, "annotations": regions, "categories": categories}))
    expression = r"/(?P<image>case (?P<patient>\d+) \((?P<side>left)\) (?P<view>cc))$"
    own = {"image": expression, "kind": "DM", "unlisted_class": "normal", "table": {"classes": {"lesion": "malignant"}}}
    folder = DatasetFolder(tmp_path / "set")
    outcome = index(folder, load_recipe("full", {"layout": own}), tmp_path / "raw", mine, Inline())
    return folder, outcome.summary


@pytest.mark.parametrize(
    "pattern",
    [
        "images/1a2b3c4d-case_0{}_(left)_cc.PNG",
        "case-0{}-left-cc_PNG.rf.0a1b.jpg",
        "case%200{}%20%28left%29%20cc.PNG",
        "IMG{}.png",
    ],
)
def test_no_image_is_normal_if_annotations_name_it_as_another_program_does(tmp_path, pattern):
    folder, _ = own_images(tmp_path, "lesion", [pattern.format(number) for number in (1, 2)])
    assert not folder.read_images()
    words = {row["where"]: f"{row['reason']}: {row['words']}" for row in read_csv(folder.rejects)}
    first, third = words["visit 1/case 01 (left) cc.PNG"], words["visit 1/case 03 (left) cc.PNG"]
    assert first.startswith("not-in-table")
    assert third.startswith("not-in-table")
    assert "annotation files name other images only, such as" in third
    assert words["coco.json annotation 1"].startswith("file-missing")
    if not pattern.startswith("IMG"):
        assert "did it mean this image?" in first
        assert "Or did you mean visit 1/case 01 (left) cc.PNG?" in words["coco.json annotation 1"]


def test_what_is_normal_for_want_of_an_annotation_is_printed(tmp_path, capsys):
    folder, summary = own_images(tmp_path, "lesion", ["case 01 (left) cc.PNG"])
    assert [image.image_class for image in folder.read_images()] == ["malignant", "normal", "normal"]
    print_counts(summary)
    assert "index: 2 images (P2_L_DM_CC, P3_L_DM_CC) without a row in a table and without a region" in capsys.readouterr().out


def test_a_label_that_is_not_a_class_is_named_where_it_would_be(tmp_path):
    folder, _ = own_images(tmp_path, "Lesión", ["case 01 (left) cc.PNG"])
    (reject,) = read_csv(folder.rejects)
    assert reject["reason"] == "normal-with-region"
    assert "its label 'Lesión' is not a class; translate it in [layout.table] classes" in reject["words"]


def test_masks_next_to_annotations_that_are_read_are_named(tmp_path):
    for name in ("SegmentationClass/case 02 (left) cc.png", "máscaras/case 03 (left) cc.png", "logo.png"):
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_bytes(b"")
    folder, summary = own_images(tmp_path, "lesion", ["case 01 (left) cc.PNG"])
    (unread,) = summary["unread"]
    assert unread["first"] == "mine/SegmentationClass/case 02 (left) cc.png"
    assert (unread["looks_like"], unread["count"]) == ("a mask that [layout] mask does not find", 2)
    assert [image.image_class for image in folder.read_images()] == ["malignant"]
