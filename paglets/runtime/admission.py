"""Who may live here: allowed classes, code version, capabilities, size and room.

The allow-list is the security boundary: a class outside it is refused by its name alone, before
anything is imported anywhere.
"""

from collections.abc import Callable
from typing import ClassVar

from paglets.config.settings import Limits
from paglets.model.errors import (
    ClassNotAllowedError,
    CodeVersionError,
    PagletsError,
    TooLargeError,
    TransferError,
    UnavailableError,
)
from paglets.model.inactive import DeactivationPolicy
from paglets.model.manifest import ClassManifest
from paglets.model.names import new_id, parse_class_name
from paglets.model.refs import HostRef
from paglets.model.transfer import TransferTicket
from paglets.runtime.starter import Birth, Starter
from paglets.wire.bodies import CheckAnswer
from paglets.wire.messages import PROTOCOL

BUILT_IN = ("paglets.examples", "paglets.system")
"""Prefixes that every host allows."""


class Admission:
    """Judges what this host takes; used from its loop."""

    DEFAULT_POLICY: ClassVar[DeactivationPolicy] = DeactivationPolicy()
    """Policy of a paglet that arrives inactive without one of its own."""

    def __init__(
        self,
        starter: Starter,
        *,
        me: Callable[[], HostRef],
        allowed: tuple[str, ...],
        explain_version: Callable[[str], str],
        limits: Limits,
    ) -> None:
        self._starter = starter
        self._me = me
        self._allowed = (*BUILT_IN, *allowed)
        self._explain_version = explain_version
        self._limits = limits
        self._loadable: dict[tuple[str, str], PagletsError | ClassManifest] = {}
        self.refuses: str | None = None
        """Why nothing new is taken in: draining or stopping; None while it is."""

    def allow(self, prefixes: tuple[str, ...]) -> None:
        """Replace the owner's allowed prefixes: an agents folder has changed."""
        self._allowed = (*BUILT_IN, *prefixes)

    def require_open(self) -> None:
        """Raise UnavailableError while this host drains or stops."""
        if self.refuses is not None:
            raise UnavailableError(f"{self._me().name} is {self.refuses}", retry_after=1.0)

    def require_allowed(self, class_name: str) -> None:
        """Raise ClassNotAllowedError unless the class is under an allowed prefix.

        Raises:
            InvalidNameError: It does not read `module:QualName`.
        """
        module = parse_class_name(class_name).partition(":")[0]
        if self._allows(module):
            return
        own = [prefix for prefix in self._allowed if prefix not in BUILT_IN]
        raise ClassNotAllowedError(
            f"{self._me().name} does not allow {class_name}: start it with --agents DIR (the "
            f"folder of {module}.py) or --allow {module.partition('.')[0]}; allowed are "
            f"{', '.join(own) or 'only the built-in ones'}",
            class_name=class_name,
            allowed=list(self._allowed),
        )

    def require_module(self, module: str) -> None:
        """Raise ClassNotAllowedError unless a module is under an allowed prefix."""
        if not self._allows(module):
            raise ClassNotAllowedError(
                f"{self._me().name} does not allow module {module}: start it with --agents DIR or "
                f"--allow {module.partition('.')[0]}",
                class_name=module,
                allowed=list(self._allowed),
            )

    def _allows(self, module: str) -> bool:
        return any(module == prefix or module.startswith(prefix + ".") for prefix in self._allowed)

    async def require(
        self,
        *,
        class_name: str,
        code_version: str,
        ticket: TransferTicket,
        state_bytes: int,
        protocol: int,
    ) -> None:
        """Raise why this host would not take a paglet; return if it would.

        Raises:
            ClassNotAllowedError: See `require_allowed`.
            CodeVersionError: It runs on other code than here; the message names the difference.
            TransferError: A required capability is missing here.
            TooLargeError: The state is over this host's limit.
            UnavailableError: Draining or stopping.
        """
        me = self._me()
        if self.refuses is not None:
            # Not retryable here: a draining host refuses for good, and durably.
            raise TransferError(f"{me.name} is {self.refuses}", reason="unavailable")
        self.require_allowed(class_name)
        if abs(protocol - PROTOCOL) > 1:
            raise CodeVersionError(f"{me.name} speaks protocol {PROTOCOL}, not {protocol}")
        expected = ticket.expected_code_version
        if expected is not None and expected != me.code_version:
            raise CodeVersionError(
                f"{me.name} runs code version {me.code_version}, the ticket expects {expected}",
                expected=expected,
                found=me.code_version,
            )
        if expected is None and code_version != me.code_version:
            raise CodeVersionError(
                self._explain_version(code_version), expected=code_version, found=me.code_version
            )
        missing = sorted(set(ticket.required_capabilities) - set(me.capabilities))
        if missing:
            raise TransferError(
                f"{me.name} lacks the capabilities {', '.join(missing)}", reason="capabilities"
            )
        if state_bytes > self._limits.state_bytes:
            raise TooLargeError(
                f"a state of {state_bytes} bytes is over {me.name}'s limit of "
                f"{self._limits.state_bytes}: raise state_bytes under [limits] in its launch.toml"
            )

    async def require_loadable(self, class_name: str) -> ClassManifest:
        """Return what the class says of itself; tried once in a child.

        Raises:
            ClassLoadError: It cannot be imported here.
        """
        version = self._me().code_version
        key = (class_name, version)
        if key not in self._loadable:
            birth = Birth(agent_id=new_id(), class_name=class_name, check_only=True)
            try:
                link, loaded = await self._starter.launch(birth)
                await link.end(grace=1.0)
            except PagletsError as error:
                if error.retryable:
                    raise
                self._loadable[key] = error
            else:
                self._loadable[key] = loaded.manifest
        known = self._loadable[key]
        if isinstance(known, PagletsError):
            raise known
        return known

    def answer(self, protocol: int) -> CheckAnswer:
        """Return this host's yes."""
        me = self._me()
        return CheckAnswer(
            host_id=me.host_id,
            name=me.name,
            url=me.url,
            protocol=protocol,
            code_version=me.code_version,
            capabilities=me.capabilities,
        )
