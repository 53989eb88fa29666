"""The HTTP service: an API, and pages for people."""
