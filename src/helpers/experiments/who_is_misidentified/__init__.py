"""Notebook 04-who-is-misidentified."""
