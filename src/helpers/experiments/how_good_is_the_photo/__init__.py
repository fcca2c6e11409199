"""Notebook 08-how-good-is-the-photo."""
