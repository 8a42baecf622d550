"""From images to masks, probabilities, lesions and DICOM SEG."""
