"""Shows the progress of a training: one bar per epoch on a terminal, else a plain line every ten seconds; and the time left."""

import os
import sys
import time
from collections import deque
from collections.abc import Mapping

import keras
from tqdm import tqdm

from pipeline.files import cursor_stream
from segmenter.configuration import TrainSettings

LINE_SECONDS = 10  # between two lines where there is no terminal
MEASURED_STEPS = 5  # before a long training is announced
LONG_SECONDS = 3600


def notify(message: str) -> None:
    """Prints a line to stderr, above a bar where one is shown."""
    tqdm.write(message, file=cursor_stream())


def describe_seconds(seconds: float) -> str:
    """Formats a duration with the precision of an estimate: `45 s`, `12 min`, `3 h 5 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


class Pace:
    """The time that a training takes at most, from measured steps.

    Until a whole epoch has been measured, a validation step is assumed to take as long as a training step, though it is
    faster.

    Args:
      steps, validation_steps: of an epoch.
    """

    def __init__(self, steps: int, validation_steps: int):
        self.steps, self.validation_steps = steps, validation_steps
        self._steps: deque[float] = deque(maxlen=max(steps, MEASURED_STEPS))
        self._after_steps: float | None = None

    @property
    def measured(self) -> int:
        """The number of measured steps, at most those of one epoch."""
        return len(self._steps)

    def add_step(self, seconds: float) -> None:
        """Records the duration of a training step."""
        self._steps.append(seconds)

    def add_after_steps(self, seconds: float) -> None:
        """Records the time between an epoch's last step and the next epoch: validation, checkpoint, pictures."""
        self._after_steps = seconds

    def seconds_left(self, epochs: int, steps: int, validation_steps: int) -> float | None:
        """The time for `epochs` whole epochs and the given steps of the current one; None before a step was measured."""
        if not self._steps:
            return None
        step = sum(self._steps) / len(self._steps)
        after_steps = self.validation_steps * step if self._after_steps is None else self._after_steps
        share = validation_steps / self.validation_steps
        return epochs * (self.steps * step + after_steps) + steps * step + share * after_steps


class Progress(keras.callbacks.Callback):
    """Shows the current epoch on stderr, and announces a training of hours. A context, so that no bar is left behind.

    Args:
      settings: with the epochs of the whole training.
      steps, validation_steps: of an epoch.
      metric: the training metric to show in addition to the loss.
    """

    def __init__(self, settings: TrainSettings, steps: int, validation_steps: int, metric: str):
        super().__init__()
        self.settings, self.steps, self.validation_steps = settings, steps, validation_steps
        self.names = ("loss", metric)
        self.pace = Pace(steps, validation_steps)
        self.bar: tqdm | None = None
        self.printed = time.monotonic()
        self.is_announced = False
        self.last_step: float | None = None  # when it ended; None until the first, which traces the model, has ended

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        now = time.monotonic()
        if self.last_step is not None:
            self.pace.add_after_steps(now - self.last_step)
            self.last_step = now
        self.epoch, self.numbers = epoch, ""
        if sys.stderr.isatty():
            self.bar = tqdm(
                total=self.steps,
                desc=f"epoch {epoch + 1}/{self.settings.epochs}",
                bar_format="{desc} {bar} {n_fmt}/{total_fmt}{postfix}",
                miniters=1,
                dynamic_ncols=True,
                leave=False,
                file=cursor_stream(),
            )

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        now = time.monotonic()
        if self.last_step is not None:
            self.pace.add_step(now - self.last_step)
        self.last_step = now
        self.numbers = "".join(f", {name} {logs[name]:.3f}" for name in self.names if logs and name in logs)
        left = self._seconds_left(self.steps - batch - 1, self.validation_steps)
        self._show(f"step {batch + 1} of {self.steps}", left)
        if left is not None and self.pace.measured >= MEASURED_STEPS and not self.is_announced:
            self.is_announced = True
            if left > LONG_SECONDS:
                notify(describe_long_training(left, self.settings))

    def on_test_begin(self, logs: dict | None = None) -> None:
        self.numbers = ""
        if self.bar is not None:
            self.bar.set_description_str(f"epoch {self.epoch + 1}/{self.settings.epochs}, validation", refresh=False)
            self.bar.set_postfix_str("", refresh=False)
            self.bar.reset(self.validation_steps)

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        left = self._seconds_left(0, self.validation_steps - batch - 1)
        self._show(f"validation step {batch + 1} of {self.validation_steps}", left)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._close()

    def _seconds_left(self, steps: int, validation_steps: int) -> float | None:
        return self.pace.seconds_left(self.settings.epochs - self.epoch - 1, steps, validation_steps)

    def _show(self, position: str, seconds_left: float | None) -> None:
        left = "" if seconds_left is None else f", {describe_seconds(seconds_left)} left"
        if self.bar is not None:
            self.bar.set_postfix_str((left + self.numbers).removeprefix(", "), refresh=False)
            self.bar.update()
        elif not sys.stderr.isatty() and time.monotonic() - self.printed >= LINE_SECONDS:
            self.printed = time.monotonic()
            notify(f"epoch {self.epoch + 1} of {self.settings.epochs}: {position}{self.numbers}{left}")

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def describe_long_training(seconds: float, settings: TrainSettings) -> str:
    """Describes a training of hours, and how to make it shorter."""
    return (
        f"this training takes {describe_seconds(seconds)} at most, and less if val_loss stops improving for "
        f"{settings.patience} epochs\n"
        "  Ctrl-C stops it; the same command continues after the last whole epoch\n"
        "  fewer epochs: lower [train] epochs, and continue with --resume\n"
        "  faster epochs: lower [model] image_width and image_height, or [train] steps_per_epoch, and start with --restart"
    )


def describe_epoch(row: Mapping[str, float], names: list[str], is_best: bool) -> str:
    """Describes an epoch in one line: loss and first metric, in training and validation. A narrow terminal gets less of it.

    Args:
      row: the epoch's row of the history.
      names: the metrics to show, the loss first.
    """
    loss, *metrics = [[f"{column} {row[column]:.4f}" for column in (name, f"val_{name}")] for name in names]
    pieces = [
        *([*loss, "best so far"] if is_best else loss),
        *(piece for metric in metrics for piece in metric),
        f"{row['seconds']:.0f} s",
        f"learning rate {row['learning_rate']:.2g}",
    ]
    width = os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else None
    line = f"epoch {row['epoch']}: {pieces[0]}"
    for piece in pieces[1:]:
        if width and len(line) + 2 + len(piece) > width:
            break
        line += f", {piece}"
    return line
