"""The folders of splits, in any case and in both layouts."""

import pytest

from pipeline.contract import find_split_folders


def test_folders_are_read_as_the_splits_that_they_are_named_after(tmp_path):
    for name in ("test", "val", "train", "other"):
        (tmp_path / name / "images").mkdir(parents=True)
    assert [(folder.name, folder.split, folder.images, folder.masks) for folder in find_split_folders(tmp_path)] == [
        (name, split, tmp_path / name / "images", tmp_path / name / "masks")
        for name, split in (("train", "train"), ("val", "valid"), ("test", "test"))
    ]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *(("Train", "train"), ("TRAIN", "train"), ("training", "train"), ("Val", "valid"), ("VALIDATION", "valid")),
        *(("Valid", "valid"), ("testing", "test"), ("Test", "test")),
    ],
)
def test_a_split_is_found_in_any_case_and_in_both_layouts(tmp_path, name, split):
    (tmp_path / "nested" / name / "images").mkdir(parents=True)
    (tmp_path / "flat" / "images" / name).mkdir(parents=True)
    (nested,), (flat,) = find_split_folders(tmp_path / "nested"), find_split_folders(tmp_path / "flat")
    assert (nested.split, nested.images) == (split, tmp_path / "nested" / name / "images")
    assert (flat.split, flat.images, flat.masks) == (
        *(split, tmp_path / "flat" / "images" / name),
        tmp_path / "flat" / "masks" / name,
    )


def test_images_and_masks_are_found_in_any_case_and_first_as_they_are_spelled(tmp_path):
    for folder in ("train/Images", "train/MASKS", "test/images", "test/IMAGES", "test/masks", "Images/val", "Masks/VAL"):
        (tmp_path / folder).mkdir(parents=True)
    assert [(folder.images, folder.masks) for folder in find_split_folders(tmp_path)] == [
        (tmp_path / "train/Images", tmp_path / "train/MASKS"),
        (tmp_path / "Images/val", tmp_path / "Masks/VAL"),
        (tmp_path / "test/images", tmp_path / "test/masks"),
    ]


def test_folders_of_one_split_come_in_the_order_of_their_names_and_files_are_no_folders(tmp_path):
    for folder in ("Training", "train", "images/TRAIN"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "val").write_text("not a folder")
    (tmp_path / "images" / "test").write_text("not a folder")
    assert [(folder.name, folder.images, folder.masks) for folder in find_split_folders(tmp_path)] == [
        ("Training", tmp_path / "Training" / "images", tmp_path / "Training" / "masks"),
        ("TRAIN", tmp_path / "images" / "TRAIN", tmp_path / "masks" / "TRAIN"),
        ("train", tmp_path / "train" / "images", tmp_path / "train" / "masks"),
    ]
    assert find_split_folders(tmp_path / "val") == find_split_folders(tmp_path / "missing") == []
