"""What an assistant reads to choose a tool and to use it well. All of it is made from the rows on offer."""
