"""What `import pipeline` offers: data sets made, opened and audited from Python, by the stages that the command line runs.

Knows no arguments of the command line and prints nothing but progress; faults of files and settings are `InputError`s.
"""

import importlib.util
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import stages
from pipeline.annotations import make_statement
from pipeline.audit import MEANINGS, audit, describe_missing_splits, expected_codes, list_samples
from pipeline.contract import COLUMN_NAMES, COLUMNS, MANIFEST, SPLITS, MaskError, SourceError, parse_sample, read_row
from pipeline.dataset.description import read_description
from pipeline.dataset.folder import DatasetFolder
from pipeline.dataset.manifest import read_manifest
from pipeline.diff import Difference, compare_sets
from pipeline.files import InputError, all_cores, read_csv, read_regular
from pipeline.indexing.tables import REJECT_COLUMNS
from pipeline.phantom import write_phantom
from pipeline.privacy.site_key import load_site_key
from pipeline.recipe import Recipe, load_recipe
from pipeline.sources import read_image, read_mask
from pipeline.workers import open_executor

AnyPath = str | PathLike[str]
DICOM_CHOICES = ("", "plain", "varied")
FINDING_COLUMNS = ("code", "count", "unit", "meaning", "expected", "examples")


@dataclass(frozen=True)
class Dataset:
    """A data set folder: `make_dataset` and `open_dataset` give one.

    Attributes:
      folder: with train, valid and test, each with images and masks.

    Example:
      >>> data = open_dataset("data_processed/demo")  # doctest: +SKIP
      >>> data.manifest.query("split == 'test'")["sample"].tolist()  # doctest: +SKIP
      ['P4_L_CM_CC', 'P4_L_DM_CC']
    """

    folder: Path

    @property
    def manifest(self) -> pd.DataFrame:
        """One row per sample, by the columns of manifest.csv; of a folder without one, what its names say.

        What is not known is an empty text, or NaN for a number.
        """
        path = self.folder / MANIFEST
        rows = read_manifest(path) if path.is_file() else _rows_of_names(self.folder)
        table = pd.DataFrame(rows, columns=list(COLUMN_NAMES))
        numbers = [column.name for column in COLUMNS if column.type is not str]
        return table.assign(**{name: pd.to_numeric(table[name]) for name in numbers})

    @property
    def splits(self) -> pd.DataFrame:
        """How many patients, source images and samples each split has; what has no known patient counts for none."""
        table = self.manifest
        known = table.assign(patient=table["patient"].replace("", None))
        counted = known.groupby("split")[["patient", "image_id", "sample"]].nunique()
        counted.columns = pd.Index(["patients", "images", "samples"])
        return counted.reindex(pd.Index(SPLITS, name="split"), fill_value=0)

    @property
    def rejects(self) -> pd.DataFrame:
        """The source images that were dropped, with the columns of rejects.csv: image, reason, where and words (the message)."""
        path = DatasetFolder(self.folder).rejects
        return pd.DataFrame(read_csv(path, REJECT_COLUMNS) if path.is_file() else [], columns=list(REJECT_COLUMNS))

    def audit(self, patient: str | None = None, *, workers: int | None = None, scheduler: str = "") -> pd.DataFrame:
        """Reads all files of the folder and returns the findings, as `audit_dataset` does, with its arguments and errors."""
        return audit_dataset(self.folder, patient, workers=workers, scheduler=scheduler)

    def describe(self) -> dict[str, Any]:
        """The content of dataset.json: the recipe's name and digest, counts, what was dropped and why, licence.

        Raises:
          InputError: the folder was not made by `make_dataset`.
        """
        path = DatasetFolder(self.folder).description
        if not path.is_file() and not DatasetFolder(self.folder).recipe.is_file():
            raise InputError(f"{self.folder}: has no {path.name}, because it was not made by a recipe; see .manifest and .splits")
        return read_description(path)

    def report(self) -> Path:
        """Writes report.html, a page about the data set with charts and contact sheets, where it is not up to date.

        Raises:
          InputError: the folder was not made by `make_dataset`.
        """
        stages.report(DatasetFolder(self.folder))
        return DatasetFolder(self.folder).report

    def read_pair(self, sample: str) -> tuple[np.ndarray, np.ndarray]:
        """The pixels of one sample.

        Args:
          sample: as in the manifest.

        Returns:
          The image, (side, side) uint8 gray, and the mask, (side, side) uint8: 0 is background, and 1 is lesion, or 1, 2, ...
          are the lesion classes.

        Raises:
          InputError: there is no such sample, or a file of it cannot be read.
        """
        found = self.manifest[self.manifest["sample"] == sample]
        if found.empty:
            raise InputError(f"{self.folder}: has no sample {sample!r}; .manifest lists them")
        image, mask = (self.folder / found.iloc[0][kind] for kind in ("image", "mask"))
        try:
            return read_image(image), read_mask(read_regular(mask), classes=None)
        except SourceError as error:
            raise InputError(f"{image}: {error}") from error
        except (OSError, MaskError) as error:
            raise InputError(f"{mask}: {error}") from error

    def __repr__(self) -> str:
        counts = ", ".join(f"{split} {count}" for split, count in self.splits["samples"].items())
        return f"Dataset({str(self.folder)!r}: {counts} samples)"

    def _repr_html_(self) -> str:
        return f"<p>Dataset <code>{self.folder.name}</code></p>{self.splits.to_html()}"


def _rows_of_names(folder: Path) -> list[dict[str, Any]]:
    rows = []
    for sample in list_samples(folder):
        variant, name = parse_sample(sample.name)
        known = {"sample": sample.name, "split": sample.split, "variant": variant, "image_id": name.image_id}
        known |= {"patient": name.patient, "side": name.side, "kind": name.kind, "view": name.view}
        files = {"image": sample.image, "mask": sample.mask}
        known |= {kind: path.relative_to(folder).as_posix() for kind, path in files.items() if path}
        rows.append(read_row(known))
    return rows


def make_dataset(
    raw: AnyPath,
    folder: AnyPath,
    recipe: str | PathLike[str] | Recipe = "v2",
    *,
    settings: Mapping[str, Any] | None = None,
    annotations: AnyPath | None = None,
    assignment: AnyPath | None = None,
    site_key: AnyPath | None = None,
    workers: int | None = None,
    scheduler: str = "",
    follow_links: bool = False,
    annotator: str | None = None,
    annotated: str | None = None,
) -> Dataset:
    """Makes a data set: index, split, masks, variants, audit and stats, as `cesm-pipeline dataset` does.

    What is there already is not made again, and the bytes do not depend on the number of workers. A finding of the audit
    that the recipe does not ask for is a warning.

    Args:
      raw: the folder with the images, at any depth.
      folder: where the data set goes.
      recipe: `v2` or another of the package's, the path of a .toml file, or what `load_recipe` gave.
      settings: values in place of the recipe's, nested as its tables are: `{"split": {"seed": 3}}`.
      annotations: the folder with the annotation files, or one of them; `raw` where it is left out.
      assignment: your own assignment.csv, with the columns patient, split and optionally fold.
      site_key: a file with the secret under which DICOM sources get keyed names; else the variable CESM_SITE_KEY.
      workers: how many processes work; all cores where it is left out.
      scheduler: of a Dask cluster that does the work instead: its address, or the path of its .json file (extra `dask`).
      follow_links: read files that are links out of `raw`, and look into folders that are links.
      annotator, annotated: who drew or corrected the regions and when, where the annotation files do not state it.

    Raises:
      InputError: files or settings cannot be used; the message says what was found, where, and what to do.

    Example:
      >>> make_dataset("data_raw/phantom", "data_processed/demo", "v2")  # doctest: +SKIP
      Dataset('data_processed/demo': train 72, valid 12, test 6 samples)
    """
    if isinstance(recipe, Recipe) and settings:
        raise InputError(f"settings {dict(settings)}: give them to load_recipe, because the recipe is loaded already")
    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe, settings)
    target, source = DatasetFolder(Path(folder)), Path(raw)
    statement = make_statement(annotator, annotated)
    key = load_site_key(_path(site_key), target.root)
    with target.locked("dataset"), open_executor(workers or all_cores(), scheduler, [source, target.root]) as executor:
        stages.index(target, chosen, source, _path(annotations), executor, key, follow_links=follow_links, statement=statement)
        stages.split(target, _path(assignment))
        stages.variants(target, executor, fused=True, raw=source, key=key)
        found = stages.review(target, executor)[0].summary
    if unexpected := [finding["code"] for finding in found["findings"] if finding["code"] not in found["expected"]]:
        warnings.warn(f"{target.root}: the audit found {', '.join(unexpected)}; see Dataset.audit()", stacklevel=2)
    return Dataset(target.root)


def _path(path: AnyPath | None) -> Path | None:
    return None if path is None else Path(path)


def open_dataset(folder: AnyPath) -> Dataset:
    """Opens a data set folder: one that `make_dataset` made, or anybody's with `{train,valid,test}/{images,masks}`.

    Raises:
      InputError: there is no such folder, or it holds no pairs.

    Example:
      >>> open_dataset("nowhere")
      Traceback (most recent call last):
      pipeline.files.program.InputError: nowhere: there is no such folder
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{root}: there is no such folder")
    if not (root / MANIFEST).is_file() and not any(True for _ in list_samples(root)):
        raise InputError(describe_missing_splits(root))
    return Dataset(root)


def audit_dataset(
    folder: AnyPath, patient: str | None = None, *, workers: int | None = None, scheduler: str = ""
) -> pd.DataFrame:
    """Checks any folder of train, valid and test pairs for leaks, duplicates, broken pairs and unclean masks; writes nothing.

    Args:
      folder: with a manifest or without; then patients and images come from the names.
      patient: a regular expression with one group, which finds the patient in a sample's name, for names that are not
        CDD-CESM's; samples without a known patient are a finding.
      workers, scheduler: as for `make_dataset`.

    Returns:
      One row per kind of finding: `code`, `count` in `unit`s, `meaning`, `expected` (whether the folder's recipe asks for
      it), and `examples`, a tuple of the first few. No rows where nothing was found.

    Raises:
      InputError: the folder holds no pairs, `patient` is not such an expression, or the cluster cannot be used.

    Example:
      >>> audit_dataset("data_processed/demo").empty  # doctest: +SKIP
      True
    """
    files = DatasetFolder(Path(folder))
    expected = expected_codes(files.load_recipe()) if files.recipe.is_file() else []
    with open_executor(workers or all_cores(), scheduler, [files.root]) as executor:
        findings = audit(files.root, patient=patient, executor=executor)
    rows = [
        (found.code, found.count, found.unit, MEANINGS[found.code], found.code in expected, found.examples) for found in findings
    ]
    return pd.DataFrame(rows, columns=list(FINDING_COLUMNS))


def diff_datasets(first: AnyPath, second: AnyPath) -> Difference:
    """Compares two data set folders, with a manifest or without, as `cesm-pipeline diff` does; writes nothing.

    Returns:
      What differs: `is_equal`, `counts` by kind of change, `changes` of samples, settings of the `recipe`, and more.

    Raises:
      InputError: a folder is not a data set, or its manifest or recipe cannot be read.

    Example:
      >>> diff_datasets("data_processed/demo", "data_processed/corrected").counts  # doctest: +SKIP
      {'added': 6, 'mask-pixels': 12}
    """
    return compare_sets(Path(first), Path(second))


def make_phantom(folder: AnyPath, patients: int = 60, seed: int = 0, *, dicom: str = "", workers: int | None = None) -> Path:
    """Writes a synthetic look-alike of the CDD-CESM download, to try everything without it. It proves nothing clinical.

    Args:
      folder: one that is empty, not there yet, or holds a phantom of the same arguments.
      patients: 6 or more.
      seed: the same seed gives the same bytes.
      dicom: `plain` or `varied` for DICOM images in place of JPEG.
      workers: how many processes work; all cores where it is left out.

    Returns:
      The folder, for `make_dataset`.

    Raises:
      InputError: too few patients, or the folder holds something else.

    Example:
      >>> make_phantom("data_raw/phantom", patients=12, seed=1)  # doctest: +SKIP
      PosixPath('data_raw/phantom')
    """
    if dicom not in DICOM_CHOICES:
        raise InputError(f"dicom {dicom!r}: expected one of {', '.join(map(repr, DICOM_CHOICES))}")
    with open_executor(workers or all_cores()) as executor:
        write_phantom(Path(folder), patients, seed, dicom, executor)
    return Path(folder)


def _warn_of_hidden_segmenter() -> None:
    """Warns where `import segmenter` would find something else than the package that belongs to this one."""
    own = Path(__file__).parents[1] / "segmenter" / "__init__.py"
    spec = importlib.util.find_spec("segmenter")
    if own.is_file() and spec and spec.origin and not own.samefile(spec.origin):
        warnings.warn(
            f"{spec.origin} hides the package segmenter, {own.parent}; to use that package, rename the file or run from "
            "another folder",
            stacklevel=2,
        )


_warn_of_hidden_segmenter()
