"""Deepgram's listen API for recordings."""
