"""The worker: clusters of pods as a service over gRPC. Run it by `python -m slipway_worker`."""
