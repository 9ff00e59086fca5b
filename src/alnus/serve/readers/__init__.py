"""Reader studies in the room: who reads which case when and with what, and what goes to the MRMC analysis."""
