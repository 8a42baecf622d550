"""Entries of other programs, from masks that `cesm-segmenter evaluate DATASET --masks FOLDER --name NAME --fold all` scored."""

from collections.abc import Mapping

from pipeline.files import InputError
from protocol import records
from protocol.entries import BASELINES, ENTRIES
from protocol.folds import COUNT
from segmenter.data.dataset import DataSet
from segmenter.evaluation import read_summary
from segmenter.runs import open_run


def add_scored(data: DataSet, name: str, mode: str, facts: Mapping[str, object], reason: str) -> None:
    """Takes the scores of masks over to the results, as an entry of the run's name.

    Args:
      data: of the benchmark, with the scored run.
      mode: pair or single, what the program was given of a view.
      facts: about the entry, for each fold: `title`, and where it is known `core_s`.
      reason: why the test folds were looked at.

    Raises:
      InputError: the name is that of an entry of the package; masks were not scored on all folds of this data set, or are of
        networks that were trained on the patients.
    """
    if name in ENTRIES or name in BASELINES:
        raise InputError(f"{name}: is an entry of the package; score the masks again with another --name")
    folder = open_run(data.folder, name).evaluation("test")
    summary = read_summary(folder)
    scored = summary.get("scored", {}).get("pooled") and summary["identity"].get("data_identity") == data.identity
    if not scored:
        raise InputError(
            f"{folder}: holds no scores of masks on all folds of this data set; make them with `cesm-segmenter evaluate "
            f"{data.folder} --masks FOLDER --name {name} --fold all`"
        )
    if leaked := summary["trained_on_too"]:
        raise InputError(
            f"{folder}: {len(leaked)} of {summary['patients']} patients were trained on, the first is {leaked[0]}; train on the "
            "folds of the benchmark"
        )
    for fold in range(COUNT):
        records.record_look(name, mode, fold, reason)
    records.add_pooled(name, mode, folder)
    for fold in range(COUNT):
        records.add_fold(
            name, fold, {**facts, "data_identity": data.identity, "missing_masks": len(summary["scored"]["missing"])}
        )
