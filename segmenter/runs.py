"""The layout of a run's folder, and the records of a run: its configuration, its data, its progress.

`state.json` is written last after each epoch and names the checkpoint that belongs to it, so an interruption at any moment
leaves one whole epoch to resume from. TensorFlow is not imported here, so that a finished run is recognised immediately.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from pydantic import FiniteFloat, PositiveInt

from pipeline.files import (
    InputError,
    check_json,
    clear_folder,
    dump_toml,
    load_toml,
    path_below,
    read_json,
    shorten,
    write_text,
)
from segmenter.configuration import Configuration, TrainSettings
from segmenter.data.dataset import DataSet

RUNS = "runs"
FOLDS = "folds.csv"  # in the evaluation of a cross-validation
TRAINED_ON = "trained_on"  # in versions.json: the patients of the training set
_SCORED = "masks_of_another_program"  # in versions.json: how they are scored
_HOW = {"jit_compile", "cache_limit_mb"}  # keys that change how a training is computed, and its result at most by rounding
_AFTER_TRAINING = {"eval", "infer", "tiledinfer"}  # sections that a trained run may change


@dataclass(frozen=True)
class Run:
    """The paths of a run's files."""

    folder: Path

    @property
    def name(self) -> str:
        """The name of the run and of its folder."""
        return self.folder.name

    @property
    def data_folder(self) -> Path:
        """The data set that the run belongs to."""
        return self.folder.parents[1]

    @property
    def config(self) -> Path:
        """The configuration with every default filled in."""
        return self.folder / "config.toml"

    @property
    def versions(self) -> Path:
        """Versions of the libraries, the identity of the data, and the fold that was held out."""
        return self.folder / "versions.json"

    @property
    def state(self) -> Path:
        """The progress of training."""
        return self.folder / "state.json"

    @property
    def best_model(self) -> Path:
        """The model of the epoch with the lowest val_loss, without optimizer."""
        return self.folder / "best_model.keras"

    @property
    def predictions(self) -> Path:
        """Where inference writes by default."""
        return self.folder / "predictions"

    def evaluation(self, split: str, *, single: bool = False) -> Path:
        """The folder of a split's evaluation, or with `single` of the one without the other image of each view."""
        return self.folder / "evaluation" / (f"{split}_single" if single else split)

    @property
    def folds(self) -> Path:
        """The table of a cross-validation's folds; other runs have none."""
        return self.evaluation("test") / FOLDS

    @property
    def threshold_choice(self) -> Path:
        """The threshold that `evaluate --threshold auto` chose on valid, and the record of the choice."""
        return self.folder / "evaluation" / "threshold.json"

    def checkpoint(self, epoch: int) -> Path:
        """The whole model with optimizer after an epoch; only the last one is kept."""
        return self.folder / f"last_epoch_{epoch:04d}.keras"


@dataclass(frozen=True)
class State:
    """The progress of training that the checkpoint does not hold. Epochs count from 1."""

    epoch: PositiveInt
    checkpoint: str
    best_epoch: PositiveInt
    best_val_loss: FiniteFloat
    early_stopping: dict[Literal["wait", "best"], int | FiniteFloat]
    reducer: dict[Literal["wait", "best", "cooldown_counter"], int | FiniteFloat]
    history: list[dict[str, int | float]] = field(default_factory=list)

    def is_finished(self, train: TrainSettings) -> bool:
        """Whether there is nothing left to train: all epochs are trained, or patience ran out."""
        return self.epoch >= train.epochs or self.early_stopping["wait"] >= train.patience


@dataclass(frozen=True)
class _Versions:
    data_identity: str
    fold: int | None = None
    trained_on: list[str] | None = None
    masks_of_another_program: dict[str, Any] | None = None


def open_run(data_folder: Path, name: str) -> Run:
    """The run with a name in a data set folder, whether it exists or not.

    Raises:
      InputError: the name is not a plain folder name.

    Example:
      >>> open_run(Path("data_processed/demo"), "first").best_model.as_posix()
      'data_processed/demo/runs/first/best_model.keras'
    """
    if not re.fullmatch(r"[\w][\w.+-]*", name):
        raise InputError(f"--name {name}: expected only letters, digits, and . _ + -, because it names a folder")
    return Run(data_folder / RUNS / name)


def as_run(run: "Run | str | PathLike[str]") -> Run:
    """Returns the run of a folder; a run is returned unchanged.

    Raises:
      InputError: there is no such folder.
    """
    if isinstance(run, Run):
        return run
    if not Path(run).is_dir():
        raise InputError(f"{run}: there is no such folder; expected that of a run, DATASET/runs/NAME, or a .keras file")
    return Run(Path(run))


def find_trained(data_folder: Path, name: str) -> Run:
    """Finds a run by its name; it must have a model.

    Raises:
      InputError: it has no model, and the message lists the runs that have one; or it is a cross-validation.
    """
    return require_trained(open_run(data_folder, name))


def require_trained(run: Run) -> Run:
    """Returns the run if it has a model; errors as in `find_trained`."""
    if run.folds.is_file():
        raise InputError(f"{run.folder}: is a cross-validation and has no model of its own; name the run of one of its folds")
    if is_scored(run):
        raise InputError(f"{run.folder}: holds masks of another program and has no model; `evaluate --masks` scores them")
    if not run.best_model.is_file():
        trained = sorted(path.parent.name for path in run.data_folder.glob(f"{RUNS}/*/best_model.keras"))
        others = f"the runs with a model are {', '.join(trained)}" if trained else "no run here has a model"
        raise InputError(
            f"{run.folder}: has no best_model.keras; {others}; "
            f"train it first with `cesm-segmenter train {run.data_folder} --name {run.name}`"
        )
    return run


def read_configuration(run: Run, settings: Mapping[str, Any] | None = None) -> Configuration:
    """The configuration that a run was trained with.

    Args:
      run: a run with a configuration.
      settings: values that replace the run's, as in `check_applied`.

    Raises:
      InputError: the configuration cannot be read, or does not accept the settings.
    """
    return load_toml(run.config, Configuration, check_applied(settings))


def check_applied(settings: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Checks settings that may change once a run is trained; returns them, or an empty mapping for None.

    Raises:
      InputError: they belong to another section.
    """
    fixed = sorted((settings or {}).keys() - _AFTER_TRAINING)
    if fixed:
        allowed = ", ".join(f"[{section}]" for section in sorted(_AFTER_TRAINING))
        raise InputError(f"settings of [{fixed[0]}]: are fixed once a model is trained; expected settings of {allowed}")
    return settings or {}


def read_state(run: Run) -> State | None:
    """Reads the progress of a run that training can be resumed from, or None if no epoch was finished.

    Raises:
      InputError: as in `read_progress`, or the checkpoint does not exist.
    """
    state = read_progress(run)
    if state and not (run.folder / state.checkpoint).is_file():
        raise InputError(f"{run.state}: names {state.checkpoint}, which does not exist; start again with --restart")
    return state


def read_progress(run: Run) -> State | None:
    """Reads the progress of a run, with or without its checkpoint; None if no epoch was finished.

    Raises:
      InputError: the state cannot be read, or its values contradict each other.
    """
    if not run.state.is_file():
        return None
    state = read_json(run.state, State, "start again with --restart")
    path_below(run.folder, state.checkpoint, f"{run.state}: checkpoint")
    if fault := _find_contradiction(state) or _find_broken_row(state):
        raise InputError(f"{run.state}: {fault}; start again with --restart")
    return state


def _find_contradiction(state: State) -> str | None:
    expected = Run(Path()).checkpoint(state.epoch).name
    if state.checkpoint != expected:
        return f"checkpoint is {shorten(state.checkpoint)}, expected {expected}, as epoch is {state.epoch}"
    if state.best_epoch > state.epoch:
        return f"best_epoch is {state.best_epoch}, but epoch is {state.epoch}"
    if missing := {"wait", "best"} - state.early_stopping.keys():
        return f"has no early_stopping.{min(missing)}"
    for name, counters in (("early_stopping", state.early_stopping), ("reducer", state.reducer)):
        if negative := [f"{key} is {value}" for key, value in counters.items() if key != "best" and value < 0]:
            return f"{name}.{negative[0]}, expected 0 or more"
    if len(state.history) != state.epoch:
        return f"history has {len(state.history)} rows, expected one per epoch, {state.epoch}"
    return None


def _find_broken_row(state: State) -> str | None:
    """A fault of the history: each epoch has a row, with finite losses and the columns of the first."""
    columns = state.history[0].keys() | {"epoch", "loss", "val_loss", "learning_rate", "seconds"}
    for index, row in enumerate(state.history):
        if row.keys() != columns:
            return f"history.{index} has other keys than expected: {', '.join(sorted(row.keys() ^ columns))}"
        if row["epoch"] != index + 1:
            return f"history.{index}.epoch is {row['epoch']}, expected {index + 1}"
        if infinite := [name for name in ("loss", "val_loss") if not math.isfinite(row[name])]:
            return f"history.{index}.{infinite[0]} is {row[infinite[0]]}, expected a finite number"
    if (loss := state.history[state.best_epoch - 1]["val_loss"]) != state.best_val_loss:
        return f"best_val_loss is {state.best_val_loss}, but epoch {state.best_epoch} of the history has {loss}"
    return None


def write_state(run: Run, state: State) -> None:
    """Records an epoch; its checkpoint must be there already. Older checkpoints are removed."""
    write_text(run.state, json.dumps(asdict(state), indent=1) + "\n")
    remove_older_checkpoints(run, state)


def remove_older_checkpoints(run: Run, state: State) -> None:
    """Removes all checkpoints that are not the state's; an interruption may have left one."""
    for path in run.folder.glob("last_epoch_*.keras"):
        if path.name != state.checkpoint:
            path.unlink()


def begin_or_resume(run: Run, configuration: Configuration, data: DataSet, *, resume: bool, restart: bool) -> State | None:
    """Returns the state to resume a run from, or None to begin it; refuses to mix two trainings in one folder.

    Args:
      run: the run's folder, which may be empty.
      configuration, data: the requested ones.
      resume: there must be something to resume; [train] epochs and patience may have changed.
      restart: what the run has is deleted.

    Raises:
      InputError: nothing to resume, or the run was trained with another configuration, on another fold or other data.
    """
    if restart:
        clear_folder(run.folder)
    remedy = "give another --name, or --restart to delete the old run"
    if is_scored(run):
        raise InputError(f"{run.folder}: holds masks of another program; {remedy}")
    if not run.config.is_file() or not run.state.is_file():  # no epoch was finished
        if resume:
            raise InputError(f"{run.folder}: has nothing to resume; leave --resume out to start")
        return None
    changes = _changes(read_configuration(run), configuration)
    if resume:
        changes = [change for change in changes if change[0] not in [f"[train] {key}" for key in _may_grow(configuration)]]
    if changes:
        more = f" (and {len(changes) - 1} more)" if len(changes) > 1 else ""
        growing = (
            "--resume to continue with the new value, "
            if all(key.removeprefix("[train] ") in _may_grow(configuration) for key, *_ in changes)
            else ""
        )
        key, old, new = changes[0]
        raise InputError(f"{run.config}: has {key} = {old}, not {new}{more}; {growing}{remedy}")
    versions = _read_versions(run)
    if versions.get("fold") != data.fold:
        before, now = describe_fold(versions.get("fold")), describe_fold(data.fold)
        raise InputError(f"{run.folder}: was trained on {before}, not on {now}; {remedy}")
    if versions["data_identity"] != data.identity:
        raise InputError(f"{run.folder}: was trained on other data than {data.folder} holds now; {remedy}")
    return read_state(run)


def _may_grow(configuration: Configuration) -> tuple[str, ...]:
    """The keys of [train] that a resumed run may change. With a cosine, epochs is not one: the learning rate would jump."""
    return ("patience",) if configuration.train.cosine_decay else ("epochs", "patience")


def _changes(old: Configuration, new: Configuration) -> list[tuple[str, object, object]]:
    """The keys that affect what is trained and differ, with both values; for another network, only `model`."""
    changes = []
    for section in Configuration.model_fields.keys() - _AFTER_TRAINING:
        before, after = (getattr(configuration, section).model_dump() for configuration in (old, new))
        if section == "model" and before["model"] != after["model"]:
            before, after = {"model": before["model"]}, {"model": after["model"]}
        differing = [key for key, value in before.items() if value != after[key] and key not in _HOW]
        changes += [(f"[{section}] {key}", before[key], after[key]) for key in differing]
    return sorted(changes, key=lambda change: list(Configuration.model_fields).index(change[0][1:].split("]")[0]))


def data_of(run: Run, data: DataSet) -> DataSet:
    """Returns the data set as a run saw it: with the splits of its fold, if it was trained on one.

    Raises:
      InputError: the data set has no such fold any more, or the run's record cannot be read.
    """
    fold = _read_versions(run).get("fold") if run.versions.is_file() else None  # a model put there by hand has no record
    return data if fold is None else data.in_fold(fold)


def is_scored(run: Run) -> bool:
    """Whether a run holds no model but the evaluation of masks of another program."""
    return run.versions.is_file() and bool(_read_versions(run).get(_SCORED))


def begin_scored(run: Run, data: DataSet, num_classes: int, *, pooled: bool) -> None:
    """Records a run of masks of another program, unless it is one already.

    Args:
      data: as the run sees it.
      pooled: whether the images of all folds are scored together.

    Raises:
      InputError: the run has a model, is a cross-validation, or was scored on another fold.
    """
    if is_scored(run):
        before = _read_versions(run)
        if (before.get("fold"), before[_SCORED].get("pooled")) != (data.fold, pooled):
            raise InputError(
                f"{run.folder}: holds masks that were scored on other splits, by another --fold; give another --name"
            )
    elif run.config.is_file() or run.best_model.is_file() or run.folds.is_file():
        raise InputError(f"{run.folder}: is a run of this program; give the masks of another program a --name of their own")
    versions = {"data_identity": data.identity, "fold": data.fold, _SCORED: {"pooled": pooled}}
    write_text(run.versions, json.dumps(versions, indent=1) + "\n")
    if not run.config.is_file():
        settings = "" if num_classes == 1 else f"[model]\nnum_classes = {num_classes}\n"
        write_text(
            run.config,
            f"# How masks of another program are scored: [mask], [eval] and num_classes; defaults are left out.\n{settings}",
        )


def trained_on(run: Run) -> frozenset[str] | None:
    """The owners (`Sample.owner`) of a run's training samples, whatever the splits are now; None if there is no record."""
    if not run.versions.is_file():
        return None
    owners = _read_versions(run).get(TRAINED_ON)
    return None if owners is None else frozenset(owners)


def _read_versions(run: Run) -> dict[str, Any]:
    remedy = "start again with --restart"
    versions = read_json(run.versions, dict[str, Any], remedy)
    check_json(versions, _Versions, str(run.versions), remedy)
    return versions


def describe_fold(fold: int | None) -> str:
    """Describes the splits that a run was trained on."""
    return "the data set's own splits" if fold is None else f"fold {fold}"


def record_start(run: Run, configuration: Configuration, versions: dict[str, object]) -> None:
    """Writes a run's versions and configuration; the latter last, because a run without one counts as not begun."""
    write_text(run.versions, json.dumps(versions, indent=1) + "\n")
    record_configuration(run, configuration)


def record_configuration(run: Run, configuration: Configuration) -> None:
    """Writes the resolved configuration; [eval], [infer], [tiledinfer] of a trained run may change, with immediate effect."""
    write_text(run.config, dump_toml(configuration, header=f"Run {run.name}, every default filled in."))
