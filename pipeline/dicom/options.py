"""The table [dicom] of a recipe: what a user may say of DICOM sources."""

import re
from typing import Annotated, Literal

import pydantic

from pipeline.files import Settings

Kind = Literal["DM", "CM"]
Side = Literal["L", "R"]
View = Literal["CC", "MLO"]


class Rule(Settings):
    """What one tag tells of an image: where a value of `tag` matches, the image is of this kind, side or view."""

    tag: Annotated[str, pydantic.Field(pattern=r"^[A-Z]\w+$")]  # a keyword of PS3.6; of a code sequence the codes count
    matches: str  # a regular expression, looked for in each value
    kind: Kind | None = None
    side: Side | None = None
    view: View | None = None

    @pydantic.field_validator("tag")
    @classmethod
    def _known(cls, tag: str) -> str:
        from pydicom.datadict import tag_for_keyword

        if tag_for_keyword(tag) is None:
            raise ValueError("is no keyword of the DICOM dictionary; wanted one such as SeriesDescription")
        return tag

    @pydantic.field_validator("matches")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is no regular expression ({error})") from error
        return pattern

    @pydantic.model_validator(mode="after")
    def _has_a_result(self) -> "Rule":
        if not (self.kind or self.side or self.view):
            raise ValueError("a rule tells kind, side or view; this one tells none")
        return self


class DicomOptions(Settings):
    """How DICOM sources are read."""

    voi: Literal["lut", "window"] = "lut"  # which one, where a file has both
    window: Annotated[int, pydantic.Field(ge=0)] = 0  # which one of several windows, from 0
    for_processing: bool = False  # take For Processing images too, whose pixels are not what readers see
    burned_in: Literal["reject", "keep"] = "reject"  # images that say that text is burned into their pixels
    rules: tuple[Rule, ...] = ()  # go before the built-in ones
