import cv2
import keras
import numpy as np
import pytest

from pipeline.files import InputError, read_csv
from segmenter.folders import read_data_set
from segmenter.inference import (
    FINDING_COLUMNS,
    Job,
    find_jobs,
    find_lesions,
    infer,
    inference_identity,
    name_outputs,
    read_report,
)
from segmenter.pictures import PREDICTION_BGR, TRUTH_BGR


@pytest.fixture
def model(tmp_path):
    """Takes grey levels as probabilities."""
    pixels = keras.Input((64, 64, 1))
    keras.Model(pixels, keras.layers.Rescaling(1 / 255)(pixels)).save(tmp_path / "gray.keras")
    return tmp_path / "gray.keras"


def run(model, jobs, output, threshold=0.5):
    return infer(model, jobs, output, inference_identity(model, jobs, threshold), batch_size=2)


def spot(height, width):
    """A dim image with a bright ellipse, which stays bright when the model sees it small."""
    image = np.full((height, width), 20, np.uint8)
    cv2.ellipse(image, (width // 3, height // 2), (width // 5, height // 6), 0, 0, 360, 230, -1)
    return image


def write_dicom(path, pixels):
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Modality, dataset.PresentationIntentType, dataset.PhotometricInterpretation = "MG", "FOR PRESENTATION", "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 1, 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = (pixels.astype(np.uint32) * 4095 // 255).astype(np.uint16).tobytes()
    dataset.save_as(path, enforce_file_format=True)


def test_images_of_any_size_come_back_at_their_size(model, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    shapes = {"tall": (171, 90), "wide": (90, 203), "tiny": (21, 17), "dicom": (150, 101)}
    for name, shape in shapes.items():
        if name == "dicom":
            write_dicom(folder / "dicom.dcm", spot(*shape))
        else:
            cv2.imwrite(str(folder / f"{name}.png"), spot(*shape))
    report = run(model, find_jobs([folder], None), tmp_path / "out")
    assert (report.skipped, report.findings) == ([], 4)
    for name, shape in shapes.items():
        mask = cv2.imread(str(tmp_path / f"out/masks/{name}.png"), cv2.IMREAD_UNCHANGED)
        probability = cv2.imread(str(tmp_path / f"out/probabilities/{name}.png"), cv2.IMREAD_UNCHANGED)
        assert cv2.imread(str(tmp_path / f"out/overlays/{name}.png")).shape == (*shape, 3)
        assert mask.shape == probability.shape == shape
        assert (mask.dtype, probability.dtype) == (np.uint8, np.uint16)
        np.testing.assert_array_equal(np.unique(mask), [0, 255])
        np.testing.assert_array_equal(mask == 255, probability >= 32768)
        truth = spot(*shape) == 230
        assert 2 * ((mask == 255) & truth).sum() / ((mask == 255).sum() + truth.sum()) > 0.9, name


def test_findings_tell_each_lesion(tmp_path):
    mask, probabilities = np.zeros((20, 30), np.uint8), np.zeros((20, 30), np.float32)
    mask[2:4, 5:10], probabilities[2:4, 5:10] = 255, 0.75
    mask[10:18, 20:30], probabilities[10:18, 20:30] = 255, 0.5
    mask[18, 19] = 255  # touches by a corner, with probability 0
    assert find_lesions(mask, probabilities) == [
        {
            "finding": 1,
            "area_px": 81,
            "box_left": 19,
            "box_top": 10,
            "box_width": 11,
            "box_height": 9,
            "centre_x": "24.4",
            "centre_y": "13.6",
            "mean_probability": f"{40 / 81:.4f}",
        },
        {
            "finding": 2,
            "area_px": 10,
            "box_left": 5,
            "box_top": 2,
            "box_width": 5,
            "box_height": 2,
            "centre_x": "7.0",
            "centre_y": "2.5",
            "mean_probability": "0.7500",
        },
    ]
    assert find_lesions(np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.float32)) == []


def test_the_default_is_the_originals_of_test_with_their_truth(model, data_folder, tmp_path, write_pair, draw_pair):
    write_pair(data_folder, "test", "flipped_P10_L_CM_CC", *draw_pair(1))
    data = read_data_set(data_folder)
    jobs = find_jobs([], data)
    assert [job.name for job in jobs] == ["P10_L_CM_CC", "P11_L_CM_CC", "P12_L_CM_CC"]
    assert find_jobs([data_folder / "test/images"], data) == jobs
    run(model, jobs, tmp_path / "out", threshold=0.1)
    overlay = cv2.imread(str(tmp_path / "out/overlays/P10_L_CM_CC.png"))
    assert {tuple(pixel) for pixel in overlay.reshape(-1, 3).tolist()} >= {PREDICTION_BGR, TRUTH_BGR}
    rows = read_csv(tmp_path / "out/findings.csv", FINDING_COLUMNS)
    assert [row["image"] for row in rows] == [job.name for job in jobs]


def test_a_bad_image_is_told_and_skipped(model, tmp_path, capsys):
    (tmp_path / "bad.jpg").write_text("not an image")
    cv2.imwrite(str(tmp_path / "good.png"), spot(40, 40))
    report = run(model, find_jobs([tmp_path / "bad.jpg", tmp_path / "good.png"], None), tmp_path / "out")
    assert len(report.skipped) == 1
    assert (tmp_path / "out/masks/good.png").is_file()
    told = capsys.readouterr().err
    assert f"skipped: {tmp_path / 'bad.jpg'}: starts with b'not an i', which is no JPEG, PNG or TIFF" in told


def test_only_bad_images_are_an_error(model, tmp_path):
    (tmp_path / "bad.jpg").write_text("not an image")
    with pytest.raises(InputError, match=r"none of the 1 images can be read; the first: .*bad.jpg: starts with"):
        run(model, find_jobs([tmp_path / "bad.jpg"], None), tmp_path / "out")


def test_an_earlier_inference_is_recognised_and_replaced(model, tmp_path):
    for name in ("one", "two"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), spot(40, 40))
    first, second = [Job("one", tmp_path / "one.png")], [Job("two", tmp_path / "two.png")]
    report = run(model, first, tmp_path / "out")
    assert read_report(tmp_path / "out", inference_identity(model, first, 0.5)) == report
    assert read_report(tmp_path / "out", inference_identity(model, first, 0.4)) is None
    assert read_report(tmp_path / "out", inference_identity(model, second, 0.5)) is None
    run(model, second, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.png")) == ["two.png"] * 3


def test_names_of_outputs_differ_where_stems_do_not(tmp_path):
    paths = [tmp_path / "a/1-1.dcm", tmp_path / "b/c/1-1.dcm", tmp_path / "a/other.png", tmp_path / "x.png", tmp_path / "x.jpg"]
    assert name_outputs(paths) == {
        "a__1-1.dcm": paths[0],
        "b__c__1-1.dcm": paths[1],
        "other": paths[2],
        "x.png": paths[3],
        "x.jpg": paths[4],
    }
    with pytest.raises(InputError, match=r"x.png: its outputs would be named x.png, as those of .*/x.png.jpg; rename one"):
        name_outputs([tmp_path / "x.png.jpg", tmp_path / "x.png", tmp_path / "x.jpg"])


def test_paths_that_hold_nothing_are_told(tmp_path):
    with pytest.raises(InputError, match=r"--images .*/absent: is not there"):
        find_jobs([tmp_path / "absent"], None)
    with pytest.raises(InputError, match=r"holds no image; wanted files that end in \.dcm, \.jpeg"):
        find_jobs([tmp_path], None)
