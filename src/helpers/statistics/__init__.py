"""Intervals, tests and error rates: numbers in, numbers out; nothing here knows of Congress."""
