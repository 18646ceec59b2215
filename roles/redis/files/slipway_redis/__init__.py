"""The agent of Slipway's Redis: starts data nodes and Sentinels safely, and hands over before a stop."""
