"""One supervisor for every process of `manage.py up`."""
