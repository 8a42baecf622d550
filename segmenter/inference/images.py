"""Applies a model to images one by one, from Python: the model is loaded once, and files are written only by `save`."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from pipeline.contract import PARTNERS, MaskError, SourceError, parse_view
from pipeline.files import InputError, read_csv, read_regular
from pipeline.page import GROUND_TRUTH_COLOR, PREDICTION_COLOR
from pipeline.sources import has_dicom_mark, read_mask, stem_of
from segmenter.configuration import change_infer, default_class_names
from segmenter.data.stacks import CHANNELS
from segmenter.inference import dicom_seg
from segmenter.inference.ensembles import AnyPredictor
from segmenter.inference.jobs import Job, View
from segmenter.inference.lesion_table import COLUMNS, TABLE, lesion_rows, read_lesions, write_lesions
from segmenter.inference.outputs import Prediction, write_pictures, write_segmentations
from segmenter.inference.partners import find_views
from segmenter.inference.plan import Plan, describe_algorithm, load_backends, load_models, plan_of, read_pixels
from segmenter.inference.run import predict_image
from segmenter.inference.views import INVERTED, UNKNOWN_KIND, Input, Row, join, write_partners
from segmenter.pictures import Color, draw_overlay, lesion_colors
from segmenter.pretrained import find_pretrained
from segmenter.runs import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AnyPath = str | PathLike[str]


@dataclass(frozen=True, repr=False)
class Segmentation:
    """The prediction of a model for one image; everything is at the image's own size.

    Attributes:
      name: the image's name, that of its file without suffix.
      image: (height, width) uint8, gray.
      mask: (height, width) uint8: 0 is background; 1 is lesion, or 1, 2, ... are the lesion classes.
      probability: (height, width) float32, of lesion; with several classes (height, width, classes), the background first.
      lesions: one row per connected lesion, the largest first: lesion, class, area_px, box_left, box_top, box_width,
        box_height, centre_x, centre_y (in source pixels; a whole number is a pixel's centre), mean_probability.
      source: the image's file; None where it was an array.
      predictor: the predictor that made it.
      partner: the image's row of partners.csv; None where the model takes single images.
    """

    name: str
    image: np.ndarray
    mask: np.ndarray
    probability: np.ndarray
    lesions: pd.DataFrame
    source: Path | None
    predictor: "ImagePredictor"
    partner: Row | None = None

    def __repr__(self) -> str:
        height, width = self.image.shape
        return f"Segmentation({self.name!r}: {width} x {height} px, {len(self.lesions)} lesions)"

    def plot(self, ground_truth: np.ndarray | AnyPath | None = None, ax: "Axes | None" = None) -> "Axes":
        """Draws the image with the prediction's contours in orange; in a notebook it is shown at the end of the cell.

        Args:
          ground_truth: a mask, (height, width) with 0 as background, or its file; its contours are drawn in green.
          ax: the axes to draw in; by default those of a new figure.

        Returns:
          The axes; `.figure.savefig(...)` writes them.

        Raises:
          InputError: the ground truth's file cannot be read, or is of another size than the image.
        """
        from matplotlib import pyplot
        from matplotlib.lines import Line2D

        predictor = self.predictor
        ax = ax or pyplot.subplots(figsize=(6, 6), layout="constrained")[1]
        true_mask = None if ground_truth is None else _read_ground_truth(ground_truth, self.image.shape)
        ax.imshow(draw_overlay(self.image, self.mask, true_mask, predictor.colors)[..., ::-1])
        ax.set_title(f"{self.name}: {len(self.lesions)} lesion{'' if len(self.lesions) == 1 else 's'}")
        ax.axis("off")
        entries = {"prediction": PREDICTION_COLOR} | ({} if true_mask is None else {"ground truth": GROUND_TRUTH_COLOR})
        if len(predictor.colors) > 1:  # both have the classes' colors
            colors = ("#{:02x}{:02x}{:02x}".format(*color) for color in predictor.colors)
            entries = dict(zip(predictor.class_names, colors, strict=True))
        lines = [Line2D([], [], color=color, label=name) for name, color in entries.items()]
        ax.legend(handles=lines, loc="lower center", ncols=len(lines), bbox_to_anchor=(0.5, -0.08), frameon=False)
        return ax

    def save(self, folder: AnyPath) -> Path:
        """Writes the files of `cesm-segmenter infer` for one image: mask, probabilities, overlay, and rows of lesions.csv.

        A DICOM image gets DICOM SEGs, too; where that is not possible there is a warning with the reason. Other images
        that were saved in the folder are kept.

        Returns:
          The folder.
        """
        output, predictor, settings = Path(folder), self.predictor, self.predictor.plan.settings
        several = self.probability.ndim == 3
        prediction = Prediction(self.image, self.probability if several else self.probability[..., None], self.mask)
        write_pictures(
            output, self.name, prediction, None, predictor.colors, predictor.class_names, colored=settings.mask_colorize
        )
        if self.source and has_dicom_mark(self.source):
            try:
                algorithm = describe_algorithm(predictor.plan, predictor.model)
                write_segmentations(output, self.name, self.source, prediction, predictor.class_names, algorithm)
            except dicom_seg.SegmentationError as error:
                warnings.warn(f"no SEG: {self.source}: {error}", stacklevel=2)
        others = [row for row in read_lesions(output) if row["image"] != self.name] if (output / TABLE).is_file() else []
        own = lesion_rows(self.mask, prediction.probabilities, predictor.class_names)
        write_lesions(output, [*others, *({"image": self.name} | row for row in own)])
        if self.partner:
            saved: list[Row] = [{**row} for row in read_csv(output / PARTNERS)] if (output / PARTNERS).is_file() else []
            write_partners(output, [*(row for row in saved if row["image"] != self.name), self.partner])
        return output


def _read_ground_truth(source: np.ndarray | AnyPath, shape: tuple[int, ...]) -> np.ndarray:
    if isinstance(source, np.ndarray):
        mask = source
    else:
        try:
            mask = read_mask(read_regular(source), classes=None)
        except (OSError, MaskError) as error:
            raise InputError(f"{source}: {error}") from error
    if mask.shape != shape:
        raise InputError(f"the ground truth is {mask.shape[1]} x {mask.shape[0]} px, but its image {shape[1]} x {shape[0]} px")
    return mask


class ImagePredictor:
    """A loaded model, for any number of images. `load_predictor` returns one.

    Attributes:
      plan: model files, settings, and how DICOM is read.
      model: predicts the probabilities of images of its own size.
      class_names: the names of the lesion classes.
      colors: the colors of the lesion classes, red, green and blue.
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        self.model: AnyPredictor = load_models(plan)
        self.class_names = plan.class_names or default_class_names(max(1, self.model.classes - 1))
        self.colors: tuple[Color, ...] = lesion_colors(plan.settings.mask_colors, len(self.class_names))

    def segment(
        self,
        image: np.ndarray | AnyPath,
        name: str = "image",
        *,
        partner: np.ndarray | AnyPath | None = None,
        kind: Literal["DM", "CM", ""] = "",
    ) -> Segmentation:
        """Finds the lesions of one image.

        Args:
          image: a JPEG, PNG, TIFF or DICOM file of any size, or (height, width) uint8, gray; a model of three channels takes
            (height, width, 3) uint8, red, green and blue, as well.
          name: the name of an array; a file has its own.
          partner: for a model that takes both images of a view, the other one, low-energy or subtracted, gray; it is laid over
            `image`. Without it, that of a file is looked for in the file's folder, by name or tags.
          kind: whether `image` is low-energy (DM) or subtracted (CM), where neither name nor tags say so.

        Raises:
          InputError: a file cannot be read, an array is of another shape or type, or the model has to know the kind.
        """
        for given in (image, partner):
            if not isinstance(given, str | PathLike | np.ndarray | None):
                raise InputError(f"{name}: is of type {type(given).__name__}; expected a file, or a NumPy array of gray levels")
        source = None if isinstance(image, np.ndarray) else Path(image)
        name = stem_of(source) if source else name
        model_input = self._read(image, name, partner, kind)
        if model_input.is_inverted:
            warnings.warn(f"{source or name}: has a white background; {INVERTED}", stacklevel=2)
        prediction = predict_image(model_input, self.model, self.plan)
        rows = lesion_rows(prediction.mask, prediction.probabilities, self.class_names)
        lesions = pd.DataFrame(rows, columns=list(COLUMNS[1:]))
        types = dict.fromkeys(("centre_x", "centre_y", "mean_probability"), float)
        several = prediction.probabilities.shape[-1] > 1
        return Segmentation(
            name,
            prediction.gray,
            prediction.mask,
            prediction.probabilities if several else prediction.probabilities[..., 0],
            lesions.astype(types),
            source,
            self,
            model_input.row(name),
        )

    def _read(self, image: Any, name: str, partner: Any, kind: str) -> Input:
        if not self.model.partner:
            if partner is not None or kind:
                raise InputError(f"{self.model.name}: takes single images of either kind; leave partner and kind out")
            return Input(self._pixels(image, color=self.model.channels == 3))
        if isinstance(image, np.ndarray):
            view = View(kind or parse_view(name)[0].kind)
        else:
            view = find_views([Job(name, Path(image))], self.plan.dicom, kind)[0].view or View(kind)
        if view.kind not in CHANNELS:
            raise InputError(f"{name}: {UNKNOWN_KIND}")
        if partner is None:
            partner = view.partner
        else:
            view = replace(view, partner=None if isinstance(partner, np.ndarray) else Path(partner), is_laid_over=False)
        return join(self._pixels(image), view, None if partner is None else self._pixels(partner))

    def _pixels(self, image: Any, *, color: bool = False) -> np.ndarray:
        if isinstance(image, np.ndarray):
            return _check_pixels(image, color=color)
        try:
            return read_pixels(Path(image), self.plan, color=color)
        except SourceError as error:
            raise InputError(f"{image}: {error}") from error

    def __repr__(self) -> str:
        files = ", ".join(str(file) for file in self.plan.model_files)
        width, height = self.model.width, self.model.height
        size = str(width) if width == height else f"{width} x {height}"
        return f"ImagePredictor({files}: {self.model.network}, {size} px, {', '.join(self.class_names)})"


def _check_pixels(image: Any, *, color: bool) -> np.ndarray:
    is_color = color and image.ndim == 3 and image.shape[2] == 3
    if not (image.ndim == 2 or is_color) or image.dtype != np.uint8 or not image.size:
        raise InputError(f"the image has shape {image.shape} and type {image.dtype}; expected (height, width) uint8, gray")
    return image


def load_predictor(
    model: Run | AnyPath, *, tiled: bool = False, settings: Mapping[str, Any] | None = None, data: Any = None
) -> ImagePredictor:
    """Loads a trained model once, for any number of images.

    Args:
      model: a run as `train` and `open_run` return it, its folder, or a .keras file that takes (side, side, 1 or 3) pixels
        of 0 to 255 and returns (side, side, classes) probabilities; or an .onnx file of `cesm-segmenter export`, which needs
        no TensorFlow.
      tiled: whether to predict overlapping tiles at the images' own resolution, as set in [tiledinfer], instead of the
        whole image in one pass.
      settings: values that replace those of the run's [infer] and [tiledinfer], such as `{"infer": {"threshold": 0.3}}`.
      data: for a file, the data set whose recipe sets how DICOM is read; a run has its own.

    Raises:
      InputError: there is no such model, or the settings cannot be used.

    Example:
      >>> predictor = load_predictor("data_processed/demo/runs/first")  # doctest: +SKIP
      >>> predictor.segment("image.dcm").lesions["area_px"].tolist()  # doctest: +SKIP
      [2310, 84]
    """
    plan = plan_of(model, tiled=tiled, settings=settings, data=data)
    load_backends(plan.model_files)
    return ImagePredictor(plan)


def load_pretrained(*, settings: Mapping[str, Any] | None = None) -> ImagePredictor:
    """Loads the model that comes with the package: for research only, under CC BY-NC 4.0, not a medical device.

    It takes both images of a view, and finds the other one of a file as `ImagePredictor.segment` describes. docs/segmenter.md
    states what it was trained on.

    Args:
      settings: values that replace those of its [infer], such as `{"infer": {"threshold": 0.3}}`.

    Raises:
      InputError: this copy of the package has no model of its own, or the settings cannot be used.

    Example:
      >>> load_pretrained().segment("P1_L_CM_MLO.jpg").lesions["area_px"].tolist()  # doctest: +SKIP
      [2310, 84]
    """
    pretrained, changes = find_pretrained(), dict(settings or {})
    infer = change_infer(pretrained.settings["infer"], changes.get("infer", {}))
    return load_predictor(pretrained.file, settings=changes | {"infer": infer})
