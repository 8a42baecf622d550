"""Finds the images that an inference predicts, and names their outputs."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.contract import IMAGE_SUFFIXES, MISSING, SPLITS
from pipeline.files import InputError, name_problem, one_line, shorten
from pipeline.sources import describe_unread_images, find_files, find_unread_images, stem_of
from segmenter.data.dataset import DataSet, Sample


@dataclass(frozen=True)
class View:
    """The kind of an image, and the other image of its view.

    Attributes:
      kind: DM or CM; empty where it is not known.
      partner: the other image; None where there is none.
      is_laid_over: whether it is on the image's grid already.
      status: `missing` or `ambiguous`, where there is no partner.
    """

    kind: str
    partner: Path | None = None
    is_laid_over: bool = False
    status: str = MISSING


@dataclass(frozen=True)
class Job:
    """One image to predict.

    Attributes:
      name: the stem of its outputs.
      ground_truth: its mask; None where there is none.
      view: its kind and its partner, where a model takes both: of a data set's image those that are there, of others None until
        they are looked for.
    """

    name: str
    image: Path
    ground_truth: Path | None = None
    view: View | None = None


def find_jobs(paths: Sequence[Path], data: DataSet | None, output: Path | None = None) -> list[Job]:
    """Finds the images to predict: files, and all images below folders.

    Args:
      paths: a split's own images folder stands for the split's originals; without paths, those of `test` are taken.
      data: the data set, if there is one.
      output: images below it were written by an earlier inference, and are left out.

    Raises:
      InputError: a path does not exist, or a folder holds no images.
    """
    if not paths and data:
        return [_job_of(sample) for sample in originals(data, "test")]
    samples: dict[Path, Sample | None] = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"--images {path}: is not there")
        split = next((split for split in SPLITS if data and _is_same(path, data.folder / split / "images")), None)
        if data and split:
            samples |= {sample.image: sample for sample in originals(data, split)}
        elif path.is_dir():
            files = [file for file in _find_images(path) if not (output and _is_below(file, output))]
            unread = describe_unread_images(find_unread_images(path))
            if not files:
                raise InputError(
                    f"--images {path}: holds no images; expected {', '.join(sorted(IMAGE_SUFFIXES))}, or DICOM of any name"
                    + (f"; {unread}" if unread else "")
                )
            if unread:
                print(f"{path}: {unread}", file=sys.stderr)
            samples |= dict.fromkeys(files)
        else:
            samples[path] = None
    return [
        replace(_job_of(sample), name=name) if (sample := samples[image]) else Job(name, image)
        for name, image in name_outputs(list(samples)).items()
    ]


def _find_images(folder: Path) -> list[Path]:
    """All images below a folder; prints which folders were not looked into."""
    passed_over: list[str] = []
    files = find_files(
        folder, IMAGE_SUFFIXES, dicom=True, passed_over=passed_over, link_remedy="give it as well to predict its images"
    )
    for line in passed_over:
        print(f"passed over: {one_line(line)}", file=sys.stderr)
    return files


def originals(data: DataSet, split: str) -> list[Sample]:
    """The samples of a split that are neither turned nor flipped.

    Raises:
      InputError: the split has none.
    """
    if not (samples := [sample for sample in data.split(split) if sample.is_original]):
        raise InputError(f"{data.folder}: the split {split} holds only turned and flipped images; name others with --images")
    return samples


def _job_of(sample: Sample) -> Job:
    view = View(sample.details.get("kind", ""), sample.partner, is_laid_over=True)
    return Job(sample.name, sample.image, sample.mask, view)


def _is_below(file: Path, folder: Path) -> bool:
    # Unlike Path.resolve, this raises nothing for a link that leads back to itself.
    return Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder))


def _is_same(path: Path, other: Path) -> bool:
    return other.exists() and path.samefile(other)


def name_outputs(images: Sequence[Path]) -> dict[str, Path]:
    """Names each image's outputs by its stem, or where several images share a stem, by their paths below a common folder.

    Raises:
      InputError: two names are still the same.
    """
    stems: dict[str, list[Path]] = {}
    for image in images:
        stems.setdefault(stem_of(image), []).append(image)
    names: dict[str, Path] = {}
    for stem, sharing in stems.items():
        common = os.path.commonpath([image.absolute().parent for image in sharing])
        for image in sharing:
            name = stem if len(sharing) == 1 else "__".join(image.absolute().relative_to(common).parts)
            if problem := name_problem(name):
                raise InputError(f"{shorten(str(image))}: its name {problem}, and its outputs would have it too; rename it")
            if name in names:
                raise InputError(f"{image}: its outputs would be named {name}, like those of {names[name]}; rename one of them")
            names[name] = image
    return names
