"""What results.json holds: each module turns pure statistics into one part of it."""
