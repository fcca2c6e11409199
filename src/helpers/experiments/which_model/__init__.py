"""Notebook 07-which-model."""
