"""Container formats: file signatures, WAV, MPEG frames, Ogg pages, transfer encodings."""
