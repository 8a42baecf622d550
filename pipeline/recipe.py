"""A recipe holds every setting of a data set; it is read strictly and written next to the samples with all defaults filled in."""

import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from pipeline.contract import DETAILS
from pipeline.dicom.options import DicomOptions
from pipeline.files import InputError, Settings, load_toml, suggest
from pipeline.geometry import VARIANTS
from pipeline.recipes import RECIPES, recipe_names

ClassName = Literal["malignant", "benign", "normal"]
Share = Annotated[float, pydantic.Field(ge=0, le=1)]

# Columns of other collections' tables: what identifies an image, and two ways to write a box.
IDENTITY = ("patient", "side", "view", "kind")
CORNER_BOX = ("xmin", "ymin", "xmax", "ymax")
SIZED_BOX = ("x", "y", "w", "h")


class Source(Settings):
    """Which images the data set is made from."""

    with_regions: tuple[ClassName, ...]  # classes of images that are used only with a drawn region
    without_regions: tuple[ClassName, ...] = ()  # classes of images that are used only without one: true negatives
    join: Literal["cleaned", "strict"] = "cleaned"  # strict: names as the table spells them, stray spaces included
    # How many bits the levels in PNG and TIFF files of 16 bits use; by default, what each file states.
    bits: Annotated[int, pydantic.Field(ge=9, le=16)] | None = None


class LayoutTable(Settings):
    """Tables of images other than CDD-CESM's."""

    # From our name to the table's header, or to several spellings of it, of which the first that is there applies.
    columns: dict[str, str | tuple[str, ...]] = pydantic.Field(default_factory=dict)
    delimiter: Annotated[str, pydantic.Field(min_length=1, max_length=1)] = ","
    # From the text in the class column, or in a region's label, to the class.
    classes: dict[str, ClassName] = pydantic.Field(default_factory=dict)

    @pydantic.field_validator("columns")
    @classmethod
    def _enough(cls, columns: dict[str, str | tuple[str, ...]]) -> dict[str, str | tuple[str, ...]]:
        allowed = ("image", "class", *IDENTITY, *CORNER_BOX, *SIZED_BOX, *DETAILS)
        if unknown := [name for name in columns if name not in allowed]:
            raise ValueError(f"names the column {unknown[0]!r}; expected any of {', '.join(allowed)}")
        if empty := [name for name, headers in columns.items() if not headers]:
            raise ValueError(f"has no header for {empty[0]}; expected one, or a list of spellings")
        if columns and "image" not in columns:
            raise ValueError("expected image, so that each row belongs to an image")
        boxes = [box for box in (CORNER_BOX, SIZED_BOX) if set(box) & set(columns)]
        if len(boxes) > 1 or any(set(box) - set(columns) for box in boxes):
            raise ValueError(f"expected all of {', '.join(CORNER_BOX)}, or all of {', '.join(SIZED_BOX)}, or none of them")
        return columns

    def spellings(self, name: str) -> tuple[str, ...]:
        """The headers that a column may have."""
        headers = self.columns[name]
        return (headers,) if isinstance(headers, str) else headers


class Layout(Settings):
    """How the files of a collection identify its images; the default is CDD-CESM.

    The expressions are searched in a file's path below its folder, with `/` and without suffix.
    """

    image: str | None = None  # groups: patient, side, view and kind, unless a table has them, and image (its name in annotations)
    mask: str | None = None  # of mask files, with the group image; files of one lesion, of which one is its mask, share `lesion`
    sides: dict[str, Literal["L", "R"]] = pydantic.Field(default_factory=dict)
    views: dict[str, Literal["CC", "MLO"]] = pydantic.Field(default_factory=dict)
    kinds: dict[str, Literal["DM", "CM"]] = pydantic.Field(default_factory=dict)
    kind: Literal["DM", "CM"] | None = None  # of every image
    patients: Literal["named", "per-image"] = "named"  # per-image: nobody knows which images share a patient
    unknown: tuple[Literal["side", "view"], ...] = ()  # what no path, table or tag states of some images, which are taken anyway
    unlisted_class: ClassName | None = None  # of images without a table row and without a region whose label is a class
    lesions: tuple[str, ...] | None = None  # labels of the regions that are drawn; regions with another label are only counted
    table: LayoutTable = LayoutTable()

    @pydantic.field_validator("image", "mask")
    @classmethod
    def _expression(cls, text: str, info: pydantic.ValidationInfo) -> str:
        try:
            groups = set(re.compile(text).groupindex)
        except re.error as error:
            raise ValueError(f"is not a regular expression: {error}") from error
        if info.field_name == "mask" and "image" not in groups:
            raise ValueError("lacks the group image; write it as (?P<image>...)")
        return text

    @pydantic.model_validator(mode="after")
    def _is_complete(self) -> "Layout":
        if self.table.columns and "class" not in self.table.columns and self.unlisted_class is None:
            raise ValueError("table.columns: expected both image and class, so that the table gives each image its class")
        if self.image is None:
            return self
        known = set(re.compile(self.image).groupindex) | set(self.table.columns)
        known |= {*self.unknown, *(["kind"] if self.kind else [])}
        known |= {"patient"} if self.patients == "per-image" else set()
        if missing := [part for part in IDENTITY if part not in known]:
            remedies = {"kind": 'set kind = "DM" or "CM" for all images', "patient": 'set patients = "per-image"'}
            raise ValueError(
                f"image has no group {missing[0]}; add it as (?P<{missing[0]}>...), or name its column in [layout.table]"
                + (f", or {remedies[missing[0]]}" if missing[0] in remedies else "")
            )
        return self


CDD_CESM = Layout()


class Image(Settings):
    """How an image becomes a square file."""

    size_px: Annotated[int, pydantic.Field(ge=16, le=4096)] = 512
    resize: Literal["area", "published"] = "area"  # area average, or Pillow's widened bicubic
    format: Literal["jpeg", "png"] = "jpeg"
    bits: Literal[8, 16] = 8  # 16 for gray PNG only
    quality: Annotated[int, pydantic.Field(ge=1, le=100)] = 95
    color: Literal["gray", "rgb"] = "gray"


class Mask(Settings):
    """How regions become a mask file, which has the image's size."""

    drawing: Literal["sound", "published"] = "sound"  # published: ellipses displaced and too small, gray edges
    polylines: Literal["close", "ignore"] = "close"
    boxes: Literal["reject", "draw"] = "reject"  # of lesions without an outline
    bands: Literal["draw", "leave-out"] = "draw"  # long thin regions, as skin thickening and edema are drawn
    values: Literal["binary", "classes"] = "binary"  # 0 and 255, or class indices with colored copies
    format: Literal["png", "jpeg"] = "png"
    color: Literal["gray", "rgb"] = "gray"  # rgb for JPEG only, as in the published V2


class Variants(Settings):
    """The rotated and flipped copies that are made of each pair."""

    names: Annotated[tuple[str, ...], pydantic.Field(json_schema_extra={"items": {"enum": [*VARIANTS]}})] = ("original",)

    @pydantic.field_validator("names")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in VARIANTS]
        if unknown or "original" not in names or len(set(names)) != len(names):
            raise ValueError(f"expected original and, each at most once, any of {', '.join(VARIANTS)}")
        return names


class Partner(Settings):
    """The other image of each view, low energy for subtracted and the reverse, registered and stored next to the image."""

    use: bool = False


class Fractions(Settings):
    """Fractions of source images (of samples if the split is by sample)."""

    train: Share
    valid: Share
    test: Share

    @pydantic.model_validator(mode="after")
    def _whole(self) -> "Fractions":
        if abs(self.train + self.valid + self.test - 1) > 1e-6:
            total = self.train + self.valid + self.test
            raise ValueError(f"train, valid and test add up to {total:g}; expected 1")
        return self


class Split(Settings):
    """How patients, or samples, are assigned to splits and folds."""

    by: Literal["patient", "sample"] = "patient"
    seed: int = 0
    fractions: Fractions = Fractions(train=0.80, valid=0.15, test=0.05)
    folds: Annotated[int, pydantic.Field(ge=2, le=100)] = 5


class Recipe(Settings):
    """A complete recipe; its tables are in the order of the stages."""

    schema_version: Literal[1] = 1
    name: Annotated[str, pydantic.Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: str
    differs: str  # for the data set card: how the set differs from the published one
    source: Source
    layout: Layout = CDD_CESM
    image: Image = Image()
    mask: Mask = Mask()
    variants: Variants = Variants()
    partner: Partner = Partner()
    split: Split = Split()
    dicom: DicomOptions = DicomOptions()

    @pydantic.model_validator(mode="after")
    def _fits(self) -> "Recipe":
        if self.mask.values == "classes" and (self.mask.format, self.mask.drawing) != ("png", "sound"):
            raise ValueError('mask.values = "classes" needs format = "png" and drawing = "sound": JPEG cannot hold indices')
        if self.image.bits == 16 and (self.image.format, self.image.color, self.image.resize) != ("png", "gray", "area"):
            raise ValueError('image.bits = 16 needs format = "png", color = "gray" and resize = "area"')
        if self.mask.color == "rgb" and self.mask.format != "jpeg":
            raise ValueError('mask.color = "rgb" needs mask.format = "jpeg": a PNG mask has one channel')
        if self.partner.use and self.split.by != "patient":
            raise ValueError('partner.use needs split.by = "patient": else partners are images of other splits')
        return self

    @pydantic.model_serializer(mode="wrap")
    def _without_later_tables(self, handler: pydantic.SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves out a table that earlier versions did not know and that asks for nothing, so that digests stay."""
        values = handler(self)
        if not self.partner.use:
            values.pop("partner", None)
        return values

    @property
    def pixels(self) -> dict:
        """The settings that determine the samples' pixels and names: all but the descriptions and the [split] table."""
        return self.model_dump(mode="json", exclude={"split", "title", "differs"})


def load_recipe(name_or_path: str | PathLike[str], settings: Mapping[str, Any] | None = None) -> Recipe:
    """Reads a recipe by its name (`v2`) or from a TOML file (a path that ends in .toml).

    Args:
      name_or_path: of the recipe.
      settings: values in place of the file's, nested as its tables are.

    Raises:
      InputError: no recipe has that name, or it does not follow the schema.

    Example:
      >>> recipe = load_recipe("v2", {"split": {"folds": 4}})
      >>> recipe.split.by, recipe.split.folds, recipe.image.size_px
      ('patient', 4, 512)
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = RECIPES / f"{name_or_path}.toml"
        if not path.is_file():
            names = recipe_names()
            known = f"known are {', '.join(names)}, or give a path to a .toml file{suggest(str(name_or_path), names)}"
            raise InputError(f"no recipe {str(name_or_path)!r}; {known}")
    return load_toml(path, Recipe, settings)
