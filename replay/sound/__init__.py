"""Sound as everything below hears it: clips, formats, files, the speech engine, turn detection by ear."""
