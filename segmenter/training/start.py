"""Begins or resumes the training of a run, unless it is finished. Keras is imported only if there is something to train."""

import json
import os

from pipeline.files import InputError, locked
from segmenter import runs
from segmenter.backend import load_backend, require_backend
from segmenter.configuration import Configuration, ModelSettings
from segmenter.configuration.networks import BackboneSettings
from segmenter.data.dataset import DataSet
from segmenter.evaluation.formatting import counted
from segmenter.runs import Run, State


def train_run(
    run: Run,
    configuration: Configuration,
    data: DataSet,
    *,
    resume: bool = False,
    restart: bool = False,
    allow_download: bool = False,
) -> None:
    """Trains a run or resumes it, unless it is finished, and prints which.

    Args:
      run: where everything is written.
      configuration, data: what to train, and on which data.
      resume: there must be something to resume; [train] epochs and patience may have changed.
      restart: what the run has is deleted.
      allow_download: let Keras fetch the weights that [model] weights asks for.

    Raises:
      InputError: as `segmenter.runs.begin_or_resume` and `segmenter.training.trainer.train` do, or weights or the backend
        of Keras are missing, or TF_CONFIG asks for several workers.
    """
    require_backend()  # before anything is removed
    _refuse_workers()
    with locked(run.folder, "segmenter train", shared="evaluation"):
        _train_run(run, configuration, data, resume=resume, restart=restart, allow_download=allow_download)


def _train_run(
    run: Run, configuration: Configuration, data: DataSet, *, resume: bool, restart: bool, allow_download: bool
) -> None:
    if restart or not run.state.is_file():
        _check_weights(configuration.model, allow_download=allow_download)
    state = runs.begin_or_resume(run, configuration, data, resume=resume, restart=restart)
    if state and state.is_finished(configuration.train):
        runs.record_configuration(run, configuration)
        runs.remove_older_checkpoints(run, state)
        print(f"{run.folder}: trained already, {_describe_state(state)}; --restart would train it again from the start")
        return
    if state:
        print(f"{run.folder}: continues after epoch {state.epoch}", flush=True)
    load_backend()
    from segmenter.training.trainer import train

    state = train(run, configuration, data, state, allow_download=allow_download)
    print(f"{run.folder}: trained, {_describe_state(state)}")


def _refuse_workers() -> None:
    """Refuses the variable by which TensorFlow's programs on several machines find each other."""
    try:
        cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
        workers = sum(len(addresses) for job, addresses in cluster.items() if job != "evaluator")
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError("TF_CONFIG: is not a JSON object with a cluster, as TensorFlow expects it; unset it") from error
    if workers > 1:
        raise InputError(
            f"TF_CONFIG: names {workers} workers, but a training uses one machine, because MultiWorkerMirroredStrategy does not "
            "work with Keras 3 (keras issue 20585); unset it and train on all GPUs of one machine, or one --fold per machine"
        )


def _check_weights(settings: ModelSettings, *, allow_download: bool) -> None:
    """Stops before anything is written or deleted, if a new run's weights are missing."""
    if isinstance(settings, BackboneSettings) and settings.weights != "none":
        load_backend()
        from segmenter.models.backbones import provide_weights

        provide_weights(settings, allow_download=allow_download)


def _describe_state(state: State) -> str:
    return f"{counted(state.epoch, 'epoch')}, best val_loss {state.best_val_loss:.4f} at epoch {state.best_epoch}"
