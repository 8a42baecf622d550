"""Settles keys of the published project whose meaning depends on other keys."""

from dataclasses import replace
from typing import Any

from segmenter.configuration.networks import MODEL_SETTINGS
from segmenter.configuration.published import networks
from segmenter.configuration.published.keys import (
    RULES,
    color,
    colors_by_class,
    halve_until_unfolded,
    level_as_probability,
    thresholding,
)
from segmenter.configuration.published.translation import Translation


def settle(translation: Translation) -> None:
    """Settles the keys that depend on others; all others keep their place in `given`."""
    for section, key in [location for location in translation.given if location[1] in ("image_datapath", "mask_datapath")]:
        translation.leave(section, key, why="a DATASET folder has train, valid and test, each with images and masks")
    _settle_network(translation)
    _settle_generator(translation)
    _settle_scaling(translation)
    _settle_masks(translation)
    _settle_threshold(translation)
    _settle_colors(translation)
    _settle_lengths(translation)


def _settle_network(translation: Translation) -> None:
    """The network decides what the other keys of [model] mean: files give the UNet's keys with every network."""
    name = _settle_name(translation)
    if not name:
        return  # reported
    _settle_loss(translation)
    if name == "SwinUNet":
        _settle_swin(translation)
    for key, rule in networks.TRANSLATED.get(name, {}).items():
        if rule.target and (entry := translation.given.get(("model", key))):
            translation.put(entry, rule.target, rule.convert, rule.note)
    for why, keys in networks.WITHOUT_COUNTERPART.get(name, {}).items():
        translation.leave("model", *keys.split(), why=why)
    if name == "SwinUNet":
        for key, value in networks.SWIN_DEFAULTS.items():
            translation.take_published("model", key, value)
    own = MODEL_SETTINGS[name].model_fields
    targets = {target[1] for rule in RULES.values() if (target := rule.target) and target[0] == "model"}
    without = (targets | {key for _, key in networks.NETWORK_KEYS}) - own.keys()
    translation.leave("model", *sorted(without), why=f"{name} has no such setting")
    # A key of another network's that happens to have the name of one of ours.
    translation.leave("model", *sorted(key for _, key in networks.NETWORK_KEYS - RULES.keys()), why=f"{name} does not read it")


def _settle_name(translation: Translation) -> str:
    """Settles the network's name, and returns ours; "" if there is no such network."""
    if entry := translation.given.get(("model", "model")):
        included: dict[str, str] = {}

        def resolve(value: Any) -> str:
            name, settings = networks.resolve_network(value)
            included.update(settings)
            return name

        translation.put(entry, ("model", "model"), resolve)
        for key, value in included.items():
            translation.settings["model"][key] = value
            translation.notes.append(f"{entry} sets [model] {key} = {value!r}")
        return translation.settings.get("model", {}).get("model", "")
    name, key = networks.guess_network({key for section, key in translation.given if section == "model"})
    if key:
        translation.settings.setdefault("model", {})["model"] = name
        translation.notes.append(f"[model] model is left out: set to {name!r}, whose key {key} is")
    return name


def _settle_loss(translation: Translation) -> None:
    """Earlier files turn losses on by name."""
    for loss in ("dice_loss", "iou_loss"):
        entry = translation.given.get(("model", loss))
        if entry and entry.value is True and not translation.value("model", "loss"):
            translation.put(replace(entry, value=loss), ("model", "loss"))
        translation.leave("model", loss, why="[model] loss applies")


def _settle_swin(translation: Translation) -> None:
    """Depth and blocks per stage become `depths`, and the nodes of the MLP a multiple of the first stage's filters."""
    depth = translation.given.get(("model", "depth"))
    blocks = translation.given.get(("model", "stack_num_down"))
    if entry := depth or blocks:
        stages = depth.value if depth else networks.SWIN_DEPTH
        of_each = blocks.value if blocks else networks.SWIN_BLOCKS

        def depths(_: Any) -> tuple[int, ...]:
            if type(stages) is not int or type(of_each) is not int or not 0 < stages < 10:
                raise ValueError("expected whole numbers above 0, and fewer than 10 stages")
            return (of_each,) * stages

        translation.put(entry, ("model", "depths"), depths, "one number of blocks per stage")
        translation.leave("model", "stack_num_down", why="[model] depths has it")
    if entry := translation.given.get(("model", "num_mlp")):
        filters = translation.value("model", "filter_num_begin") or networks.SWIN_DEFAULTS["base_filters"]

        def ratio(nodes: Any) -> int:
            if not all(isinstance(number, int) and number > 0 for number in (nodes, filters)):
                raise ValueError("expected whole numbers above 0, here and in filter_num_begin")
            return max(1, round(nodes / filters))

        note = "the MLP grows with the filters of a stage, as in the paper, and does not have the same number of nodes in all"
        translation.put(entry, ("model", "mlp_ratio"), ratio, note)


def _settle_generator(translation: Translation) -> None:
    generator = translation.given.get(("model", "generator"))
    if not (generator and generator.value):
        translation.settings["dataset"] = {"shuffle": False}
        translation.notes.append(
            "[model] generator is off, so [dataset] shuffle = false: the published project does not shuffle then"
        )
        translation.leave(
            "train", "steps_per_epoch", "validation_steps", why="unused without the generator; an epoch covers all samples"
        )
    elif translation.value("generator", "augmentation") is False:
        translation.put(generator, ("model", "generator"), lambda _: False, "[generator] augmentation is off")
    translation.leave("generator", "augmentation", why="[model] generator includes it")


def _settle_scaling(translation: Translation) -> None:
    """Both keys divide by 255, one in the model and one in the loader."""
    inside, loader = translation.given.get(("model", "input_normalize")), translation.given.get(("dataset", "image_normalize"))
    if loader and loader.value is True and inside and inside.value is False:
        translation.put(loader, ("model", "input_normalize"), note="the model scales its input, with the same result")
        translation.leave("model", "input_normalize", why="[dataset] image_normalize applies")
        return
    if inside:
        translation.put(inside, ("model", "input_normalize"))
    twice = loader and loader.value is True
    translation.leave(
        "dataset", "image_normalize", why="pixels are divided by 255 once" if twice else "[model] input_normalize applies"
    )


def _settle_masks(translation: Translation) -> None:
    if translation.value("mask", "binarize"):
        if algorithm := translation.given.get(("mask", "algorithm")):
            translation.put(algorithm, ("mask", "algorithm"), thresholding)
            if algorithm.value:
                translation.leave("mask", "threshold", why="the algorithm finds a threshold")
        if threshold := translation.given.get(("mask", "threshold")):
            translation.put(threshold, ("mask", "threshold"))
        translation.leave("mask", "binarize", why="masks are always thresholded here")
    why = "without binarize, every gray level above 0 was lesion there; here masks are thresholded at 128"
    translation.leave("mask", "binarize", "threshold", "algorithm", why=why)


def _settle_threshold(translation: Translation) -> None:
    if not (threshold := translation.given.get(("infer", "threshold"))):
        return
    if threshold.value == 0 and translation.value("infer", "algorithm"):
        translation.leave("infer", "threshold", why="the algorithm finds a threshold")
    else:
        translation.put(threshold, ("infer", "threshold"), level_as_probability, "probabilities are thresholded, not gray levels")


def _settle_colors(translation: Translation) -> None:
    classes = translation.value("model", "num_classes")
    lesions = classes - 1 if isinstance(classes, int) and classes > 2 else 1
    if colors := translation.given.get(("mask", "mask_colors")):

        def of_lesions(names: Any) -> tuple[tuple[int, ...], ...]:
            converted = tuple(map(color, names or ()))
            return converted[1:] if len(converted) == lesions + 1 else converted

        translation.put(colors, ("infer", "mask_colors"), of_lesions, "the background has no color here")
    if rgb_map := translation.given.get(("mask", "rgb_map")):
        translation.put(rgb_map, ("infer", "mask_colors"), colors_by_class, "masks have to hold class indices, not colors")
    if translation.value("segmentation", "colorize"):
        translation.put(translation.given["segmentation", "colorize"], ("infer", "mask_colorize"))
        white = translation.given.get(("segmentation", "white"))
        if white and lesions == 1:
            translation.put(white, ("infer", "mask_colors"), lambda name: (color(name),))
    if translation.value("segmentation", "blursize"):
        size = translation.given["segmentation", "blursize"]
        translation.put(size, ("infer", "ksize"), RULES["infer", "ksize"].convert)
        translation.put(size, ("infer", "blur"), lambda _: True)
    translation.leave("segmentation", "black", why="the background stays black")
    translation.leave("segmentation", "colorize", "white", "blursize", why="it colors and smooths nothing")


def _settle_lengths(translation: Translation) -> None:
    """Published lengths are in pixels at the model's size, ours at 512 px; and the published field folds the image."""
    side = translation.value("model", "image_width")
    times = 512 / side if isinstance(side, int) and side > 0 else 1.0

    def scale(length: Any) -> Any:
        return tuple(map(scale, length)) if isinstance(length, list | tuple) else length * times

    def scale_all(lengths: Any) -> Any:
        scaled = scale(lengths)
        return scaled if isinstance(scaled, tuple) else (scaled,)

    def unfold(alpha: Any) -> Any:
        sigmoids = translation.settings.get("deformation", {}).get("sigmoids", (8.0 * times,))
        return halve_until_unfolded(scale(alpha), sigmoids)

    note = "" if times == 1 else f"in pixels of a 512 px image, not of one of {side} px"
    for section, keys in (
        ("deformation", ("sigmoids",)),
        ("distortion", ("gaussian_filter_rsigma", "gaussian_filter_sigma")),
    ):
        for key in keys:
            if entry := translation.given.get((section, key)):
                translation.put(entry, (section, key), scale_all if key == "sigmoids" else scale, note)
    if "deformation" not in translation.unused:
        translation.take_published("deformation", "sigmoids", (8.0 * times,))
    if entry := translation.given.get(("deformation", "alpah")):
        translation.put(
            entry,
            ("deformation", "alpha"),
            unfold,
            "spelt alpha here, in pixels of a 512 px image, small enough not to fold it",
        )
    elif "deformation" not in translation.unused:
        translation.take_published("deformation", "alpha", unfold(1300.0))
