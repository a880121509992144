"""Riva's responses as hypotheses: words, their times and their confidences."""
