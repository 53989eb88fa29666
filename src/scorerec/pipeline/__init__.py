"""History + item -> evidence -> prompt -> probability: how the trained parts are chained."""
