"""Other task queues, each run by its own worker in a virtual environment of its own."""
