"""Notebook 03-what-is-80-percent."""
