"""The messages of the Farsava speech API 1.0.7, and the extended mode beside them."""
