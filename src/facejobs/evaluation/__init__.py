"""Numbers about models, with their protocol and their uncertainty."""
