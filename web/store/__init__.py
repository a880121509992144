"""What is kept in the database: transcriptions with their utterances, recordings, language models."""
