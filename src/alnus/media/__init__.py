"""A file on disk becomes a Cine: frames, frame times and spacing, without the patient's identity."""
