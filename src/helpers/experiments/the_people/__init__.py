"""Notebook 01-the-people."""
