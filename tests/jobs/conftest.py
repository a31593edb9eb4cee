"""What tests of the job plane share."""

import sys
from pathlib import Path

# Test folders are no packages, so what tests here share is found by its folder.
sys.path.insert(0, str(Path(__file__).parent))
