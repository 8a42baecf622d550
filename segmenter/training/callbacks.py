"""What happens around an epoch: the best model, the state to resume from, curves, and pictures."""

import contextlib
import math
import signal
import time
from collections.abc import Iterator, Mapping
from types import FrameType

import keras

from pipeline.files import InputError, is_installed, write_csv
from segmenter.configuration import TrainSettings
from segmenter.models.saved_models import save_for_prediction, save_whole
from segmenter.pictures import write_curves
from segmenter.runs import Run, State, write_state
from segmenter.training.metrics import METRICS
from segmenter.training.progress import describe_epoch, notify


class Interruption:
    """Within its block the first Ctrl-C only sets a flag; the second one stops immediately."""

    def __init__(self) -> None:
        self.is_requested = False

    def __enter__(self) -> "Interruption":
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.is_requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        notify("stopping after this step; Ctrl-C again stops immediately")


class StopAfterStep(keras.callbacks.Callback):
    """Leaves `fit` after a step once an interruption is requested, so that no file is left half written.

    Keras' own `stop_training` would still validate, and count the interrupted epoch as a whole one.
    """

    def __init__(self, interruption: Interruption):
        super().__init__()
        self.interruption = interruption

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self.interruption.is_requested:
            raise KeyboardInterrupt

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self.interruption.is_requested:
            raise KeyboardInterrupt


class RefuseNan(keras.callbacks.Callback):
    """Stops before an epoch whose loss is not a number is recorded as the one to resume from."""

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        for name in ("loss", "val_loss"):
            if not math.isfinite((logs or {})[name]):
                raise InputError(
                    f"epoch {epoch + 1}: {name} is {(logs or {})[name]}; lower [model] learning_rate or set "
                    "clipvalue, and start again with --restart"
                )


class ReseedDropout(keras.callbacks.Callback):
    """Makes dropout depend only on seed and epoch: the checkpoint does not hold its counters, which a resumed run would need."""

    def __init__(self, seed: int):
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        layers = [layer for layer in self.model.layers if isinstance(layer, keras.layers.Dropout)]
        for index, layer in enumerate(layers):
            layer.seed_generator.state.assign([self.seed, (epoch * len(layers) + index) << 16])


@contextlib.contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Within its block the model has the moving averages of its weights, where its optimizer keeps them."""
    if not model.optimizer.use_ema:
        yield
        return
    values = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    model.optimizer.finalize_variable_values(model.trainable_variables)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, values, strict=True):
            variable.assign(value)


class ValidateAveragedWeights(keras.callbacks.Callback):
    """Validates the averaged weights, because the best model is saved with them."""

    def on_test_begin(self, logs: dict | None = None) -> None:
        self.block = averaged(self.model)
        self.block.__enter__()

    def on_test_end(self, logs: dict | None = None) -> None:
        self.block.__exit__(None, None, None)


class Schedule(keras.callbacks.Callback):
    """Sets the learning rate before each step: a linear rise over the first epochs, then half a cosine if cosine_decay is on.

    It depends only on epoch and step, so a resumed run has the rates of one that was not interrupted. Without the cosine
    the rate is not changed after the rise, so that `ReduceLROnPlateau` can reduce it. Where gradients are accumulated, the
    steps that change the weights have the rates of a training on batches that are as much larger.
    """

    def __init__(self, settings: TrainSettings, learning_rate: float, steps: int):
        super().__init__()
        self.settings, self.learning_rate, self.steps = settings, learning_rate, steps

    def rate(self, step: int) -> float | None:
        """The rate of a step, counted from the first step of the first epoch; None leaves it unchanged."""
        accumulated = self.settings.gradient_accumulation_steps
        step //= accumulated
        rise, end = (epochs * self.steps / accumulated for epochs in (self.settings.warmup_epochs, self.settings.epochs))
        if step < rise:
            return self.learning_rate * min(1.0, (step + 1) / rise)
        if self.settings.cosine_decay:
            return self.learning_rate * (1 + math.cos(math.pi * (step - rise) / (end - rise))) / 2
        return None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.first = epoch * self.steps
        self.on_train_batch_begin(0)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if (rate := self.rate(self.first + batch)) is not None:
            self.model.optimizer.learning_rate = rate


class RunRecorder(keras.callbacks.Callback):
    """Writes the best model, the checkpoint, curves and tables, and last the state, after each epoch.

    It also restores early stopping and learning-rate reduction: Keras resets both when `fit` begins, so that after a resume
    a worse epoch would count as the best.
    """

    def __init__(
        self,
        run: Run,
        state: State | None,
        early_stopping: keras.callbacks.EarlyStopping,
        reducer: keras.callbacks.ReduceLROnPlateau,
    ):
        super().__init__()
        self.run, self.state = run, state
        self.early_stopping, self.reducer = early_stopping, reducer

    def on_train_begin(self, logs: dict | None = None) -> None:
        if self.state:
            for callback, values in ((self.early_stopping, self.state.early_stopping), (self.reducer, self.state.reducer)):
                for name, value in values.items():
                    setattr(callback, name, value)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.start = time.monotonic()
        self.learning_rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        row = {"epoch": epoch + 1} | {name: float(value) for name, value in (logs or {}).items()}
        row |= {"learning_rate": self.learning_rate, "seconds": round(time.monotonic() - self.start, 1)}
        best_epoch, best = (self.state.best_epoch, self.state.best_val_loss) if self.state else (0, math.inf)
        if row["val_loss"] < best:
            best_epoch, best = epoch + 1, row["val_loss"]
            with averaged(self.model):
                save_for_prediction(self.model, self.run.best_model)
        checkpoint = self.run.checkpoint(epoch + 1)
        save_whole(self.model, checkpoint)
        self.state = State(
            epoch + 1,
            checkpoint.name,
            best_epoch,
            best,
            {"wait": self.early_stopping.wait, "best": float(self.early_stopping.best)},
            {"wait": self.reducer.wait, "best": float(self.reducer.best), "cooldown_counter": self.reducer.cooldown_counter}
            if self.reducer.best is not None
            else {},
            [*(self.state.history if self.state else []), row],
        )
        write_history(self.run, self.state)
        write_state(self.run, self.state)  # last: after the last epoch nothing is written again
        print(describe_epoch(row, metric_names(row)[:2], best_epoch == epoch + 1), flush=True)


def write_history(run: Run, state: State) -> None:
    """Writes `train_losses` and `train_metrics`, each as CSV and as PNG curves."""
    losses, metrics = ["loss"], [name for name in metric_names(state.history[0]) if name != "loss"]
    for stem, names in (("train_losses", losses), ("train_metrics", metrics)):
        columns = ["epoch", *(column for name in names for column in (name, f"val_{name}"))]
        rows = [{column: row[column] for column in columns} for row in state.history]
        write_csv(run.folder / f"{stem}.csv", columns, rows)
        write_curves(run.folder / f"{stem}.png", state.history, names, state.best_epoch)


def metric_names(row: Mapping[str, float]) -> list[str]:
    """The metrics of an epoch that have a validation value too, the loss first."""
    names = [name.removeprefix("val_") for name in row if name.startswith("val_")]
    return sorted(names, key=lambda name: (name != "loss", list(METRICS).index(name) if name in METRICS else 0))


def tensorboard(run: Run) -> list[keras.callbacks.Callback]:
    """Keras' TensorBoard callback where TensorBoard is installed; it writes by TensorFlow, so only on that backend."""
    if keras.config.backend() != "tensorflow" or not is_installed("tensorboard"):
        return []
    return [keras.callbacks.TensorBoard(str(run.folder / "tensorboard"), write_graph=False)]
