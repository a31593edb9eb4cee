"""The facejobs command, one file per command group."""
