"""The segmenter as one imports it: batches, networks, runs, evaluation."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

import segmenter

SMALL = {
    "model": {"image_width": 16, "image_height": 16, "base_filters": 2, "num_layers": 1},
    "train": {"epochs": 1, "epoch_change_infer": False},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_data_set):
    """Six pairs to train, three to validate, three to test, 32 px, no manifest."""
    return write_data_set(tmp_path_factory.mktemp("library") / "set")


@pytest.fixture(scope="module")
def run(folder):
    return segmenter.train(folder, "quick", "first", settings=SMALL)


def test_networks_are_a_table():
    models = segmenter.list_models()
    assert models.columns.tolist() == ["parameters", "sides", "paper"]
    assert models.loc["AttentionUNet"].tolist()[:2] == [2_027_861, "multiples of 16"]
    assert len(models) == 10


def test_batches_are_images_and_masks_once_through(folder):
    batches = segmenter.batches(folder, "train", side=16, batch_size=4)
    assert len(batches) == 2
    shapes = [(images.shape.as_list(), masks.shape.as_list()) for images, masks in batches]
    assert shapes == [([4, 16, 16, 1], [4, 16, 16, 1]), ([2, 16, 16, 1], [2, 16, 16, 1])]
    images, masks = next(iter(batches))
    assert (images.dtype, masks.dtype) == ("uint8", "uint8")
    assert set(np.unique(masks)) == {0, 1}
    assert images.numpy()[masks.numpy() == 1].min() > images.numpy()[masks.numpy() == 0].max()


def test_train_is_in_another_order_in_each_epoch_and_all_of_it_in_each(folder):
    batches = segmenter.batches(folder, "train", side=16, batch_size=6)
    first, second = (images.numpy() for _ in range(2) for images, _ in batches)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(*(np.sort(images.reshape(6, -1), axis=0) for images in (first, second)))
    again = next(images.numpy() for images, _ in segmenter.batches(folder, "train", side=16, batch_size=6))
    np.testing.assert_array_equal(first, again)  # the seed is the same


def test_valid_keeps_its_order(folder):
    batches = segmenter.batches(folder, "valid", side=16)
    first, second = (images.numpy() for _ in range(2) for images, _ in batches)
    np.testing.assert_array_equal(first, second)


def test_augmented_pairs_vary_in_each_epoch_and_masks_follow_images(folder):
    batches = segmenter.batches(folder, "train", side=32, shuffle=False, augment={"augmentor": {"hflip": True, "vflip": True}})
    plain = next(iter(segmenter.batches(folder, "train", side=32, shuffle=False)))[0].numpy()
    epochs = [next(iter(batches)) for _ in range(3)]
    assert not all(np.array_equal(images, plain) for images, _ in epochs)
    for images, masks in epochs:
        np.testing.assert_array_equal(images.numpy() > 128, masks.numpy() == 1)
    assert next(iter(segmenter.batches(folder, "train", side=32, augment=True)))[0].shape == (6, 32, 32, 1)


def test_a_network_of_ones_own_fits_batches(folder):
    pixels = keras.Input((16, 16, 1))
    model = keras.Model(pixels, keras.layers.Conv2D(1, 1, activation="sigmoid")(keras.layers.Rescaling(1 / 255)(pixels)))
    model.compile("adam", "binary_crossentropy")
    train, valid = (segmenter.batches(folder, split, side=16) for split in ("train", "valid"))
    history = model.fit(train, validation_data=valid, epochs=2, shuffle=False, verbose=0)
    assert len(history.history["val_loss"]) == 2


def test_a_built_network_is_compiled_by_its_keys(folder):
    model = segmenter.build_model(
        "AttentionUNet", side=16, channels=3, base_filters=2, num_layers=2, loss="dice_loss", metrics=["iou_coef"]
    )
    assert model.input_shape == (None, 16, 16, 3)
    history = model.fit(segmenter.batches(folder, "train", side=16, channels=3), shuffle=False, verbose=0).history
    assert sorted(history) == ["iou_coef", "loss"]


def test_a_run_is_trained_once_and_opened_again(folder, run, capsys):
    assert run.best_model.is_file()
    assert run.data_folder == folder
    assert segmenter.train(folder, "quick", "first", settings=SMALL) == run
    assert "trained already, 1 epoch" in capsys.readouterr().out
    assert segmenter.open_run(str(folder), "first") == run
    with pytest.raises(segmenter.InputError, match=r"has no best_model\.keras; the runs with a model are first"):
        segmenter.open_run(folder, "second")


def test_a_data_set_may_be_anything_with_a_folder(folder, run):
    @dataclasses.dataclass
    class Anything:
        folder: object

    assert segmenter.open_run(Anything(folder), "first") == run
    assert len(segmenter.batches(Anything(str(folder)), "test", side=16)) == 1


def test_a_configuration_may_be_loaded_before(folder, run):
    configuration = segmenter.load_configuration("quick", SMALL)
    assert segmenter.train(folder, configuration, "first") == run
    with pytest.raises(segmenter.InputError, match="name is missing: a configuration that is loaded already"):
        segmenter.train(folder, configuration)
    with pytest.raises(segmenter.InputError, match="give them to load_configuration, because it is loaded already"):
        segmenter.train(folder, configuration, "other", settings=SMALL)


def test_metrics_are_a_table_and_settings_apply(run):
    metrics = segmenter.evaluate(run.folder)
    assert isinstance(metrics, pd.DataFrame)
    row = metrics.query("group == 'all' and metric == 'dice'").iloc[0]
    assert (row["images"], row["patients"]) == (3, 3)
    sensitive = segmenter.evaluate(run, settings={"infer": {"threshold": 0.001}})
    assert sensitive.query("group == 'all' and metric == 'sensitivity'")["mean"].item() == 1
    assert (run.evaluation("test") / "metrics.csv").is_file()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda folder, run: segmenter.batches(folder, "training"),
            "the split training is empty; found train 6, valid 3, test 3",
        ),
        (lambda folder, run: segmenter.batches(folder, "train", side=64), "is 32 px wide, but the model takes 64"),
        (lambda folder, run: segmenter.batches(folder, "train", augment={"augmentor": {"hflop": True}}), "hflop: unknown key"),
        (lambda folder, run: segmenter.batches(folder, "train", fold=0), "has samples without a fold"),
        (lambda folder, run: segmenter.build_model("Net"), r"build_model: model: Net is not a known network; expected one of"),
        (lambda folder, run: segmenter.build_model(filters=3), r"build_model: \[model\] filters: unknown key; expected one of"),
        (lambda folder, run: segmenter.build_model(side=100), "image_width 100 does not suit num_layers 5"),
        (lambda folder, run: segmenter.train(folder, "slow"), "slow: is not a known configuration; expected one of"),
        (lambda folder, run: segmenter.train(folder / "nowhere"), "there is no such folder"),
        (lambda folder, run: segmenter.train(folder, settings={"train": {"epoch": 1}}), r"\[train\] epoch: unknown key"),
        (
            lambda folder, run: segmenter.train(folder, "quick", "first", settings={**SMALL, "train": {"epochs": 2}}),
            r"has \[train\] epochs = 1, not 2",
        ),
        (lambda folder, run: segmenter.evaluate(folder / "nowhere"), "nowhere: there is no such folder; expected that of a run"),
        (lambda folder, run: segmenter.evaluate(folder), "has no best_model.keras"),
        (
            lambda folder, run: segmenter.evaluate(run, settings={"train": {"epochs": 3}}),
            r"settings of \[train\]: are fixed once a model is trained; expected settings of \[eval\], \[infer\], \[tiledinfer\]",
        ),
        (
            lambda folder, run: segmenter.load_configuration("mine.config", {"train": {"epochs": 3}}),
            r"mine\.config: cannot be read \(No such file",
        ),
    ],
)
def test_faults_are_input_errors(folder, run, call, message):
    with pytest.raises(segmenter.InputError, match=message):
        call(folder, run)
