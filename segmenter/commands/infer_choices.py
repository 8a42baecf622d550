"""What the arguments of `infer` choose: models and their settings, images, and the folder to write to."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.contract import clean_name, parse_view
from pipeline.files import InputError
from pipeline.sources import stem_of
from segmenter import runs
from segmenter.configuration import InferSettings, TiledInferSettings, change_infer
from segmenter.data.dataset import DataSet, is_data_set, read_data_set, read_dicom_options, read_source_bits
from segmenter.inference.jobs import Job
from segmenter.inference.outputs import read_mark
from segmenter.inference.plan import Plan, plan_of
from segmenter.models.onnx_models import is_onnx
from segmenter.pretrained import Pretrained, find_pretrained


@dataclass(frozen=True)
class Choice:
    """What an inference applies, to what, and where it writes.

    Attributes:
      data: the data set with the splits that the runs saw; None without one.
      images: files and folders; where there are none, the originals of the data set's test are meant.
      pretrained: the model that comes with the package; None where runs or files are named.
    """

    plan: Plan
    output: Path
    data: DataSet | None
    images: Sequence[Path]
    pretrained: Pretrained | None = None


def choose(arguments: argparse.Namespace) -> Choice:
    """Reads what the arguments of `infer` name.

    Raises:
      InputError: there is no such run, file or data set, they do not fit together, or something has to be named.
    """
    pretrained, folder, images, output = None, arguments.dataset, arguments.images, arguments.output
    if not (arguments.name or arguments.model):
        folder, images = _separate(folder, images)
        pretrained = find_pretrained()
    data = read_data_set(folder) if folder else None
    if pretrained:
        plan = plan_of(pretrained.file, tiled=True, settings=pretrained.settings)
        output = output or default_output(images or ([folder] if folder else []))
    elif arguments.name:
        plan, usual = _plan_of_runs(arguments)
        output = output or usual
    else:
        _check_model_files(arguments)
        plan = _plan_of_files(arguments.model)
    plan = replace(plan, settings=_changed(plan.settings, arguments), tiled=plan.tiled if arguments.tiled else None)
    if data:
        plan = replace(plan, dicom=read_dicom_options(data.folder), source_bits=read_source_bits(data.folder))
        data = _as_runs_saw(data, arguments)
    return Choice(plan, output, data, images, pretrained)


def _separate(path: Path | None, images: Sequence[Path]) -> tuple[Path | None, Sequence[Path]]:
    """The data set, if the first path is one, and the images, to which it belongs otherwise."""
    if path and not path.exists():
        raise InputError(f"{path}: is not there; give a file or folder of images, or a data set")
    if not path and not images:
        raise InputError(
            "infer: names neither images nor a model; give a file or folder of images for the model of this package, or DATASET "
            "--name RUN, or --model FILE"
        )
    return (None, [path, *images]) if path and not is_data_set(path) else (path, images)


def default_output(sources: Sequence[Path]) -> Path:
    """The folder `predictions-NAME` in the current one, by the name of the first source.

    Raises:
      InputError: it would lie in a folder of the images, which is never written to.
    """
    first = sources[0]
    output = Path(f"predictions-{stem_of(first) if first.is_file() else first.resolve().name}")
    for folder in (source if source.is_dir() else source.parent for source in sources):
        if Path(os.path.realpath(output)).is_relative_to(os.path.realpath(folder)):
            raise InputError(
                f"--output: is missing, and {output} in the current folder, where it would be, lies in {folder.resolve()} with "
                "the images; give a folder outside of it"
            )
    return output


def refuse_other_images(output: Path, jobs: Sequence[Job]) -> None:
    """Keeps an inference of other images, which a default folder of the same name may hold.

    Raises:
      InputError: none of its images is among those of the jobs.
    """
    earlier = [image[1] for image in read_mark(output).get("identity", {}).get("images", []) if len(image) > 1]
    if earlier and not {str(job.image) for job in jobs} & set(earlier):
        raise InputError(f"{output}: holds predictions of other images, such as {earlier[0]}; choose a folder with --output")


def describe_pretrained(choice: Choice, jobs: Sequence[Job]) -> str:
    """What the package's model is, and a warning where it may have been trained on the images."""
    assert choice.pretrained
    lines = [choice.pretrained.describe()]
    named = sum(bool(parse_view(clean_name(job.image.name))[0].patient) for job in jobs)
    if choice.data or named:
        which = f"{choice.data.folder}: no run is named with --name, and" if choice.data else f"{named} of {len(jobs)} images:"
        lines.append(
            f"warning: {which} the patients may be among those that this model was trained on; what it predicts for them says "
            "nothing about other patients"
        )
    return "\n".join(lines)


def _plan_of_files(files: Sequence[Path]) -> Plan:
    """The plan of model files: that of the first one where it is ONNX, whose metadata hold settings, or else the defaults."""
    plans = {file: plan_of(file, tiled=True) for file in files if is_onnx(file)}
    _check_classes([(file, plan.class_names) for file, plan in plans.items()])
    plan = plans.get(files[0], Plan((), InferSettings(), TiledInferSettings()))
    return replace(plan, model_files=tuple(files))


def _check_classes(named: Sequence[tuple[Path, tuple[str, ...]]]) -> None:
    """Raises InputError where the names of classes in several files differ."""
    for path, names in named[1:]:
        first, expected = named[0]
        if names != expected:
            raise InputError(
                f"{path}: has {_describe_classes(names)}, and {first} {_describe_classes(expected)}; an ensemble needs models of "
                "the same classes"
            )


def _describe_classes(names: tuple[str, ...]) -> str:
    return f"the classes {', '.join(names)}" if names else "classes without names"


def _plan_of_runs(arguments: argparse.Namespace) -> tuple[Plan, Path]:
    if not arguments.dataset:
        raise InputError("--name needs DATASET before it, whose run it names; or give a model file with --model")
    trained = [runs.find_trained(arguments.dataset, name) for name in arguments.name]
    first, *others = [runs.read_configuration(run) for run in trained]
    _check_classes([(run.config, each.class_names) for run, each in zip(trained, (first, *others), strict=True)])
    output = trained[0].folder / "predictions-ensemble" if others else trained[0].predictions
    files = tuple(run.best_model for run in trained)
    return Plan(files, first.infer, first.tiledinfer, first.class_names), arguments.output or output


def _check_model_files(arguments: argparse.Namespace) -> None:
    given = f"--model {' '.join(map(str, arguments.model))}"
    if not arguments.output:
        raise InputError(f"{given}: --output DIR is missing; it says where to write")
    if not arguments.dataset and not arguments.images:
        raise InputError(f"{given}: --images is missing; give files or folders, or a DATASET")
    for file in arguments.model:
        if not file.is_file():
            raise InputError(f"--model {file}: there is no such file")


def _changed(settings: InferSettings, arguments: argparse.Namespace) -> InferSettings:
    """The settings, but for what an option says."""
    changes: dict[str, object] = {}
    if arguments.threshold == "otsu":
        changes["algorithm"] = "otsu"
    elif arguments.threshold:
        changes |= {"threshold": arguments.threshold, "algorithm": None}
    if arguments.augmentation:
        changes["augmentation"] = arguments.augmentation
    if arguments.smallest_lesion is not None:
        changes["smallest_lesion_px"] = arguments.smallest_lesion
    if arguments.colorize:
        changes |= {"mask_colorize": True, "masks_only": False}
    if arguments.masks_only:
        changes |= {"masks_only": True, "mask_colorize": False}
    return settings.model_copy(update=change_infer({}, changes))


def _as_runs_saw(data: DataSet, arguments: argparse.Namespace) -> DataSet:
    """The data set with the splits of the runs' fold, where its test is what they are applied to."""
    if arguments.images or not arguments.name:
        return data
    first, *others = [runs.data_of(runs.open_run(data.folder, name), data) for name in arguments.name]
    for name, other in zip(arguments.name[1:], others, strict=True):
        if other.fold != first.fold:
            raise InputError(
                f"--name {' '.join(arguments.name)}: {arguments.name[0]} was trained on {runs.describe_fold(first.fold)}, and "
                f"{name} on {runs.describe_fold(other.fold)}; one has learnt from what the other held out; name images with "
                "--images"
            )
    return first
