"""Whether an assistant picks the right tool and gives it the right arguments: requests, runners and a scorer."""
