"""Notebook 05-who-is-in-the-gallery."""
