"""Paints the two images of one exposure. Arrays only, no files.

The tissue is made once, at half size, in the low-energy image's frame: layers of thickness, gland, cords, muscle and
lesions. Each image mixes the layers by its own physics; for the subtracted one they are first moved by the drift, so the
pair shows one breast but is not pixel-aligned.
"""

import cv2
import numpy as np

from pipeline.phantom.anatomy import Scene

Layers = dict[str, np.ndarray]


def paint_pair(scene: Scene, draw: np.random.Generator) -> dict[str, np.ndarray]:
    """Paints both images of one exposure.

    Returns:
      By kind (DM, CM): (height, width) float32 in gray levels, 0 to 255, chest wall at the left.
    """
    layers = _tissue(scene, draw)
    moved = _move(layers, scene)
    return {
        "DM": _finish(_low_energy(layers, draw), scene.sizes["DM"], 3.0, draw),
        "CM": _finish(_subtracted(moved, draw), scene.sizes["CM"], 2.2, draw),
    }


def _tissue(scene: Scene, draw: np.random.Generator) -> Layers:
    """The layers, each (rows, columns) float32 at half size."""
    width, height = scene.sizes["DM"]
    x = np.arange((width + 1) // 2, dtype=np.float32)[None] * 2 + 0.5
    y = np.arange((height + 1) // 2, dtype=np.float32)[:, None] * 2 + 0.5
    clouds = _clouds((y.size, x.size), (5, 10, 20, 40), 0.62, draw)
    nipple = np.clip(1.6 - np.hypot(x - scene.nipple[0], y - scene.nipple[1]) / draw.uniform(10, 19), 0, 1)
    inside = ((x < scene.skin(y)) | (nipple > 0.6)).astype(np.uint8)
    to_skin = cv2.distanceTransform(inside, cv2.DIST_L2, 3) * 2
    strands, towards = _strands(scene, x, y, clouds, draw)
    muscle = _step(scene.in_muscle(x, y) + 0.015 * clouds, 30)
    lesion, uptake, spicules = _lesions(scene, x, y, clouds)
    return {
        "inside": cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.8),
        "thick": 1 - np.exp(-to_skin / draw.uniform(28, 50)),
        "skin": np.exp(-(((to_skin - 7) / 6) ** 2)),
        "rim": np.exp(-(((to_skin - draw.uniform(70, 120)) / draw.uniform(40, 70)) ** 2)),
        "gland": _gland(scene, y, towards, clouds, draw) * (1 - 0.8 * muscle),
        "strands": strands,
        "clouds": clouds,
        "grain": _clouds((y.size, x.size), (90, 180), 0.9, draw),
        "muscle": muscle,
        "nipple": nipple,
        "lesion": lesion,
        "uptake": uptake,
        "spicules": spicules,
        "spots": _spots(scene, x, y, draw),
    }


def _step(value: np.ndarray, steepness: float) -> np.ndarray:
    """A smooth step: 0 well below zero, 1 well above."""
    return 1 / (1 + np.exp(np.clip(-steepness * value, -30, 30)))


def _polar(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance and angle (0 to 2 pi), (rows, columns) each, of a row of x and a column of y."""
    across, down = np.broadcast_arrays(x, y)
    away, angle = cv2.cartToPolar(across, down)
    return np.asarray(away), np.asarray(angle)


def _clouds(shape: tuple[int, int], cells: tuple[int, ...], fade: float, draw: np.random.Generator) -> np.ndarray:
    """Noise of several scales, with a mean of about 0 and a standard deviation of 1; `cells` are numbers of cells per height."""
    rows, columns = shape
    total = np.zeros(shape, np.float32)
    for octave, count in enumerate(cells):
        small = draw.standard_normal((count + 3, count * columns // rows + 4), np.float32)
        total += fade**octave * cv2.resize(small, (columns, rows), interpolation=cv2.INTER_CUBIC)
    return total / total.std()


def _strands(
    scene: Scene, x: np.ndarray, y: np.ndarray, clouds: np.ndarray, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Bright cords that run to the nipple, 0 to about 1, and the distance to it in pixels."""
    nipple_x, nipple_y = scene.nipple
    towards, angle = _polar(nipple_x + 30 - x, y - nipple_y)
    # Straight cords would look like the spokes of a wheel.
    wander = _clouds(towards.shape, (4, 9, 18), 0.5, draw)
    turn = (angle + np.float32(np.pi)) % np.float32(2 * np.pi) / np.float32(2 * np.pi) + np.float32(0.016) * wander
    along = towards / np.float32(scene.sizes["DM"][1]) + np.float32(0.012) * clouds
    total = np.zeros(towards.shape, np.float32)
    for around, outward, weight in ((34, 5, 0.5), (70, 14, 0.55), (150, 34, 0.4)):
        small = draw.standard_normal((around, outward + 4), np.float32)
        noise = cv2.remap(
            small, along * np.float32(outward), turn * np.float32(around), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        total += np.float32(weight) * np.clip(1 - 1.7 * np.abs(noise), 0, 1) ** 1.5
    return total, towards


def _gland(scene: Scene, y: np.ndarray, towards: np.ndarray, clouds: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """The fraction of gland, 0 to 1: a cone behind the nipple, patchy at its edge."""
    length = scene.depth * draw.uniform(0.6, 1.05)
    spread = scene.sizes["DM"][1] * draw.uniform(0.2, 0.34)
    cone = 1.15 - (towards / length) ** 2 - ((y - scene.nipple[1]) / spread) ** 2
    return _step(cone + draw.uniform(0.2, 0.5) * clouds + draw.uniform(-0.35, 0.25), 3.5)


def _lesions(scene: Scene, x: np.ndarray, y: np.ndarray, clouds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three layers: opacity of the lesions, their enhancement in gray levels, and spicules around them."""
    shape = (y.size, x.size)
    opacity, enhancing, spicules = (np.zeros(shape, np.float32) for _ in range(3))
    for lesion in scene.lesions:
        far = int(max(lesion.rx, lesion.ry))
        rows = slice(max(0, int(lesion.y) // 2 - far), int(lesion.y) // 2 + far)
        columns = slice(max(0, int(lesion.x) // 2 - far), int(lesion.x) // 2 + far)
        away, angle = _polar((x[:, columns] - lesion.x) / np.float32(lesion.rx), (y[rows] - lesion.y) / np.float32(lesion.ry))
        inward = 1 - away / lesion.reach(angle)
        mass = _step(inward + 0.02, 22 if lesion.form in ("round", "oval") else 13)
        lumps = 1 + 0.13 * clouds[rows, columns]
        opacity[rows, columns] = np.maximum(opacity[rows, columns], lesion.dense * mass)
        filled = lesion.enhancing * mass * lumps * (1 - lesion.hollow * _step(inward - 0.4, 9))
        enhancing[rows, columns] = np.maximum(enhancing[rows, columns], filled)
        if lesion.form == "spiculated":
            rays = np.clip(np.cos(angle * 13 + lesion.waves[0][2] + 1.5 * clouds[rows, columns]), 0, 1) ** 6
            spicules[rows, columns] = np.maximum(spicules[rows, columns], rays * np.exp(-(((inward + 0.12) / 0.22) ** 2)))
    return opacity, enhancing, spicules


def _spots(scene: Scene, x: np.ndarray, y: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Harmless enhancement that nobody outlines: small, dim and soft, so that not everything bright is a lesion."""
    total = np.zeros((y.size, x.size), np.float32)
    height = scene.sizes["DM"][1]
    for _ in range(int(draw.integers(2, 7))):
        middle_y = (scene.centre + draw.uniform(-0.3, 0.3)) * height
        middle_x = draw.uniform(0.1, 0.85) * float(scene.skin(middle_y))
        across = (x - middle_x) ** 2 / draw.uniform(12, 40) ** 2 + (y - middle_y) ** 2 / draw.uniform(12, 40) ** 2
        total += np.float32(draw.uniform(12, 34)) * np.exp(-across)
    return total


def _move(layers: Layers, scene: Scene) -> Layers:
    """Moves the layers to the subtracted image's frame."""
    width, height = scene.sizes["CM"]
    columns, rows = np.meshgrid(np.arange((width + 1) // 2) * 2 + 0.5, np.arange((height + 1) // 2) * 2 + 0.5)
    low = (scene.drift.to_low(np.stack([columns, rows], axis=-1)) - 0.5) / 2
    # remap converts to fixed-point maps internally; here that happens once for all layers.
    maps = cv2.convertMaps(low[..., 0].astype(np.float32), low[..., 1].astype(np.float32), cv2.CV_16SC2)
    return {
        name: cv2.remap(layer.astype(np.float32), *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for name, layer in layers.items()
    }


def _low_energy(at: Layers, draw: np.random.Generator) -> np.ndarray:
    """X-ray absorption: fat dark, gland and cords bright, muscle brighter, lesions dense and almost even."""
    fat = draw.uniform(38, 72)
    texture = at["gland"] * (draw.uniform(30, 60) + draw.uniform(70, 125) * at["strands"] + 16 * at["clouds"])
    tissue = fat + texture + (1 - at["gland"]) * (38 * at["strands"] + 5 * at["clouds"]) + 6 * at["grain"]
    tissue += at["muscle"] * (draw.uniform(70, 130) + 7 * at["clouds"])
    tissue = tissue + 42 * at["spicules"] + 0.35 * at["spots"]
    mass = np.maximum(tissue, draw.uniform(165, 205)) + 5 * at["clouds"]
    tissue = tissue * (1 - at["lesion"]) + mass * at["lesion"]
    return at["inside"] * (at["thick"] * tissue + draw.uniform(18, 45) * at["skin"] + 95 * at["nipple"])


def _subtracted(at: Layers, draw: np.random.Generator) -> np.ndarray:
    """Contrast uptake: flat gray, with an embossed remainder of the texture where the breast moved between the two images."""
    rest = at["strands"] - np.roll(at["strands"], (2, 2), (0, 1))
    flat = draw.uniform(48, 92) + draw.uniform(5, 14) * at["gland"] + draw.uniform(4, 22) * at["rim"]
    flat = flat + draw.uniform(14, 40) * rest + 3.2 * at["clouds"] + 2.5 * at["grain"]
    flat = flat - draw.uniform(0, 14) * at["muscle"]
    uptake = at["uptake"] + at["spots"] + 10 * at["spicules"]
    return at["inside"] * ((0.55 + 0.45 * at["thick"]) * flat + uptake + 16 * at["skin"] + 110 * at["nipple"])


def _finish(half: np.ndarray, size: tuple[int, int], noise: float, draw: np.random.Generator) -> np.ndarray:
    """Enlarges a half-size picture to its size and adds the detector's grain, except to black."""
    width, height = size
    full = cv2.resize(half.astype(np.float32), (half.shape[1] * 2, half.shape[0] * 2))[:height, :width]
    # The sum of two random bytes is close enough to a Gaussian, and ten times as fast.
    dice = np.frombuffer(draw.bytes(2 * height * width), np.uint8).reshape(2, height, width)
    grain = (dice[0].astype(np.float32) + dice[1] - 255) * np.float32(noise / 104.5)
    return np.clip(full + grain * np.clip(full / 40, 0, 1), 0, 255)
