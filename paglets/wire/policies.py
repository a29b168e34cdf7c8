"""DeactivationPolicy on the wire: the timer as Unix seconds."""

from datetime import UTC, datetime

import msgspec

from paglets.model.inactive import DeactivationPolicy


class PolicyBody(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Fields of a DeactivationPolicy as they travel and are stored."""

    activate_on_message: bool = True
    queue_messages: bool = True
    activate_on_startup: bool = False
    activate_at: float | None = None
    """Unix seconds."""


def encode_policy(policy: DeactivationPolicy) -> PolicyBody:
    """Return `policy` as it travels."""
    wake_at = policy.activate_at
    return PolicyBody(
        activate_on_message=policy.activate_on_message,
        queue_messages=policy.queue_messages,
        activate_on_startup=policy.activate_on_startup,
        activate_at=None if wake_at is None else wake_at.timestamp(),
    )


def decode_policy(body: PolicyBody) -> DeactivationPolicy:
    """Return the policy that travelled as `body`."""
    wake_at = body.activate_at
    return DeactivationPolicy(
        activate_on_message=body.activate_on_message,
        queue_messages=body.queue_messages,
        activate_on_startup=body.activate_on_startup,
        activate_at=None if wake_at is None else datetime.fromtimestamp(wake_at, UTC),
    )
