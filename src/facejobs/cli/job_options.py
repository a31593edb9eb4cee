"""Arguments and options that several job commands share."""

import typer

JOB = typer.Argument(..., metavar="JOB", help="Name of the job, or JOB@last, or JOB@best:METRIC.")
VERSION = typer.Argument(None, metavar="[V]", help="Its version: 3, V0003, last or best:METRIC.")
STORE = typer.Option(None, "--store", metavar="URL", help="Version store; default: FACEJOBS_STORE, else .facejobs.")
JSON = typer.Option(False, "--json", help="Print JSON.")
BACKEND = typer.Option("local", "--backend", metavar="NAME", help="Where it runs; facejobs backends lists them.")
BACKEND_OPTIONS = typer.Option(
    [],
    "-o",
    "--option",
    metavar="NAME=VALUE",
    help="Set an option of the backend (facejobs backends --table has them); may be repeated.",
)
TRACKING = typer.Option(
    None,
    "--tracking",
    metavar="mlflow",
    help="Send parameters and metrics to the MLflow server of MLFLOW_TRACKING_URI when it ends.",
)
PARAMETERS = typer.Option([], "-p", "--parameter", metavar="NAME=VALUE", help="Set a parameter; may be repeated.")
INPUTS = typer.Option([], "-i", "--input", metavar="NAME=URL", help="Set an input; may be repeated.")
ENVIRONMENT = typer.Option(
    [], "-e", "--environment", metavar="NAME=VALUE", help="Set an environment variable; may be repeated."
)
