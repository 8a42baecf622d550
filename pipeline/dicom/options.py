"""The table [dicom] of a recipe: settings for DICOM sources."""

import re
from typing import Annotated, Literal

import pydantic

from pipeline.files import Settings

Kind = Literal["DM", "CM"]
Side = Literal["L", "R"]
View = Literal["CC", "MLO"]
# Of PS3.3 C.7.3.1.1.1; MG, CR, DX, or for film RG and OT.
Modality = Annotated[str, pydantic.Field(pattern=r"^[A-Z]{2,16}$")]


class Rule(Settings):
    """Identifies an image by one tag: if a value of `tag` matches, the image has this kind, side or view."""

    tag: Annotated[str, pydantic.Field(pattern=r"^[A-Z]\w+$")]  # a keyword of PS3.6; the values of a code sequence are its codes
    matches: str  # a regular expression that is searched in each value
    kind: Kind | None = None
    side: Side | None = None
    view: View | None = None

    @pydantic.field_validator("tag")
    @classmethod
    def _known(cls, tag: str) -> str:
        from pydicom.datadict import tag_for_keyword

        if tag_for_keyword(tag) is None:
            raise ValueError("is not a keyword of the DICOM dictionary; expected one such as SeriesDescription")
        return tag

    @pydantic.field_validator("matches")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is not a regular expression ({error})") from error
        return pattern

    @pydantic.model_validator(mode="after")
    def _has_a_result(self) -> "Rule":
        if not (self.kind or self.side or self.view):
            raise ValueError("sets neither kind, side nor view; expected at least one")
        return self


class DicomOptions(Settings):
    """How DICOM sources are read."""

    modalities: Annotated[tuple[Modality, ...], pydantic.Field(min_length=1)] = ("MG",)  # that mammograms may have
    voi: Literal["lut", "window"] = "lut"  # the one that is applied if a file has both
    window: Annotated[int, pydantic.Field(ge=0)] = 0  # the number of the window that is applied, from 0
    for_processing: bool = False  # accept For Processing images too, whose pixels differ from what readers see
    burned_in: Literal["reject", "keep"] = "reject"  # images whose tags state that text is burned into their pixels
    rules: tuple[Rule, ...] = ()  # take precedence over the built-in ones
