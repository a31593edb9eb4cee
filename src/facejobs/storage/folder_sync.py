"""Copies whole folders to storage and back: parallel, resumable, and proven before anything is called complete."""

from facejobs.storage.folder_download import download_folder
from facejobs.storage.folder_upload import Verification, upload_folder

__all__ = ["Verification", "download_folder", "upload_folder"]
