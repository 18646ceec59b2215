"""The driver of the worker: clusters of pods from the command line, from a Job, or for hours on end."""
