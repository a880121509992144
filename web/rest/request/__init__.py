"""Request bodies: JSON, forms and raw audio, each read within bounds and checked."""
