"""What a viewer shows: tables, windows, inversions and codings, compared with the standard's own formulas."""

import tracemalloc

import dicom_inputs
import numpy as np
import pydicom
import pytest
from inputs import mammogram
from pydicom.dataset import Dataset

from pipeline.contract import SourceError
from pipeline.dicom.options import DicomOptions
from pipeline.dicom.pixels import read_gray
from pipeline.sources import read_image

GRAY = dicom_inputs.GRAY
STORED = GRAY.astype(np.uint16) * 16


def table(bits, first=0, entries=4096, claimed=None):
    """A LUT item that maps 12 bits to fewer; its descriptor may claim another number of entries than it has."""
    lut = Dataset()
    lut.LUTDescriptor = [claimed or entries, first, bits]
    lut.LUTData = (np.arange(entries) >> max(12 - bits, 0)).astype("<u2").tobytes()
    lut["LUTData"].VR = "OW"
    return lut


def test_without_tables_the_stored_range_is_black_to_white(tmp_path):
    image = read_image(mammogram(tmp_path / "a.dcm", STORED))
    np.testing.assert_array_equal(image, np.rint(STORED * 255.0 / 4095).astype(np.uint8))


def test_monochrome1_is_inverted_once_against_the_fixed_maximum(tmp_path):
    plain = read_image(mammogram(tmp_path / "a.dcm", STORED))
    inverted = mammogram(tmp_path / "b.dcm", STORED, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    assert np.abs(read_image(inverted).astype(int) - (255 - plain.astype(int))).max() <= 1


def test_a_window_maps_to_black_and_white(tmp_path):
    path = mammogram(tmp_path / "a.dcm", STORED, WindowCenter="1920", WindowWidth="1920")
    image, stored = read_image(path).astype(float), STORED.astype(float)
    expected = np.clip((stored - (1920 - 0.5)) / 1919 + 0.5, 0, 1) * 255  # PS3.3 C.11.2.1.2.1
    np.testing.assert_allclose(image, expected, atol=0.51)


def test_a_voi_lut_after_an_identity_rescale_keeps_its_own_range(tmp_path):
    lut = Dataset()
    lut.LUTDescriptor = [4096, 0, 10]
    lut.LUTData = (np.arange(4096) // 4).astype("<u2").tobytes()
    lut["LUTData"].VR = "OW"
    path = mammogram(tmp_path / "a.dcm", STORED, VOILUTSequence=[lut], RescaleSlope="1", RescaleIntercept="0")
    np.testing.assert_allclose(read_image(path), STORED // 4 * 255.0 / 1023, atol=0.51)


def test_signed_pixels_use_the_signed_range(tmp_path):
    stored = STORED - 2048
    path = mammogram(tmp_path / "a.dcm", stored, PixelRepresentation=1)
    np.testing.assert_allclose(read_image(path), STORED * 255.0 / 4095, atol=0.51)


def test_a_sigmoid_window(tmp_path):
    path = mammogram(tmp_path / "a.dcm", STORED, WindowCenter="2000", WindowWidth="1000", VOILUTFunction="SIGMOID")
    expected = 255 / (1 + np.exp(-4 * (STORED - 2000.0) / 1000))  # PS3.3 C.11.2.1.3.1
    np.testing.assert_allclose(read_image(path), expected, atol=0.51)


def test_an_exact_linear_window(tmp_path):
    path = mammogram(tmp_path / "a.dcm", STORED, WindowCenter="2000", WindowWidth="1000", VOILUTFunction="LINEAR_EXACT")
    expected = np.clip((STORED - 2000.0) / 1000 + 0.5, 0, 1) * 255  # PS3.3 C.11.2.1.3.2
    np.testing.assert_allclose(read_image(path), expected, atol=0.51)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, STORED // 4 * 255.0 / 1023),
        ({"voi": "window"}, np.clip((STORED - 1919.5) / 1919 + 0.5, 0, 1) * 255),
        ({"voi": "window", "window": 1}, np.clip((STORED - 999.5) / 1999 + 0.5, 0, 1) * 255),
    ],
)
def test_the_recipe_chooses_between_table_and_windows(tmp_path, options, expected):
    tags = {"VOILUTSequence": [table(10)], "WindowCenter": ["1920", "1000"], "WindowWidth": ["1920", "2000"]}
    image = read_image(mammogram(tmp_path / "a.dcm", STORED, **tags), dicom=DicomOptions(**options))
    np.testing.assert_allclose(image, expected, atol=0.51)


@pytest.mark.parametrize("centres", ["1920", ["1920", "1000", "500"]])
def test_a_missing_window_is_reported(tmp_path, centres):
    path = mammogram(tmp_path / "a.dcm", STORED, WindowCenter=centres, WindowWidth="1920")
    with pytest.raises(SourceError, match="has windows 0 to 0, but window = 2 in \\[dicom\\] asks for another one") as error:
        read_image(path, dicom=DicomOptions(window=2))
    assert error.value.reason == "no-such-window"


def test_a_rescale_is_applied_before_the_table(tmp_path):
    """Stored values are even, so their halves are whole numbers."""
    tags = {"RescaleSlope": "0.5", "RescaleIntercept": "0", "VOILUTSequence": [table(10)]}
    image = read_image(mammogram(tmp_path / "a.dcm", STORED, **tags))
    np.testing.assert_allclose(image, (STORED // 2 >> 2) * 255.0 / 1023, atol=0.51)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        pytest.param({}, 255 - STORED * 255.0 / 4095, id="without a window"),
        pytest.param({"WindowCenter": "2048", "WindowWidth": "4096"}, 255 - STORED * 255.0 / 4095, id="with a window"),
    ],
)
def test_a_rescale_with_a_negative_slope_inverts_the_picture(tmp_path, window, expected):
    path = mammogram(tmp_path / "a.dcm", STORED, RescaleSlope="-1", RescaleIntercept="4095", **window)
    np.testing.assert_allclose(read_image(path), expected, atol=0.51)


NO_LEVELS = "has a rescale or a window that leaves no gray levels"


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"RescaleSlope": "0", "RescaleIntercept": "7"}, NO_LEVELS),
        ({"RescaleSlope": "1e308", "RescaleIntercept": "0"}, NO_LEVELS),
        ({"WindowCenter": "nan", "WindowWidth": "100"}, NO_LEVELS),
        ({"WindowCenter": "100", "WindowWidth": "nan"}, NO_LEVELS),
        ({"RescaleSlope": "2"}, "has only one of RescaleSlope and RescaleIntercept; export it again"),
        ({"VOILUTSequence": [table(12, claimed=4096, entries=40)]}, "has a look-up table of 40 entries; expected 4096"),
        ({"VOILUTSequence": [table(17)]}, "has a look-up table of 17 bits; expected 8 to 16"),
    ],
)
def test_numbers_that_show_nothing_are_refused_and_not_shown_black(tmp_path, tags, message):
    path = mammogram(tmp_path / "a.dcm", STORED, **tags)
    with pytest.raises(SourceError, match=message) as error:
        read_image(path)
    assert error.value.reason == "pixels-unreadable"


@pytest.mark.parametrize("sequence", ["ModalityLUTSequence", "VOILUTSequence"])
@pytest.mark.parametrize("packed", [True, False])
def test_a_table_of_bytes_is_read_packed_or_as_16_bit_words(tmp_path, sequence, packed):
    lut = table(8)
    if packed:
        lut.LUTData = (np.arange(4096) >> 4).astype("u1").tobytes()
    np.testing.assert_array_equal(read_image(mammogram(tmp_path / "a.dcm", STORED, **{sequence: [lut]})), GRAY)


def test_values_beyond_a_table_get_its_ends(tmp_path):
    tags = {"RescaleSlope": "1e9", "RescaleIntercept": "-5e11", "VOILUTSequence": [table(12)]}
    expected = np.where(STORED > 500, 255, 0)
    np.testing.assert_array_equal(read_image(mammogram(tmp_path / "a.dcm", STORED, **tags)), expected)


def test_a_modality_table_gives_its_own_range(tmp_path):
    modality = table(8)
    modality.ModalityLUTType = "US"
    image = read_image(mammogram(tmp_path / "a.dcm", STORED, ModalityLUTSequence=[modality]))
    np.testing.assert_array_equal(image, GRAY)


def test_sixteen_bits_are_kept_on_request(tmp_path):
    image = read_image(mammogram(tmp_path / "a.dcm", STORED), bits=16)
    assert image.dtype == np.uint16
    np.testing.assert_allclose(image, STORED * 65535.0 / 4095, atol=0.51)


@pytest.mark.parametrize("name", dicom_inputs.GOOD)
def test_every_coding_and_way_to_store_gray_levels_shows_the_picture(tmp_path, name):
    tolerance, write = dicom_inputs.GOOD[name]
    assert np.abs(read_image(write(tmp_path / "a.dcm")).astype(float) - GRAY).max() <= tolerance


def test_a_window_far_from_all_values_is_refused_and_a_flat_picture_is_not(tmp_path):
    far = mammogram(tmp_path / "a.dcm", STORED, WindowCenter="1e30", WindowWidth="10")
    with pytest.raises(SourceError, match="leaves no gray levels"):
        read_image(far)
    assert read_image(mammogram(tmp_path / "b.dcm", np.full_like(STORED, 4095))).min() == 255


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("tags", "padded"),
    [
        ({"PixelPaddingValue": 4095}, {4095}),
        ({"PixelPaddingValue": 0}, {0}),
        ({"PixelPaddingValue": 4090, "PixelPaddingRangeLimit": 4095}, {4090, 4095}),
        ({"PixelPaddingValue": 10, "PixelPaddingRangeLimit": 0}, {0, 10}),
        ({}, set()),
    ],
)
@pytest.mark.parametrize("window", [{}, {"WindowCenter": "2000", "WindowWidth": "1000"}])
def test_padding_is_black(tmp_path, photometric, tags, padded, window):
    stored = np.tile(np.array([0, 10, 1000, 2000, 2200, 4090, 4095], np.uint16), (4, 1))
    plain = read_image(mammogram(tmp_path / "a.dcm", stored, PhotometricInterpretation=photometric, **window))
    image = read_image(mammogram(tmp_path / "b.dcm", stored, PhotometricInterpretation=photometric, **window, **tags))
    is_padding = np.isin(stored, list(padded))
    assert not image[is_padding].any()
    np.testing.assert_array_equal(image[~is_padding], plain[~is_padding])


def test_signed_padding_is_found_however_its_tag_was_written(tmp_path):
    stored = np.tile(np.array([-2000, -5, 5, 2000], np.int16), (4, 1))
    path = mammogram(tmp_path / "a.dcm", stored, PixelRepresentation=1, PixelPaddingValue=None)
    dataset = pydicom.dcmread(path)
    dataset.add_new("PixelPaddingValue", "US", 2**16 - 2000)
    dataset.save_as(path)
    assert (read_image(path) == 0).tolist() == [[True, False, False, False]] * 4


def test_an_image_of_padding_and_one_level_is_not_called_flat(tmp_path):
    stored = np.full((4, 4), 4095, np.uint16)
    stored[1:3, 1:3] = 1000
    path = mammogram(tmp_path / "a.dcm", stored, PixelPaddingValue=4095, WindowCenter="50", WindowWidth="10")
    assert read_image(path)[1:3, 1:3].min() == 255


@pytest.mark.parametrize("kind", ["US", "SS"])
def test_the_first_value_of_a_voi_table_is_signed_where_rescaled_values_may_be(tmp_path, kind):
    lut = table(12)
    lut.LUTDescriptor = None
    lut.add_new("LUTDescriptor", kind, [4096, -2048 if kind == "SS" else 2**16 - 2048, 12])
    path = mammogram(tmp_path / "a.dcm", STORED, RescaleSlope="1", RescaleIntercept="-2048", VOILUTSequence=[lut])
    np.testing.assert_allclose(read_image(path), STORED * 255.0 / 4095, atol=0.51)


def test_the_first_value_of_a_voi_table_is_unsigned_elsewhere(tmp_path):
    lut = table(12)
    lut.LUTDescriptor = None
    lut.add_new("LUTDescriptor", "SS", [4096, 40000 - 2**16, 12])
    path = mammogram(tmp_path / "a.dcm", STORED, RescaleSlope="1", RescaleIntercept="40000", VOILUTSequence=[lut])
    np.testing.assert_allclose(read_image(path), STORED * 255.0 / 4095, atol=0.51)


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_overlays_in_the_bits_above_the_stored_ones_are_not_read(tmp_path, signed, bits):
    levels = np.arange(0, 2**bits, 2 ** (bits - 8), dtype=np.int64).reshape(16, 16) - (2 ** (bits - 1) if signed else 0)
    words = levels & (2**bits - 1)
    if bits < 16:
        words |= (np.arange(256).reshape(16, 16) % 2) << 15  # an overlay in the highest bit
    words = np.where(words >= 2**15, words - 2**16, words) if signed else words
    path = mammogram(
        tmp_path / "a.dcm",
        words.astype(np.int16 if signed else np.uint16),
        BitsStored=bits,
        HighBit=bits - 1,
        PixelRepresentation=signed,
    )
    expected = (levels - levels.min()) * 255.0 / (2**bits - 1)
    np.testing.assert_allclose(read_image(path), expected, atol=0.51)


def test_memory_is_a_few_bytes_per_pixel(tmp_path):
    stored = np.resize(np.arange(4096, dtype=np.uint16), (2000, 1500))
    rescaled = {"RescaleSlope": "2", "RescaleIntercept": "-100", "PixelPaddingValue": 0}
    data = mammogram(tmp_path / "a.dcm", stored, WindowCenter="3000", WindowWidth="4000", **rescaled).read_bytes()
    tracemalloc.start()
    image = read_image(tmp_path / "a.dcm", data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(np.unique(image)) == 256
    assert peak < 10 * stored.size  # was 25: several images of float64


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int16", ">u2", ">i2"])
def test_each_stored_value_gets_its_own_level(kind):
    ends = np.iinfo(kind)
    stored = np.resize(np.arange(ends.min, ends.max + 1), (600, 300)).astype(kind)  # more rows than are mapped in one step
    dataset = Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated = dataset.BitsStored = ends.bits
    dataset.PixelRepresentation = int(ends.min < 0)
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset._pixel_array, dataset._pixel_id = stored, pydicom.pixels.utils.get_image_pixel_ids(dataset)
    expected = stored.astype(np.int64) - ends.min
    np.testing.assert_array_equal(read_gray(dataset, DicomOptions(), ends.bits), expected)
