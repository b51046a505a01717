"""kill -9 between any two commands (R29): the acts, their worlds, the killing."""
