"""Progress of a training, driven by hand: on a terminal of 60 columns, and in a log."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import termios
import time

import pytest

from segmenter.configuration import TrainSettings
from segmenter.training import progress
from segmenter.training.progress import Pace, Progress, describe_epoch, describe_seconds, notify

COLUMNS = 60
ROW = {
    "epoch": 10,
    "loss": 0.43104,
    "val_loss": 0.45206,
    "dice_coef": 0.51,
    "val_dice_coef": 0.49,
    "seconds": 12.4,
    "learning_rate": 0.001,
}


@pytest.fixture
def clock(monkeypatch):
    """A clock that is moved by hand."""

    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@contextlib.contextmanager
def terminal():
    """A terminal of 60 columns as stdout and stderr; gives a function that reads what was sent to it."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))

    def read():
        stream.write("\0")  # what was sent arrives after a moment, so read on to a mark
        stream.flush()
        sent = b""
        while not sent.endswith(b"\0"):
            sent += os.read(master, 4096)
        return sent[:-1].decode()

    with (
        os.fdopen(slave, "w", buffering=1, encoding="utf-8") as stream,
        contextlib.redirect_stdout(stream),
        contextlib.redirect_stderr(stream),
    ):
        yield read
    os.close(master)


def screen(sent):
    """The lines that a terminal shows after it was sent a text, trailing blanks cut."""
    lines, column = [""], 0
    for piece in re.findall(r"\r\n|\r|[^\r\n]+", sent):
        if piece == "\r\n":
            lines.append("")
            column = 0
        elif piece == "\r":
            column = 0
        else:
            assert column + len(piece) <= COLUMNS, f"{piece!r} wraps"
            lines[-1] = lines[-1][:column].ljust(column) + piece + lines[-1][column + len(piece) :]
            column += len(piece)
    return [line.rstrip() for line in lines]


def run_epoch(shown, epoch, steps=2, seconds=0.0, clock=None):
    def wait():
        if clock:
            clock.now += seconds
        else:
            time.sleep(seconds)

    shown.on_epoch_begin(epoch)
    for step in range(steps):
        wait()
        shown.on_train_batch_end(step, {"loss": 0.5, "dice_coef": 0.25, "iou_coef": 0.1})
    shown.on_test_begin()
    wait()
    shown.on_test_batch_end(0, {"loss": 0.6})


def test_a_narrow_terminal_shows_one_bar_and_keeps_one_line_per_epoch():
    with terminal() as read, Progress(TrainSettings(epochs=12), 2, 1, "dice_coef") as shown:
        for epoch in (8, 9):
            run_epoch(shown, epoch, seconds=0.12)
            bars = read()
            assert re.search(rf"epoch {epoch + 1}/12 \S* 2/2, [0-9] s left, loss 0.500, dice_coef 0", bars)
            assert re.search(rf"epoch {epoch + 1}/12, validation +0/1\r", bars)  # without a loss of the steps before
            assert len(screen(bars)) == 1
            shown.on_epoch_end(epoch)
            print(describe_epoch(ROW | {"epoch": epoch + 1}, ["loss", "dice_coef"], True))
            assert screen(bars + read()) == [f"epoch {epoch + 1}: loss 0.4310, val_loss 0.4521, best so far", ""]


def test_a_message_stands_above_the_bar_and_an_error_leaves_no_bar():
    sent = []

    def stop():
        with Progress(TrainSettings(epochs=12), 2, 1, "dice_coef") as shown:
            shown.on_epoch_begin(0)
            notify("stopping")
            sent.append(read())
            raise KeyboardInterrupt

    with terminal() as read:
        with pytest.raises(KeyboardInterrupt):
            stop()
        lines = screen(sent[0])
        assert lines[0] == "stopping"
        assert lines[1].startswith("epoch 1/12")
        assert screen(sent[0] + read()) == ["stopping", ""]


def test_a_log_has_a_line_every_ten_seconds(clock, capsys):
    with Progress(TrainSettings(epochs=3), 6, 1, "dice_coef") as shown:
        run_epoch(shown, 0, steps=6, seconds=4, clock=clock)
        shown.on_epoch_end(0)
    assert capsys.readouterr().err.splitlines() == [
        "epoch 1 of 3: step 3 of 6, loss 0.500, dice_coef 0.250, 72 s left",
        "epoch 1 of 3: step 6 of 6, loss 0.500, dice_coef 0.250, 60 s left",
    ]


def test_time_left_comes_from_measured_steps_without_the_first():
    pace = Pace(steps=10, validation_steps=4)
    assert pace.seconds_left(1, 10, 4) is None
    pace.add_step(2.0)
    assert pace.seconds_left(1, 5, 4) == (10 * 2 + 4 * 2) + 5 * 2 + 4 * 2
    pace.add_after_steps(3.0)
    assert pace.seconds_left(1, 5, 4) == (10 * 2 + 3) + 5 * 2 + 3
    assert pace.seconds_left(2, 0, 1) == 2 * (10 * 2 + 3) + 3 / 4


def test_the_first_step_is_not_measured_and_validation_is_from_the_second_epoch_on(clock):
    with Progress(TrainSettings(epochs=3), 2, 1, "dice_coef") as shown:
        shown.on_epoch_begin(0)
        clock.now = 100  # tracing
        shown.on_train_batch_end(0, {})
        assert shown.pace.measured == 0
        clock.now = 101
        shown.on_train_batch_end(1, {})
        assert shown.pace.seconds_left(1, 0, 1) == 4
        clock.now = 131  # validation and pictures
        shown.on_epoch_begin(1)
        assert shown.pace.seconds_left(1, 0, 1) == 2 + 30 + 30


@pytest.mark.parametrize(("epochs", "is_announced"), [pytest.param(60, True, id="hours"), pytest.param(5, False, id="minutes")])
def test_a_training_of_hours_is_announced_once_with_what_to_do(clock, capsys, epochs, is_announced):
    with Progress(TrainSettings(epochs=epochs), 20, 1, "dice_coef") as shown:
        run_epoch(shown, 0, steps=20, seconds=9, clock=clock)
    error = capsys.readouterr().err
    # 54 s after the start 14 + 1 steps of the first epoch and 59 epochs of 20 + 1 steps are left.
    message = "this training takes 3 h 8 min at most, and less if val_loss stops improving for 10 epochs\n  Ctrl-C stops it"
    assert error.count(message) == is_announced
    assert ("--resume" in error, "[train] epochs" in error, "image_width" in error) == (is_announced,) * 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (95, "2 min"), (3599, "1 h 0 min"), (3 * 3600 + 299, "3 h 5 min")],
)
def test_durations(seconds, text):
    assert describe_seconds(seconds) == text


def test_the_line_of_an_epoch_is_whole_in_a_log():
    assert describe_epoch(ROW, ["loss", "dice_coef"], False) == (
        "epoch 10: loss 0.4310, val_loss 0.4521, dice_coef 0.5100, val_dice_coef 0.4900, 12 s, learning rate 0.001"
    )
