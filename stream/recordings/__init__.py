"""Whole files and long recordings: format detection, segmentation, recognition, subtitles."""
