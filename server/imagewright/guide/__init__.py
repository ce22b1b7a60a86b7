"""What an assistant reads to choose a tool and use it well: rendered from the rows on offer, and from nothing else."""
