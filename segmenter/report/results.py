"""The results of a run on one split: everything that training, evaluation and the data set recorded about it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.contract import DATASET_JSON, MANIFEST
from pipeline.files import InputError, path_below, read_csv, read_toml, sha256, shorten
from segmenter.configuration import Configuration
from segmenter.data.dataset import DataSet, Sample
from segmenter.data.originals import original_rows
from segmenter.evaluation.state import read_record, read_summary
from segmenter.runs import Run, data_of, is_scored, open_run, read_configuration, read_progress, require_trained

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RunResults:
    """A run's evaluation on a split, its training, and its data.

    Attributes:
      data: as the run saw it; for a cross-validation with the folder's own splits.
      run: the evaluated run; the report goes to its folder.
      summary: the evaluation's summary.json; empty where there is no evaluation, as `read_run` allows.
      models: the runs whose models made the predictions, each with the model's SHA-256; several in a cross-validation, none
        for masks of another program.
      is_single: whether it is the evaluation without the other image of each view.
    """

    data: DataSet
    run: Run
    split: str
    configuration: Configuration
    summary: Mapping
    models: Mapping[str, str]
    is_single: bool = False

    @property
    def evaluation(self) -> Path:
        """The folder of the evaluation."""
        return self.run.evaluation(self.split, single=self.is_single)

    @property
    def is_evaluated(self) -> bool:
        """Whether there is an evaluation, and not only a training."""
        return "metrics" in self.summary

    @property
    def chosen_threshold(self) -> Mapping | None:
        """The choice of the evaluated threshold on valid; None where it was set."""
        choice = read_record(self.run.threshold_choice)
        is_of_it = choice.get("identity", {}).get("model_sha256") in self.models.values()
        return choice if is_of_it and choice["threshold"] == self.summary.get("threshold") else None

    @cached_property
    def single(self) -> "RunResults | None":
        """The evaluation of the same models on the same data without the other image of each view; None where there is none."""
        summary = read_summary(self.run.evaluation(self.split, single=True))
        identity, own = (_models_and_data(record.get("identity", {})) for record in (summary, self.summary))
        return replace(self, summary=summary, is_single=True) if "metrics" in summary and identity == own else None

    @property
    def scored(self) -> Mapping | None:
        """How masks of another program were read; None for a model's evaluation."""
        return self.summary.get("scored")

    @property
    def has_scores(self) -> bool:
        """Whether predicted components have scores, by which a FROC curve orders them."""
        return self.scored is None or self.scored["probabilities"] is not None

    @property
    def lacks_partners(self) -> bool:
        """Whether a network of pairs was evaluated on images of which some have no partner."""
        count = self.summary.get("with_partner")
        return count is not None and count < len(self.images)

    @property
    def is_pooled(self) -> bool:
        """Whether it is a cross-validation."""
        return self.run.folds.is_file()

    @property
    def is_over_folds(self) -> bool:
        """Whether each image was scored as a test image of its fold: in a cross-validation, by this program or another one."""
        return self.is_pooled or bool(self.scored and self.scored["pooled"])

    @property
    def infer(self) -> Mapping[str, Any]:
        """The [infer] settings of the evaluation, or for a run that is not evaluated those of its configuration."""
        identity = self.summary.get("identity", {})
        folds = identity.get("folds", [identity])  # all have the same
        return folds[0].get("infer") or self.configuration.infer.model_dump(mode="json")

    @cached_property
    def images(self) -> "pd.DataFrame":
        """The rows of per_image.csv that metrics are taken over."""
        return original_rows(self._table("per_image.csv"))

    @cached_property
    def lesions(self) -> "pd.DataFrame":
        """The rows of per_lesion.csv of these images."""
        lesions = self._table("per_lesion.csv")
        return lesions[lesions["sample"].isin(self.images["sample"])]

    @cached_property
    def metrics(self) -> "pd.DataFrame":
        """metrics.csv."""
        return self._table("metrics.csv")

    @cached_property
    def curve(self) -> "pd.DataFrame":
        """froc_curve.csv."""
        return self._table("froc_curve.csv")

    def metric(self, group: str, metric: str, value: str = "") -> Mapping | None:
        """One row of metrics.csv, or None."""
        table = self.metrics
        rows = table[(table["group"] == group) & (table["value"] == value) & (table["metric"] == metric)]
        return None if rows.empty else rows.iloc[0].to_dict()

    @property
    def patients(self) -> int:
        """The number of patients of the split; an image of an unknown patient counts as a patient of its own."""
        from segmenter.evaluation.aggregation import owners

        return owners(self.images).nunique()

    @property
    def class_names(self) -> list[str]:
        """The lesion classes 1, 2, ..."""
        return list(self.summary["class_names"])

    @property
    def has_classes(self) -> bool:
        """Whether there are several lesion classes; all metrics except Dice of each class then take them as one."""
        return len(self.class_names) > 1

    @property
    def folds(self) -> list[dict[str, str]]:
        """The rows of folds.csv; empty where it is not a cross-validation."""
        return read_csv(self.run.folds) if self.is_pooled else []

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """One row per epoch, from train_losses.csv and train_metrics.csv; empty for cross-validations and foreign models."""
        rows: dict[int, dict[str, float]] = {}
        for path in self.history_files:
            for row in read_csv(path, ("epoch",)):
                values = {name: float(value) for name, value in row.items() if value}
                rows.setdefault(int(row["epoch"]), {}).update(values)
        return [rows[epoch] for epoch in sorted(rows)]

    @property
    def history_files(self) -> list[Path]:
        """The training tables that exist."""
        paths = [self.run.folder / name for name in ("train_losses.csv", "train_metrics.csv")]
        return [path for path in paths if path.is_file()]

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose model was evaluated; None where it is not recorded."""
        progress = read_progress(self.run)
        return progress.best_epoch if progress else None

    @property
    def is_unfinished(self) -> bool:
        """Whether training is to go on."""
        progress = read_progress(self.run)
        return progress is not None and not progress.is_finished(self.configuration.train)

    @property
    def versions(self) -> dict[str, object]:
        """Versions that training recorded; of a cross-validation those of its first fold, of masks of another program none."""
        runs = [open_run(self.data.folder, name) for name in self.models]
        return read_record(runs[0].versions) if runs else {}

    @cached_property
    def description(self) -> dict:
        """The data set's dataset.json; empty where there is none, or where it belongs to another manifest."""
        description = read_record(self.data.folder / DATASET_JSON)
        return description if description.get("manifest_sha256") == self._manifest_sha256 else {}

    @cached_property
    def _manifest_sha256(self) -> str:
        manifest = self.data.folder / MANIFEST
        return sha256(manifest) if manifest.is_file() else ""

    @property
    def is_phantom(self) -> bool:
        """Whether the images are synthetic."""
        return bool(self.description.get("phantom"))

    @property
    def recipe(self) -> dict:
        """The data set's resolved recipe; empty where there is none."""
        path = self.data.folder / "recipe.toml"
        return read_toml(path) if path.is_file() else {}

    @property
    def audit(self) -> dict:
        """The data set's audit; empty where there is none, or where it belongs to another manifest."""
        report = read_record(self.data.folder / "audit.json")
        return report if self._manifest_sha256 and report.get("manifest_sha256") == self._manifest_sha256 else {}

    def sample(self, name: str) -> Sample:
        """The data set's sample with this name.

        Raises:
          InputError: the evaluation names a sample that the data set does not have.
        """
        if name not in self._samples:
            remedy = _remedy(self.data.folder, self.run, self.split)
            raise InputError(f"{self.evaluation}: names the sample {shorten(name)}, which is not in the data set; run `{remedy}`")
        return self._samples[name]

    @cached_property
    def _samples(self) -> dict[str, Sample]:
        return {sample.name: sample for sample in self.data.samples}

    def mask_file(self, row: Mapping) -> Path:
        """The predicted class map of a row of `images`."""
        run = open_run(self.data.folder, row["run"]) if self.is_pooled else self.run
        return path_below(run.evaluation(self.split) / "masks", f"{row['sample']}.png", str(self.evaluation / "per_image.csv"))

    def _table(self, name: str) -> "pd.DataFrame":
        from segmenter.evaluation.aggregation import read_table

        return read_table(self.evaluation / name)


def read_results(data: DataSet, run: Run, split: str) -> RunResults:
    """Finds the evaluation of a run on a split; tables are read on first use.

    Raises:
      InputError: there is no evaluation, or it is of another model or other data than are there now.
    """
    summary = read_summary(run.evaluation(split))
    if run.folds.is_file() and split != "test":
        raise InputError(f"{run.folder}: is a cross-validation, which has only the split test; leave --split {split} out")
    remedy = _remedy(data.folder, run, split)
    if not summary:
        raise InputError(f"{run.evaluation(split)}: holds no evaluation (no summary.json); make it with `{remedy}`")
    identity = summary.get("identity", {})
    if "metrics" not in summary:
        raise InputError(f"{run.evaluation(split)}: was made by an earlier version; evaluate again with `{remedy}`")
    if "masks_sha256" in identity:
        _check_data(data, run, identity, remedy)
        return RunResults(data_of(run, data), run, split, read_configuration(run), summary, {})
    identities = dict(zip(identity["runs"], identity["folds"], strict=True)) if "folds" in identity else {run.name: identity}
    for name, run_identity in identities.items():
        _check_identity(data, open_run(data.folder, name), run_identity, remedy)
    models = {name: run_identity["model_sha256"] for name, run_identity in identities.items()}
    run_data = data if run.folds.is_file() else data_of(run, data)
    return RunResults(run_data, run, split, read_configuration(run), summary, models)


def read_run(data: DataSet, run: Run, split: str) -> RunResults:
    """Like `read_results`, for a trained run that may not be evaluated yet: its summary is then empty.

    Raises:
      InputError: there is no model, it was trained on other data than are there now, or an evaluation that is there does not fit.
    """
    if read_summary(run.evaluation(split)):
        return read_results(data, run, split)
    require_trained(run)
    run_data = data_of(run, data)
    if read_record(run.versions).get("data_identity", run_data.identity) != run_data.identity:
        raise InputError(f"{data.folder}: holds other data than {run.name} was trained on; train it again with another --name")
    return RunResults(run_data, run, split, read_configuration(run), {}, {run.name: sha256(run.best_model)})


def _check_identity(data: DataSet, run: Run, identity: Mapping, remedy: str) -> None:
    if not run.best_model.is_file():
        raise InputError(f"{run.best_model}: is missing, although its evaluation exists; make both again with `{remedy}`")
    if sha256(run.best_model) != identity.get("model_sha256"):
        raise InputError(f"{run.best_model}: is not the model that was evaluated; evaluate it with `{remedy}`")
    _check_data(data, run, identity, remedy)


def _check_data(data: DataSet, run: Run, identity: Mapping, remedy: str) -> None:
    if data_of(run, data).identity != identity.get("data_identity"):
        raise InputError(f"{data.folder}: holds other data than {run.name} was evaluated on; evaluate it again with `{remedy}`")


def _models_and_data(identity: Mapping) -> list[tuple[object, object]]:
    return [(fold.get("model_sha256"), fold.get("data_identity")) for fold in identity.get("folds", [identity])]


def _remedy(folder: Path, run: Run, split: str) -> str:
    if run.name.endswith("-cv"):
        return f"cesm-segmenter cv {folder} --name {run.name.removesuffix('-cv')}"
    masks = " --masks FOLDER" if is_scored(run) else ""
    return f"cesm-segmenter evaluate {folder} --name {run.name} --split {split}{masks}"


def fingerprint(results: RunResults, schema: int) -> str:
    """A digest of what a report depends on; where it is unchanged there is nothing to do."""
    folder = results.data.folder
    run = results.run
    paths = [
        results.evaluation / "summary.json",
        results.evaluation / "metrics.csv",
        run.folds,
        run.config,
        run.versions,
        run.state,
        run.threshold_choice,
    ]
    singles = {}
    if results.single:
        folder_single = results.single.evaluation
        singles = {f"single {name}": sha256(folder_single / name) for name in ("summary.json", "metrics.csv")}
    paths += [*results.history_files, *(folder / name for name in (DATASET_JSON, "audit.json"))]
    hashes = {path.name: sha256(path) for path in paths if path.is_file()}
    return hashlib.sha256(json.dumps({"schema": schema, **hashes, **singles}).encode()).hexdigest()
