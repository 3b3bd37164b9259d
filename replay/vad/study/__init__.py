"""From recordings to advice: sweep, calibrate, recommend, write."""
