"""The one place that sends: requests, polls, uploads and downloads, each safe to repeat or not repeated."""
