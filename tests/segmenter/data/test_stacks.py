import re
from dataclasses import replace
from itertools import chain, islice

import cv2
import numpy as np
import pytest

from pipeline.files import InputError
from segmenter.data import input_pipeline
from segmenter.data.batches import Schedule
from segmenter.data.dataset import read_data_set
from segmenter.data.input_pipeline import training_batches, validation_batches
from segmenter.data.pairs import PairFormat, read_pair, read_pair_whole
from segmenter.data.stacks import check_partners, gray_of, read_stack
from segmenter.library import batches

PAIR_FORMAT = PairFormat(32, 32, 3, partner=True)


def sample_of(folder, name):
    return next(sample for sample in read_data_set(folder).samples if sample.name == name)


def read_file(path):
    return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)


def remove(path):
    path.unlink()


@pytest.mark.parametrize(("kind", "channels"), [("DM", ["image", "partner", "image"]), ("CM", ["partner", "image", "image"])])
def test_channels_are_low_energy_subtracted_and_annotated(views_folder, kind, channels):
    sample = sample_of(views_folder, f"P3_L_{kind}_CC")
    pixels, _ = read_pair_whole(sample, PAIR_FORMAT)
    for channel, attribute in enumerate(channels):
        np.testing.assert_array_equal(pixels[..., channel], read_file(getattr(sample, attribute)))
    np.testing.assert_array_equal(gray_of(pixels, partner=True), read_file(sample.image))


def test_a_missing_partner_is_black(views_folder):
    remove(views_folder / "train/partners/P3_L_CM_CC.png")
    sample = sample_of(views_folder, "P3_L_CM_CC")
    assert sample.partner is None
    pixels, _ = read_pair(sample, PAIR_FORMAT)
    assert not pixels[..., 0].any()
    assert pixels[..., 1:].any()


def test_an_unknown_kind_is_refused(views_folder):
    sample = replace(sample_of(views_folder, "P3_L_CM_CC"), details={})
    with pytest.raises(InputError, match=r"P3_L_CM_CC.png: is not known to be low-energy \(DM\) or subtracted \(CM\)"):
        read_stack(sample, 3, partner=True)


def test_a_partner_of_another_size_is_refused(views_folder):
    assert cv2.imwrite(str(views_folder / "train/partners/P3_L_CM_CC.png"), np.zeros((30, 31), np.uint8))
    message = "partners/P3_L_CM_CC.png: is 31 x 30 but its image is 32 x 32; make the data set again"
    with pytest.raises(InputError, match=message):
        read_pair(sample_of(views_folder, "P3_L_CM_CC"), PAIR_FORMAT)


def test_a_partner_that_cannot_be_read_is_named(views_folder):
    (views_folder / "train/partners/P3_L_CM_CC.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"partners/P3_L_CM_CC.png: starts with b'no image'"):
        read_pair(sample_of(views_folder, "P3_L_CM_CC"), PAIR_FORMAT)


def test_without_any_partner_a_split_is_refused_but_for_single_images(views_folder):
    samples = read_data_set(views_folder).without_partners().split("train")
    message = "no image of train has a partner in train/partners; make the data set with recipe v2-pairs, or withhold"
    with pytest.raises(InputError, match=re.escape(message)):
        check_partners(views_folder, samples)
    check_partners(views_folder, samples, single=True)
    check_partners(views_folder, read_data_set(views_folder).split("train"))


def test_the_identity_follows_the_partners(views_folder):
    before = read_data_set(views_folder).identity
    remove(views_folder / "train/partners/P3_L_CM_CC.png")
    assert read_data_set(views_folder).identity != before


def write_tables(folder, status):
    names = [f"P{number}_L_{kind}_CC" for number in (1, 2) for kind in ("CM", "DM")]
    files = [f"train/images/{name}.png,train/masks/{name}.png" for name in names]
    rows = [f"{name},{name},original,train,P1,benign,CM,{paths}" for name, paths in zip(names, files, strict=True)]
    header = "sample,image_id,variant,split,patient,class,kind,image,mask"
    (folder / "manifest.csv").write_text("\n".join([header, *rows]) + "\n")
    (folder / "partners.csv").write_text("\n".join(["image_id,status", *(f"{name},{status}" for name in names)]) + "\n")


def test_partners_and_identity_of_a_data_set_with_a_manifest(views_folder):
    write_tables(views_folder, "registered")
    data = read_data_set(views_folder)
    assert [sample.partner and sample.partner.name for sample in data.samples] == [
        f"{sample.name}.png" for sample in data.samples
    ]
    (views_folder / "partners.csv").write_text("image_id,status\n")
    changed = read_data_set(views_folder).identity
    (views_folder / "partners.csv").unlink()
    plain = read_data_set(views_folder).identity
    assert len({data.identity, changed, plain}) == 3
    assert re.fullmatch("[0-9a-f]{64}", plain), "that of a data set without partners stays"
    assert data.identity.startswith(f"{plain} with partners.csv ")


def test_a_registered_partner_that_is_not_there_is_an_error(views_folder):
    write_tables(views_folder, "registered")
    remove(views_folder / "train/partners/P2_L_DM_CC.png")
    message = "partners.csv: names 1 partners that do not exist, the first is train/partners/P2_L_DM_CC; make the data set again"
    with pytest.raises(InputError, match=message):
        read_data_set(views_folder)
    write_tables(views_folder, "missing")
    read_data_set(views_folder)


def test_partners_stay_with_their_samples_in_every_fold(views_folder):
    data = read_data_set(views_folder)
    samples = tuple(replace(sample, fold=number % 3) for number, sample in enumerate(data.samples))
    assert {sample.name: sample.partner for sample in replace(data, samples=samples).in_fold(1).samples} == {
        sample.name: sample.partner for sample in data.samples
    }


@pytest.fixture(params=["tf.data", "PyDataset"])
def loader(request, monkeypatch):
    """Runs a test with the batches of TensorFlow, and with those of every other backend."""
    monkeypatch.setattr(input_pipeline, "_is_tensorflow", lambda: request.param == "tf.data")


def withheld(batch):
    """Whether the partner of each image of a batch is black; the annotated image, and the lesion's mask, are there."""
    images, masks = map(np.asarray, batch)
    assert masks.any((1, 2, 3)).all()
    assert images[..., 2].any((1, 2)).all()
    is_subtracted = (images[..., 1] == images[..., 2]).all((1, 2))
    np.testing.assert_array_equal(images[np.arange(len(images)), :, :, is_subtracted.astype(int)], images[..., 2])
    return (~images[np.arange(len(images)), :, :, 1 - is_subtracted].any((1, 2))).tolist()


def drops(folder, count, *, cache=False, **settings):
    settings = {"seed": 3, "shuffle": True, "partner_dropout": 0.5} | settings
    samples = read_data_set(folder).split("train")
    batches = training_batches(samples, PAIR_FORMAT, 3, cache=cache, **settings)
    return [withheld(batch) for batch in islice(batches, count)]


def test_which_partners_are_withheld_is_the_same_with_every_version_of_numpy():
    dropped = Schedule(8, 3, seed=3, partner_dropout=0.5).drops_partner(np.arange(12))
    assert dropped.astype(int).tolist() == [0, 1, 0, 0, 0, 1, 0, 1, 1, 0, 1, 0]
    assert (Schedule(8, 3, seed=4, partner_dropout=0.5).drops_partner(np.arange(12)) != dropped).any()


@pytest.mark.parametrize("cache", [False, True])
def test_partners_are_withheld_alike_by_every_loader_and_after_a_resume(views_folder, loader, cache):
    through = drops(views_folder, 9, cache=cache)
    schedule = Schedule(8, 3, shuffle=True, seed=3, partner_dropout=0.5)
    assert through == [schedule.drops_partner(schedule.choose(step)[1]).tolist() for step in range(9)]
    assert {True, False} == set(chain(*through))
    assert drops(views_folder, 5, cache=cache, first_step=4) == through[4:]


def test_dropout_is_a_share_and_off_by_default(views_folder, loader):
    assert not any(chain(*drops(views_folder, 9, partner_dropout=0.0)))
    validation = validation_batches(read_data_set(views_folder).split("valid"), PAIR_FORMAT, 3, cache=True)
    assert not any(chain.from_iterable(withheld(batch) for batch in validation))
    schedule = Schedule(8, 3, seed=1, partner_dropout=0.25)
    assert schedule.drops_partner(np.arange(4000)).mean() == pytest.approx(0.25, abs=0.02)


def test_batches_in_python_hold_both_images(views_folder, loader):
    made = batches(views_folder, "train", side=32, batch_size=8, channels=3, partner=True)
    assert not any(withheld(next(iter(made))))
    made = batches(views_folder, "train", side=32, batch_size=8, channels=3, partner=True, partner_dropout=0.99, augment=True)
    assert sum(withheld(next(iter(made)))) > 4
    with pytest.raises(InputError, match="image_channels = 3; found 1"):
        batches(views_folder, "train", side=32, partner=True)
