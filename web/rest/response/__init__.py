"""Response bodies of a transcription: JSON, plain text, SRT and WebVTT."""
