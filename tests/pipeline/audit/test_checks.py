"""What is wrong with names, pairs and files, from samples and contents made by hand."""

from pathlib import Path

import pytest

from pipeline.audit.checks import (
    find_broken_files,
    find_incomplete_pairs,
    find_leaks,
    find_odd_sizes,
    find_unclean_masks,
    find_unknown_patients,
)
from pipeline.audit.contents import Contents
from pipeline.audit.findings import EXAMPLES, MEANINGS, AuditFinding, expected_codes, make_finding
from pipeline.audit.samples import Sample
from pipeline.recipe import load_recipe

THERE = Path("there.png")


def sample(split, name, patient="", image_id=None, image=THERE, mask=THERE, image_class=""):
    return Sample(name, split, split.title(), f"{split}/images/{name}.png", image, mask, image_id or name, patient, image_class)


def content(image=(8, 9), mask=(8, 9), values=(0, 255), **more):
    return Contents(image_size=image, mask_size=mask, mask_values=values, **more)


def test_an_image_and_its_patient_in_two_splits_are_named_with_their_numbers():
    samples = [
        *(sample("test", "a", "P1", "x"), sample("train", "b", "P1", "x"), sample("train", "c", "P1", "x")),
        *(sample("train", "d", "P2"), sample("valid", "e", "P3"), sample("test", "f", "P2", "g"), sample("train", "h")),
        *(sample("test", "i"), sample("train", "j", "P4"), sample("train", "k", "P4")),
    ]
    images, patients = find_leaks(samples)
    assert images == AuditFinding(
        "image-in-splits", 1, "source images", ("x: 2 in train, 1 in test",), (("test/images/a.png", "train/images/b.png"),)
    )
    assert patients == AuditFinding(
        "patient-in-splits",
        2,
        "patients",
        ("P1: 2 in train, 1 in test", "P2: 1 in train, 1 in test"),
        (("test/images/a.png", "train/images/b.png"), ("train/images/d.png", "test/images/f.png")),
    )


def test_a_patient_is_one_in_every_spelling_and_numbers_name_no_image():
    samples = [
        *(sample("train", "a", "P001"), sample("test", "b", "p1"), sample("valid", "c", "P10")),
        *(sample("train", "0001"), sample("test", "0001"), sample("train", "7_3", "P4", "7"), sample("train", "x", "P4", "7")),
        *(sample("test", "y1"), sample("valid", "y1")),
    ]
    images, patients = find_leaks(samples)
    assert images.examples == ("y1: 1 in valid, 1 in test",)
    assert patients.examples == ("P001: 1 in train, 1 in test",)
    images, _ = find_leaks([sample("train", "a", "P4", "7"), sample("test", "b", "P4", "7")])
    assert images.examples == ("7: 1 in train, 1 in test",)


def test_samples_without_a_patient_count_where_several_splits_could_be_compared():
    samples = [sample("train", "a"), sample("train", "b", "P1")]
    assert list(find_unknown_patients(samples)) == [AuditFinding("patient-unknown", 0, "samples", ())]
    samples.append(sample("test", "c", "P2"))
    assert list(find_unknown_patients(samples)) == [AuditFinding("patient-unknown", 1, "samples", ("Train/a",))]


def test_a_sample_lacks_its_mask_or_its_image():
    samples = [
        *(sample("train", "a"), sample("train", "b", mask=None), sample("test", "c", image=None)),
        sample("test", "d", image=None, mask=None),
    ]
    masks, images = find_incomplete_pairs(samples)
    assert masks == AuditFinding("mask-missing", 1, "files", ("Train/b",))
    assert images == AuditFinding("image-missing", 2, "files", ("Test/c", "Test/d"))


def test_a_size_is_odd_where_most_images_have_another():
    contents = {
        "a": content(),
        "b": content(image=(9, 8)),
        "c": content(mask=(3, 4)),
        "d": content(image=None, mask=(1, 2)),
        "e": content(image=None, mask=None),
        "f": content(mask=None),
    }
    (finding,) = find_odd_sizes([sample("train", name) for name in contents], list(contents.values()))
    assert finding == AuditFinding(
        "size",
        3,
        "files",
        (
            "Train/b: image 9 x 8, mask 8 x 9; most images are 8 x 9",
            "Train/c: image 8 x 9, mask 3 x 4; most images are 8 x 9",
            "Train/d: image none, mask 1 x 2; most images are 8 x 9",
        ),
    )


def test_no_size_is_odd_without_any_image():
    (finding,) = find_odd_sizes([sample("train", "a")], [Contents()])
    assert finding == AuditFinding("size", 0, "files", ())


def unclean(*contents, image_class=""):
    samples = [sample("train", f"s{number}", image_class=image_class) for number in range(len(contents))]
    return list(find_unclean_masks(samples, contents))


def test_masks_with_other_values_are_named_with_the_first_of_them():
    values, empty = unclean(
        content(values=(0, 1, 255)),
        content(values=tuple(range(7))),
        content(values=(0, 1, 2, 3, 4, 255)),
        content(),
        content(mask=None, values=(), mask_fault="is colored"),
    )
    assert values == AuditFinding(
        "mask-values",
        4,
        "files",
        (
            "Train/s0: 3 values, 0, 1, 255; expected 0 and 255",
            "Train/s1: 7 values, 0, 1, 2, 3, 4, 5 ...; expected 0 and 255",
            "Train/s2: 6 values, 0, 1, 2, 3, 4, 255; expected 0 and 255",
            "Train/s4: is colored",
        ),
    )
    assert empty == AuditFinding("mask-empty", 0, "files", ())


@pytest.mark.parametrize(
    ("values", "count"),
    [
        ([(0, 1), (0, 2), (0, 1, 2)], 0),
        ([(0, 255), (255,), (0,)], 0),
        ([(0, 1), (0, 255)], 1),
        ([(0, 3), (0, 1)], 2),
        ([(0, 2), (0, 255), (0, 1)], 2),
    ],
)
def test_class_indices_are_sound_where_all_masks_hold_them(values, count):
    assert unclean(*(content(values=each) for each in values))[0].count == count


def test_a_mask_is_empty_unless_its_image_is_normal():
    contents = [content(values=(0,)), content(values=(0, 255)), content(mask=None, values=())]
    assert unclean(*contents)[1] == AuditFinding("mask-empty", 1, "files", ("Train/s0",))
    assert unclean(*contents, image_class="malignant")[1].count == 1
    assert unclean(*contents, image_class="normal")[1].count == 0


def test_broken_and_changed_files_are_named_by_their_part():
    contents = [content(broken=("image", "mask")), content(changed=("mask",)), content()]
    broken, changed = find_broken_files([sample("train", name) for name in "abc"], contents)
    assert broken == AuditFinding("unreadable", 2, "files", ("Train/a: image", "Train/a: mask"))
    assert changed == AuditFinding("changed", 1, "files", ("Train/b: mask differs from the file in the manifest",))


def test_a_finding_counts_all_and_shows_the_first():
    names = [str(number) for number in range(120)]
    assert make_finding("size", "files", iter(names)) == AuditFinding("size", 120, "files", tuple(names[:EXAMPLES]))
    assert make_finding("not-read", "paths", names).examples == tuple(names[:100])


def test_a_pair_of_a_group_spans_two_splits_where_it_can():
    same, mixed = (
        [sample("train", "a"), sample("train", "b"), sample("train", "c")],
        [sample("train", "a"), sample("train", "b"), sample("test", "c"), sample("valid", "d")],
    )
    finding = make_finding("duplicate-pixels", "groups", ["one", "two"], [same, mixed])
    assert finding.pairs == (("train/images/a.png", "train/images/b.png"), ("train/images/a.png", "test/images/c.png"))
    assert finding.to_json() == {
        "code": "duplicate-pixels",
        "count": 2,
        "meaning": MEANINGS["duplicate-pixels"],
        "examples": ["one", "two"],
        "pairs": [["train/images/a.png", "train/images/b.png"], ["train/images/a.png", "test/images/c.png"]],
    }
    assert len(make_finding("duplicate-pixels", "groups", ["x"] * 6, [same] * 6).pairs) == EXAMPLES


def test_what_the_recipes_ask_for():
    assert expected_codes(load_recipe("v2")) == []
    assert expected_codes(load_recipe("v2-published")) == [
        "image-in-splits",
        "patient-in-splits",
        "duplicate-pixels",
        "mask-values",
    ]
