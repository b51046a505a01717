"""The scenarios, by theme; every module here is imported."""
