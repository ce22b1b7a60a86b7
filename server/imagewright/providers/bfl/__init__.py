"""Black Forest Labs: FLUX.1 Kontext."""
