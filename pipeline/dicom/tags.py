"""The tags of one mammogram that the rest of the program uses."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tags:
    """The identity of the image in a DICOM file; an empty string or None means unknown.

    Attributes:
      patient_id: PatientID as the file has it; never to be written out.
      uid: SOPInstanceUID.
      exposure: shared by the low-energy and the subtracted image of one compression: FrameOfReferenceUID, else the uid.
      has_text: BurnedInAnnotation; None if the file does not state it.
      study: StudyInstanceUID; never to be written out.
    """

    patient_id: str = ""
    side: str = ""
    kind: str = ""
    view: str = ""
    uid: str = ""
    exposure: str = ""
    has_text: bool | None = None
    study: str = ""
