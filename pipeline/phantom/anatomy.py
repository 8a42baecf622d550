"""The geometry of one synthetic exposure: breast, muscle, lesions, and the displacement between its two images.

Numbers only; coordinates as in `pipeline.geometry`, but with the chest wall at x = 0 for either side: right breasts are
mirrored at the end.
"""

from dataclasses import dataclass, replace

import numpy as np

# Waves on a lesion's edge: their orders, and the largest height of each as a fraction of the radius.
_WAVES = {
    "round": {},
    "oval": {},
    "irregular": {2: 0.10, 3: 0.10, 4: 0.07, 5: 0.06, 7: 0.05, 9: 0.03, 13: 0.02},
    "spiculated": {2: 0.09, 3: 0.08, 5: 0.06, 9: 0.05, 14: 0.05, 19: 0.05, 25: 0.03},
}


@dataclass(frozen=True)
class Lesion:
    """A lesion in the low-energy image's frame.

    `rx` and `ry` are the half axes in pixels; `waves` are (order, height, phase) of the edge's deviations from the
    ellipse; `dense` is its opacity in the low-energy image and `enhancing` its gain in the subtracted one, in gray
    levels; `hollow` is how much less the middle enhances than the rim, 0 to 1.
    """

    form: str
    x: float
    y: float
    rx: float
    ry: float
    waves: tuple[tuple[int, float, float], ...]
    dense: float
    enhancing: float
    hollow: float

    def reach(self, angle: np.ndarray) -> np.ndarray:
        """The edge's distance at angles (radians), in units of the half axes."""
        waves = (height * np.cos(order * angle + phase) for order, height, phase in self.waves)
        return sum(waves, start=np.ones_like(angle))

    def edge(self, angle: np.ndarray) -> np.ndarray:
        """Points of the edge, (n, 2) x, y, at (n,) angles."""
        reach = self.reach(angle)
        return np.stack([self.x + self.rx * reach * np.cos(angle), self.y + self.ry * reach * np.sin(angle)], axis=-1)


@dataclass(frozen=True)
class Drift:
    """How the breast moved between the two images: a rotation, a scale, a shift and a ripple.

    `matrix` is (2, 2), `shift` (2,) and `ripple` (amplitude in px, wavelength in px, phase).
    """

    matrix: np.ndarray
    shift: np.ndarray
    ripple: tuple[float, float, float]

    def to_low(self, points: np.ndarray) -> np.ndarray:
        """Maps (..., 2) x, y of the subtracted image to the low-energy one."""
        amplitude, wavelength, phase = self.ripple
        moved = points @ self.matrix.T + self.shift
        moved[..., 0] += amplitude * np.sin(points[..., 1] * (2 * np.pi / wavelength) + phase)
        return moved

    def from_low(self, points: np.ndarray) -> np.ndarray:
        """Maps (..., 2) x, y of the low-energy image to the subtracted one, to a hundredth of a pixel."""
        moved = points
        for _ in range(5):  # the map is nearly the identity, so each round shrinks the error about fiftyfold
            moved = moved + points - self.to_low(moved)
        return moved


@dataclass(frozen=True)
class Scene:
    """One exposure's geometry; lengths are in pixels of the low-energy image.

    `sizes` are (width, height) of the images by kind; `centre` is the row at which the breast is deepest, and `above` and
    `below` are how far it reaches from there, all as fractions of the height; `axilla` (fraction of the depth) and `muscle`
    (width and height of the pectoral muscle's corner) are 0 in CC views; `bluntness` is 2 for an ellipse and more for a
    fuller breast.
    """

    sizes: dict[str, tuple[int, int]]
    depth: float
    centre: float
    above: float
    below: float
    bluntness: float
    axilla: float
    muscle: tuple[float, float]
    nipple_y: float
    lesions: tuple[Lesion, ...]
    drift: Drift

    def skin(self, y: float | np.ndarray) -> np.ndarray:
        """Depth of the breast from the chest wall, in pixels, at rows `y`."""
        along = np.asarray(y) / self.sizes["DM"][1]
        away = np.abs(along - self.centre) / np.where(along < self.centre, self.above, self.below)
        # An ellipse, but flatter where it leaves the arm: there a square root would make a kink.
        power = np.where((along < self.centre) & (self.axilla > 0), 0.85, 0.5)
        breast = np.clip(1 - away**self.bluntness, 0, None) ** power
        arm = self.axilla * np.clip(1 - along / 0.8, 0, None)
        return self.depth * (breast**3 + arm**3) ** (1 / 3)

    @property
    def nipple(self) -> tuple[float, float]:
        """The nipple's x and y."""
        return float(self.skin(self.nipple_y)), self.nipple_y

    def in_muscle(self, x: float | np.ndarray, y: np.ndarray) -> np.ndarray:
        """Above 0 within the pectoral muscle, below 0 outside of it, about 1 in its corner."""
        width, height = self.muscle
        if not width:
            return np.full(np.broadcast_shapes(np.shape(x), np.shape(y)), -1.0, np.float32)
        return 1 - x / width - np.clip(y / height, 0, None) ** 1.35


def make_scene(
    view: str, forms: tuple[str, ...], breast: np.random.Generator, draw: np.random.Generator, *, past_border: bool = False
) -> Scene:
    """Draws the geometry of one exposure.

    Args:
      view: CC or MLO.
      forms: form of each lesion, the largest first.
      breast: generator of the traits that all exposures of a breast share; pass a new one with the same seed each time.
      draw: generator of the exposure's own traits.
      past_border: puts the first lesion so near the chest wall that less than half of it is outside the image.
    """
    height = int(breast.integers(1020, 1270)) + int(draw.integers(-20, 21))
    width = int(np.clip(height * (breast.uniform(0.5, 0.66) + draw.uniform(-0.03, 0.03)), 560, 800))
    if draw.random() < 0.85:
        width, height = width | 1, height | 1
    if view == "CC":
        centre, axilla, muscle = draw.uniform(0.46, 0.54), 0.0, (0.0, 0.0)
        above, below = centre - draw.uniform(-0.03, 0.03), 1 - centre - draw.uniform(-0.03, 0.03)
    else:
        centre, axilla = draw.uniform(0.56, 0.66), draw.uniform(0.5, 0.68)
        above, below = draw.uniform(0.42, 0.52), 0.985 - centre
        muscle = (draw.uniform(0.55, 0.85) * axilla * width, draw.uniform(0.42, 0.62) * height)
    trim = draw.integers(0, (7, 9)) * (draw.random() < 0.5)
    bare = Scene(
        {"DM": (width, height), "CM": (width - int(trim[0]), height - int(trim[1]))},
        depth=draw.uniform(0.86, 0.95) * width,
        centre=centre,
        above=above,
        below=below,
        bluntness=draw.uniform(2.0, 2.7),
        axilla=axilla,
        muscle=muscle,
        nipple_y=(centre + draw.uniform(-0.05, 0.05)) * height,
        lesions=(),
        drift=_draw_drift(height, draw),
    )
    lesions: list[Lesion] = []
    for rank, form in enumerate(forms):
        lesion = _draw_lesion(form, rank, breast)
        lesions.append(_place(lesion, bare, lesions, draw, past_border=past_border and rank == 0))
    return replace(bare, lesions=tuple(lesions))


def _draw_drift(height: int, draw: np.random.Generator) -> Drift:
    turn, scale = np.deg2rad(draw.uniform(-0.7, 0.7)), 1 + draw.uniform(-0.012, 0.012)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = np.array([0.0, height / 2])
    shift = middle - matrix @ middle + draw.uniform(-6, 6, 2)
    return Drift(matrix, shift, (draw.uniform(1, 4), height / draw.uniform(0.8, 2), draw.uniform(0, 2 * np.pi)))


def _draw_lesion(form: str, rank: int, breast: np.random.Generator) -> Lesion:
    """A lesion without a position; its traits are the same in all exposures of its breast."""
    radius = breast.uniform(88, 140) if rank == 0 else breast.uniform(46, 72)
    stretch = 1.0 if form == "round" else breast.uniform(1.1, 1.4)
    if breast.random() < 0.5:
        stretch = 1 / stretch
    waves = tuple(
        (order, breast.uniform(0.5, 1) * height, breast.uniform(0, 2 * np.pi)) for order, height in _WAVES[form].items()
    )
    return Lesion(
        form,
        0,
        0,
        radius * stretch**0.5,
        radius / stretch**0.5,
        waves,
        dense=breast.uniform(0.68, 0.92),
        enhancing=breast.uniform(62, 105),
        hollow=breast.uniform(0, 0.55),
    )


def _place(lesion: Lesion, scene: Scene, taken: list[Lesion], draw: np.random.Generator, *, past_border: bool) -> Lesion:
    """Puts a lesion into the breast; of forty positions, the one most clear of skin, muscle and other lesions."""
    height, rx, ry = scene.sizes["DM"][1], lesion.rx, lesion.ry
    best, best_room = (0.0, 0.0), -np.inf
    for _ in range(40):
        y = (scene.centre + draw.uniform(-0.3, 0.26)) * height
        x = 0.5 * rx if past_border else draw.uniform(1.25 * rx, max(1.3 * rx, 0.85 * float(scene.skin(y))))
        rows = y + ry * np.linspace(-1.2, 1.2, 7)
        to_skin = np.min(scene.skin(rows) - x) - 1.15 * rx
        to_muscle = -200 * float(np.max(scene.in_muscle(x, rows)) + 0.15)
        to_others = [np.hypot(x - other.x, y - other.y) - 1.3 * (max(rx, ry) + max(other.rx, other.ry)) for other in taken]
        room = min(to_skin, to_muscle, *to_others, 0.0)
        if room > best_room:
            best, best_room = (x, y), room
        if room >= 0:
            break
    return replace(lesion, x=float(best[0]), y=float(best[1]))
