"""Stand-ins for what the runtime is handed: other hosts, and Paglet Processes."""

import asyncio
from collections import defaultdict

from paglets.mesh.directory import MeshRecord
from paglets.model.errors import HostNotFoundError, HostUnreachableError
from paglets.runtime.childlink import ChildLink
from paglets.supervise.exits import ExitReport
from paglets.supervise.output import OutputRing
from paglets.testing.waiting import turn, wait_until_async
from paglets.wire.bodies import FenceAnswer, OutcomeBody
from paglets.wire.calls import (
    Exit,
    HookDone,
    Loaded,
    OpenGate,
    Quiesce,
    Quiesced,
    RunHook,
    Snapshot,
    decode_to_child,
    encode_call,
)
from tests.unit.runtime.samples import ALPHA, MANIFEST, make_host


class FakeHosts:
    """The mesh as one host sees it."""

    def __init__(self, *hosts):
        self.known = list(hosts)
        self.me = make_host(ALPHA)

    def self_ref(self):
        return self.me

    def hosts(self):
        return self.known

    def lookup(self, name):
        return next((host for host in [self.me, *self.known] if host.name == name), None)

    def by_id(self, host_id):
        return next((host for host in [self.me, *self.known] if host.host_id == host_id), None)

    async def wait_for_host(self, name, *, timeout):
        found = self.lookup(name)
        if found is None:
            raise HostNotFoundError(f"no host {name}", host=name)
        return found


class FakeRecords:
    """What rides on the gossip: what this host has told, and what others have."""

    def __init__(self):
        self.told = {}
        self.others = []
        self.published = []

    def set_record(self, kind, key, payload, *, lazy=False):
        self.published.append((kind, key, payload))
        self.told[kind, key] = payload
        if payload is None:
            del self.told[kind, key]

    def records(self, kind, prefix=""):
        return [told for told in self.others if told.kind == kind and told.key.startswith(prefix)]

    def all_records(self):
        return list(self.others)

    def record(self, host_id, kind, key=""):
        told = [r for r in self.others if (r.host_id, r.kind, r.key) == (host_id, kind, key)]
        return told[-1] if told else None

    def hear(self, kind, host, key, payload):
        self.others.append(MeshRecord(host.host_id, kind, key, 1, payload))


def unreachable(*, connected):
    return HostUnreachableError("beta does not answer", connected=connected)


async def until(holds):
    """Wait until `holds()`, which nobody announces; fails after 5 s."""
    await wait_until_async(holds, timeout=5, what="the condition holds", interval=0.001)


def word(outcome, *, host=None, transfer_id="t1", **fields):
    return OutcomeBody(
        transfer_id=transfer_id, host_id=host or "id-beta", outcome=outcome, **fields
    )


class FakeCalls:
    """Calls to other hosts: each answers from its script, the last answer again and again."""

    def __init__(self):
        self.scripts = defaultdict(list)
        self.made = []
        self._news = asyncio.Event()

    def answer(self, name, *answers):
        """Let calls of `name` return, or raise, these one after the other."""
        self.scripts[name] = list(answers)

    async def _call(self, name, *args):
        self.made.append((name, *args))
        self._news.set()
        self._news = asyncio.Event()
        await turn()
        script = self.scripts[name]
        if not script:
            raise unreachable(connected=False)
        answer = script.pop(0) if len(script) > 1 else script[0]
        if callable(answer):
            answer = answer(*args)
        if asyncio.isfuture(answer):
            answer = await answer
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def named(self, name):
        return [args for made, *args in self.made if made == name]

    async def until(self, name, times=1):
        """Wait until `name` has been called so often."""
        async with asyncio.timeout(5):
            while len(self.named(name)) < times:
                await self._news.wait()

    async def check(self, peer, body, *, timeout):
        return await self._call("check", peer, body)

    async def offer(self, peer, transfer_id, header, parts, *, timeout):
        return await self._call("offer", peer, transfer_id, header, parts)

    async def outcome(self, peer, transfer_id, *, timeout):
        return await self._call("outcome", peer, transfer_id)

    async def settled(self, peer, transfer_id, *, timeout):
        return await self._call("settled", peer, transfer_id)

    async def fence(self, peer, body, *, timeout):
        if not self.scripts["fence"]:
            return FenceAnswer(superseded=())
        return await self._call("fence", peer, body)

    async def send(self, peer, agent_id, body, *, timeout):
        return await self._call("send", peer, agent_id, body)

    async def lease(self, peer, agent_id, body, *, timeout):
        return await self._call("lease", peer, agent_id, body)

    async def locate(self, peer, agent_id, *, timeout):
        return await self._call("locate", peer, agent_id)


class FakeChannel:
    def __init__(self, process):
        self._process = process
        self.on_frame = None

    def listen(self, on_frame, on_close=None):
        self.on_frame = on_frame

    def send(self, payload):
        self._process.got(decode_to_child(payload))


class FakeProcess:
    """A Paglet Process that answers as a well-behaved child does, unless told otherwise."""

    pid = 4242

    def __init__(self, answers=None):
        self.channel = FakeChannel(self)
        self.output = OutputRing(None)
        self.frames = []
        self.answers = answers or {}
        self.lingers = False
        """Whether it takes its time to exit once it has left: until `exit` is called."""
        self._exit = asyncio.get_running_loop().create_future()
        self._is_expected = False

    @property
    def is_over(self):
        return self._exit.done()

    def got(self, frame):
        self.frames.append(frame)
        answer = self.answers.get(type(frame), _well_behaved)
        reply = answer(frame)
        if asyncio.iscoroutine(reply):
            task = asyncio.ensure_future(reply)
            task.add_done_callback(lambda done: self.say(done.result()))
        elif isinstance(frame, Exit):
            self.exit(0)
        elif reply is not None:
            asyncio.get_running_loop().call_soon(self.say, reply)
            has_left = isinstance(reply, Quiesced) and isinstance(frame, Quiesce)
            if has_left and not self.lingers:
                asyncio.get_running_loop().call_soon(self.exit, 0)

    def say(self, frame):
        if frame is not None and not self.is_over:
            self.channel.on_frame(encode_call(frame))

    def sent(self, kind):
        return [frame for frame in self.frames if isinstance(frame, kind)]

    def expect_exit(self):
        self._is_expected = True

    def kill(self, *, expected=True):
        self._is_expected = self._is_expected or expected
        self.exit(-9)

    def exit(self, code):
        if not self._exit.done():
            self._exit.set_result(
                ExitReport(
                    pid=self.pid,
                    exit_code=code if code >= 0 else None,
                    signal=-code if code < 0 else None,
                    maxrss_bytes=0,
                    expected=self._is_expected,
                )
            )

    async def wait(self):
        return await asyncio.shield(self._exit)


def _well_behaved(frame):
    match frame:
        case RunHook():
            return HookDone(call=frame.call)
        case Quiesce():
            return Quiesced(call=frame.call, snapshot=Snapshot(data=b"left", size=4))
        case OpenGate():
            return None
        case _:
            return None


class FakeStarter:
    """Makes processes that have loaded their paglet already."""

    def __init__(self):
        self.births = []
        self.links = []
        self.error = None
        self.answers = {}
        self.manifest = MANIFEST
        self.snapshot = None
        self.code_version = MANIFEST.code_version
        self.expected = []
        self.before_loaded = None
        """Awaited before a launch returns: what happens meanwhile."""

    def expect(self, class_name):
        self.expected.append(class_name)

    async def launch(self, birth):
        self.births.append(birth)
        if self.error is not None:
            raise self.error
        link = ChildLink(birth.agent_id, FakeProcess(self.answers), lambda link, call: None)
        link.keep(asyncio.ensure_future(_watched(link)))
        self.links.append(link)
        if self.before_loaded is not None:
            await self.before_loaded()
        return link, Loaded(call=1, manifest=self.manifest, snapshot=self.snapshot)


async def _watched(link):
    await link.wait_exit()
