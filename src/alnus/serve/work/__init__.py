"""What is done with a video that is here: ingested, scored, explained, returned; each once, whatever happens."""
