import dataclasses
import functools
import os
import signal

import keras
import numpy as np
import pytest

from pipeline.files import InputError, read_csv
from segmenter import callbacks
from segmenter.folders import Sample, read_data_set
from segmenter.input_pipeline import validation_batches
from segmenter.pairs import PairFormat
from segmenter.runs import open_run, read_configuration, read_state, take_up, write_state
from segmenter.saved_models import load_whole
from segmenter.training import choose_evenly, train


@pytest.fixture
def begin(data_folder):
    """Trains, or goes on, as the command does."""
    data = read_data_set(data_folder)

    def run(configuration, name="run", resume=False):
        place = open_run(data_folder, name)
        return place, train(place, configuration, data, take_up(place, configuration, data, resume=resume, restart=False))

    return run


@pytest.fixture
def small(configure, monkeypatch):
    """Makes configurations of a single level, without pictures, which cost more than the training here."""
    monkeypatch.setattr(callbacks, "write_curves", lambda *_: None)
    return functools.partial(configure, model__num_layers=1, train__epoch_change_infer=False)


def test_a_run_leaves_what_it_promises(begin, configure, capsys):
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
    assert [line.split(":")[0] for line in lines] == ["run", "pairs are held in memory", "epoch 1", "epoch 2"]
    assert "val_loss" in lines[2]
    assert read_configuration(run) == configure(model__metrics=("dice_coef", "sensitivity"))


def test_the_history_tells_what_the_model_scores(begin, small, data_folder):
    run, state = begin(small(train__epochs=3))
    assert state.best_val_loss == min(row["val_loss"] for row in state.history)
    assert state.history[state.best_epoch - 1]["val_loss"] == state.best_val_loss
    model = load_whole(run.folder / state.checkpoint)
    valid = read_data_set(data_folder).split("valid")
    figures = model.evaluate(validation_batches(valid, PairFormat(16, 1), 2, cache=False), return_dict=True, verbose=0)
    assert state.history[-1]["val_dice_coef"] == pytest.approx(figures["dice_coef"], abs=1e-5)
    assert state.history[-1]["val_loss"] == pytest.approx(figures["loss"], abs=1e-5)


def test_a_resumed_run_goes_on_as_if_there_had_been_no_break(begin, configure, monkeypatch):
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


def test_nothing_after_a_resume_is_better_than_a_better_epoch_before(begin, small):
    run, state = begin(small(train__epochs=1))
    # As if the first epoch had been so good that none can be better, and the learning rate were about to be cut.
    write_state(
        run,
        dataclasses.replace(
            state,
            best_val_loss=0.0,
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


def test_ctrl_c_keeps_the_last_whole_epoch_and_the_next_run_goes_on(begin, small, monkeypatch, capsys):
    _, through = begin(small(train__epochs=2), "through")
    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(callbacks, "tensorboard", lambda run: [PressCtrlC(epoch=1)])
        with pytest.raises(KeyboardInterrupt):
            begin(small(train__epochs=2), "broken")
    assert signal.getsignal(signal.SIGINT) is before
    assert "stopping after this step; Ctrl-C again stops at once" in capsys.readouterr().err
    run, state = begin(small(train__epochs=2), "broken")
    assert read_state(run) == state
    np.testing.assert_allclose([row["loss"] for row in state.history], [row["loss"] for row in through.history], rtol=1e-4)


def test_a_loss_that_is_no_number_is_told_and_not_recorded(begin, small, data_folder):
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
    monkeypatch.setattr(callbacks.importlib.util, "find_spec", lambda name: None)
    assert callbacks.tensorboard(open_run(tmp_path, "run")) == []
    monkeypatch.setattr(callbacks.importlib.util, "find_spec", lambda name: object())
    found = callbacks.tensorboard(open_run(tmp_path, "run"))
    assert [callback.log_dir for callback in found] == [str(tmp_path / "runs/run/tensorboard")]
