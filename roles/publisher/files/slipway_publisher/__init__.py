"""The publisher of Slipway: keeps the list of a Service's pods in object stores, as a page and as JSON."""
