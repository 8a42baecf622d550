import shutil

import pytest

from pipeline.files import InputError
from pipeline.sources import DicomOptions
from segmenter.data.dataset import DataSet, describe_counts, read_data_set, read_dicom_options


def test_pairs_are_found_by_stem(data_folder):
    data = read_data_set(data_folder)
    assert describe_counts(data) == "train 6, valid 3, test 3"
    assert all(sample.image.stem == sample.mask.stem == sample.name for sample in data.samples)
    first = data.split("train")[0]
    assert (first.name, first.variant, first.image_id, first.patient) == ("P1_L_CM_CC", "original", "P1_L_CM_CC", "P1")


def write_manifest(folder, rows):
    columns = "sample,image_id,variant,split,patient,class,image,mask"
    (folder / "manifest.csv").write_text("\n".join([columns, *rows]) + "\n")


def test_a_manifest_takes_precedence_over_the_files(data_folder):
    files = "train/images/P1_L_CM_CC.png,train/masks/P1_L_CM_CC.png"
    write_manifest(data_folder, [f"odd,P9_L_CM_CC,mirrored,train,P9,benign,{files}"])
    data = read_data_set(data_folder)
    assert describe_counts(data) == "train 1, valid 0, test 0"
    sample = data.split("train")[0]
    assert (sample.name, sample.variant, sample.patient, sample.label) == ("odd", "mirrored", "P9", "benign")
    assert not sample.is_original


def test_the_identity_follows_the_files(data_folder, write_pair, draw_pair):
    before = read_data_set(data_folder).identity
    assert read_data_set(data_folder).identity == before
    write_pair(data_folder, "train", "P99_L_CM_CC", *draw_pair(1))
    assert read_data_set(data_folder).identity != before


def test_jpeg_masks_are_counted(data_folder, write_pair, draw_pair, capsys):
    write_pair(data_folder, "train", "P99_L_CM_CC", *draw_pair(1), suffix=".jpg")
    read_data_set(data_folder)
    assert "warning: 1 masks are JPEG, which blurs their edges; they are thresholded at 128" in capsys.readouterr().err


def test_a_test_split_may_be_absent_until_it_is_asked_for(tmp_path, write_data_set):
    folder = write_data_set(tmp_path / "set", test=0)
    shutil.rmtree(folder / "test")
    data = read_data_set(folder)
    with pytest.raises(InputError, match="the split test is empty; found train 6, valid 3, test 0; give a data set"):
        data.split("test")


def without_mask(folder):
    (folder / "train/masks/P2_L_CM_CC.png").unlink()


def without_image(folder):
    (folder / "valid/images/P8_L_CM_CC.png").unlink()


def twice(folder):
    shutil.copy(folder / "train/masks/P1_L_CM_CC.png", folder / "train/masks/P1_L_CM_CC.jpg")


def without_train(folder):
    shutil.rmtree(folder / "train")


def unfinished(folder):
    (folder / "recipe.toml").write_text("")


def stale_manifest(folder):
    write_manifest(folder, ["P1,P1,original,train,P1,benign,train/images/gone.jpg,train/masks/P1_L_CM_CC.png"])


def narrow_manifest(folder):
    (folder / "manifest.csv").write_text("sample,split\n")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        pytest.param(
            without_mask,
            r"1 images of train have no mask, the first is train/images/P2_L_CM_CC.png; expected "
            r"train/masks/P2_L_CM_CC with one of .jpeg, .jpg, .png",
            id="image without mask",
        ),
        pytest.param(without_image, "1 masks of valid have no image, the first is valid/masks/P8_L", id="mask without image"),
        pytest.param(twice, "P1_L_CM_CC.jpg and P1_L_CM_CC.png share a name", id="one stem twice"),
        pytest.param(without_train, "is not a data set: it has no train/images; make one first", id="no train"),
        pytest.param(unfinished, r"is unfinished: it has recipe.toml but no manifest.csv; repeat the command", id="unfinished"),
        pytest.param(stale_manifest, "names 1 files that do not exist, the first is train/images/gone.jpg", id="stale manifest"),
        pytest.param(narrow_manifest, "has the columns sample, split; expected image_id, variant", id="another table"),
    ],
)
def test_bad_folders_are_reported(data_folder, harm, message):
    harm(data_folder)
    with pytest.raises(InputError, match=message) as error:
        read_data_set(data_folder)
    assert str(data_folder) in str(error.value)


def test_an_absent_folder_is_reported_with_its_neighbours(data_folder):
    with pytest.raises(InputError, match=r"there is no such folder; the data sets in .* are set; give the path of one"):
        read_data_set(data_folder.with_name("sett"))


def test_the_folder_above_is_reported_with_the_data_sets_in_it(data_folder):
    with pytest.raises(InputError, match=r"has no train/images and no valid/images; the data sets in .* are set"):
        read_data_set(data_folder.parent)


def test_other_files_are_ignored(data_folder):
    (data_folder / "train/images/desktop.ini").write_text("")
    (data_folder / "train/images/.P5.png").write_bytes(b"")
    assert describe_counts(read_data_set(data_folder)) == "train 6, valid 3, test 3"


def test_view_and_kind_come_from_names_where_there_is_no_manifest(data_folder):
    sample = read_data_set(data_folder).split("train")[0]
    assert ([sample.details[name] for name in ("side", "kind", "view", "density")], sample.fold) == (["L", "CM", "CC", ""], None)


def test_strata_and_geometry_come_from_the_manifest(folded):
    sample = folded.samples[0]
    assert [sample.details[name] for name in ("kind", "birads", "findings")] == ["DM", "5$2", "Mass, irregular"]
    assert (sample.fold, sample.scale, sample.spacing_mm) == (0, 0.25, None)


@pytest.fixture
def folded(data_folder):
    """Twelve samples in four folds, one patient per fold and three samples per patient."""
    columns = "sample,image_id,variant,split,fold,patient,class,kind,birads,findings,scale,spacing_mm,image,mask"
    files = "train/images/P1_L_CM_CC.png,train/masks/P1_L_CM_CC.png"
    cells = f'malignant,DM,5$2,"Mass, irregular",0.25,,{files}'
    rows = [f"S{n:02},P{n % 4}_L_DM_CC,original,train,{n % 4},P{n % 4},{cells}" for n in range(12)]
    (data_folder / "manifest.csv").write_text("\n".join([columns, *rows]) + "\n")
    return read_data_set(data_folder)


@pytest.mark.parametrize(("fold", "test", "valid"), [(0, "P0", "P1"), (3, "P3", "P0")])
def test_a_fold_is_test_the_next_is_valid_and_the_rest_train(folded, fold, test, valid):
    data = folded.in_fold(fold)
    patients = {split: {sample.patient for sample in data.split(split)} for split in ("test", "valid", "train")}
    assert patients == {"test": {test}, "valid": {valid}, "train": {"P0", "P1", "P2", "P3"} - {test, valid}}
    assert describe_counts(data) == "train 6, valid 3, test 3"
    assert data.identity != folded.identity != folded.in_fold((fold + 1) % 4).identity
    assert (data.fold, folded.fold) == (fold, None)


def test_a_fold_that_does_not_exist_is_refused(folded, data_folder):
    with pytest.raises(InputError, match="has the folds 0 to 3, but not fold 4; give one of these"):
        folded.in_fold(4)
    (data_folder / "manifest.csv").unlink()
    with pytest.raises(InputError, match="has samples without a fold; folds come from the column fold of manifest"):
        read_data_set(data_folder).in_fold(0)


def test_two_folds_are_too_few(folded):
    two = DataSet(folded.folder, tuple(sample for sample in folded.samples if sample.fold in (0, 1)), "")
    with pytest.raises(InputError, match="has 2 folds; expected 3 or more, for test, valid and train; raise folds in the recipe"):
        two.in_fold(0)


def test_how_dicom_is_read_is_the_recipes(tmp_path):
    assert read_dicom_options(tmp_path) == DicomOptions()
    (tmp_path / "recipe.toml").write_text('name = "x"\n[dicom]\nvoi = "window"\nwindow = 1\n')
    assert read_dicom_options(tmp_path) == DicomOptions(voi="window", window=1)
    (tmp_path / "recipe.toml").write_text('[dicom]\nvoi = "both"\n')
    with pytest.raises(InputError, match=r"\[dicom\]: voi: Input should be 'lut' or 'window' (.found 'both'.)"):
        read_dicom_options(tmp_path)


def test_names_with_control_characters_are_refused(tmp_path, write_data_set):
    folder = write_data_set(tmp_path / "set")
    for kind in ("images", "masks"):
        (folder / "train" / kind / "P1_L_CM_CC.png").rename(folder / "train" / kind / "a\x1bb.png")
    with pytest.raises(InputError, match=r"the name 'a\\x1bb.png' holds a control character; rename the image and its mask"):
        read_data_set(folder)
