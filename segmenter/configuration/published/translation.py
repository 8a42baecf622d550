"""The translation of a file from published keys to ours: reading its keys, putting each in its place, checking the result."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pydantic

from segmenter.configuration.published.dialect import Entry, read_lines, read_literal
from segmenter.configuration.published.keys import (
    ALIASES,
    LEFT_OUT,
    NONE_IS_LEFT_OUT,
    RULES,
    SETTLED,
    UNREAD,
    VARIATION_SECTIONS,
    Key,
)
from segmenter.configuration.published.networks import COMBINED, NETWORK_KEYS, TRANSLATED
from segmenter.configuration.schema import Configuration
from segmenter.configuration.section import as_tuples

_KNOWN = RULES.keys() | SETTLED | NETWORK_KEYS
_SECTIONS = {section for section, _ in _KNOWN}
_WITHOUT_EFFECT = {key for key, rule in RULES.items() if not rule.target}
_ALIKE = 0.8  # an unknown key as similar as this to one with an effect is taken for a misspelling


class Translation:
    """The translation of a file, which moves keys from `given` to `settings`.

    Attributes:
      given: the entries that are not settled yet.
      unused: sections that have no effect, because what uses them is off.
      settings: of ours, by section and key.
      origins: the published entries of our keys in `settings`.
      notes: one line per key that has no effect here, or has another name or value.
      unread: the names of keys that nothing reads, there or here.
      warnings, faults: messages.
    """

    def __init__(self) -> None:
        self.given: dict[Key, Entry] = {}
        self.unused: set[str] = set()
        self.settings: dict[str, dict[str, Any]] = {}
        self.origins: dict[Key, Entry] = {}
        self.notes: list[str] = []
        self.unread: list[str] = []
        self.warnings: list[str] = []
        self.faults: list[str] = []

    def report(self, entry: Entry, fault: str) -> None:
        """Reports what is wrong with a key: as an error, or as a warning if it has no effect or its section is not used."""
        message = f"line {entry.line}: {entry} {fault}"
        if entry.section in self.unused:
            self.warnings.append(f"{message}; ignored, because [{entry.section}] is not used")
        elif (entry.section, entry.key) in _WITHOUT_EFFECT:
            self.warnings.append(f"{message}; ignored, because the key has no effect here")
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
        except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
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

    def take_published(self, section: str, key: str, value: Any) -> None:
        """Sets the published project's default of a key that the file leaves out."""
        if key not in (table := self.settings.setdefault(section, {})):
            table[key] = value
            self.notes.append(f"[{section}] {key} is left out: set to the published project's default {value!r}")

    def read(self, text: str) -> None:
        """Reads the file, and determines which sections are used before it reports faults."""
        entries, strays, sections = read_lines(text)
        self.faults += strays
        faults: list[tuple[Entry, str]] = []
        unknown: list[Entry] = []
        for entry in map(_by_its_name, entries):
            location = entry.section, entry.key
            if location not in _KNOWN:
                unknown.append(entry)
                continue
            try:
                entry = replace(entry, value=read_literal(entry.text))
            except ValueError as error:
                faults.append((entry, str(error)))
                continue
            if first := self.given.get(location):
                faults += self._compare(first, entry)
            else:
                self.given[location] = entry
        self._find_unused()
        for entry, fault in faults:
            self.report(entry, fault)
        self._sort_unknown(unknown)
        if "model" not in sections and not self.faults:
            self.faults.append("has no [model] section; expected a train_eval_infer.config of the published project")

    def _compare(self, first: Entry, again: Entry) -> list[tuple[Entry, str]]:
        """Notes that a key is set to the same value again; returns a fault if it is another."""
        if first.value == again.value:
            self.notes.append(f"{again}: is set already, in line {first.line}, to the same value")
            return []
        return [(again, f"is set already, in line {first.line}; remove one")]

    def _find_unused(self) -> None:
        """The generator uses [augmentor], and the section of each variation that [augmentor] turns on."""
        if not self.value("model", "generator"):
            self.unused = {"generator", "augmentor", *VARIATION_SECTIONS}
        elif self.value("generator", "augmentation") is False:
            self.unused = {"augmentor", *VARIATION_SECTIONS}
        else:
            self.unused = {section for section in VARIATION_SECTIONS if not self.value("augmentor", section)}

    def _sort_unknown(self, entries: list[Entry]) -> None:
        """Reports misspelt keys and sections; others are accepted, as the published project accepts them."""
        sections: dict[str, Entry] = {}
        for entry in entries:
            if entry.section not in _SECTIONS:
                sections.setdefault(entry.section, entry)
                continue
            keys = self._keys_with_effect(entry.section)
            missing = [key for key in keys if (entry.section, key) not in self.given]
            if (entry.section, entry.key) not in UNREAD and difflib.get_close_matches(entry.key, missing, 1, _ALIKE):
                self.report(entry, f"is not a known key; {_suggest(entry.key, keys)}")
            else:
                self.unread.append(entry.title)
                self.notes.append(f"{entry}: nothing reads it, there or here")
        for entry in sections.values():
            self._report_section(entry)

    def _keys_with_effect(self, section: str) -> set[str]:
        keys = {key for of, key in (RULES.keys() | SETTLED) - _WITHOUT_EFFECT if of == section}
        if section == "model":
            network = str(self.value("model", "model") or "").removeprefix("Tensorflow")
            keys |= TRANSLATED.get(network, {}).keys() | (COMBINED if network == "SwinUNet" else set())
        return keys

    def _report_section(self, first: Entry) -> None:
        """Reports an unknown section by its first key: as an error if it looks like a misspelt known one, else as a warning."""
        message = f"line {first.line}: {first} is not in a known section"
        if similar := difflib.get_close_matches(first.section, _SECTIONS, n=1, cutoff=0.75):
            self.faults.append(f"{message}; is [{similar[0]}] meant?")
        else:
            self.warnings.append(f"{message}; ignored, with all of [{first.section}]")

    def translate(self) -> None:
        """Settles all keys that depend on no other by their rules, and adds the published defaults of keys that are left out."""
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
                self.take_published(section, key, value)

    def replace_settings(self, changes: Mapping[str, Any]) -> None:
        """Replaces settings by values that the user gives, nested by section; a wrong one is no fault of the file's."""
        for section, values in changes.items():
            if not isinstance(values, Mapping):
                self.faults.append(f"{section}: {values!r} is not a section; expected values by key")
                continue
            self.settings.setdefault(section, {}).update(values)
            for key in values:
                self.origins.pop((section, key), None)

    def validate(self) -> Configuration | None:
        """The configuration, or None if a value that is used does not fit. Unused values that do not fit are removed."""
        try:
            return Configuration.model_validate(self.settings)
        except pydantic.ValidationError as error:
            faults = [(self._entry_of(fault), fault) for fault in error.errors()]
        for entry, fault in faults:
            message = fault["msg"].removeprefix("Value error, ")
            if entry:
                self.report(entry, f"does not fit: {message}")
            else:
                section, *inner = map(str, fault["loc"] or ("",))
                self.faults.append(f"[{section}] {inner[-1]}: {message}" if inner else message)
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


def _by_its_name(entry: Entry) -> Entry:
    """The entry under the name that the rules have for its key."""
    location = entry.section, entry.key
    section, key = ALIASES.get(location, location)
    return entry if (section, key) == location else replace(entry, section=section, key=key, name=entry.title)


def _suggest(name: str, names: Iterable[str]) -> str:
    names = sorted(names)
    similar = difflib.get_close_matches(name, names, cutoff=0.5)
    return f"similar to {', '.join(similar)}" if similar else f"expected one of {', '.join(names)}"
