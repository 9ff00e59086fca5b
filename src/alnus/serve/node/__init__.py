"""The DICOM node: cines come in over the network, results go back as DICOM objects, nothing is lost on the way."""
