"""A Job that Pulumi tracks: replaced when its trigger changes, retried when it failed."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_kubernetes import batch, core, meta

RETRY_SECONDS = 600
"""How much longer than a Job's own deadline Pulumi waits for it: the Job must end first."""


def run_to_completion(
    name: str,
    *,
    namespace: pulumi.Input[str],
    labels: Mapping[str, str],
    trigger: pulumi.Input[Any],
    pod: core.v1.PodSpecArgs,
    deadline: int,
    opts: pulumi.ResourceOptions,
    annotations: Mapping[str, pulumi.Input[str]] | None = None,
    backoff_limit: int = 3,
) -> batch.v1.Job:
    """Register a Job whose completion the deployment waits for.

    Only the trigger replaces it: a Job's template can't be changed, and other limits or
    placement are no reason to run again. A Job that failed is replaced by the next `up`.

    Args:
        name: logical name; Pulumi makes the object's name from it, so that a new Job can run
            before the old one is deleted.
        namespace: where it runs.
        labels: on the Job and its pods.
        trigger: any value; another one replaces the Job by one with the new spec.
        pod: what runs.
        deadline: seconds after which Kubernetes fails the Job, the wait for a node included.
        opts: parent, dependencies and the like.
        annotations: on the Job alone; changing them never runs it again.
        backoff_limit: how many more pods are tried after the first failed.
    """
    return batch.v1.Job(
        name,
        metadata=meta.v1.ObjectMetaArgs(
            namespace=namespace,
            labels=labels,
            annotations={**(annotations or {}), "pulumi.com/replaceUnready": "true"},
        ),
        spec=batch.v1.JobSpecArgs(
            backoff_limit=backoff_limit,
            active_deadline_seconds=deadline,
            template=core.v1.PodTemplateSpecArgs(
                metadata=meta.v1.ObjectMetaArgs(labels=labels),
                spec=pod,
            ),
        ),
        opts=pulumi.ResourceOptions.merge(
            opts,
            pulumi.ResourceOptions(
                ignore_changes=["spec"],
                replacement_trigger=trigger,
                custom_timeouts=pulumi.CustomTimeouts(create=f"{deadline + RETRY_SECONDS}s"),
            ),
        ),
    )
