"""Routes of OpenAI's audio API: transcriptions of files, and the names of models."""
