"""Notebook 10-explore."""
