"""The data check behind `facejobs data check`."""

from facejobs.data.check.data_check import CheckReport, check_records
from facejobs.data.check.kind import kind_of_data
from facejobs.data.check.photograph_check import PhotographReport, check_photographs

__all__ = ["CheckReport", "PhotographReport", "check_photographs", "check_records", "kind_of_data"]
