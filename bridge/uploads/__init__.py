"""Tapes on their way to object storage: how one is put there and proved to be, and what stays here in its place."""
