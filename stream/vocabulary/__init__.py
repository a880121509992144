"""Language models: lists of phrases that a client names in `languageModel`, and their training."""
