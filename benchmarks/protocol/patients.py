"""Training with a share of the patients, for the learning curve."""

import hashlib
from dataclasses import replace

from segmenter.data.dataset import DataSet


def keep_patients(data: DataSet, share: float) -> DataSet:
    """The data set with that share of the patients of train, at least two; a smaller share's patients are in each larger one.

    They are chosen by the SHA-256 of their names, so that the choice depends on neither the order nor the number of patients.
    """
    if share == 1:
        return data
    patients = sorted({sample.owner for sample in data.split("train")}, key=_rank)
    kept = set(patients[: max(2, round(share * len(patients)))])
    samples = tuple(sample for sample in data.samples if sample.split != "train" or sample.owner in kept)
    return replace(data, samples=samples, identity=f"{data.identity} with {share:g} of the training patients")


def _rank(patient: str) -> str:
    return hashlib.sha256(f"learning curve {patient}".encode()).hexdigest()
