"""Notebook 09-what-the-officer-sees."""
