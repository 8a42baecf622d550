"""Why a source image is dropped: the codes of rejects.csv, and the error that carries one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """A reason for which source images are dropped.

    Attributes:
      meaning: its text in tables and cards.
      left_out: whether it is the recipe's own choice; all other reasons are faults, which --strict does not accept.
      quiet: the message under a site key, where the usual one might quote an annotation file; empty to keep that one.
      passing: whether it may pass while the file stays as it is; such files are tried again by each run.
    """

    meaning: str
    left_out: bool = False
    quiet: str = ""
    passing: bool = False


REASONS: dict[str, Reason] = {
    "class-not-wanted": Reason("the recipe takes other classes", left_out=True),
    "no-region": Reason("of a lesion class, but without a drawn region: an empty mask would be a false label", left_out=True),
    "normal-with-region": Reason(
        "normal, but with a drawn region", left_out=True, quiet="is normal, but has a drawn region; correct its class"
    ),
    "bands-only": Reason("its only regions are long thin bands, which the recipe leaves out", left_out=True),
    "strict-join": Reason("lost as in the published set: its name in the table has stray spaces", left_out=True),
    "file-missing": Reason("annotated, but its file is missing"),
    "not-in-table": Reason("no row in the annotation table, so its class is unknown"),
    "unknown-name": Reason("its name and path name no patient"),
    "unknown-class": Reason("of a class other than the three", quiet="is of a class other than Malignant, Benign and Normal"),
    "unknown-patient": Reason("DICOM that names no patient"),
    "unknown-side": Reason("DICOM of an unknown side"),
    "unknown-kind": Reason("DICOM known neither as low-energy nor as subtracted"),
    "unknown-view": Reason("DICOM of an unknown view"),
    "name-differs": Reason("DICOM whose file name and tags disagree"),
    "duplicate-name": Reason("two different files with the same name"),
    "region-malformed": Reason(
        "a region that cannot be read", quiet="one of its regions cannot be read; correct it in the annotation file"
    ),
    "annotation-ambiguous": Reason(
        "an annotation file has several entries for it, or for another image of its number",
        quiet="an annotation file has several entries for it; keep one of them",
    ),
    "box-only": Reason(
        "a lesion that is marked by a box and has no outline", quiet="one of its lesions has a box and no outline"
    ),
    "region-outside-image": Reason("a region lies more than half outside the image"),
    "annotation-size": Reason("its regions were drawn on an image of another size"),
    "seg-reference": Reason("a DICOM segmentation that cannot be read, or whose image is not here"),
    "file-empty": Reason("a file of 0 bytes"),
    "file-truncated": Reason("a file that ends too early"),
    "file-unreadable": Reason("a file that the system cannot open, or whose name cannot be written", passing=True),
    "not-an-image": Reason("not an image that can be read", quiet="is not a JPEG, PNG, TIFF or DICOM file that can be read"),
    "multi-frame": Reason("several frames in one file"),
    "too-large": Reason("more pixels than a mammogram has"),
    "not-a-mammogram": Reason("DICOM of something else"),
    "for-processing": Reason("DICOM For Processing; its pixels do not look like the images of the data set"),
    "burned-in": Reason("text is burned into the pixels"),
    "no-pixels": Reason("DICOM without pixels"),
    "missing-tags": Reason("DICOM that lacks tags without which pixels have no meaning"),
    "no-such-window": Reason("DICOM without the window that the recipe asks for"),
    "unsupported-syntax": Reason("DICOM in a transfer syntax that is not for single images"),
    "decoder-missing": Reason("DICOM in a transfer syntax whose decoder is not installed", passing=True),
    "pixels-unreadable": Reason("its pixels cannot be decoded"),
    "levels-unclear": Reason("16-bit levels that cannot fill 16 bits, of a range that neither file nor recipe states"),
    "decoder-crashed": Reason("the process that read it died: of a decoder's fault, or for want of memory", passing=True),
    "changed-since-index": Reason("changed after it was indexed", passing=True),
}


# Reason and message of a file whose reader did not live to give one.
CRASHED = (
    "decoder-crashed",
    "made the process that read it die, of its decoder's fault or for want of memory; get it again, or free some memory",
)


def find_reason(code: str) -> Reason:
    """Looks up the declared reason of a code; a table of another version may hold one that is not declared here."""
    return REASONS.get(code, Reason("not a reason of this version"))


class SourceError(Exception):
    """One image cannot be used.

    Args:
      reason: a key of `REASONS`, for rejects.csv.
      message: what was found, what was expected, and what to do.
    """

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        if reason not in REASONS:
            raise KeyError(f"{reason} is not declared in pipeline.contract.REASONS")
        self.reason = reason

    def __reduce__(self):
        return type(self), (self.reason, str(self))
