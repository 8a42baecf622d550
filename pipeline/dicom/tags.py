"""What the tags of one mammogram say, as the rest of the program takes it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tags:
    """What a DICOM file says of itself; an empty string or None is unknown.

    Attributes:
      patient_id: as it stands in the file; never to be written out.
      uid: SOPInstanceUID.
      exposure: what the low-energy and the subtracted image of one compression share: FrameOfReferenceUID, else the uid.
      has_text: BurnedInAnnotation; None where the file does not say.
    """

    patient_id: str = ""
    side: str = ""
    kind: str = ""
    view: str = ""
    uid: str = ""
    exposure: str = ""
    has_text: bool | None = None
