"""Reads a `train_eval_infer.config` of the published project as it is. Nothing in it is evaluated.

`dialect` reads the text, `keys` says what a key becomes. Here the keys that depend on one another are settled, and all
faults are reported together, with section, key and line.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pydantic

from pipeline.files import InputError
from segmenter.configuration.networks import MODEL_SETTINGS, SlightlyFlexibleUNetSettings
from segmenter.configuration.published.dialect import Entry, read_lines, read_literal
from segmenter.configuration.published.keys import (
    LEFT_OUT,
    NONE_IS_LEFT_OUT,
    PARTS,
    RULES,
    SETTLED,
    Key,
    color,
    halve_until_unfolded,
    level_as_probability,
    thresholding,
)
from segmenter.configuration.schema import Configuration
from segmenter.configuration.section import as_tuples

_KNOWN = RULES.keys() | SETTLED
_SECTIONS = {section for section, _ in _KNOWN}
_SPLITS = {"train": "train", "eval": "valid", "test": "test"}  # their sections, our folders


@dataclass(frozen=True)
class PublishedConfiguration:
    """A published file in our terms.

    Attributes:
      configuration: what it means here.
      notes: a line for each key that has no effect here, or another name or value; each begins with `[section] key`.
      warnings: what is malformed or unknown in sections that are not used.
      data_folder: the folder above `train/images` of [train] image_datapath, if it is there.
    """

    configuration: Configuration
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    data_folder: Path | None


def read_published(path: Path) -> PublishedConfiguration:
    """Reads and translates a file of the published project.

    Raises:
      InputError: it cannot be read, or something in a section that is used is malformed or unknown; all faults at once.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    translation = _Translation()
    translation.take(text)
    translation.settle()
    translation.translate()
    configuration = translation.validate()
    if configuration is None or translation.faults:
        raise InputError(f"{path}: " + "; ".join(translation.faults))
    data_folder = translation.find_data(path.parent)
    return PublishedConfiguration(configuration, tuple(translation.notes), tuple(translation.warnings), data_folder)


def _near(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = difflib.get_close_matches(name, known, cutoff=0.5)
    return f"near it {'is' if len(near) == 1 else 'are'} {', '.join(near)}" if near else f"known are {', '.join(known)}"


class _Translation:
    """A file on its way from their keys to ours. `given` shrinks as keys find their way into `settings`."""

    def __init__(self) -> None:
        self.given: dict[Key, Entry] = {}
        self.unused: set[str] = set()
        self.settings: dict[str, dict[str, Any]] = {}
        self.origins: dict[Key, Entry] = {}  # of what is in settings
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.faults: list[str] = []
        self.paths: list[Entry] = []

    def report(self, entry: Entry, message: str) -> None:
        """Records what is wrong with a key: an error, or in a section that is not used a warning."""
        fault = f"line {entry.line}: {entry} {message}"
        if entry.section in self.unused:
            self.warnings.append(f"{fault}; left out, [{entry.section}] is not used")
        else:
            self.faults.append(fault)

    def value(self, section: str, key: str) -> Any:
        """The value of a key that is given and not yet settled, or None."""
        return self.given[section, key].value if (section, key) in self.given else None

    def leave(self, section: str, *keys: str, why: str) -> None:
        """Settles keys that have no effect here."""
        for key in keys:
            if entry := self.given.pop((section, key), None):
                self.notes.append(f"{entry}: {why}")

    def put(self, entry: Entry, target: Key, convert: Callable[[Any], Any] = lambda value: value, note: str = "") -> None:
        """Settles a key that becomes one of ours; a note records where name or value differ."""
        self.given.pop((entry.section, entry.key), None)
        if target in self.origins:
            self.notes.append(f"{entry}: {self.origins[target]} counts")
            return
        try:
            value = convert(entry.value)
        except (ValueError, TypeError, AttributeError) as error:
            self.report(entry, f"cannot be taken: {error}")
            return
        section, key = target
        self.settings.setdefault(section, {})[key] = value
        self.origins[target] = entry
        here = "" if target == (entry.section, entry.key) else f"[{section}] {key} = "
        becomes = f" becomes {here}{value!r}" if here or as_tuples(value) != as_tuples(entry.value) else ""
        why = f": {note}" if note and value else ""  # what is off differs in nothing
        if becomes or why:
            self.notes.append(f"{entry}{becomes}{why}")

    def take(self, text: str) -> None:
        """Reads the file, and finds out which sections are used before anything is judged."""
        entries, strays = read_lines(text)
        self.faults += strays
        doubtful: list[tuple[Entry, str]] = []
        for entry in entries:
            location = entry.section, entry.key
            if location in self.given:
                doubtful.append((entry, f"is there already, in line {self.given[location].line}; remove one"))
            elif entry.section in _SECTIONS and location not in _KNOWN:
                keys = (key for section, key in _KNOWN if section == entry.section)
                doubtful.append((entry, f"is no known key; {_near(entry.key, keys)}"))
            elif entry.section in _SECTIONS:
                try:
                    self.given[location] = replace(entry, value=read_literal(entry.text))
                except ValueError as error:
                    doubtful.append((entry, str(error)))
        self._find_unused()
        for entry, message in doubtful:
            self.report(entry, message)
        unknown = {entry.section: entry for entry in reversed(entries) if entry.section not in _SECTIONS}
        for entry in reversed(unknown.values()):
            self._report_section(entry)

    def _find_unused(self) -> None:
        """[augmentor] and its parts are used by the generator, and a part where [augmentor] turns it on."""
        if not self.value("model", "generator"):
            self.unused = {"generator", "augmentor", *PARTS}
        elif self.value("generator", "augmentation") is False:
            self.unused = {"augmentor", *PARTS}
        else:
            self.unused = {part for part in PARTS if not self.value("augmentor", part)}

    def _report_section(self, first: Entry) -> None:
        """Records an unknown section, by its first key: an error where it is a known one misspelt."""
        location = f"line {first.line}: {first} is in no known section"
        if near := difflib.get_close_matches(first.section, _SECTIONS, n=1, cutoff=0.75):
            self.faults.append(f"{location}; is [{near[0]}] meant?")
        else:
            self.warnings.append(f"{location}; left out, with all of [{first.section}]")

    def settle(self) -> None:
        """Settles the keys that depend on others."""
        self.paths = [entry for (_, key), entry in self.given.items() if key in ("image_datapath", "mask_datapath")]
        for entry in self.paths:
            self.leave(entry.section, entry.key, why="a DATASET folder holds train, valid and test, each with images and masks")
        self._settle_generator()
        self._settle_scaling()
        self._settle_masks()
        self._settle_cut()
        self._settle_colors()
        self._settle_lengths()

    def _settle_generator(self) -> None:
        generator = self.given.get(("model", "generator"))
        if not (generator and generator.value):
            self.settings["dataset"] = {"shuffle": False}
            self.notes.append(
                "[model] generator is off, so [dataset] shuffle = false: the published project shuffles nothing then"
            )
            self.leave(
                "train", "steps_per_epoch", "validation_steps", why="unused without the generator; an epoch is all samples"
            )
        elif self.value("generator", "augmentation") is False:
            self.put(generator, ("model", "generator"), lambda _: False, "[generator] augmentation is off")
        self.leave("generator", "augmentation", why="[model] generator says it")

    def _settle_scaling(self) -> None:
        """Both keys divide by 255, one in the model and one in the loader."""
        inside, loader = self.given.get(("model", "input_normalize")), self.given.get(("dataset", "image_normalize"))
        if loader and loader.value is True and inside and inside.value is False:
            self.put(loader, ("model", "input_normalize"), note="the model scales its input, with the same result")
            self.leave("model", "input_normalize", why="[dataset] image_normalize counts")
            return
        if inside:
            self.put(inside, ("model", "input_normalize"))
        twice = loader and loader.value is True
        self.leave(
            "dataset", "image_normalize", why="pixels are divided by 255 once" if twice else "[model] input_normalize counts"
        )

    def _settle_masks(self) -> None:
        if self.value("mask", "binarize"):
            if algorithm := self.given.get(("mask", "algorithm")):
                self.put(algorithm, ("mask", "algorithm"), thresholding)
                if algorithm.value:
                    self.leave("mask", "threshold", why="the algorithm finds a threshold")
            if threshold := self.given.get(("mask", "threshold")):
                self.put(threshold, ("mask", "threshold"))
            self.leave("mask", "binarize", why="masks are always cut here")
        why = "without binarize every gray level above 0 was lesion there; here masks are cut at 128"
        self.leave("mask", "binarize", "threshold", "algorithm", why=why)

    def _settle_cut(self) -> None:
        if not (threshold := self.given.get(("infer", "threshold"))):
            return
        if threshold.value == 0 and self.value("infer", "algorithm"):
            self.leave("infer", "threshold", why="the algorithm finds a threshold")
        else:
            self.put(threshold, ("infer", "threshold"), level_as_probability, "probabilities are cut, not gray levels")

    def _settle_colors(self) -> None:
        classes = self.value("model", "num_classes")
        lesions = classes - 1 if isinstance(classes, int) and classes > 2 else 1
        if colors := self.given.get(("mask", "mask_colors")):

            def of_lesions(found: Any) -> tuple[tuple[int, ...], ...]:
                listed = tuple(map(color, found or ()))
                return listed[1:] if len(listed) == lesions + 1 else listed

            self.put(colors, ("infer", "mask_colors"), of_lesions, "the background has none here")
        if self.value("segmentation", "colorize"):
            self.put(self.given["segmentation", "colorize"], ("infer", "mask_colorize"))
            white = self.given.get(("segmentation", "white"))
            if white and lesions == 1:
                self.put(white, ("infer", "mask_colors"), lambda name: (color(name),))
        if self.value("segmentation", "blursize"):
            size = self.given["segmentation", "blursize"]
            self.put(size, ("infer", "ksize"), RULES["infer", "ksize"].convert)
            self.put(size, ("infer", "blur"), lambda _: True)
        self.leave("segmentation", "black", why="the background stays black")
        self.leave("segmentation", "colorize", "white", "blursize", why="nothing is coloured or smoothed by it")

    def _settle_lengths(self) -> None:
        """Theirs are in pixels of the model's side, ours of 512; and their usual field folds the image over itself."""
        side = self.value("model", "image_width")
        times = 512 / side if isinstance(side, int) and side > 0 else 1.0

        def scale(length: Any) -> Any:
            return tuple(map(scale, length)) if isinstance(length, list | tuple) else length * times

        def unfold(alpha: Any) -> Any:
            sigmoids = self.settings.get("deformation", {}).get("sigmoids", (8.0 * times,))
            return halve_until_unfolded(scale(alpha), sigmoids)

        note = "" if times == 1 else f"in pixels of a 512 px image, not of {side} px"
        for section, keys in (
            ("deformation", ("sigmoids",)),
            ("distortion", ("gaussian_filter_rsigma", "gaussian_filter_sigma")),
        ):
            for key in keys:
                if entry := self.given.get((section, key)):
                    self.put(entry, (section, key), scale, note)
        if "deformation" not in self.unused:
            self._take_published("deformation", "sigmoids", (8.0 * times,))
        if entry := self.given.get(("deformation", "alpah")):
            self.put(entry, ("deformation", "alpha"), unfold, "spelt alpha here, in pixels of a 512 px image, without folds")
        elif "deformation" not in self.unused:
            self._take_published("deformation", "alpha", unfold(1300.0))

    def translate(self) -> None:
        """Settles all other keys by their rules, and the published values of those that are left out."""
        self._leave_other_networks()
        for location, entry in list(self.given.items()):
            rule = RULES[location]
            if entry.value is None and location in NONE_IS_LEFT_OUT:
                self.leave(*location, why="None is as if it were left out")
            elif rule.target:
                self.put(entry, rule.target, rule.convert, rule.note)
            else:
                self.leave(*location, why=rule.note)
        for (section, key), (value, switch) in LEFT_OUT.items():
            table = self.settings.get(section, {})
            if section not in self.unused and (switch is None or table.get(switch)):
                self._take_published(section, key, value)

    def _take_published(self, section: str, key: str, value: Any) -> None:
        """Sets what the published project takes for a key that the file leaves out."""
        if key not in (table := self.settings.setdefault(section, {})):
            table[key] = value
            self.notes.append(f"[{section}] {key} is left out: the published project takes {value!r}, and so does this")

    def _leave_other_networks(self) -> None:
        """The published file has the UNet's keys beside every network, most of which do not read them."""
        try:
            name = RULES["model", "model"].convert(self.value("model", "model") or SlightlyFlexibleUNetSettings().model)
        except (ValueError, TypeError, AttributeError):
            return  # reported when the key itself is put
        for key in {target[1] for rule in RULES.values() if (target := rule.target) and target[0] == "model"}:
            if key not in MODEL_SETTINGS[name].model_fields:
                self.leave("model", key, why=f"{name} has no such setting")

    def validate(self) -> Configuration | None:
        """The configuration; None where something that is used does not fit. What is unused and does not fit is left out."""
        try:
            return Configuration.model_validate(self.settings)
        except pydantic.ValidationError as error:
            faults = [(self._entry_of(fault), fault["msg"].removeprefix("Value error, ")) for fault in error.errors()]
        for entry, message in faults:
            if entry:
                self.report(entry, f"does not fit: {message}")
            else:
                self.faults.append(message)
        unfit = [target for target, entry in self.origins.items() if any(entry is faulty for faulty, _ in faults)]
        if self.faults or not unfit:
            return None
        for section, key in unfit:
            del self.settings[section][key], self.origins[section, key]
        return self.validate()

    def _entry_of(self, fault: Mapping[str, Any]) -> Entry | None:
        """The entry that a fault is about: by its location, else the first whose key its message names."""
        sections = fault["loc"][:1] or tuple(self.settings)
        for part in fault["loc"][1:]:
            if entry := self.origins.get((sections[0], part)):
                return entry
        of_sections = {location: entry for location, entry in self.origins.items() if location[0] in sections}
        placed = [entry for (section, key), entry in of_sections.items() if f"[{section}] {key}" in fault["msg"]]
        message = re.sub(r"\[\w+\]", "", fault["msg"])  # else [model] would name the key model
        named = [entry for (_, key), entry in of_sections.items() if re.search(rf"\b{key}\b", message)]
        return next(iter(placed + named), None)

    def find_data(self, beside: Path) -> Path | None:
        """The data set folder that the paths name, seen from the file's folder or from the working folder."""
        roots: dict[Path, Entry] = {}
        for entry in self.paths:
            path = Path(str(entry.value).replace("\\", "/"))
            wanted = _SPLITS[entry.section], "images" if entry.key == "image_datapath" else "masks"
            if path.parts[-2:] != wanted:
                self.warnings.append(f"line {entry.line}: {entry} is not used; pairs are taken from DATASET/{'/'.join(wanted)}")
            else:
                roots.setdefault(path.parents[1], entry)
        for entry in list(roots.values())[1:]:
            self.warnings.append(f"line {entry.line}: {entry} names another folder than {next(iter(roots))}; that one is used")
        named = [root for root, entry in roots.items() if (entry.section, entry.key) == ("train", "image_datapath")]
        return next(
            (folder / root for root in named for folder in (beside, Path()) if (folder / root / "train/images").is_dir()), None
        )
