"""The REST service for programs: submit a video, ask how far it is, take the result, the heatmap and the report."""
