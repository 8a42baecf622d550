"""Reads an image as a model takes it: alone, or with the other image of its view laid over it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from pipeline.contract import PARTNERS, REGISTERED, SourceError
from pipeline.files import write_csv
from pipeline.geometry import has_white_background, lay_over, register
from segmenter.data.stacks import CHANNELS, stack
from segmenter.inference.jobs import Job, View
from segmenter.inference.plan import Plan, read_pixels

INVERTED = "are gray levels inverted? Models are trained on images with a black background"
UNKNOWN_KIND = (
    "is not known to be low-energy (DM) or subtracted (CM), which the model has to know; name it like P1_L_CM_CC, "
    "or state its kind by --kind, in Python by `kind`"
)
COLUMNS = ("image", "kind", "partner", "dx_px", "dy_px", "agreement", "status")
Row = dict[str, object]


@dataclass(frozen=True)
class Input:
    """An image that was read, for a model that takes it alone, or with the other image of its view.

    Attributes:
      image: (height, width) or (height, width, 3) uint8.
      view: its kind, DM or CM, and its partner's file; None for a model that takes it alone.
      partner: (height, width) uint8, laid over the image; None where there is none.
      shift: how it was laid: dx_px, dy_px and agreement, as in the table of partners; empty where it lay there already.
      fault: why the partner could not be read.
    """

    image: np.ndarray
    view: View | None = None
    partner: np.ndarray | None = None
    shift: Row = field(default_factory=dict)
    fault: SourceError | None = None

    @property
    def pixels(self) -> np.ndarray:
        """What the model takes: the image, or (height, width, 3) as in `segmenter.data.stacks`."""
        return stack(self.image, self.view.kind, self.partner) if self.view else self.image

    @property
    def is_inverted(self) -> bool:
        """Whether the image's background is white."""
        return has_white_background(self.image if self.image.ndim == 2 else self.image[..., 0])

    @property
    def gray(self) -> np.ndarray:
        """The image for pictures, (height, width) uint8."""
        return self.image if self.image.ndim == 2 else cv2.cvtColor(self.image, cv2.COLOR_RGB2GRAY)

    def row(self, name: str) -> Row | None:
        """The row of the table of partners for an image of this name; None for a model that takes it alone."""
        if not self.view:
            return None
        status = REGISTERED if self.partner is not None else self.fault.reason if self.fault else self.view.status
        file = self.view.partner.name if self.view.partner else ""
        return {"image": name, "kind": self.view.kind, "partner": file, "status": status} | self.shift


def read_or_reject(job: Job, plan: Plan, *, color: bool, partner: bool) -> Input | SourceError:
    """Reads an image, and its partner where the model takes both; returns the reason for which it cannot be read.

    Args:
      job: the image; its view must have been looked for where the model takes it.
      plan: how images are read.
      color: whether the model takes three channels.
      partner: whether the model takes both images of a view.
    """
    try:
        if not partner:
            return Input(read_pixels(job.image, plan, color=color))
        view = job.view or View("")
        if view.kind not in CHANNELS:
            return SourceError("unknown-kind", UNKNOWN_KIND)
        image = read_pixels(job.image, plan)
    except SourceError as error:
        return error
    if not view.partner:
        return Input(image, view)
    try:
        return join(image, view, read_pixels(view.partner, plan))
    except SourceError as error:
        return Input(image, view, fault=error)


def join(image: np.ndarray, view: View, partner: np.ndarray | None) -> Input:
    """Lays a partner over an image, both (height, width) uint8, unless it lies there already."""
    if partner is None or (view.is_laid_over and partner.shape == image.shape):
        return Input(image, view, partner)
    place = register(image, partner)
    height, width = image.shape
    laid = lay_over(partner, width, height, place.dx_px, place.dy_px)
    return Input(image, view, laid, {"dx_px": place.dx_px, "dy_px": place.dy_px, "agreement": f"{place.agreement:.4f}"})


def write_partners(output: Path, rows: Iterable[Row]) -> None:
    """Writes the table of partners into the folder of an inference, one row per image."""
    write_csv(output / PARTNERS, COLUMNS, rows)
