"""The counter of Slipway: counts over HTTP what Redis has stored, and says so when it cannot be sure."""
