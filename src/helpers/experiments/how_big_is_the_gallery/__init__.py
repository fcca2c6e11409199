"""Notebook 06-how-big-is-the-gallery."""
