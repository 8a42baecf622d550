import dataclasses
import functools
import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

from pipeline.files import InputError, read_csv
from segmenter.configuration import TrainSettings
from segmenter.data.batches import Variation
from segmenter.data.dataset import Sample, read_data_set
from segmenter.data.input_pipeline import validation_batches
from segmenter.data.pairs import PairFormat
from segmenter.models.saved_models import load_whole
from segmenter.runs import begin_or_resume, open_run, read_configuration, read_state, write_state
from segmenter.training import callbacks, epoch_pictures
from segmenter.training.epoch_pictures import choose_evenly
from segmenter.training.trainer import train


@pytest.fixture
def begin(data_folder):
    """Trains or resumes, as the command does."""
    data = read_data_set(data_folder)

    def begin_run(configuration, name="run", resume=False):
        run = open_run(data_folder, name)
        return run, train(run, configuration, data, begin_or_resume(run, configuration, data, resume=resume, restart=False))

    return begin_run


@pytest.fixture
def small(configure, monkeypatch):
    """Makes configurations of a single level, without pictures, which cost more than the training here."""
    monkeypatch.setattr(callbacks, "write_curves", lambda *_: None)
    return functools.partial(configure, model__num_layers=1, train__epoch_change_infer=False)


def test_a_run_writes_its_files(begin, configure, capsys):
    run, state = begin(configure(model__metrics=("dice_coef", "sensitivity")))
    names = {str(path.relative_to(run.folder)) for path in run.folder.rglob("*") if path.is_file()}
    assert names == {
        "config.toml",
        "versions.json",
        "state.json",
        "best_model.keras",
        "last_epoch_0002.keras",
        "train_losses.csv",
        "train_losses.png",
        "train_metrics.csv",
        "train_metrics.png",
        "epoch_change_infer/Epoch_1_P7_L_CM_CC.png",
        "epoch_change_infer/Epoch_1_P9_L_CM_CC.png",
        "epoch_change_infer/Epoch_2_P7_L_CM_CC.png",
        "epoch_change_infer/Epoch_2_P9_L_CM_CC.png",
    }
    losses, metrics = read_csv(run.folder / "train_losses.csv"), read_csv(run.folder / "train_metrics.csv")
    assert list(losses[0]) == ["epoch", "loss", "val_loss"]
    assert list(metrics[0]) == ["epoch", "dice_coef", "val_dice_coef", "sensitivity", "val_sensitivity"]
    assert [row["epoch"] for row in losses] == ["1", "2"]
    assert float(losses[-1]["val_loss"]) == state.history[-1]["val_loss"]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["run", "device", "pairs are held in memory", "epoch 1", "epoch 2"]
    assert lines[1].endswith("; precision: float32")
    assert "val_loss" in lines[3]
    assert read_configuration(run) == configure(model__metrics=("dice_coef", "sensitivity"))


def test_the_history_has_the_models_metrics(begin, small, data_folder):
    run, state = begin(small(train__epochs=3))
    assert state.best_val_loss == min(row["val_loss"] for row in state.history)
    assert state.history[state.best_epoch - 1]["val_loss"] == state.best_val_loss
    model = load_whole(run.folder / state.checkpoint)
    valid = read_data_set(data_folder).split("valid")
    metrics = model.evaluate(validation_batches(valid, PairFormat(16, 16, 1), 2, cache=False), return_dict=True, verbose=0)
    assert state.history[-1]["val_dice_coef"] == pytest.approx(metrics["dice_coef"], abs=1e-5)
    assert state.history[-1]["val_loss"] == pytest.approx(metrics["loss"], abs=1e-5)


def test_a_resumed_run_equals_one_without_interruption(begin, configure, monkeypatch):
    monkeypatch.setattr(callbacks, "write_curves", lambda *_: None)
    settings = {"model__dropout_rate": 0.2, "train__reducer_patience": 1, "train__epoch_change_infer": False}
    _, through = begin(configure(train__epochs=4, **settings), "through")
    begin(configure(train__epochs=2, **settings), "broken")
    run, resumed = begin(configure(train__epochs=4, **settings), "broken", resume=True)
    keys = [key for key in through.history[0] if key != "seconds"]
    for one, other in zip(through.history, resumed.history, strict=True):
        np.testing.assert_allclose([one[key] for key in keys], [other[key] for key in keys], rtol=1e-4)
    assert resumed.early_stopping == pytest.approx(through.early_stopping, rel=1e-4)
    assert resumed.reducer == pytest.approx(through.reducer, rel=1e-4)
    assert [row["epoch"] for row in read_csv(run.folder / "train_losses.csv")] == ["1", "2", "3", "4"]
    assert [path.name for path in run.folder.glob("last_*")] == ["last_epoch_0004.keras"]


def test_the_state_is_written_after_all_else_of_an_epoch(begin, configure, monkeypatch):
    written = []
    monkeypatch.setattr(epoch_pictures, "sync", lambda: written.append("sync"))
    for name in ("save_whole", "write_csv", "write_curves", "write_state"):
        monkeypatch.setattr(callbacks, name, lambda *_, name=name: written.append(name))
    monkeypatch.setattr(callbacks, "save_for_prediction", lambda *_: None)
    begin(configure(model__num_layers=1, train__epochs=1))
    assert written == ["sync", "save_whole", "write_csv", "write_curves", "write_csv", "write_curves", "write_state"]


def test_a_resume_keeps_the_best_epoch_before_it(begin, small):
    run, state = begin(small(train__epochs=1))
    # As if the first epoch had been so good that none can be better, and the learning rate were about to be cut.
    write_state(
        run,
        dataclasses.replace(
            state,
            best_val_loss=0.0,
            history=[state.history[0] | {"val_loss": 0.0}],
            early_stopping={"wait": 1, "best": 0.0},
            reducer={"wait": 3, "best": 0.0, "cooldown_counter": 0},
        ),
    )
    before = run.best_model.read_bytes()
    begin(small(train__epochs=2, train__patience=3), resume=True)
    _, resumed = begin(small(train__epochs=9, train__patience=3), resume=True)
    assert run.best_model.read_bytes() == before
    assert (resumed.best_epoch, resumed.best_val_loss, resumed.epoch) == (1, 0.0, 3)
    assert resumed.early_stopping == {"wait": 3, "best": 0.0}
    assert resumed.is_finished(small(train__patience=3).train)
    assert [row["learning_rate"] for row in resumed.history] == pytest.approx([0.01, 0.01, 0.005])


class PressCtrlC(keras.callbacks.Callback):
    """Sends the signal in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch == self.epoch

    def on_train_batch_begin(self, batch, logs=None):
        if self.now and batch == 1:
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_keeps_the_last_whole_epoch_and_the_next_run_continues(begin, small, monkeypatch, capsys):
    _, through = begin(small(train__epochs=2), "through")
    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(callbacks, "tensorboard", lambda run: [PressCtrlC(epoch=1)])
        with pytest.raises(KeyboardInterrupt):
            begin(small(train__epochs=2), "broken")
    assert signal.getsignal(signal.SIGINT) is before
    assert "stopping after this step; Ctrl-C again stops immediately" in capsys.readouterr().err
    run, state = begin(small(train__epochs=2), "broken")
    assert read_state(run) == state
    np.testing.assert_allclose([row["loss"] for row in state.history], [row["loss"] for row in through.history], rtol=1e-4)


def test_a_loss_that_is_not_a_number_is_an_error_and_not_recorded(begin, small, data_folder):
    with pytest.raises(InputError, match=r"epoch 1: loss is nan; lower \[model\] learning_rate or set clipvalue"):
        begin(small(model__learning_rate=1e30, model__optimizer="SGD", model__input_normalize=False))
    assert not open_run(data_folder, "run").state.exists()


def test_few_fixed_images_are_spread_over_the_originals(tmp_path):
    def sample(name, variant="original"):
        return Sample(name, "valid", tmp_path, tmp_path, name, variant, "", "")

    samples = [sample("flipped_a", "flipped"), *(sample(name) for name in "abcde")]
    assert [chosen.name for chosen in choose_evenly(samples, 3)] == ["a", "c", "e"]
    assert [chosen.name for chosen in choose_evenly(samples[:1], 3)] == ["flipped_a"]


def test_tensorboard_is_used_only_where_it_is_installed(monkeypatch, tmp_path):
    monkeypatch.setattr(callbacks, "is_installed", lambda name: False)
    assert callbacks.tensorboard(open_run(tmp_path, "run")) == []
    monkeypatch.setattr(callbacks, "is_installed", lambda name: True)
    installed = callbacks.tensorboard(open_run(tmp_path, "run"))
    assert [callback.log_dir for callback in installed] == [str(tmp_path / "runs/run/tensorboard")]
    monkeypatch.setattr("keras.config.backend", lambda: "jax")
    assert callbacks.tensorboard(open_run(tmp_path, "run")) == []


@pytest.mark.parametrize(
    ("settings", "rates"),
    [
        pytest.param({"warmup_epochs": 1}, [0.25, 0.5, 0.75, 1.0, None, None], id="rise, then left alone"),
        pytest.param(
            {"cosine_decay": True, "learning_rate_reducer": False},
            [(1 + np.cos(np.pi * step / 12)) / 2 for step in range(6)],
            id="half a cosine",
        ),
        pytest.param(
            {"cosine_decay": True, "learning_rate_reducer": False, "warmup_epochs": 1},
            [0.25, 0.5, 0.75, 1.0, 1.0, (1 + np.cos(np.pi / 8)) / 2],
            id="both",
        ),
        pytest.param(
            {"cosine_decay": True, "learning_rate_reducer": False, "warmup_epochs": 1, "gradient_accumulation_steps": 2},
            [0.5, 0.5, 1.0, 1.0, 1.0, 1.0],
            id="both, in steps of two batches",
        ),
        pytest.param({"warmup_epochs": 1, "gradient_accumulation_steps": 3}, [0.75, 0.75, 0.75, 1.0, 1.0, 1.0], id="odd"),
        pytest.param({}, [None] * 6, id="neither"),
    ],
)
def test_the_learning_rate_follows_its_schedule(settings, rates):
    schedule = callbacks.Schedule(TrainSettings(epochs=3, **settings), learning_rate=1.0, steps=4)
    assert [schedule.rate(step) for step in range(6)] == [rate if rate is None else pytest.approx(rate) for rate in rates]


def test_gradients_of_two_batches_act_as_those_of_one_that_is_twice_as_large(begin, small):
    settings = {
        "model__loss": "bce_loss",  # a mean over images; Dice sums over the batch
        "model__optimizer": "SGD",
        "model__clipvalue": 0.01,
        "model__learning_rate": 1.0,
        "train__warmup_epochs": 1,
        "train__cosine_decay": True,
        "train__learning_rate_reducer": False,
        "train__epochs": 3,
    }
    _, whole = begin(small(train__batch_size=2, **settings), "whole")
    _, parts = begin(small(train__batch_size=1, train__gradient_accumulation_steps=2, **settings), "parts")
    assert [row["val_loss"] for row in parts.history] == pytest.approx([row["val_loss"] for row in whole.history], rel=1e-5)
    _, others = begin(small(train__batch_size=1, **settings), "others")
    assert others.history[-1]["val_loss"] != pytest.approx(whole.history[-1]["val_loss"], rel=1e-3)


def test_a_run_resumes_between_the_batches_that_it_accumulates(begin, small):
    settings = {"train__gradient_accumulation_steps": 2, "train__batch_size": 2}  # three batches in each epoch
    _, through = begin(small(train__epochs=3, **settings), "through")
    begin(small(train__epochs=1, **settings), "broken")
    _, resumed = begin(small(train__epochs=3, **settings), "broken", resume=True)
    for name in ("loss", "val_loss"):
        assert [row[name] for row in resumed.history] == pytest.approx([row[name] for row in through.history], rel=1e-5)


def test_a_resumed_cosine_is_where_it_would_have_been(begin, small, monkeypatch):
    settings = {"train__cosine_decay": True, "train__learning_rate_reducer": False, "train__epochs": 3}
    with monkeypatch.context() as patch:
        patch.setattr(callbacks, "tensorboard", lambda run: [PressCtrlC(epoch=1)])
        with pytest.raises(KeyboardInterrupt):
            begin(small(**settings), "broken")
    _, through = begin(small(**settings), "broken")
    assert [row["learning_rate"] for row in through.history] == pytest.approx(
        [0.01 * (1 + np.cos(np.pi * epoch / 3)) / 2 for epoch in range(3)]
    )
    with pytest.raises(InputError, match=r"has \[train\] epochs = 3, not 4; give another --name"):
        begin(small(**settings | {"train__epochs": 4}), "broken", resume=True)


def test_steps_cut_an_epoch_short_and_the_next_one_goes_on_in_the_samples(begin, small, monkeypatch):
    batches = []

    class Metrics(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            batches.append(batch)

        def on_test_batch_end(self, batch, logs=None):
            batches.append("valid")

    monkeypatch.setattr(callbacks, "tensorboard", lambda run: [Metrics()])
    begin(small(train__steps_per_epoch=2, train__validation_steps=1))
    assert batches == [0, 1, "valid"] * 2


def test_validation_steps_take_the_same_first_batches_in_each_epoch(begin, small, data_folder):
    run, state = begin(small(train__epochs=2, train__validation_steps=1))
    model = load_whole(run.folder / state.checkpoint)
    first = validation_batches(read_data_set(data_folder).split("valid"), PairFormat(16, 16, 1), 2, cache=False).take(1)
    val_loss = model.evaluate(first, verbose=0, return_dict=True)["loss"]
    assert state.history[-1]["val_loss"] == pytest.approx(val_loss, abs=1e-5)


def test_averaged_weights_are_validated_and_saved_and_training_continues_from_the_others(begin, small, data_folder):
    run, state = begin(small(model__ema_momentum=0.9, train__epochs=1))
    whole, best = load_whole(run.folder / state.checkpoint), load_whole(run.best_model, compile=False)
    assert not np.array_equal(whole.trainable_variables[0], best.trainable_variables[0])
    valid = read_data_set(data_folder).split("valid")
    best.compile(loss=whole.loss)
    val_loss = best.evaluate(validation_batches(valid, PairFormat(16, 16, 1), 2, cache=False), verbose=0)
    assert state.best_val_loss == pytest.approx(val_loss, abs=1e-5)
    with callbacks.averaged(whole):
        np.testing.assert_allclose(whole.trainable_variables[0], best.trainable_variables[0], atol=1e-7)
    assert not np.array_equal(whole.trainable_variables[0], best.trainable_variables[0])


def test_training_pairs_are_varied_and_validation_pairs_are_not(begin, small, monkeypatch):
    logged = {"train": 0, "valid": 0}

    def fill(configuration, seed):
        return Variation(lambda numbers: numbers, lambda drawn, images, masks: (images, keras.ops.ones_like(masks)))

    class Metrics(keras.callbacks.Callback):
        """With a mask of lesion alone there is no background, so specificity is 1."""

        def on_epoch_end(self, epoch, logs=None):
            logged["train"], logged["valid"] = logs["specificity"], logs["val_specificity"]

    monkeypatch.setattr("segmenter.augmentation.make_variation", fill)
    monkeypatch.setattr(callbacks, "tensorboard", lambda run: [Metrics()])
    settings = {"model__generator": True, "augmentor__hflip": True, "model__metrics": ("specificity",), "train__epochs": 1}
    begin(small(**settings), "varied")
    assert logged["train"] == 1  # nothing but lesion: no false positives are possible
    assert logged["valid"] < 1
    begin(small(**settings | {"model__generator": False}), "plain")
    assert logged["train"] < 1


def test_a_resumed_run_varies_pairs_as_it_would_have(begin, small):
    settings = {"model__generator": True, "augmentor__hflip": True, "augmentor__rotation": True, "dataset__shuffle": True}
    _, through = begin(small(train__epochs=2, **settings), "through")
    begin(small(train__epochs=1, **settings), "broken")
    _, resumed = begin(small(train__epochs=2, **settings), "broken", resume=True)
    assert resumed.history[1]["loss"] == pytest.approx(through.history[1]["loss"], rel=1e-5)


def test_several_classes_train_and_are_distinguished(tmp_path, write_data_set, write_pair, small, draw_pair):
    folder = write_data_set(tmp_path / "classes", train=0, valid=0, test=0)
    for number in range(1, 9):
        image, mask = draw_pair(number)
        kind = 1 + number % 2
        write_pair(folder, "valid" if number > 6 else "train", f"P{number}_L_CM_CC", image // kind, (mask > 0) * np.uint8(kind))
    data = read_data_set(folder)
    configuration = small(
        model__num_classes=3,
        model__base_filters=8,
        model__learning_rate=0.05,
        model__image_height=32,
        model__image_width=32,
        train__epochs=40,
        train__patience=40,
    )
    run = open_run(folder, "classes")
    state = train(run, configuration, data, begin_or_resume(run, configuration, data, resume=False, restart=False))
    assert {"val_dice_coef", "val_dice_coef_benign", "val_dice_coef_malignant"} <= set(state.history[0])
    assert max(row["val_dice_coef_benign"] for row in state.history) > 0.7
    assert max(row["val_dice_coef_malignant"] for row in state.history) > 0.7


DETERMINISTIC = """
import sys
from pathlib import Path
from segmenter.configuration import Configuration
from segmenter.configuration.networks import SlightlyFlexibleUNetSettings
from segmenter.data.batches import Variation
from segmenter.data.dataset import read_data_set
from segmenter.runs import open_run
from segmenter.training.trainer import train
folder = Path(sys.argv[1])
configuration = Configuration(
    model=SlightlyFlexibleUNetSettings(image_width=32, image_height=32, base_filters=4, num_layers=3, dropout_rate=0.1),
    train={"epochs": 2, "batch_size": 2, "deterministic": True, "epoch_change_infer": False},
)
train(open_run(folder, sys.argv[2]), configuration, read_data_set(folder), None)
"""


@pytest.mark.slow
def test_a_deterministic_run_has_the_same_weights_twice(data_folder):
    for name in ("one", "other"):
        subprocess.run([sys.executable, "-c", DETERMINISTIC, str(data_folder), name], check=True, capture_output=True)
    one, other = (load_whole(open_run(data_folder, name).best_model, compile=False) for name in ("one", "other"))
    for ours, theirs in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(np.array(ours), np.array(theirs))
