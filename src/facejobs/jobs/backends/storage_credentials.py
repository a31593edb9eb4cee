"""How a task elsewhere reaches the object store as its submitter does, whose home it does not see."""

import os
from collections.abc import Mapping

from facejobs.jobs.backends.contract import STORAGE_CREDENTIALS

# The providers of botocore that read ~/.aws; what other ones find, such as the role of a machine, is found in a
# container too.
_FILES = ("shared-credentials-file", "config-file")


def storage_credentials(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that hold the submitter's keys, and their values: from the environment, else from ~/.aws.

    Empty where neither has any.
    """
    named = {name: environment[name] for name in STORAGE_CREDENTIALS if environment.get(name)}
    return named or _of_files()


def _of_files() -> dict[str, str]:
    from botocore.exceptions import BotoCoreError
    from botocore.session import get_session

    try:
        resolver = get_session().get_component("credential_provider")
        for name in _FILES:
            found = resolver.get_provider(name).load()
            if found is not None:
                keys = (found.access_key, found.secret_key, found.token)
                return {name: key for name, key in zip(STORAGE_CREDENTIALS, keys, strict=True) if key}
    except BotoCoreError:
        # A file that cannot be understood is named by whoever uses the store.
        return {}
    return {}
