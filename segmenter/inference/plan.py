"""What images are predicted with: model files and settings, from a run, a file, or the metadata of an exported model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.contract import DATASET_MARK
from pipeline.files import InputError, check_settings, package_version, sha256
from pipeline.sources import DEFAULT_DICOM, DicomOptions, read_image
from segmenter.configuration import NO_TILES, Configuration, InferSettings, TiledInferSettings, change_infer
from segmenter.data.dataset import folder_of, read_dicom_options, read_source_bits
from segmenter.inference import dicom_seg
from segmenter.inference.ensembles import AnyPredictor, AugmentedPredictor, Ensemble
from segmenter.models.input_names import read_input_name, takes_partner
from segmenter.models.onnx_models import (
    CROPPED_GEOMETRY,
    VIEW_PIXELS,
    Description,
    is_onnx,
    load_onnx_predictor,
    read_description,
    require_onnxruntime,
)
from segmenter.runs import Run, as_run, check_applied, read_configuration, require_trained

AnyPath = str | PathLike[str]


@dataclass(frozen=True)
class Plan:
    """The models and settings that images are predicted with.

    Attributes:
      model_files: several form an ensemble.
      tiled: None for one pass over the whole image.
      class_names: the names of the lesion classes; empty for the default names.
      dicom: how DICOM images are read.
      source_bits: how many bits the levels in PNG and TIFF files of 16 bits use; None for what each file states.
    """

    model_files: tuple[Path, ...]
    settings: InferSettings
    tiled: TiledInferSettings | None = None
    class_names: tuple[str, ...] = ()
    dicom: DicomOptions = DEFAULT_DICOM
    source_bits: int | None = None

    @property
    def partner(self) -> bool:
        """Whether its models take both images of a view, as the first one's file states."""
        file = self.model_files[0]
        return read_description(file).partner if is_onnx(file) else takes_partner(read_input_name(file))


def plan_of(model: Run | AnyPath, *, tiled: bool = False, settings: Mapping[str, Any] | None = None, data: Any = None) -> Plan:
    """The plan of a trained model.

    Args:
      model: a run or its folder, a .keras file, or an .onnx file that `cesm-segmenter export` wrote.
      tiled: whether to predict in tiles.
      settings: values that replace those of [infer] and [tiledinfer].
      data: for a file, the data set whose recipe sets how its images are read; a run has its own.

    Raises:
      InputError: there is no such model, or the settings cannot be used.
    """
    if not isinstance(model, Run) and is_onnx(Path(model)):
        plan = _plan_of_onnx(Path(model), check_applied(settings))
        return _reading(_tiling(plan, tiled=tiled), data)
    if not isinstance(model, Run) and Path(model).suffix == ".keras":
        configuration = check_settings(Configuration, check_applied(settings), "settings")
        return _reading(_tiling(Plan((Path(model),), configuration.infer, configuration.tiledinfer), tiled=tiled), data)
    run = require_trained(as_run(model))
    configuration = read_configuration(run, settings)
    plan = Plan((run.best_model,), configuration.infer, configuration.tiledinfer, configuration.class_names)
    return _reading(_tiling(plan, tiled=tiled), run.data_folder)


def _tiling(plan: Plan, *, tiled: bool) -> Plan:
    return plan if tiled else replace(plan, tiled=None)


def _reading(plan: Plan, data: Any) -> Plan:
    """The plan, with images read as those of a data set were, where there is one."""
    if not data:
        return plan
    folder = folder_of(data)
    return replace(plan, dicom=read_dicom_options(folder), source_bits=read_source_bits(folder))


def _plan_of_onnx(file: Path, settings: Mapping[str, Any]) -> Plan:
    description = read_description(file)
    origin = f"{file}: metadata"
    infer = change_infer(description.infer, settings.get("infer", {}))
    tiles = description.tiledinfer | dict(settings.get("tiledinfer", {}))
    return Plan(
        (file,),
        check_settings(InferSettings, infer, origin),
        check_settings(TiledInferSettings, tiles, origin),
        description.class_names,
        check_settings(DicomOptions, description.dicom, origin),
        description.source_bits,
    )


def describe_plan(plan: Plan, predictor: AnyPredictor) -> Description:
    """The metadata that an export of a plan's only model gets; `_plan_of_onnx` reads it.

    The rules by which a recipe distinguishes DICOM views stay out: they do not change pixels, and may name a site's own codes.
    """
    description = Description(
        predictor.network,
        plan.class_names,
        plan.settings.model_dump(mode="json"),
        (plan.tiled or TiledInferSettings()).model_dump(mode="json"),
        plan.dicom.model_dump(mode="json", exclude={"rules"}),
        plan.source_bits,
        sha256(plan.model_files[0]),
        package_version(),
        crop=predictor.crop,
        partner=predictor.partner,
    )
    if predictor.partner:
        description = replace(description, pixels=VIEW_PIXELS)
    return description if predictor.crop == "none" else replace(description, geometry=CROPPED_GEOMETRY)


def load_backends(model_files: Sequence[Path]) -> None:
    """Imports or finds what runs the models, before anything is written.

    Raises:
      InputError: Keras or its backend, or for ONNX files onnxruntime, is not installed.
    """
    if any(map(is_onnx, model_files)):
        require_onnxruntime()
    if not all(map(is_onnx, model_files)):
        from segmenter.backend import load_backend

        load_backend()


def load_models(plan: Plan) -> AnyPredictor:
    """Loads the predictor of a plan: its model, or the mean of several, averaged over views where its settings say so.

    Raises:
      InputError: a file holds no model, or one that does not fit the others.
    """
    predictors: list[AnyPredictor] = [_load(file) for file in plan.model_files]
    predictor: AnyPredictor = predictors[0] if len(predictors) == 1 else Ensemble(predictors)
    if plan.tiled and predictor.crop != "none":
        raise InputError(f"{predictor.name}: {NO_TILES}; leave out tiles, which is --tiled on the command line")
    views = plan.settings.augmentation
    return predictor if views == "none" else AugmentedPredictor(predictor, views)


def _load(file: Path) -> AnyPredictor:
    if is_onnx(file):
        return load_onnx_predictor(file)
    from segmenter.models.saved_models import load_predictor

    return load_predictor(file)


def read_pixels(path: Path, plan: Plan, *, color: bool = False) -> np.ndarray:
    """Reads an image, (height, width) uint8, or with `color` (height, width, 3), as its like was read for training."""
    # Images of a data set that the pipeline wrote use all bits; others, what they or the recipe state.
    is_ours = (path.parent.parent.parent / DATASET_MARK).is_file()
    return read_image(path, dicom=plan.dicom, color=color, stated_bits=16 if is_ours else plan.source_bits)


def describe_algorithm(plan: Plan, predictor: AnyPredictor) -> dicom_seg.Algorithm:
    """The algorithm that a DICOM SEG records: the network, the hashes of the model files, and the settings."""
    unused = {"batch_size", "mask_colorize", "mask_colors", *(() if plan.settings.threshold_single else ("threshold_single",))}
    parameters = plan.settings.model_dump(mode="json", exclude=unused)
    if plan.tiled:
        parameters |= plan.tiled.model_dump(mode="json")
    if predictor.crop != "none":
        parameters["crop"] = predictor.crop
    return dicom_seg.Algorithm(predictor.network, tuple(sha256(file) for file in plan.model_files), parameters)
