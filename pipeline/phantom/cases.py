"""The patients, breasts and exposures of the phantom, and the images that have one of the real data's troubles.

Numbers and names only. Each purpose has a random generator of its own, so patient 7 is the same whatever the number of
patients, the number of workers, or the order of the work.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

MALIGNANT, BENIGN, NORMAL = "Malignant", "Benign", "Normal"
SIDES, VIEWS, KINDS = ("L", "R"), ("CC", "MLO"), ("DM", "CM")
LEAST_PATIENTS = 6  # the first six have the troubles

# An image's troubles by its cleaned name. The names and forms are those of the real download's (P3_L_CM_CC among them).
SPACE_IN_TABLE, NO_FILE, NO_ROW, NO_REGION = "space-in-table", "no-file", "no-row", "no-region"
LABEL_DIFFERS, NORMAL_WITH_REGION, TWO_BIRADS = "label-differs", "normal-with-region", "two-birads"
PAST_BORDER, POLYLINE, POINT, INVERTED = "past-border", "polyline", "point", "inverted"
TROUBLES: dict[str, tuple[str, ...]] = {
    "P1_L_DM_CC": (PAST_BORDER,),
    "P1_L_CM_CC": (PAST_BORDER, INVERTED),
    "P1_L_DM_MLO": (POLYLINE, POINT),
    "P2_L_DM_CC": (TWO_BIRADS,),
    "P2_L_CM_MLO": (LABEL_DIFFERS,),
    "P3_L_CM_CC": (SPACE_IN_TABLE,),
    "P4_L_DM_MLO": (SPACE_IN_TABLE,),
    "P4_R_DM_CC": (NORMAL_WITH_REGION,),
    "P5_L_DM_CC": (NO_REGION,),
    "P5_L_CM_MLO": (NO_FILE,),
    "P6_L_CM_CC": (NO_ROW,),
}
# Number of images of the first patients, and the class of their left breast.
_FIRST = {1: (8, MALIGNANT), 2: (4, BENIGN), 3: (6, MALIGNANT), 4: (6, NORMAL), 5: (4, MALIGNANT), 6: (4, NORMAL)}
_TAKEN_TWICE = {4: "_2", 6: "2"}  # patients whose left MLO view was taken twice, and the suffix of the second exposure
# Forms of the lesions of the first patients, so that every shape of region occurs.
_FIRST_FORMS = {1: ("irregular", "round", "spiculated"), 2: ("oval", "round"), 3: ("oval",), 5: ("spiculated",)}

_FORMS = {
    MALIGNANT: (("irregular", 0.45), ("spiculated", 0.38), ("oval", 0.11), ("round", 0.06)),
    BENIGN: (("oval", 0.4), ("round", 0.25), ("irregular", 0.35)),
}


@dataclass(frozen=True)
class Patient:
    """A patient; `density` is the ACR letter."""

    number: int
    age: int
    density: str
    machine: int


@dataclass(frozen=True)
class Exposure:
    """One compressed view, of which a low-energy and a subtracted image exist.

    `forms` are the forms of the breast's lesions, the largest first; `suffix` marks a second exposure.
    """

    patient: Patient
    side: str
    view: str
    pathology: str
    forms: tuple[str, ...]
    suffix: str = ""

    def name(self, kind: str) -> str:
        """The cleaned name of one of the two images, without suffix."""
        return f"P{self.patient.number}_{self.side}_{kind}_{self.view}{self.suffix}"

    def troubles(self, kind: str) -> tuple[str, ...]:
        """The troubles of one of the two images."""
        return TROUBLES.get(self.name(kind), ())

    def label(self, kind: str) -> str:
        """The pathology that the annotation table gives for one of the two images."""
        return NORMAL if LABEL_DIFFERS in self.troubles(kind) else self.pathology

    def chance(self, seed: int, purpose: int) -> np.random.Generator:
        """The generator of traits that belong to this exposure alone."""
        return chance(
            seed, self.patient.number, 1 + SIDES.index(self.side), 1 + VIEWS.index(self.view), len(self.suffix), purpose
        )

    def breast_chance(self, seed: int) -> np.random.Generator:
        """The generator of traits that all exposures of this breast share."""
        return chance(seed, self.patient.number, 1 + SIDES.index(self.side))


def chance(seed: int, *purpose: int) -> np.random.Generator:
    """A random generator for one purpose, independent of those for others."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=purpose))


def exposures(patients: int, seed: int) -> Iterator[Exposure]:
    """Yields all exposures, by patient; at least every second patient has a malignant breast."""
    for number in range(1, patients + 1):
        yield from _exposures(number, chance(seed, number))


def _exposures(number: int, draw: np.random.Generator) -> Iterator[Exposure]:
    patient = Patient(
        number,
        int(draw.integers(31, 76)),
        str(draw.choice(list("ABCD"), p=(0.05, 0.35, 0.45, 0.15))),
        int(1 + (draw.random() < 0.06)),
    )
    images = int(draw.choice((2, 4, 6, 8), p=(0.26, 0.4, 0.14, 0.2)))
    worst = MALIGNANT if number % 2 or draw.random() < 0.25 else str(draw.choice((BENIGN, NORMAL), p=(0.6, 0.4)))
    first = str(draw.choice(SIDES))
    if number in _FIRST:
        (images, worst), first = _FIRST[number], "L"
    other = NORMAL if worst == NORMAL or draw.random() < 0.6 else BENIGN
    forms = {first: _FIRST_FORMS.get(number) or _draw_forms(worst, draw)}
    for side, view in _views(images, first, draw):
        pathology = worst if side == first else other
        if side not in forms:
            forms[side] = _draw_forms(pathology, draw)
        yield Exposure(patient, side, view, pathology, forms[side])
    if number in _TAKEN_TWICE:
        yield Exposure(patient, first, "MLO", worst, forms[first], _TAKEN_TWICE[number])


def _views(images: int, first: str, draw: np.random.Generator) -> list[tuple[str, str]]:
    """Sides and views of 2, 4, 6 or 8 images, two images per view; the first side before the other."""
    other = SIDES[1 - SIDES.index(first)]
    if images == 2:
        return [(first, str(draw.choice(VIEWS)))]
    return [(first, "CC"), (first, "MLO"), (other, "CC"), (other, "MLO")][: images // 2]


def _draw_forms(pathology: str, draw: np.random.Generator) -> tuple[str, ...]:
    if pathology == NORMAL:
        return ()
    forms, weights = zip(*_FORMS[pathology], strict=True)
    count = int(draw.choice((1, 2, 3), p=(0.66, 0.26, 0.08)))
    return tuple(str(form) for form in draw.choice(forms, size=count, p=weights))
