"""What outlives a connection: transcriptions, their utterances, language models, in one database behind one URL."""
