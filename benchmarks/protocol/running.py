"""Trains an entry on a fold, or finds it trained, and evaluates it; what that cost is kept in the run's folder."""

import json
import resource
from pathlib import Path

from pipeline.files import read_json, write_text
from protocol.entries import Entry
from segmenter.configuration import Configuration
from segmenter.data.dataset import DataSet
from segmenter.evaluation import evaluate_run, read_summary
from segmenter.evaluation.threshold_choice import choose_threshold
from segmenter.runs import Run, open_run, read_configuration, read_state
from segmenter.training.start import train_run

PAIR, SINGLE = "pair", "single"


def train_entry(name: str, entry: Entry, data: DataSet, budget_s: float | None = None) -> Run:
    """Trains the run `benchmark-NAME-foldK` of a data set, resumes it, or finds it trained.

    Args:
      name, entry: of the benchmark.
      data: as the fold sees it.
      budget_s: processor seconds that the training may use; the whole epochs that fit, at least one. Without it the
        configuration states the number of epochs.
    """
    run, configuration = open_run(data.folder, run_name(name, data.fold)), entry.configuration()
    if budget_s is None:
        train_and_count(run, configuration, data)
    else:
        _train_within(budget_s, run, configuration, data)
    return run


def run_name(entry: str, fold: int | None) -> str:
    """The name of the run of an entry on a fold."""
    return f"benchmark-{entry}-fold{fold}"


def _train_within(budget_s: float, run: Run, configuration: Configuration, data: DataSet) -> None:
    """Trains one epoch, then as many as fit by what those before have cost, until no further one does."""
    epochs, fitting = 0, read_configuration(run).train.epochs if run.config.is_file() else 1
    while fitting > epochs:
        epochs = fitting
        train_and_count(run, _with_epochs(configuration, epochs), data, resume=run.state.is_file())
        cost = read_cost(run)
        fitting = int(budget_s / cost["core_s"] * cost["epochs"])


def _with_epochs(configuration: Configuration, epochs: int) -> Configuration:
    train = configuration.train.model_copy(update={"epochs": epochs})
    return configuration.model_copy(update={"train": train})


def train_and_count(run: Run, configuration: Configuration, data: DataSet, *, resume: bool = False) -> None:
    """Trains a run and adds up the processor time; that of epochs before an interruption is taken to be like the others'."""
    before, start = _epochs(run), _core_seconds()
    train_run(run, configuration, data, resume=resume)
    trained = _epochs(run) - before
    counted = read_cost(run) if cost_file(run).is_file() else {"core_s": 0.0, "epochs": 0}
    core_s, epochs = counted["core_s"], counted["epochs"] + trained
    if trained:
        core_s += _core_seconds() - start
    if epochs:
        cost = {"core_s": core_s * _epochs(run) / epochs, "epochs": _epochs(run)}
        write_text(cost_file(run), json.dumps(cost, indent=1) + "\n")


def _epochs(run: Run) -> int:
    return state.epoch if run.state.is_file() and (state := read_state(run)) else 0


def _core_seconds() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def cost_file(run: Run) -> Path:
    """Where the processor time of a run's training is kept."""
    return run.folder / "cost.json"


def read_cost(run: Run) -> dict:
    """`core_s`, the processor seconds of the training, and its `epochs`."""
    return read_json(cost_file(run), dict, "train the entry again")


def modes_of(configuration: Configuration) -> tuple[str, ...]:
    """The ways in which an entry is evaluated: with and without the partner, if it takes one."""
    return (PAIR, SINGLE) if configuration.dataset.partner else (SINGLE,)


def evaluate_entry(run: Run, data: DataSet, split: str, mode: str) -> tuple[Path, dict[str, float]]:
    """Evaluates a run on a split, with the threshold that has the highest mean Dice on valid.

    Returns:
      The folder of the evaluation, and the metrics of its evaluation.csv.
    """
    configuration = read_configuration(run)
    single = _withholds(configuration, mode)
    threshold, _ = choose_threshold(run.best_model, data, configuration, run.folder / "evaluation", single=single)
    infer = configuration.infer.model_copy(update={"threshold": threshold})
    evaluate_run(run, data, configuration.model_copy(update={"infer": infer}), split, single=single)
    folder = evaluation_of(run, split, mode)
    return folder, read_summary(folder)["metrics"]


def evaluation_of(run: Run, split: str, mode: str) -> Path:
    """The folder of a run's evaluation on a split."""
    return run.evaluation(split, single=_withholds(read_configuration(run), mode))


def _withholds(configuration: Configuration, mode: str) -> bool:
    """Whether the partner is withheld; a network that takes single images has none."""
    return mode == SINGLE and configuration.dataset.partner
