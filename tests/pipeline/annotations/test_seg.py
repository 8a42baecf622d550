"""Reading DICOM segmentations: the pixels of each segment, and the image that they belong to."""

import json
import re
import sys

import numpy as np
import pydicom
import pytest
from inputs import REGIONS, Download, circle, mammogram
from seg_inputs import STUDY, write_seg

from pipeline.annotations import SegReference, Statement, check_reference, find_annotations, read_annotations
from pipeline.dataset.folder import DatasetFolder
from pipeline.drawing.raster import rasterise
from pipeline.drawing.regions import parse_region
from pipeline.files import InputError, read_csv
from pipeline.indexing.tables import read_regions
from pipeline.recipe import load_recipe
from pipeline.stages import index
from pipeline.workers import Inline


@pytest.fixture
def image(tmp_path):
    """A mammogram of 32 x 40 pixels."""
    return mammogram(tmp_path / "image.dcm", np.zeros((40, 32), np.uint16), **STUDY)


def squares():
    masks = np.zeros((40, 32, 2), np.uint8)
    masks[3:9, 4:10, 0] = masks[20:22, 20:31, 1] = 1
    return masks


def drawn(region):
    return rasterise([parse_region(region.attributes)], 32, 40)


@pytest.mark.parametrize("name", ["seg.dcm", "seg"])
def test_each_segment_is_a_region_of_the_image_that_is_referenced(tmp_path, image, name):
    write_seg(tmp_path / name, image, squares(), ["malignant", "benign"])
    annotations = read_annotations(find_annotations(tmp_path), tmp_path)
    assert [path.name for path in annotations.files] == [name], "the image is not an annotation"
    regions = annotations.regions_by_uid["2.25.1"]
    assert [region.label for region in regions] == ["malignant", "benign"]
    assert [region.where for region in regions] == [f"{name} segment 1", f"{name} segment 2"]
    assert {region.size for region in regions} == {(32, 40)}
    for number, region in enumerate(regions):
        np.testing.assert_array_equal(drawn(region), squares()[..., number])


def test_a_fractional_segmentation_is_thresholded_at_half_of_its_maximum(tmp_path, image):
    values = np.linspace(0, 1, 32 * 40).reshape(40, 32)
    path = write_seg(tmp_path / "seg.dcm", image, values, ["lesion"], "FRACTIONAL")
    (region,) = read_annotations([path], path).regions_by_uid["2.25.1"]
    np.testing.assert_array_equal(drawn(region), np.rint(values * 255) >= 127.5)


def test_a_segmentation_without_a_pixel_still_names_its_image(tmp_path, image):
    path = write_seg(tmp_path / "seg.dcm", image, np.zeros((40, 32, 1), np.uint8), ["lesion"])
    assert read_annotations([path], path).regions_by_uid == {"2.25.1": []}


def test_a_segmentation_without_a_pixel_removes_no_regions_and_two_sources_of_regions_are_an_error(tmp_path, image):
    download = Download(tmp_path)
    download.add("P7_L_CM_CC", [circle(9, 9, 5)], file=False)
    download.write()
    folder, recipe = DatasetFolder(tmp_path / "set"), load_recipe("v2")
    write_seg(tmp_path / "seg.dcm", image, np.zeros((40, 32, 1), np.uint8), ["lesion"])
    index(folder, recipe, tmp_path, None, Inline())
    (row,) = read_csv(folder.regions)
    assert json.loads(row["attributes"]) == circle(9, 9, 5)
    write_seg(tmp_path / "seg.dcm", image, squares(), ["malignant", "benign"])
    with pytest.raises(InputError) as error:
        index(folder, recipe, tmp_path, None, Inline())
    assert str(error.value) == f"P7_L_CM_CC: has regions in {REGIONS} row 2 and in seg.dcm segment 1; remove one of them"


def test_segmentations_that_come_back_belong_to_the_image_that_they_reference_whatever_they_are_called(tmp_path):
    download, masks = Download(tmp_path), squares()
    images = {}
    for number, name in enumerate(("P7_L_CM_CC", "P8_L_CM_CC"), 1):
        download.add(name, file=False)
        tags = STUDY | {"PatientID": name[:2], "SOPInstanceUID": f"2.25.{number}"}
        images[name] = mammogram(tmp_path / f"{name}.dcm", np.zeros((40, 32), np.uint16), **tags)
    (download.write().root / REGIONS).unlink()
    write_seg(tmp_path / "P8_L_CM_CC_binary.dcm", images["P7_L_CM_CC"], masks[..., :1], ["lesion"])
    write_seg(tmp_path / "Untitled 3.dcm", images["P8_L_CM_CC"], masks[..., 1:], ["lesion"])
    folder = DatasetFolder(tmp_path / "set")
    outcome = index(folder, load_recipe("v2"), tmp_path, None, Inline(), statement=Statement("R. Reader", "2026-11-20"))
    rows = {row["image_id"]: row for row in read_regions(folder.regions)}
    for name, mask in zip(images, (masks[..., 0], masks[..., 1]), strict=True):
        region = parse_region(json.loads(rows[name]["attributes"]))
        np.testing.assert_array_equal(rasterise([region], 32, 40), mask)
    (stated,) = outcome.summary["annotators"]
    assert (stated["file"], stated["annotator"]) == ("P8_L_CM_CC_binary.dcm and 1 more", "R. Reader")


def test_two_segmentations_of_an_image_are_merged_and_a_copy_is_skipped(tmp_path, image):
    first, second = squares()[..., :1], squares()[..., 1:]
    path = write_seg(tmp_path / "a.dcm", image, first, ["lesion"])
    write_seg(tmp_path / "b.dcm", image, second, ["lesion"])
    (tmp_path / "copy.dcm").write_bytes(path.read_bytes())
    annotations = read_annotations(find_annotations(tmp_path), tmp_path)
    assert [region.where for region in annotations.regions_by_uid["2.25.1"]] == ["a.dcm segment 1", "b.dcm segment 1"]
    assert len(annotations.references) == 2


def test_frames_that_name_no_source_belong_to_the_one_image_of_the_file(tmp_path, image):
    path = write_seg(tmp_path / "seg.dcm", image, squares(), ["a", "b"])
    dataset = pydicom.dcmread(path)
    for group in (*dataset.PerFrameFunctionalGroupsSequence, *dataset.SharedFunctionalGroupsSequence):
        group.pop("DerivationImageSequence", None)
    dataset.save_as(path)
    assert len(read_annotations([path], path).regions_by_uid["2.25.1"]) == 2


def test_a_reference_is_read_with_the_grid(tmp_path, image):
    path = write_seg(tmp_path / "seg.dcm", image, squares(), ["a", "b"])
    assert read_annotations([path], path).references == [
        SegReference("seg.dcm", f"2.25.{sum(b'seg.dcm')}", ("2.25.1",), (32, 40))
    ]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (("2.25.1",), ""),
        ((), "references no image; export it again with its source image"),
        (("2.25.1", "2.25.2"), "references 2 images; expected one, whose pixels it shares"),
        (("2.25.3",), "references an image that is not here"),
        (("2.25.2",), "has 32 x 40 pixels, but its image has 40 x 32; expected the image's grid"),
    ],
)
def test_a_reference_is_checked_against_the_images(images, message):
    sizes = {"2.25.1": (32, 40), "2.25.2": (40, 32)}
    fault = check_reference(SegReference("seg.dcm", "2.25.9", images, (32, 40)), sizes)
    assert fault.startswith(message)
    assert bool(fault) == bool(message)


def test_regions_of_a_segmentation_of_several_images_are_left_alone(tmp_path, image):
    path = write_seg(tmp_path / "seg.dcm", image, squares(), ["a", "b"])
    dataset = pydicom.dcmread(path)
    (item,) = dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    other = pydicom.Dataset()
    other.ReferencedSOPClassUID, other.ReferencedSOPInstanceUID = item.ReferencedSOPClassUID, "2.25.2"
    dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence = [item, other]
    dataset.save_as(path)
    annotations = read_annotations([path], path)
    assert annotations.references[0].images == ("2.25.1", "2.25.2")
    assert annotations.regions_by_uid == {}


def cut_off(path, kept):
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])


def without_its_frames(path):
    dataset = pydicom.dcmread(path)
    del dataset.PerFrameFunctionalGroupsSequence
    dataset.PatientName = "Surname^Secret"
    dataset.save_as(path)


def enlarged(path):
    dataset = pydicom.dcmread(path)
    dataset.Rows = dataset.Columns = 60000
    dataset.save_as(path)


def deflated(path):
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(path)


def coded(path):
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
    dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + b"\0" * 60])
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path)


def of_empty_items(path):
    dataset = pydicom.dcmread(path)
    dataset.add_new(0x00091001, "OB", b"\xfe\xff\x00\xe0\0\0\0\0" * 100_001)
    dataset.save_as(path)


UNREADABLE = r"cannot be read as a DICOM segmentation \(\w+\); export it again"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(lambda path: cut_off(path, 0.3), UNREADABLE, id="cut in the header"),
        pytest.param(lambda path: cut_off(path, 0.99), UNREADABLE, id="cut in the pixels"),
        pytest.param(without_its_frames, UNREADABLE, id="no frames"),
        pytest.param(enlarged, "has 60000 x 60000 pixels; expected at most 100,000,000", id="absurdly large"),
        pytest.param(coded, "is compressed by another method than run lengths; export it uncompressed", id="coded"),
        pytest.param(of_empty_items, r"holds 100\d{3} sequence items and fragments; expected at most 100000", id="empty items"),
        pytest.param(deflated, "is deflated as a whole; save it uncompressed", id="deflated"),
    ],
)
def test_an_unreadable_segmentation_is_a_fault_and_the_others_are_read(tmp_path, image, damage, message):
    path = write_seg(tmp_path / "a.dcm", image, squares(), ["a", "b"])
    (tmp_path / "b.dcm").write_bytes(path.read_bytes())
    damage(path)
    (tmp_path / "c.dcm").write_bytes(path.read_bytes())
    annotations = read_annotations(find_annotations(tmp_path), tmp_path)
    faults = {reference.where: check_reference(reference, {"2.25.1": (32, 40)}) for reference in annotations.references}
    assert faults["b.dcm"] == ""
    assert re.match(message, faults["a.dcm"])
    assert faults["a.dcm"] == faults["c.dcm"], "each is reported, though neither has a UID"
    assert [region.where for region in annotations.regions_by_uid["2.25.1"]] == ["b.dcm segment 1", "b.dcm segment 2"]


def test_the_extra_that_reads_it_is_named(tmp_path, image, monkeypatch):
    path = write_seg(tmp_path / "seg.dcm", image, squares(), ["a", "b"])
    monkeypatch.setitem(sys.modules, "highdicom", None)
    message = r"highdicom, .* DICOM segmentation .*seg.dcm, is not installed; run `pip install 'cesm-segmentation\[dicom\]'`"
    with pytest.raises(InputError, match=message):
        read_annotations([path], path)


def test_other_files_without_a_suffix_are_skipped(tmp_path):
    (tmp_path / "README").write_text("about 1.2.840.10008.5.1.4.1.1.66.4")
    (tmp_path / "empty").write_bytes(b"")
    assert find_annotations(tmp_path) == []
