"""Which file is the other image of a view: by names of CDD-CESM's form, and by DICOM tags."""

import numpy as np
import pytest
from inputs import mammogram

from pipeline.sources import DicomOptions
from segmenter.inference.jobs import Job, View
from segmenter.inference.partners import find_views

LOW, SUBTRACTED = ["ORIGINAL", "PRIMARY", "POST_CONTRAST", "LOW_ENERGY"], ["DERIVED", "PRIMARY", "POST_CONTRAST", "SUBTRACTION"]


@pytest.fixture
def touch(tmp_path):
    """Makes files; those that are to be predicted are the paths that it returns."""

    def make(*names):
        paths = [tmp_path / name for name in names]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return paths

    return make


def views(*paths, kind=""):
    """Kind, partner's path below the images' common folder, and status of each image."""
    jobs = find_views([Job(path.name, path) for path in paths], DicomOptions(), kind)
    return [(job.view.kind, job.view.partner, job.view.status if not job.view.partner else "") for job in jobs]


@pytest.mark.parametrize(
    ("image", "other"),
    [
        ("P1_L_CM_CC.jpg", "P1_L_DM_CC.jpg"),
        ("P1_R_DM_MLO.png", "P1_R_CM_MLO.png"),
        ("P99_L_DM_MLO_2.jpg", "P99_L_CM_MLO2.jpg"),
        ("P1_L_CM_CC.jpg", "P001_L_DM_CC .jpg"),
        ("p1_l_cm_cc.jpg", "P1-L-DM-CC.JPG"),
        ("site 2_P1_L_CM_CC_processed.png", "Site 2_P1_L_DM_CC_processed.png"),
        ("Subtracted images of CDD-CESM/P1_L_CM_CC.jpg", "Low energy images of CDD-CESM/P1_L_DM_CC.jpg"),
    ],
)
def test_names_find_each_other_in_folders_and_among_the_given(touch, image, other):
    first, second = touch(image, other)
    assert [view[1] for view in views(first, second)] == [second, first]
    assert [path.resolve() for _, path, _ in views(first)] == [second.resolve()]


@pytest.mark.parametrize(
    "other",
    [
        "P2_L_DM_CC.jpg",
        "P1_R_DM_CC.jpg",
        "P1_L_DM_MLO.jpg",
        "P1_L_DM_CC_2.jpg",
        "P1_L_CM_CC.png",
        "P1_L_DM_CC_mask.png",
        "P1_L_DM_CC.txt",
        "masks/P1_L_DM_CC.jpg",
    ],
)
def test_other_images_are_no_partners(touch, other):
    image, _ = touch("P1_L_CM_CC.jpg", other)
    assert views(image) == [("CM", None, "missing")]


def test_the_nearest_of_several_copies_is_taken_or_none(touch):
    image, near, *far = touch("a/P1_L_CM_CC.jpg", "a/P1_L_DM_CC.jpg", "b/P1_L_DM_CC.jpg", "b/P1_L_CM_CC.jpg")
    assert views(image, near, *far)[0] == ("CM", near, "")
    (png,) = touch("a/P1_L_DM_CC.png")
    assert views(image) == [("CM", near, "")], "of the same format"
    near.unlink()
    (dicom,) = touch("a/P1_L_DM_CC.dcm")
    assert views(image) == [("CM", None, "ambiguous")]
    png.unlink()
    assert views(image) == [("CM", dicom, "")]


def test_what_no_name_identifies_has_the_kind_that_is_given(touch):
    (image,) = touch("scan.png")
    assert views(image) == [("", None, "missing")]
    assert views(image, kind="DM") == [("DM", None, "missing")]
    (low,) = touch("p7_r_dm_mlo copy.png")
    assert views(low, kind="CM") == [("DM", None, "missing")], "its name states another one"


def test_a_view_that_is_known_stays(touch):
    image, other = touch("P1_L_CM_CC.jpg", "elsewhere.jpg")
    known = View("DM", other, is_laid_over=True)
    (job,) = find_views([Job("a", image, view=known)], DicomOptions())
    assert job.view == known


def test_the_kind_of_a_data_sets_image_may_be_that_of_its_name(touch):
    image, other = touch("P1_L_CM_CC.png", "P1_L_DM_CC.png")
    jobs = [Job("a", image, view=View("", is_laid_over=True)), Job("b", other)]
    assert [job.view for job in find_views(jobs, DicomOptions(), "DM")] == [View("CM", is_laid_over=True), View("DM")]


@pytest.mark.parametrize("split", ["test/images", "Testing/images", "images/test"])
def test_an_image_of_a_data_set_has_its_partner_there_or_none(touch, tmp_path, split):
    image, _, alone, outside = touch(
        *(f"{split}/{name}.png" for name in ("P1_L_CM_CC", "P1_L_DM_CC", "P2_L_CM_CC")), "elsewhere/P1_L_DM_CC.png"
    )
    partner, _ = touch(f"{split}/../partners/P1_L_CM_CC.jpg", "manifest.csv")
    found = [job.view for job in find_views([Job(path.name, path) for path in (image, alone, outside)], DicomOptions())]
    assert found[0] == View("CM", partner.resolve(), is_laid_over=True)
    assert found[1:] == [View("CM", is_laid_over=True), View("DM")]
    (tmp_path / "manifest.csv").unlink()
    assert find_views([Job("a", alone)], DicomOptions())[0].view == View("CM"), "no data set"


@pytest.fixture
def write(tmp_path):
    """Writes a tagged mammogram under a name that says nothing; by default of one view."""
    number = 0

    def dicom(image_type, **tags):
        nonlocal number
        number += 1
        tags = {"StudyInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.2.4", "SOPInstanceUID": f"1.2.5.{number}"} | tags
        return mammogram(tmp_path / f"{number}", np.full((4, 4), 100), ImageType=image_type, **tags)

    return dicom


def test_tags_find_the_low_energy_image_of_a_subtracted_one(write):
    subtracted, low = write(SUBTRACTED), write(LOW)
    write(LOW, ViewPosition="MLO")
    assert views(subtracted) == [("CM", low, "")]
    assert views(low) == [("DM", subtracted, "")]
    assert views(subtracted, low) == [("CM", low, ""), ("DM", subtracted, "")]


@pytest.mark.parametrize(
    "tags",
    [
        {"PatientID": "P8"},
        {"StudyInstanceUID": "1.2.9"},
        {"ImageLaterality": "R"},
        {"ViewPosition": "MLO"},
        {"PresentationIntentType": "FOR PROCESSING"},
        {"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"},
    ],
    ids=lambda tags: next(iter(tags)),
)
def test_tags_of_another_image_do_not(write, tags):
    subtracted = write(SUBTRACTED)
    write(LOW, **tags)
    assert views(subtracted) == [("CM", None, "missing")]


def test_images_without_patient_and_study_are_not_paired(write):
    nobody = {"PatientID": None, "StudyInstanceUID": None}
    subtracted, _ = write(SUBTRACTED, **nobody), write(LOW, **nobody)
    assert views(subtracted) == [("", None, "missing")]


def test_of_a_view_that_was_taken_twice_the_same_exposure_counts(write):
    first, second = {"FrameOfReferenceUID": "1.2.4.1"}, {"FrameOfReferenceUID": "1.2.4.2"}
    images = [write(kind, **exposure) for exposure in (first, second) for kind in (SUBTRACTED, LOW)]
    assert [view[1] for view in views(*images)] == [images[index] for index in (1, 0, 3, 2)]
    images[2].unlink()
    assert views(images[3], images[1], images[0])[0] == ("DM", None, "missing"), "the other exposure's is none"


def test_two_partners_of_one_exposure_are_ambiguous(write):
    subtracted, *_ = write(SUBTRACTED), write(LOW), write(LOW)
    assert views(subtracted) == [("CM", None, "ambiguous")]


def test_a_name_that_its_tags_contradict_identifies_nothing(write, tmp_path):
    path = write(LOW).rename(tmp_path / "P1_L_CM_CC.dcm")
    assert views(path) == [("", None, "missing")]
    assert views(write(SUBTRACTED).rename(tmp_path / "P2_L_CM_CC.dcm")) == [("CM", None, "missing")]
