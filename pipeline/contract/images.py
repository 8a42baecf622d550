"""Which files hold images, by their suffix, and how large an image may be."""

DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".ima"})
IMAGE_SUFFIXES = DICOM_SUFFIXES | {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff"}  # of source images
# Images that are not read, so that they are named and not passed over.
UNREAD_SUFFIXES = frozenset(
    {".bmp", ".gif", ".webp", ".jp2", ".j2k", ".jpx", ".pgm", ".ppm", ".pnm", ".mha", ".mhd"}
    | {".nii", ".nii.gz", ".nrrd", ".heic", ".avif", ".jxl", ".exr", ".npy", ".svs"}
)
PAIR_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})  # of the images and masks in a data set folder
MOST_PIXELS = 89_000_000  # Pillow warns above this number; no mammogram has as many
