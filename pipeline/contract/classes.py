"""The classes of images and lesions."""

CLASSES = ("normal", "benign", "malignant")  # a class's position is its index in masks; worse classes have higher ones
WORST_FIRST = CLASSES[::-1]
LESION_CLASSES = CLASSES[1:]
CLASS_COLORS = ((0, 0, 0), (0, 255, 0), (255, 255, 255))  # red, green, blue of each class in colored masks
