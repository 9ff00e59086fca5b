"""What comes in: files under their hash, each submitted once, as a video of a case with a job."""
