"""Notebook 12-what-gender-does-it-see."""
