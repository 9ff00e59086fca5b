"""DICOM ultrasound: the header's few elements, the regions, the times, and frames read one at a time."""
