import functools
import json
import math
import operator
from dataclasses import asdict

import pytest
from small_sets import training_state

from pipeline.files import InputError
from segmenter.configuration import Configuration, InferSettings, TrainSettings
from segmenter.configuration.networks import SlightlyFlexibleUNetSettings as UNetSettings
from segmenter.data.dataset import DataSet, Sample
from segmenter.runs import (
    TRAINED_ON,
    begin_or_resume,
    data_of,
    find_trained,
    open_run,
    read_state,
    record_start,
    trained_on,
    write_state,
)
from segmenter.training.start import train_run

OLD = Configuration(train=TrainSettings(epochs=5, patience=2))


def state(epoch, wait=0):
    return training_state(epoch, wait=wait)


@pytest.fixture
def data(tmp_path):
    return DataSet(tmp_path, (), "abc")


@pytest.fixture
def run(data):
    """A run that stopped after its second epoch."""
    run = open_run(data.folder, "old")
    record_start(run, OLD, {"data_identity": "abc"})
    run.checkpoint(2).write_text("")
    write_state(run, state(2))
    return run


def test_the_owners_of_training_samples_are_recorded_whatever_the_splits_are_now(run):
    assert trained_on(run) is None, "an older program recorded nothing"
    record_start(run, OLD, {"data_identity": "abc", TRAINED_ON: ["P1", "P2"]})
    assert trained_on(run) == {"P1", "P2"}
    run.versions.unlink()
    assert trained_on(run) is None


def with_train(**changes):
    return OLD.model_copy(update={"train": OLD.train.model_copy(update=changes)})


def test_the_same_run_continues_where_it_stopped(run, data):
    assert begin_or_resume(run, OLD, data, resume=False, restart=False) == state(2)
    assert begin_or_resume(run, OLD, data, resume=True, restart=False) == state(2)


def test_a_resume_may_train_longer(run, data):
    assert begin_or_resume(run, with_train(epochs=9, patience=4), data, resume=True, restart=False) == state(2)


def test_settings_of_metrics_may_change(run, data):
    changed = OLD.model_copy(update={"infer": InferSettings(threshold=0.3)})
    assert begin_or_resume(run, changed, data, resume=False, restart=False) == state(2)


def test_a_restart_deletes_the_old_run(run, data):
    assert begin_or_resume(run, with_train(seed=9), data, resume=False, restart=True) is None
    assert not run.folder.exists()


@pytest.mark.parametrize(
    ("change", "resume", "message"),
    [
        pytest.param(
            {"model": UNetSettings(base_filters=4)},
            False,
            r"has \[model\] base_filters = 16, not 4; give another --name, or --restart",
            id="model",
        ),
        pytest.param(
            {"model": UNetSettings(base_filters=4, loss="iou_loss")},
            True,
            r"not iou_loss \(and 1 more\); give",
            id="two",
        ),
        pytest.param(
            {"train": TrainSettings(epochs=9, patience=2)},
            False,
            r"has \[train\] epochs = 5, not 9; --resume to continue with the new value, give",
            id="epochs",
        ),
    ],
)
def test_another_configuration_is_refused(run, data, change, resume, message):
    with pytest.raises(InputError, match=message):
        begin_or_resume(run, OLD.model_copy(update=change), data, resume=resume, restart=False)


def test_other_data_is_refused(run, data):
    with pytest.raises(InputError, match=r"was trained on other data than .* holds now; give another --name, or --restart"):
        begin_or_resume(run, OLD, DataSet(data.folder, (), "xyz"), resume=False, restart=False)


@pytest.mark.parametrize(
    ("trained", "asked", "message"),
    [
        pytest.param(None, 2, "was trained on the data set's own splits, not on fold 2; give another --name", id="none"),
        pytest.param(1, 2, "was trained on fold 1, not on fold 2; give another --name, or --restart", id="another"),
        pytest.param(1, None, "was trained on fold 1, not on the data set's own splits; give", id="own splits"),
    ],
)
def test_another_fold_is_refused_by_its_number(run, data, trained, asked, message):
    record_start(run, OLD, {"data_identity": f"abc of {trained}", "fold": trained})
    with pytest.raises(InputError, match=message):
        begin_or_resume(run, OLD, DataSet(data.folder, (), f"abc of {asked}", asked), resume=False, restart=False)


def test_a_run_has_the_splits_of_its_fold(run, tmp_path):
    names = ("P0", "P1", "P2")
    samples = (
        Sample(name, "train", tmp_path, tmp_path, name, "original", name, "", fold=fold) for fold, name in enumerate(names)
    )
    whole = DataSet(tmp_path, tuple(samples), "abc")
    assert data_of(open_run(tmp_path, "by-hand"), whole) == whole
    assert data_of(run, whole) == whole
    record_start(run, OLD, {"data_identity": "abc", "fold": 2})
    assert [sample.split for sample in data_of(run, whole).samples] == ["valid", "train", "test"]
    run.versions.write_text("{")
    with pytest.raises(InputError, match=r"versions.json: is not valid JSON \(.*\); start again with --restart"):
        data_of(run, whole)


def test_a_resume_needs_a_run(data):
    with pytest.raises(InputError, match="runs/new: has nothing to resume; leave --resume out"):
        begin_or_resume(open_run(data.folder, "new"), OLD, data, resume=True, restart=False)


def test_a_run_interrupted_in_its_first_epoch_starts_again(run, data):
    run.state.unlink()
    assert begin_or_resume(run, OLD, data, resume=False, restart=False) is None


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        pytest.param(
            lambda run: run.checkpoint(2).unlink(), "names last_epoch_0002.keras, which does not exist", id="no checkpoint"
        ),
        pytest.param(
            lambda run: run.state.write_text("{"), r"state.json: is not valid JSON \(.*\); start again with --restart", id="cut"
        ),
        pytest.param(lambda run: run.state.write_text("{}"), "state.json: has no epoch; start again with --restart", id="keys"),
    ],
)
def test_a_broken_state_is_reported(run, harm, message):
    harm(run)
    with pytest.raises(InputError, match=message):
        read_state(run)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("epoch", -3, "epoch is -3, which should be greater than 0"),
        (
            "epoch",
            10**12,
            "checkpoint is 'last_epoch_0002.keras', expected last_epoch_1000000000000.keras, as epoch is 1000000000000",
        ),
        (
            "checkpoint",
            "last_epoch_0001.keras",
            "checkpoint is 'last_epoch_0001.keras', expected last_epoch_0002.keras, as epoch is 2",
        ),
        (
            "checkpoint",
            "../../old/best_model.keras",
            "checkpoint: .*best_model.keras.*; expected the relative path of a file inside",
        ),
        ("best_epoch", 0, "best_epoch is 0, which should be greater than 0"),
        ("best_epoch", 3, "best_epoch is 3, but epoch is 2"),
        ("best_epoch", 2, "best_val_loss is 0.5, but epoch 2 of the history has 0.9"),
        ("best_val_loss", math.nan, "best_val_loss is nan, which should be a finite number"),
        ("history", [], "history has 0 rows, expected one per epoch, 2"),
        ("history.1.epoch", 7, "history.1.epoch is 7, expected 2"),
        ("history.1.loss", math.nan, "history.1.loss is nan, expected a finite number"),
        ("history.0.val_loss", math.inf, "history.0.val_loss is inf, expected a finite number"),
        ("history.1.dice_coef", 0.5, "history.1 has other keys than expected: dice_coef"),
        ("history.0", {}, "history.0 has other keys than expected: epoch, learning_rate, loss, seconds, val_loss"),
        ("early_stopping", {}, "has no early_stopping.best"),
        ("early_stopping", {"wait": 0}, "has no early_stopping.best"),
        ("early_stopping.wait", -1, "early_stopping.wait is -1, expected 0 or more"),
        ("early_stopping.model", 1, r"early_stopping.model.* is 'model', which should be 'wait' or 'best'"),
        ("reducer", {"cooldown_counter": -2}, "reducer.cooldown_counter is -2, expected 0 or more"),
    ],
)
def test_a_state_with_odd_values_is_reported_with_the_key(run, key, value, message):
    content = json.loads(run.state.read_text())
    *parents, last = [int(part) if part.isdigit() else part for part in key.split(".")]
    functools.reduce(operator.getitem, parents, content)[last] = value
    run.state.write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"state.json: {message}") as error:
        read_state(run)
    assert "\n" not in str(error.value)


def test_the_state_is_the_last_to_be_written(run):
    run.checkpoint(3).write_text("")  # interrupted between checkpoint and state
    assert read_state(run) == state(2)
    write_state(run, state(3))
    assert [path.name for path in run.folder.glob("last_*")] == ["last_epoch_0003.keras"]
    assert json.loads(run.state.read_text())["epoch"] == 3


def test_a_finished_run_loses_the_checkpoint_that_an_interruption_left(run, data, capsys):
    run.checkpoint(4).write_text("")
    run.checkpoint(5).write_text("")
    run.state.write_text(json.dumps(asdict(state(5))))
    train_run(run, OLD, data)
    assert [path.name for path in run.folder.glob("last_*")] == ["last_epoch_0005.keras"]
    assert "trained already, 5 epochs" in capsys.readouterr().out


@pytest.mark.parametrize(("epoch", "wait", "finished"), [(4, 1, False), (5, 0, True), (4, 2, True)])
def test_a_run_is_finished_by_epochs_or_patience(epoch, wait, finished):
    assert state(epoch, wait).is_finished(OLD.train) is finished


def test_a_name_stays_in_its_folder(tmp_path):
    with pytest.raises(InputError, match=r"--name \.\./x: expected only letters, digits"):
        open_run(tmp_path, "../x")


def test_a_run_without_a_model_is_reported_with_the_others(run, data):
    with pytest.raises(InputError, match=r"has no best_model.keras; no run here has a model; train it first"):
        find_trained(data.folder, "old")
    run.best_model.write_text("")
    assert find_trained(data.folder, "old") == run
    with pytest.raises(InputError, match=r"runs/new: has no best_model.keras; the runs with a model are old; train it first"):
        find_trained(data.folder, "new")
