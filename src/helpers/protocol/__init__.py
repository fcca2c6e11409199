"""The Congress test: thresholds, scores that may ship, calibration, the result."""
