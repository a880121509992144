"""Models that can be downloaded by a short name: which there are, and where they are kept."""
