"""Partners: the other images of the same views, low energy or subtracted, that some data sets keep next to the images."""

PARTNERS = "partners.csv"  # one row per source image; only in a folder that has partners
PARTNER_FOLDER = "partners"  # in a split's folder; its files are called as the samples
PARTNER_COLUMNS = (
    "image_id",
    "partner",  # the image_id of the other image; empty where there is none
    "source",
    "source_sha256",
    "dx_px",  # added to the partner's coordinates, in source pixels
    "dy_px",
    "agreement",  # intersection over union of the two breasts after it
    "status",
    "partner_sha256",  # of its files, one per variant in the order of their samples' names, separated by spaces
)
# The status of an image; any other one is the reason, one of `REASONS`, for which the partner cannot be read.
REGISTERED = "registered"
MISSING = "missing"
