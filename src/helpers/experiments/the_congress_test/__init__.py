"""Notebook 02-the-congress-test."""
