"""Reads a `train_eval_infer.config` of the published project as it is. Nothing in it is evaluated.

`dialect` parses the text, and `keys` lists what each key becomes. This module settles the keys that depend on one another,
and reports all faults together, with section, key and line.
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
    RULES,
    SETTLED,
    VARIATION_SECTIONS,
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
_SPLITS = {"train": "train", "eval": "valid", "test": "test"}  # published section: folder of the data set


@dataclass(frozen=True)
class PublishedConfiguration:
    """A published file with our names.

    Attributes:
      configuration: its settings.
      notes: one line per key that has no effect here, or has another name or value; each begins with `[section] key`.
      warnings: malformed or unknown keys and values in sections that are not used.
      data_folder: the folder above `train/images` of [train] image_datapath, if it exists.
    """

    configuration: Configuration
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    data_folder: Path | None


def read_published(path: Path) -> PublishedConfiguration:
    """Reads and translates a file of the published project.

    Raises:
      InputError: it cannot be read, or a section that is used has malformed or unknown keys or values; lists all of them.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    translation = _Translation()
    translation.read(text)
    translation.settle()
    translation.translate()
    configuration = translation.validate()
    if configuration is None or translation.faults:
        raise InputError(f"{path}: " + "; ".join(translation.faults))
    data_folder = translation.find_data(path.parent)
    return PublishedConfiguration(configuration, tuple(translation.notes), tuple(translation.warnings), data_folder)


def _suggest(name: str, names: Iterable[str]) -> str:
    names = sorted(names)
    similar = difflib.get_close_matches(name, names, cutoff=0.5)
    return f"similar to {', '.join(similar)}" if similar else f"expected one of {', '.join(names)}"


class _Translation:
    """The translation of a file from published keys to ours, which moves keys from `given` to `settings`."""

    def __init__(self) -> None:
        self.given: dict[Key, Entry] = {}
        self.unused: set[str] = set()
        self.settings: dict[str, dict[str, Any]] = {}
        self.origins: dict[Key, Entry] = {}  # the published entries of our keys in `settings`
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.faults: list[str] = []
        self.paths: list[Entry] = []

    def report(self, entry: Entry, fault: str) -> None:
        """Reports what is wrong with a key: as an error, or as a warning if its section is not used."""
        message = f"line {entry.line}: {entry} {fault}"
        if entry.section in self.unused:
            self.warnings.append(f"{message}; ignored, because [{entry.section}] is not used")
        else:
            self.faults.append(message)

    def value(self, section: str, key: str) -> Any:
        """The value of a key that the file gives and that is not settled yet, or None."""
        return self.given[section, key].value if (section, key) in self.given else None

    def leave(self, section: str, *keys: str, why: str) -> None:
        """Drops keys that have no effect here, with a note."""
        for key in keys:
            if entry := self.given.pop((section, key), None):
                self.notes.append(f"{entry}: {why}")

    def put(self, entry: Entry, target: Key, convert: Callable[[Any], Any] = lambda value: value, note: str = "") -> None:
        """Settles a key that becomes one of ours, with a note if its name or value changes."""
        self.given.pop((entry.section, entry.key), None)
        if target in self.origins:
            self.notes.append(f"{entry}: {self.origins[target]} applies instead")
            return
        try:
            value = convert(entry.value)
        except (ValueError, TypeError, AttributeError) as error:
            self.report(entry, f"is not accepted: {error}")
            return
        section, key = target
        self.settings.setdefault(section, {})[key] = value
        self.origins[target] = entry
        here = "" if target == (entry.section, entry.key) else f"[{section}] {key} = "
        becomes = f" becomes {here}{value!r}" if here or as_tuples(value) != as_tuples(entry.value) else ""
        why = f": {note}" if note and value else ""  # a setting that is off makes no difference
        if becomes or why:
            self.notes.append(f"{entry}{becomes}{why}")

    def read(self, text: str) -> None:
        """Reads the file, and determines which sections are used before it reports faults."""
        entries, strays = read_lines(text)
        self.faults += strays
        faults: list[tuple[Entry, str]] = []
        for entry in entries:
            location = entry.section, entry.key
            if location in self.given:
                faults.append((entry, f"is set already, in line {self.given[location].line}; remove one"))
            elif entry.section in _SECTIONS and location not in _KNOWN:
                keys = (key for section, key in _KNOWN if section == entry.section)
                faults.append((entry, f"is not a known key; {_suggest(entry.key, keys)}"))
            elif entry.section in _SECTIONS:
                try:
                    self.given[location] = replace(entry, value=read_literal(entry.text))
                except ValueError as error:
                    faults.append((entry, str(error)))
        self._find_unused()
        for entry, fault in faults:
            self.report(entry, fault)
        unknown = {entry.section: entry for entry in reversed(entries) if entry.section not in _SECTIONS}
        for entry in reversed(unknown.values()):
            self._report_section(entry)

    def _find_unused(self) -> None:
        """The generator uses [augmentor], and the section of each variation that [augmentor] turns on."""
        if not self.value("model", "generator"):
            self.unused = {"generator", "augmentor", *VARIATION_SECTIONS}
        elif self.value("generator", "augmentation") is False:
            self.unused = {"augmentor", *VARIATION_SECTIONS}
        else:
            self.unused = {section for section in VARIATION_SECTIONS if not self.value("augmentor", section)}

    def _report_section(self, first: Entry) -> None:
        """Reports an unknown section by its first key: as an error if it looks like a misspelt known one, else as a warning."""
        message = f"line {first.line}: {first} is not in a known section"
        if similar := difflib.get_close_matches(first.section, _SECTIONS, n=1, cutoff=0.75):
            self.faults.append(f"{message}; is [{similar[0]}] meant?")
        else:
            self.warnings.append(f"{message}; ignored, with all of [{first.section}]")

    def settle(self) -> None:
        """Settles the keys that depend on others."""
        self.paths = [entry for (_, key), entry in self.given.items() if key in ("image_datapath", "mask_datapath")]
        for entry in self.paths:
            self.leave(entry.section, entry.key, why="a DATASET folder has train, valid and test, each with images and masks")
        self._settle_generator()
        self._settle_scaling()
        self._settle_masks()
        self._settle_threshold()
        self._settle_colors()
        self._settle_lengths()

    def _settle_generator(self) -> None:
        generator = self.given.get(("model", "generator"))
        if not (generator and generator.value):
            self.settings["dataset"] = {"shuffle": False}
            self.notes.append(
                "[model] generator is off, so [dataset] shuffle = false: the published project does not shuffle then"
            )
            self.leave(
                "train", "steps_per_epoch", "validation_steps", why="unused without the generator; an epoch covers all samples"
            )
        elif self.value("generator", "augmentation") is False:
            self.put(generator, ("model", "generator"), lambda _: False, "[generator] augmentation is off")
        self.leave("generator", "augmentation", why="[model] generator includes it")

    def _settle_scaling(self) -> None:
        """Both keys divide by 255, one in the model and one in the loader."""
        inside, loader = self.given.get(("model", "input_normalize")), self.given.get(("dataset", "image_normalize"))
        if loader and loader.value is True and inside and inside.value is False:
            self.put(loader, ("model", "input_normalize"), note="the model scales its input, with the same result")
            self.leave("model", "input_normalize", why="[dataset] image_normalize applies")
            return
        if inside:
            self.put(inside, ("model", "input_normalize"))
        twice = loader and loader.value is True
        self.leave(
            "dataset", "image_normalize", why="pixels are divided by 255 once" if twice else "[model] input_normalize applies"
        )

    def _settle_masks(self) -> None:
        if self.value("mask", "binarize"):
            if algorithm := self.given.get(("mask", "algorithm")):
                self.put(algorithm, ("mask", "algorithm"), thresholding)
                if algorithm.value:
                    self.leave("mask", "threshold", why="the algorithm finds a threshold")
            if threshold := self.given.get(("mask", "threshold")):
                self.put(threshold, ("mask", "threshold"))
            self.leave("mask", "binarize", why="masks are always thresholded here")
        why = "without binarize, every gray level above 0 was lesion there; here masks are thresholded at 128"
        self.leave("mask", "binarize", "threshold", "algorithm", why=why)

    def _settle_threshold(self) -> None:
        if not (threshold := self.given.get(("infer", "threshold"))):
            return
        if threshold.value == 0 and self.value("infer", "algorithm"):
            self.leave("infer", "threshold", why="the algorithm finds a threshold")
        else:
            self.put(threshold, ("infer", "threshold"), level_as_probability, "probabilities are thresholded, not gray levels")

    def _settle_colors(self) -> None:
        classes = self.value("model", "num_classes")
        lesions = classes - 1 if isinstance(classes, int) and classes > 2 else 1
        if colors := self.given.get(("mask", "mask_colors")):

            def of_lesions(names: Any) -> tuple[tuple[int, ...], ...]:
                converted = tuple(map(color, names or ()))
                return converted[1:] if len(converted) == lesions + 1 else converted

            self.put(colors, ("infer", "mask_colors"), of_lesions, "the background has no color here")
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
        self.leave("segmentation", "colorize", "white", "blursize", why="it colors and smooths nothing")

    def _settle_lengths(self) -> None:
        """Published lengths are in pixels at the model's size, ours at 512 px; and the published field folds the image."""
        side = self.value("model", "image_width")
        times = 512 / side if isinstance(side, int) and side > 0 else 1.0

        def scale(length: Any) -> Any:
            return tuple(map(scale, length)) if isinstance(length, list | tuple) else length * times

        def unfold(alpha: Any) -> Any:
            sigmoids = self.settings.get("deformation", {}).get("sigmoids", (8.0 * times,))
            return halve_until_unfolded(scale(alpha), sigmoids)

        note = "" if times == 1 else f"in pixels of a 512 px image, not of one of {side} px"
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
            self.put(
                entry,
                ("deformation", "alpha"),
                unfold,
                "spelt alpha here, in pixels of a 512 px image, small enough not to fold it",
            )
        elif "deformation" not in self.unused:
            self._take_published("deformation", "alpha", unfold(1300.0))

    def translate(self) -> None:
        """Settles all other keys by their rules, and adds the published defaults of keys that are left out."""
        self._leave_other_networks()
        for location, entry in list(self.given.items()):
            rule = RULES[location]
            if entry.value is None and location in NONE_IS_LEFT_OUT:
                self.leave(*location, why="None counts as left out")
            elif rule.target:
                self.put(entry, rule.target, rule.convert, rule.note)
            else:
                self.leave(*location, why=rule.note)
        for (section, key), (value, switch) in LEFT_OUT.items():
            table = self.settings.get(section, {})
            if section not in self.unused and (switch is None or table.get(switch)):
                self._take_published(section, key, value)

    def _take_published(self, section: str, key: str, value: Any) -> None:
        """Sets the published project's default of a key that the file leaves out."""
        if key not in (table := self.settings.setdefault(section, {})):
            table[key] = value
            self.notes.append(f"[{section}] {key} is left out: set to the published project's default {value!r}")

    def _leave_other_networks(self) -> None:
        """Drops keys that the network does not have: the published file gives the UNet's keys with every network."""
        try:
            name = RULES["model", "model"].convert(self.value("model", "model") or SlightlyFlexibleUNetSettings().model)
        except (ValueError, TypeError, AttributeError):
            return  # reported when the key itself is settled
        for key in {target[1] for rule in RULES.values() if (target := rule.target) and target[0] == "model"}:
            if key not in MODEL_SETTINGS[name].model_fields:
                self.leave("model", key, why=f"{name} has no such setting")

    def validate(self) -> Configuration | None:
        """The configuration, or None if a value that is used does not fit. Unused values that do not fit are removed."""
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
        """Finds the entry that a fault is about: by its location, else the first one whose key the message names."""
        sections = fault["loc"][:1] or tuple(self.settings)
        for key in fault["loc"][1:]:
            if entry := self.origins.get((sections[0], key)):
                return entry
        of_sections = {target: entry for target, entry in self.origins.items() if target[0] in sections}
        with_section = [entry for (section, key), entry in of_sections.items() if f"[{section}] {key}" in fault["msg"]]
        message = re.sub(r"\[\w+\]", "", fault["msg"])  # else [model] would name the key model
        named = [entry for (_, key), entry in of_sections.items() if re.search(rf"\b{key}\b", message)]
        return next(iter(with_section + named), None)

    def find_data(self, file_folder: Path) -> Path | None:
        """Finds the data set folder that the paths name, relative to the file's folder or to the working folder."""
        roots: dict[Path, Entry] = {}
        for entry in self.paths:
            path = Path(str(entry.value).replace("\\", "/"))
            expected = _SPLITS[entry.section], "images" if entry.key == "image_datapath" else "masks"
            if path.parts[-2:] != expected:
                self.warnings.append(f"line {entry.line}: {entry} is not used; pairs are read from DATASET/{'/'.join(expected)}")
            else:
                roots.setdefault(path.parents[1], entry)
        for entry in list(roots.values())[1:]:
            self.warnings.append(f"line {entry.line}: {entry} names another folder than {next(iter(roots))}, which is used")
        named = [root for root, entry in roots.items() if (entry.section, entry.key) == ("train", "image_datapath")]
        return next(
            (folder / root for root in named for folder in (file_folder, Path()) if (folder / root / "train/images").is_dir()),
            None,
        )
