"""Alibaba DashScope: Qwen-Image."""
