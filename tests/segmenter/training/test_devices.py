"""Two devices train as one does. TensorFlow is set to see two before it starts, so trainings run in a process of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.files import InputError
from segmenter.data.dataset import read_data_set
from segmenter.models.saved_models import load_whole
from segmenter.runs import open_run, read_state
from segmenter.training.start import train_run

ROOT = Path(__file__).resolve().parents[3]
# Trains one run per line of the input: name, configuration, number of devices, whether to resume.
PROGRAM = """
import json, sys
from pathlib import Path

import tensorflow as tf

processor, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)

from segmenter.configuration import Configuration
from segmenter.data.dataset import read_data_set
from segmenter.runs import begin_or_resume, open_run
from segmenter.training import callbacks, trainer
from segmenter.training.devices import Devices, find_devices

callbacks.write_curves = lambda *_: None
folder = Path(sys.argv[1])
data = read_data_set(folder)
for line in sys.stdin:
    name, settings, devices, resume = json.loads(line)
    trainer.find_devices = find_devices if devices == 2 else lambda size: Devices()
    run, configuration = open_run(folder, name), Configuration.model_validate(settings)
    trainer.train(run, configuration, data, begin_or_resume(run, configuration, data, resume=resume, restart=False))
"""


@pytest.fixture
def train_all(tmp_path, write_data_set):
    """Trains runs on 7 pairs, validated on 3, in batches of 3: shares of 2 and 1, and a last batch that one device has alone."""
    folder = write_data_set(tmp_path / "set", train=7, valid=3, test=1)

    def train_runs(*runs):
        lines = "\n".join(
            json.dumps([name, json.loads(configuration.model_dump_json()), devices, resume])
            for name, configuration, devices, resume in runs
        )
        program = [sys.executable, "-c", PROGRAM, str(folder)]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(program, input=lines, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return folder, done.stdout

    return train_runs


def histories(folder, *names):
    rows = [read_state(open_run(folder, name)).history for name in names]
    return [[[row[key] for key in row if key != "seconds"] for row in history] for history in rows]


def test_two_devices_train_as_one_does_and_resume(train_all, configure):
    def settings(epochs):
        return configure(
            model__num_layers=1,
            model__normalization=True,
            model__optimizer="SGD",  # whose steps follow the size of gradients, unlike Adam's
            model__clipvalue=0.01,
            model__ema_momentum=0.5,
            model__metrics=("dice_coef", "specificity"),
            model__jit_compile=False,
            train__epochs=epochs,
            train__batch_size=3,
            train__num_infer_images=1,
            train__epoch_change_tiledinfer=True,
        )

    folder, printed = train_all(
        ("one", settings(2), 1, False),
        ("two", settings(1), 2, False),
        ("two", settings(2), 2, True),
    )
    assert [line.count("devices: 2") for line in printed.splitlines() if line.startswith("device: ")] == [0, 1, 1]
    one, two = histories(folder, "one", "two")
    np.testing.assert_allclose(two, one, rtol=1e-5)
    one, two = (load_whole(open_run(folder, name).best_model, compile=False) for name in ("one", "two"))
    assert one.get_config() == two.get_config()
    for ours, theirs in zip(two.get_weights(), one.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert len(list((folder / "runs/two/epoch_change_tiledinfer").glob("*.png"))) == 2


EVERY_KIND = {
    "losses": {
        "model__loss": {"focal_tversky_loss": 0.3, "focal_loss": 0.3, "basnet_hybrid_loss": 0.4},
        "model__optimizer": "AdamW",
        "model__clipnorm": 0.01,
        "model__jit_compile": True,
        "model__metrics": ("dice_coef", "iou_coef", "sensitivity", "binary_accuracy"),
    },
    "branches": {"model__model": "UNet3Plus", "model__normalization": True, "model__optimizer": "SGD"},
    "attention": {"model__model": "SwinUNet", "model__drop_path": 0.0, "model__optimizer": "SGD"},
}


@pytest.mark.slow
def test_two_devices_train_networks_of_every_kind_as_one_does(train_all, configure):
    runs = {
        name: configure(train__epochs=1, train__batch_size=3, train__epoch_change_infer=False, **settings)
        for name, settings in EVERY_KIND.items()
    }
    names = [f"{name}-{devices}" for devices in (1, 2) for name in runs]
    folder, printed = train_all(*((name, runs[name[:-2]], int(name[-1]), False) for name in names))
    one, two = np.split(np.array([np.resize(history, 12) for history in histories(folder, *names)]), 2)
    np.testing.assert_allclose(two, one, rtol=1e-4)
    assert printed.count("jit_compile has no effect on several devices") == 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}', "names 2 workers.* one --fold per"),
        ('{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}}', "names 2 workers"),
        ("worker 1", "is not a JSON object with a cluster"),
    ],
)
def test_several_workers_are_refused_before_anything_is_written(data_folder, configure, monkeypatch, value, message):
    monkeypatch.setenv("TF_CONFIG", value)
    run = open_run(data_folder, "run")
    with pytest.raises(InputError, match=f"^TF_CONFIG: {message}"):
        train_run(run, configure(), read_data_set(data_folder))
    assert not run.folder.exists()


def test_one_worker_is_not_refused(data_folder, configure, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1"], "evaluator": ["b:1"]}}')
    with pytest.raises(InputError, match="has nothing to resume"):
        train_run(open_run(data_folder, "run"), configure(), read_data_set(data_folder), resume=True)
