"""Reading a folder of masks: one bitmap per file, which file is the mask of a lesion, and the fault of each unreadable mask."""

import cv2
import numpy as np
import PIL.Image
import pydicom
import pytest
from inputs import mammogram, picture
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import RLELossless

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


def test_a_table_that_the_expression_matches_is_no_mask(tmp_path):
    write(tmp_path / "P1_L_DM_CC.png", MASK)
    (tmp_path / "list.csv").write_text("image,class\nP1_L_DM_CC,benign\n")
    layout = Layout(mask="(?P<image>.+)", table={"columns": {"image": "image", "class": "class"}})
    annotations = read_annotations(find_annotations(tmp_path, layout), tmp_path, layout)
    assert (annotations.rows.keys(), annotations.regions.keys()) == ({"P1_L_DM_CC"}, {"P1_L_DM_CC"})


def test_an_empty_mask_is_an_image_without_a_region(tmp_path):
    write(tmp_path / "masks" / "P1_L_DM_CC.png", MASK * 0)
    assert read(tmp_path) == {"P1_L_DM_CC": []}


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "mask has 0 bytes; download it again"),
        (b"\x89PNG IEND", r"mask starts with b'\x89PNG IEN', which is not JPEG, PNG or TIFF"),
        (
            cv2.imencode(".png", np.arange(2500, dtype=np.uint16).reshape(50, 50))[1].tobytes(),
            "mask has the gray levels of a picture",
        ),
        (cv2.imencode(".png", 1 - picture("..... ..#.. ....."))[1].tobytes(), "mask is set along its whole border"),
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


PAIRS = Layout(mask=r"(?P<lesion>(?P<image>P\d+_[LR]_DM_CC)_\d+)/")
CROP = np.arange(99, dtype=np.uint16).reshape(9, 11) * 600


def write_dicom(path, pixels, **tags):
    path.parent.mkdir(parents=True, exist_ok=True)
    bits = {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}
    return mammogram(path, pixels.astype(np.uint16), **(bits | tags))


def read_pairs(root):
    annotations = read_annotations(find_annotations(root, PAIRS), root, PAIRS)
    return annotations.regions["P1_L_DM_CC"], [path.name for path in annotations.crops]


def drawn(region):
    return rasterise([parse_region(region.attributes)], 5, 3)


@pytest.mark.parametrize(
    "names", [("1-1.dcm", "1-2.dcm"), ("1-2.dcm", "1-1.dcm"), ("000000", "000001"), ("a/1-1.dcm", "b/1-1.dcm")]
)
def test_the_mask_of_a_pair_is_found_by_content(tmp_path, names):
    mask, crop = names
    write_dicom(tmp_path / "P1_L_DM_CC_1" / mask, MASK * 255)
    write_dicom(tmp_path / "P1_L_DM_CC_1" / crop, CROP)
    (region,), crops = read_pairs(tmp_path)
    np.testing.assert_array_equal(drawn(region), MASK)
    assert (region.where, region.size) == (f"P1_L_DM_CC_1/{mask}", (5, 3))
    assert crops == [crop.rsplit("/", 1)[-1]]


def test_of_two_masks_of_a_lesion_the_larger_one_is_that_of_the_whole_image(tmp_path):
    write_dicom(tmp_path / "P1_L_DM_CC_1" / "1-1.dcm", MASK[:2, :4])
    write_dicom(tmp_path / "P1_L_DM_CC_1" / "1-2.dcm", MASK)
    (region,), crops = read_pairs(tmp_path)
    assert (region.where, crops) == ("P1_L_DM_CC_1/1-2.dcm", [])


def test_masks_of_different_lesions_are_regions_of_their_own(tmp_path):
    for number in (1, 2):
        write_dicom(tmp_path / f"P1_L_DM_CC_{number}" / "1-1.dcm", MASK)
    assert [region.where for region in read_pairs(tmp_path)[0]] == ["P1_L_DM_CC_1/1-1.dcm", "P1_L_DM_CC_2/1-1.dcm"]


@pytest.mark.parametrize(
    ("first", "second", "fault"),
    [
        pytest.param(
            MASK, MASK[::-1], "P1_L_DM_CC_1/1-1.dcm and P1_L_DM_CC_1/1-2.dcm may both be the mask of one lesion", id="both"
        ),
        pytest.param(
            CROP, CROP, "none of 2 files of a lesion is its mask: P1_L_DM_CC_1/1-1.dcm: mask has the gray", id="neither"
        ),
    ],
)
def test_a_pair_without_exactly_one_mask_is_a_fault(tmp_path, first, second, fault):
    for number, pixels in enumerate((first, second), 1):
        write_dicom(tmp_path / "P1_L_DM_CC_1" / f"1-{number}.dcm", pixels)
    (region,), crops = read_pairs(tmp_path)
    assert region.fault.startswith(fault)
    assert crops == []


def test_a_pair_whose_mask_is_broken_states_why(tmp_path):
    write_dicom(tmp_path / "P1_L_DM_CC_1" / "1-1.dcm", CROP)
    path = write_dicom(tmp_path / "P1_L_DM_CC_1" / "1-2.dcm", MASK)
    path.write_bytes(path.read_bytes()[:-9])
    (region,), _ = read_pairs(tmp_path)
    assert region.fault.startswith("none of 2 files of a lesion is its mask: P1_L_DM_CC_1/1-2.dcm: mask ends within an element")


def test_a_mask_whose_coded_pixels_are_damaged_is_a_fault(tmp_path):
    path = write_dicom(tmp_path / "P1_L_DM_CC_1" / "1-1.dcm", MASK)
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.PixelData = encapsulate([frame + b"\xfd\x01" * 2])  # eight pixels too many
    dataset.save_as(path)
    (region,), _ = read_pairs(tmp_path)
    assert "has coded data that ends early or is damaged; export it again" in region.fault


def test_a_mask_in_dicom_may_be_inverted(tmp_path):
    write_dicom(tmp_path / "P1_L_DM_CC_1" / "1-1.dcm", 255 - MASK * 255, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(drawn(read_pairs(tmp_path)[0][0]), MASK)


@pytest.mark.parametrize("levels", [(0, 1), (0, 255), (0, 65535), (0, 1, 2, 3), (0, 50, 100, 200)])
@pytest.mark.parametrize("suffix", ["png", "tif", "tiff"])
def test_levels_of_a_mask_file(tmp_path, levels, suffix):
    pixels = MASK.astype(np.uint16) * levels[-1]
    pixels[2, 1 : len(levels) - 1] = levels[1:-1]
    write(tmp_path / "masks" / f"P1_L_DM_CC.{suffix}", pixels if max(levels) > 255 else pixels.astype(np.uint8))
    (region,) = read(tmp_path)["P1_L_DM_CC"]
    np.testing.assert_array_equal(drawn(region), pixels > 0)


def test_levels_of_a_bilevel_tiff_and_of_a_palette(tmp_path):
    (tmp_path / "masks").mkdir()
    PIL.Image.fromarray(MASK.astype(bool)).save(tmp_path / "masks" / "P1_L_DM_CC.tif", compression="group4")
    palette = PIL.Image.fromarray(MASK, "P")
    palette.putpalette([0, 0, 0, 200, 30, 30])
    palette.save(tmp_path / "masks" / "P2_L_DM_CC.png")
    for (region,) in read(tmp_path).values():
        np.testing.assert_array_equal(drawn(region), MASK)


def test_smoothed_and_lossy_edges_are_cut_in_the_middle(tmp_path):
    large = np.zeros((64, 96), np.uint8)
    cv2.circle(large, (40, 30), 12, 255, -1)
    smooth = cv2.blur(large, (5, 5))
    for name, pixels in {"P1_L_DM_CC.jpg": large, "P2_L_DM_CC.png": smooth, "P3_L_DM_CC.jpg": large * 0}.items():
        write(tmp_path / "masks" / name, pixels)
    regions = read(tmp_path)
    for name, expected in {"P1_L_DM_CC": large > 0, "P2_L_DM_CC": smooth >= 128}.items():
        (region,) = regions[name]
        np.testing.assert_array_equal(rasterise([parse_region(region.attributes)], 96, 64), expected)
    assert regions["P3_L_DM_CC"] == []
