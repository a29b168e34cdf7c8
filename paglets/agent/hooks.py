"""The life-cycle hooks an author may override. Here they do nothing.

All are optional, plain or `async def`, and run one at a time with message handlers. A hook that
raises or takes over 30 s fails its life-cycle call. `run()` is the paglet's own activity, in a
thread of its own.
"""

from paglets.model.events import (
    ActivationEvent,
    CloneEvent,
    CreationEvent,
    DisposalEvent,
    MobilityEvent,
    MoveFailedEvent,
    PersistencyEvent,
)


class LifecycleHooks:
    """Base of Paglet: what the runtime calls at life-cycle points."""

    def on_creation(self, event: CreationEvent) -> object:
        """Called once in a paglet's life, before its first message."""

    def on_dispatching(self, event: MobilityEvent) -> object:
        """Called at the source before a dispatch; raise to stay."""

    def on_arrival(self, event: MobilityEvent) -> object:
        """Called at the target of a dispatch or retract, before the first message there."""

    def on_reverting(self, event: MobilityEvent) -> object:
        """Called at the source before the paglet is retracted; raise to stay."""

    def on_cloning(self, event: CloneEvent) -> object:
        """Called in the original before its state is copied."""

    def on_clone(self, event: CloneEvent) -> object:
        """Called in the clone, before its first message."""

    def on_cloned(self, event: CloneEvent) -> object:
        """Called in the original after the clone was accepted."""

    def on_deactivating(self, event: PersistencyEvent) -> object:
        """Called before the paglet is put to sleep; raise to stay awake."""

    def on_activation(self, event: ActivationEvent) -> object:
        """Called when the paglet was woken or its process started again."""

    def on_disposing(self, event: DisposalEvent) -> object:
        """Called before the paglet ends for good."""

    def on_move_failed(self, event: MoveFailedEvent) -> object:
        """Called where a dispatch or retract did not happen, by refusal or later."""

    def run(self) -> object:
        """The paglet's own activity, in a thread of its own; started anew after each move.

        Look at `self.stopping`, or wait with `self.sleep()`, to end when the paglet leaves. An
        exception here is a crash.
        """
