"""Where row, route, picture and disk meet: check, resolve, choose, plan, run, keep."""
