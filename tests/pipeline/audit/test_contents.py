"""What the audit reads from the two files of a sample."""

import hashlib
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline.audit import contents as contents_module
from pipeline.audit.contents import Contents, describe_crash, read_contents
from pipeline.audit.features import SMALL
from pipeline.audit.samples import Sample
from pipeline.contract import CRASHED
from pipeline.geometry import vary
from pipeline.sources import read_image

MASK = cv2.circle(np.zeros((60, 80), np.uint8), (30, 25), 10, 255, -1)


def texture(seed):
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(60, 80)), (0, 0), 2)
    return cv2.normalize(noise, None, 10, 245, cv2.NORM_MINMAX).astype(np.uint8)


@pytest.fixture
def make(tmp_path):
    """Makes a sample of an image and a mask, each given as pixels, as bytes, or as None for no file."""

    def sample(image=None, mask=None, sha256=("", "")):
        paths = []
        for kind, content in (("image", image), ("mask", mask)):
            path = tmp_path / f"{kind}{len(list(tmp_path.iterdir()))}.png"
            if content is not None:
                path.write_bytes(content if isinstance(content, bytes) else cv2.imencode(".png", content)[1].tobytes())
            paths.append(None if content is None else path)
        return Sample("a", "train", "train", "train/images/a.png", *paths, "a", "", "", sha256)

    return sample


def test_sizes_values_and_description_of_a_pair(make):
    (contents,) = read_contents([make(texture(1), MASK)])
    assert (contents.image_size, contents.mask_size, contents.mask_values) == ((80, 60), (80, 60), (0, 255))
    assert (contents.mask_fault, contents.broken, contents.changed) == ("", (), ())
    assert contents.thumb.shape == (64, 64)
    assert contents.features.small.shape == (SMALL * 60 // 80, SMALL)


def test_a_file_that_is_missing_leaves_its_part_out(make):
    first, second, third = read_contents([make(texture(1), None), make(None, MASK), make()])
    assert (first.image_size, first.mask_size) == ((80, 60), None)
    assert second == Contents(mask_size=(80, 60), mask_values=(0, 255))
    assert third == Contents()


def test_a_plain_image_has_a_size_and_no_description(make):
    assert read_contents([make(np.full((9, 7), 5, np.uint8))]) == [Contents(image_size=(7, 9))]


def test_a_broken_image_is_named_and_its_mask_is_read(make):
    (contents,) = read_contents([make(b"hello", MASK)])
    assert contents == Contents(mask_size=(80, 60), mask_values=(0, 255), broken=("image",))
    assert read_contents([make(b"", None)]) == [Contents(broken=("image",))]


def test_a_mask_that_cannot_be_read_has_a_fault(make):
    (contents,) = read_contents([make(None, b"hello")])
    assert contents == Contents(
        mask_fault="starts with b'hello', which is not JPEG, PNG or TIFF; is it another type of file?; "
        "a mask is a gray PNG of 0 and 255"
    )


def test_files_that_differ_from_their_digests_are_named(make):
    image, mask = (cv2.imencode(".png", pixels)[1].tobytes() for pixels in (texture(1), MASK))
    digests = [hashlib.sha256(data).hexdigest() for data in (image, mask)]
    read = read_contents(
        [
            *(make(image, mask, tuple(digests)), make(image, mask, ("", "")), make(image, mask, (digests[1], digests[1]))),
            *(make(image, mask, (digests[0], "0")), make(image, mask, ("0", "0")), make(None, mask, ("0", digests[1]))),
        ]
    )
    assert [contents.changed for contents in read] == [(), (), ("image",), ("mask",), ("image", "mask"), ()]
    assert all(contents.mask_size for contents in read)


def test_variants_of_one_image_share_their_description_and_other_images_do_not(make):
    variants = (
        texture(1),
        texture(1)[:, ::-1],
        texture(2),
        np.full((60, 80), 9, np.uint8),
        np.rot90(texture(2)),
        texture(1)[::-1],
    )
    read = read_contents([make(pixels) for pixels in variants])
    assert read[0].features is read[1].features is read[5].features
    assert read[2].features is read[4].features is not read[0].features
    assert read[3].features is None


def test_16_bits_are_compared_as_8_bits_are(make):
    wide = texture(3).astype(np.uint16) * 16
    first, second = read_contents([make(texture(3)), make(wide)])
    assert first.features is second.features
    assert second.image_size == (80, 60)


def digest(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def make_variants(make):
    """Makes the samples of one image, as the caller has just made them; `damage` maps a variant to its image's bytes."""

    def samples(image, variants, damage=()):
        made = []
        for variant in variants:
            files = [cv2.imencode(".png", vary(pixels, variant))[1].tobytes() for pixels in (image, MASK)]
            sample = make(dict(damage).get(variant, files[0]), files[1], tuple(map(digest, files)))
            made.append(replace(sample, made_as=variant))
        return made

    return samples


# Not first, so that the order of reading matters; of two, so that what comes after a trusted one is read too.
TURNED = ("mirrored", "original", "rotated_180")


def without_features(contents):
    return replace(contents, features=None, thumb=None)


@pytest.mark.parametrize("variants", [TURNED, ("original", "flipped")])
def test_what_was_just_made_is_described_as_if_it_was_decoded(make_variants, monkeypatch, variants):
    samples = make_variants(texture(1), variants)
    decoded = read_contents([replace(sample, made_as="") for sample in samples])
    opened = []
    monkeypatch.setattr(
        contents_module, "read_image", lambda path, *arguments, **options: opened.append(path) or read_image(path)
    )
    trusted = read_contents(samples)
    assert opened == [sample.image for sample in samples if sample.made_as == "original"]
    for seen, expected, sample in zip(trusted, decoded, samples, strict=True):
        assert without_features(seen) == without_features(expected), sample.made_as
        np.testing.assert_allclose(seen.thumb, expected.thumb, atol=1e-6)
        assert seen.features is trusted[0].features


def test_a_plain_image_that_was_just_made_has_no_description(make_variants):
    plain = np.full((60, 80), 7, np.uint8)
    assert {contents.thumb is None for contents in read_contents(make_variants(plain, TURNED))} == {True}


@pytest.mark.parametrize("damaged", TURNED)
def test_files_that_changed_after_they_were_made_are_decoded(make_variants, damaged):
    samples = make_variants(texture(1), TURNED, {damaged: b"hello"})
    read = dict(zip(TURNED, read_contents(samples), strict=True))
    assert read[damaged].broken == read[damaged].changed == ("image",)
    assert [name for name, contents in read.items() if contents.broken] == [damaged]
    assert {contents.mask_size for contents in read.values()} == {(80, 60)}


def test_a_changed_original_vouches_for_nothing(make_variants, monkeypatch):
    """Its pixels are another image's, so those of its variants are looked at."""
    other = cv2.imencode(".png", texture(2))[1].tobytes()
    samples = make_variants(texture(1), TURNED, {"original": other})
    opened = []
    monkeypatch.setattr(
        contents_module, "read_image", lambda path, *arguments, **options: opened.append(path) or read_image(path)
    )
    read = read_contents(samples)
    assert sorted(opened) == sorted(sample.image for sample in samples)
    assert [contents.changed for contents in read] == [(), ("image",), ()]
    assert read[0].features is read[2].features is not read[1].features


def test_a_crash_names_the_files_that_were_read(make):
    pairs = {"image or mask": (texture(1), MASK), "image": (texture(1), None), "mask": (None, MASK)}
    for names, files in pairs.items():
        assert describe_crash(make(*files)) == Contents(broken=(f"its {names} {CRASHED[1]}",))
