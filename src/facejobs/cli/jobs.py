"""The commands about jobs and their versions, each at the top level: facejobs submit, facejobs versions, …"""

import typer

from facejobs.cli import jobs_backends, jobs_keep, jobs_show, jobs_submit

app = typer.Typer(rich_markup_mode=None)
for part in (jobs_submit, jobs_show, jobs_keep, jobs_backends):
    app.add_typer(part.app)
