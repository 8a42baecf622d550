"""Reading a folder of masks: one bitmap per file, and the fault of each unreadable mask."""

import cv2
import numpy as np
import pytest
from inputs import picture

from pipeline.annotations import find_annotations, read_annotations
from pipeline.drawing.raster import rasterise
from pipeline.drawing.regions import parse_region
from pipeline.files import InputError
from pipeline.recipe import Layout

LAYOUT = Layout(mask=r"^masks/(?P<image>P\d+_[LR]_DM_CC)(?:_\d+)?$")
MASK = picture(".#..# .##.. .....")


def write(path, pixels):
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), pixels)


def read(root):
    return read_annotations(find_annotations(root, LAYOUT), root, LAYOUT).regions


def test_a_file_is_one_bitmap_of_all_its_components(tmp_path):
    write(tmp_path / "masks" / "P1_L_DM_CC.png", MASK * 7)
    (region,) = read(tmp_path)["P1_L_DM_CC"]
    np.testing.assert_array_equal(rasterise([parse_region(region.attributes)], 5, 3), MASK)
    assert (region.where, region.size) == ("masks/P1_L_DM_CC.png", (5, 3))


def test_several_masks_of_an_image_are_as_many_regions(tmp_path):
    for number in (1, 2):
        write(tmp_path / "masks" / f"P1_L_DM_CC_{number}.png", MASK)
    assert [region.where for region in read(tmp_path)["P1_L_DM_CC"]] == [f"masks/P1_L_DM_CC_{number}.png" for number in (1, 2)]


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(cv2.merge([MASK, MASK * 0, MASK * 0]), id="one of three colors"),
        pytest.param(cv2.merge([MASK * 255, MASK, MASK, MASK * 0 + 255]), id="opaque"),
    ],
)
def test_any_color_is_inside_and_opacity_is_ignored(tmp_path, pixels):
    write(tmp_path / "masks" / "P1_L_DM_CC.png", pixels)
    (region,) = read(tmp_path)["P1_L_DM_CC"]
    np.testing.assert_array_equal(rasterise([parse_region(region.attributes)], 5, 3), MASK)


def test_an_empty_mask_is_an_image_without_a_region(tmp_path):
    write(tmp_path / "masks" / "P1_L_DM_CC.png", MASK * 0)
    assert read(tmp_path) == {"P1_L_DM_CC": []}


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "mask has 0 bytes; download it again"),
        (b"\x89PNG IEND", r"mask starts with b'\x89PNG IEN', which is not JPEG, PNG or TIFF"),
        (cv2.imencode(".png", MASK.astype(np.uint16))[1].tobytes(), "mask holds uint16 pixels; expected an 8-bit PNG"),
        (cv2.imencode(".png", MASK)[1].tobytes()[:50], "mask is a PNG of 50 bytes without its end mark"),
    ],
)
def test_a_mask_that_cannot_be_read_stays_with_its_image(tmp_path, data, fault):
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "P1_L_DM_CC.png").write_bytes(data)
    (region,) = read(tmp_path)["P1_L_DM_CC"]
    assert region.fault.startswith(fault)


def test_images_are_not_masks_and_without_a_layout_there_are_none(tmp_path):
    write(tmp_path / "masks" / "P1_L_DM_CC.png", MASK)
    write(tmp_path / "P1_L_DM_CC.png", MASK)
    assert find_annotations(tmp_path, LAYOUT) == [tmp_path / "masks" / "P1_L_DM_CC.png"]
    assert find_annotations(tmp_path) == []


def test_masks_and_other_regions_of_an_image_contradict_each_other(tmp_path):
    write(tmp_path / "masks" / "P1_L_DM_CC.png", MASK)
    (tmp_path / "via.csv").write_text(
        '#filename,file_size,region_shape_attributes\nP1_L_DM_CC.png,9,"{""name"":""point"",""cx"":1,""cy"":1}"\n'
    )
    with pytest.raises(
        InputError, match=r"P1_L_DM_CC: its regions in a mask differ from those in via.csv; remove one of the files"
    ):
        read(tmp_path)
