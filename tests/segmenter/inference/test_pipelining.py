import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from pipeline.files import InputError
from pipeline.files.processes import Inline
from segmenter.configuration import InferSettings
from segmenter.inference import run
from segmenter.inference.jobs import Job, find_jobs
from segmenter.inference.plan import Plan
from segmenter.inference.run import infer

SIDE = 64
SECONDS = 20  # to wait for another thread before the test fails


def gray_levels(images):
    return images.astype(np.float32) / 255


@pytest.fixture
def predict_by(monkeypatch):
    """Has images predicted by a function in place of a model file."""

    def put(function, side=SIDE):
        predictor = SimpleNamespace(
            height=side, width=side, channels=1, classes=1, name="it", network="Net", crop="none", partner=False, predict=function
        )
        monkeypatch.setattr(run, "load_models", lambda plan: predictor)

    return put


@pytest.fixture
def read_by(monkeypatch):
    """Has images read by a function, in a thread: it may count and wait, which it could not in another process."""

    def put(function):
        monkeypatch.setattr(run, "open_readers", lambda *_: ThreadPoolExecutor(1))
        monkeypatch.setattr(run, "read_or_reject", function)

    return put


@pytest.fixture
def images(tmp_path):
    """Ten images of several sizes, of which the fourth cannot be read."""
    (tmp_path / "images").mkdir()
    for number in range(10):
        image = np.full((40 + 5 * number, 70), 20, np.uint8)
        cv2.circle(image, (30, 20), 8 + number, 230, -1)
        cv2.imwrite(str(tmp_path / f"images/{number}.png"), image)
    (tmp_path / "images/3.png").write_text("not an image")
    return tmp_path / "images"


def run_on(jobs, output, batch_size=2):
    return infer(Plan((), InferSettings(batch_size=batch_size)), jobs, output, {})


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_results_and_files_are_those_of_one_thread(images, tmp_path, predict_by, monkeypatch, capsys):
    predict_by(gray_levels)
    jobs = find_jobs([images], None)
    result, messages = run_on(jobs, tmp_path / "several"), capsys.readouterr().err
    monkeypatch.setattr(run, "ThreadPoolExecutor", lambda _: Inline())
    monkeypatch.setattr(run, "open_readers", lambda *_: Inline())
    assert run_on(jobs, tmp_path / "one") == result
    assert (len(result.skipped), result.lesions) == (1, 9)
    assert contents(tmp_path / "one") == contents(tmp_path / "several")
    assert len(contents(tmp_path / "one")) == 3 * 9 + 2
    assert [line for line in messages.splitlines() if line.startswith("skipped")] == [f"skipped: {result.skipped[0]}"]


def test_the_next_batch_is_read_and_the_last_one_written_while_one_is_predicted(
    images, tmp_path, predict_by, read_by, monkeypatch
):
    read, written = {name: threading.Event() for name in "0123456789"}, threading.Event()
    plain_read, plain_write = run.read_or_reject, run.write_pictures

    def reading(job, **options):
        read[job.image.stem].set()
        return plain_read(job, **options)

    def writing(*arguments, **options):
        plain_write(*arguments, **options)
        written.set()

    batches = []

    def predict(pixels):
        batches.append(len(pixels))
        assert len(batches) > 1 or read["2"].wait(SECONDS), "nothing is read ahead"
        assert len(batches) == 1 or written.wait(SECONDS), "nothing is written behind"
        return gray_levels(pixels)

    read_by(reading)
    monkeypatch.setattr(run, "write_pictures", writing)
    predict_by(predict)
    run_on(find_jobs([images], None), tmp_path / "out")
    assert batches == [2, 1, 2, 2, 2]


def test_memory_holds_a_few_batches_whatever_the_number_of_images(tmp_path, predict_by, read_by, monkeypatch):
    cv2.imwrite(str(tmp_path / "image.png"), np.full((8, 8), 200, np.uint8))
    counts, lock = {"read": 0, "written": 0}, threading.Lock()
    most = 0

    def count(what):
        nonlocal most
        with lock:
            counts[what] += 1
            most = max(most, counts["read"] - counts["written"])

    plain_read = run.read_or_reject
    read_by(lambda job, **options: (count("read"), plain_read(job, **options))[1])
    monkeypatch.setattr(run, "write_pictures", lambda *_, **__: count("written"))
    predict_by(gray_levels, side=8)
    run_on([Job(f"{number}", tmp_path / "image.png") for number in range(100)], tmp_path / "out", batch_size=4)
    assert counts == {"read": 100, "written": 100}
    assert most <= 4 * 4


def test_an_error_or_ctrl_c_does_not_wait_for_the_images_that_are_to_be_read(tmp_path, predict_by, read_by):
    cv2.imwrite(str(tmp_path / "image.png"), np.full((8, 8), 200, np.uint8))
    read, plain_read = [], run.read_or_reject

    def reading(job, **options):
        read.append(job)
        time.sleep(0.02 if len(read) > 50 else 0)
        return plain_read(job, **options)

    def predict(pixels):
        raise KeyboardInterrupt

    read_by(reading)
    predict_by(predict, side=8)
    with pytest.raises(KeyboardInterrupt):
        run_on([Job(f"{number}", tmp_path / "image.png") for number in range(100)], tmp_path / "out", batch_size=50)
    assert len(read) < 80


def test_an_error_while_writing_ends_the_inference_and_leaves_no_result(images, tmp_path, predict_by):
    predict_by(gray_levels)
    jobs = [Job(job.name, job.image, tmp_path / "absent.png") for job in find_jobs([images], None)]
    with pytest.raises(InputError, match=r"absent.png: .*No such file"):
        run_on(jobs, tmp_path / "out")
    assert not (tmp_path / "out/lesions.csv").exists()
