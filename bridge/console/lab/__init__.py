"""The lab in the console: what it wrote, and runs of it that are begun, watched and stopped in a browser."""
