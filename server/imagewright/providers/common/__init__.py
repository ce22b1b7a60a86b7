"""What several vendors have in common: spelling fields, overriding routes, answering at once, linking pictures."""
