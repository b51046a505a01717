"""The engine against a model of it (R28): any acts, in any order, at any time."""
