"""What JobSet v1alpha2 documents of the fields that facejobs may use; every other field is refused.

https://jobset.sigs.k8s.io/docs/reference/jobset.v1alpha2/. A custom resource has no schema in kubernetes-validate. The
Job in it is one of batch/v1, so it is checked as such.
"""

from typing import Any

import jsonschema
import kubernetes_validate

_STRINGS = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
_ACTIONS = ["FailJobSet", "RestartJobSet", "RestartJobSetAndIgnoreMaxRestarts"]


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


_RULE = _object(
    ["name", "action"],
    name={"type": "string", "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"},
    action={"enum": _ACTIONS},
    onJobFailureReasons={
        "type": "array",
        "items": {
            "enum": [
                "BackoffLimitExceeded", "DeadlineExceeded", "FailedIndexes", "PodFailurePolicy"
            ]
        },
    },
    targetReplicatedJobs=_STRINGS,
)  # fmt: skip
_SCHEMA = _object(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "jobset.x-k8s.io/v1alpha2"},
    kind={"const": "JobSet"},
    metadata=_object(
        ["name", "namespace"],
        name={"type": "string", "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"},
        namespace={"type": "string"},
        labels={"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}},
        annotations={"type": "object", "additionalProperties": {"type": "string"}},
    ),
    spec=_object(
        ["replicatedJobs"],
        replicatedJobs={
            "type": "array",
            "minItems": 1,
            "items": _object(
                ["name", "template"],
                name={"type": "string", "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"},
                replicas={"type": "integer", "minimum": 0},
                template=_object(["spec"], metadata={"type": "object"}, spec={"type": "object"}),
            ),
        },
        network=_object(
            [],
            enableDNSHostnames={"type": "boolean"},
            subdomain={"type": "string"},
            publishNotReadyAddresses={"type": "boolean"},
        ),
        failurePolicy=_object([], maxRestarts={"type": "integer"}, rules={"type": "array", "items": _RULE}),
        suspend={"type": "boolean"},
        ttlSecondsAfterFinished={"type": "integer", "minimum": 0},
    ),
)


def validate_jobset(manifest: dict[str, Any], version: str) -> None:
    """Raise ValidationError where a field is not documented, or not as documented."""
    jsonschema.Draft202012Validator(_SCHEMA).validate(manifest)
    spec, name = manifest["spec"], manifest["metadata"]["name"]
    for replicated in spec["replicatedJobs"]:
        template = replicated["template"]
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": template["spec"]}
        kubernetes_validate.validate(job, version, strict=True)
        completions = template["spec"].get("completions", 1)
        # JobSet's webhook: the names of pods, with five characters at their end, are labels of DNS.
        longest = f"{name}-{replicated['name']}-{replicated.get('replicas', 1) - 1}-{completions - 1}-abcde"
        if len(longest) > 63:
            raise jsonschema.ValidationError(f"the name of a pod, {longest}, has more than 63 characters")
