"""`bridge demo`: whole calls through the real daemon, with a stand-in at either end; one story each."""
