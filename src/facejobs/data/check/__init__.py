"""The data check behind `facejobs data check`."""

from facejobs.data.check.data_check import CheckReport, check_records

__all__ = ["CheckReport", "check_records"]
