"""The twenty points at which a move may be hit, each with the faults that may hit it there.

A case says what is armed, what happens, and where the paglet must be in the end. The names are the
sentences that hold.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from paglets.config.settings import Limits
from paglets.model.enums import PagletStatus
from paglets.testing.cutproxy import FaultKind
from tests.process.faults.scene import Scene

Act = Callable[[Scene], None]
HOME = ("alpha",)
AWAY = ("beta",)
EITHER = ("alpha", "beta")
RUNS = (PagletStatus.ACTIVE,)
CRASHED = (PagletStatus.CRASHED,)


@dataclass(frozen=True)
class Case:
    """One point and one fault."""

    point: int
    name: str
    act: Act
    arm: dict[str, str] = field(default_factory=dict)
    at: tuple[str, ...] = AWAY
    statuses: tuple[PagletStatus, ...] = RUNS
    numbers: tuple[int, ...] = (1,)
    arrivals: int | None = None
    """How often it has arrived; None where a repeated `on_arrival` may count twice."""

    @property
    def id(self) -> str:
        """What pytest calls it."""
        return f"{self.point:02}-{self.name.replace(' ', '-')}"


def leave(**made: object) -> Act:
    """Create and leave; the armed failpoint does the rest."""

    def act(scene: Scene) -> None:
        scene.create(**made)  # type: ignore[arg-type]  # as Scene.create takes them
        scene.go()

    return act


def leaves(**made: object) -> Act:
    """Create and leave, and wait for what the sender of the message hears."""

    def act(scene: Scene) -> None:
        leave(**made)(scene)
        scene.wait()

    return act


def dies(host: str, **made: object) -> Act:
    """Leave, and wait until `host` has been killed by its failpoint."""

    def act(scene: Scene) -> None:
        leave(**made)(scene)
        scene.mesh[host].wait_gone()

    return act


def dies_when_sent_off(host: str) -> Act:
    """Send off what the scene has made, and wait until `host` has been killed by its failpoint."""

    def act(scene: Scene) -> None:
        scene.go()
        scene.mesh[host].wait_gone()

    return act


def killed_at(point: str, pauses: str, killed: tuple[str, ...], **made: object) -> Act:
    """Leave, and kill hosts while `pauses` stands at a failpoint."""

    def act(scene: Scene) -> None:
        leave(**made)(scene)
        scene.wait_hit(scene.mesh[pauses], point)
        for name in killed:
            scene.mesh[name].kill()

    return act


def cut_at(point: str, pauses: str, *, attempts: int = 2, hang: bool = False) -> Act:
    """Leave, and part beta from all others while `pauses` stands at a failpoint."""

    def act(scene: Scene) -> None:
        leave()(scene)
        scene.wait_hit(scene.mesh[pauses], point)
        (scene.mesh.hang if hang else scene.mesh.cut)("beta")
        if attempts:
            scene.wait_doubt(attempts)

    return act


def spoilt(kind: FaultKind, *, size: int = 0, attempts: int = 2, **made: object) -> Act:
    """Leave while offers go wrong on the way to beta."""

    def act(scene: Scene) -> None:
        scene.create(**made)  # type: ignore[arg-type]  # as Scene.create takes them
        scene.spoil(kind, size=size)
        scene.go()
        scene.wait_doubt(attempts)

    return act


def child_killed(point: str) -> Act:
    """Leave, and kill the paglet's own process while alpha stands at a failpoint."""

    def act(scene: Scene) -> None:
        scene.create()
        kill_child(scene, scene.go, point)

    return act


def kill_child(scene: Scene, go: Callable[[], None], point: str) -> None:
    """Kill the ledger's process once alpha is at `point`."""
    pid = scene.alpha.observer.agent(scene.proxy.agent_id).pid
    assert pid is not None
    go()
    scene.wait_hit(scene.alpha, point)
    scene.kill_process(pid)


def refused(then: Act) -> Act:
    """Leave with a state that has grown since the check could know its size."""

    def act(scene: Scene) -> None:
        scene.limit_beta(Limits(state_bytes=4000))
        scene.create("Notes", fill=20_000)
        then(scene)

    return act


def sends_while(point: str, host: str, then: Act | None = None) -> Act:
    """Leave, and send a number to the old address while `host` stands at a failpoint."""

    def act(scene: Scene) -> None:
        leave()(scene)
        scene.wait_hit(scene.mesh[host], point)
        scene.send(2)
        scene.wait_sent(2)
        if then is not None:
            then(scene)

    return act


def lose(kind: FaultKind) -> Act:
    """Spoil offers to beta, leave, and wait for two vain attempts."""

    def act(scene: Scene) -> None:
        scene.spoil(kind)
        scene.go()
        scene.wait_doubt()

    return act


def kill(*names: str) -> Act:
    """Kill hosts now."""

    def act(scene: Scene) -> None:
        for name in names:
            scene.mesh[name].kill()

    return act


def cut_beta(scene: Scene) -> None:
    """Part beta from the others now."""
    scene.mesh.cut("beta")
    scene.wait_doubt()


def twice(first: Act, second: Act) -> Act:
    """Do one thing and then another."""

    def act(scene: Scene) -> None:
        first(scene)
        second(scene)

    return act


def goes_on(scene: Scene) -> None:
    """Let beta's answers get lost, and the ledger go on to gamma while alpha still asks."""
    scene.create()
    scene.spoil(FaultKind.LOSE_ANSWERS)
    scene.go()
    scene.wait_doubt()
    scene.send_go("gamma", at="beta")


S, T = "alpha", "beta"
CASES: tuple[Case, ...] = (
    Case(
        1,
        "a source killed before quiescing still has it",
        dies(S),
        {S: "move.before_quiesce=kill9"},
        HOME,
    ),
    Case(
        1,
        "a process killed before quiescing is a crash at home",
        child_killed("move.before_quiesce"),
        {S: "move.before_quiesce=pause:0.3*1"},
        HOME,
        CRASHED,
    ),
    Case(
        1,
        "an unexpected error before quiescing leaves it running at home",
        leaves(),
        {S: "move.before_quiesce=raise*1"},
        HOME,
    ),
    Case(
        2,
        "a hook that raises keeps it at home",
        leaves(trouble="on_dispatching:raise"),
        {},
        HOME,
    ),
    Case(
        2,
        "a hook that hangs is ended and it starts again at home",
        leaves(trouble="on_dispatching:hang"),
        {},
        HOME,
    ),
    Case(
        2,
        "a process that dies in the hook is a crash at home",
        leaves(trouble="on_dispatching:die"),
        {},
        HOME,
        CRASHED,
    ),
    Case(
        2,
        "a source killed in the hook still has it",
        killed_at("move.before_quiesce", S, (S,), trouble="on_dispatching:hang"),
        {S: "move.after_moved=pause:0.1"},
        HOME,
    ),
    Case(
        3,
        "a source killed with the state in hand starts it from its last commit",
        dies(S),
        {S: "move.after_quiesce=kill9"},
        HOME,
    ),
    Case(
        3,
        "a source killed before the promise is written still has it",
        dies(S),
        {S: "move.before_moving=kill9"},
        HOME,
    ),
    Case(
        3,
        "an unexpected error before the promise brings it back",
        leaves(),
        {S: "move.before_moving=raise*1"},
        HOME,
    ),
    Case(
        4,
        "a source killed while it writes the promise still has it",
        dies(S),
        {S: "move.moving_commit=kill9"},
        HOME,
    ),
    Case(
        4,
        "a full disk under the promise brings it back",
        leaves(),
        {S: "move.moving_commit=enospc*1"},
        HOME,
    ),
    Case(
        5,
        "a source killed after the promise carries it over when it is back",
        dies(S),
        {S: "move.after_moving=kill9"},
    ),
    Case(
        5,
        "a source killed before the first byte carries it over when it is back",
        dies(S),
        {S: "offer.before_send=kill9"},
    ),
    Case(
        5,
        "a cut after the promise leaves it in doubt until it is healed",
        cut_at("move.after_moving", S),
        {S: "move.after_moving=pause:0.4*1"},
    ),
    Case(
        6,
        "a source killed halfway through the offer carries it over again",
        dies(S, fill=300_000),
        {S: "offer.half_sent=kill9"},
    ),
    Case(
        6,
        "a target killed halfway through the offer keeps nothing of it",
        killed_at("offer.half_sent", S, (T,), fill=300_000),
        {S: "offer.half_sent=pause:0.5*1"},
    ),
    Case(
        6,
        "an offer cut in its body is sent again",
        spoilt(FaultKind.HALF, size=100_000, fill=300_000),
    ),
    Case(
        6,
        "an offer cut in its header is sent again",
        spoilt(FaultKind.HALF, size=300),
    ),
    Case(
        7,
        "a target killed before it looks at the offer gets it again",
        dies(T),
        {T: "arrival.before_checks=kill9"},
    ),
    Case(
        7,
        "a target killed with the whole offer in its spool gets it again",
        dies(T, fill=300_000),
        {T: "arrival.received=kill9"},
    ),
    Case(
        7,
        "a cut while the target checks leaves it in doubt until it is healed",
        cut_at("arrival.before_checks", T),
        {T: "arrival.before_checks=pause:0.4*1"},
    ),
    Case(
        7,
        "offers that nobody answers leave it in doubt until that ends",
        spoilt(FaultKind.HANG, attempts=1),
    ),
    Case(
        8,
        "a refusal brings it back",
        refused(lambda scene: scene.go()),
        {},
        HOME,
    ),
    Case(
        8,
        "a refusal whose answer is lost brings it back when it is heard",
        refused(lose(FaultKind.LOSE_ANSWERS)),
        {},
        HOME,
    ),
    Case(
        8,
        "a refusal outlives the target that gave it",
        refused(twice(lose(FaultKind.LOSE_ANSWERS), kill(T))),
        {},
        HOME,
    ),
    Case(
        8,
        "a source killed before it hears the refusal gets it back",
        refused(twice(lose(FaultKind.LOSE_ANSWERS), kill(S))),
        {},
        HOME,
    ),
    Case(
        8,
        "a source killed before it tells that it has heard the refusal tells later",
        refused(dies_when_sent_off(S)),
        {S: "settle.before_send=kill9"},
        HOME,
    ),
    Case(
        9,
        "a target killed before it accepts gets the offer again",
        dies(T),
        {T: "arrival.before_accepted=kill9"},
    ),
    Case(
        9,
        "a cut before the target accepts leaves it in doubt until it is healed",
        cut_at("arrival.before_accepted", T),
        {T: "arrival.before_accepted=pause:0.4*1"},
    ),
    Case(
        9,
        "an unexpected error before the target accepts is no answer",
        leaves(),
        {T: "arrival.before_accepted=raise*1"},
    ),
    Case(
        10,
        "a target whose disk is full when it accepts keeps nothing and gets the offer again",
        leaves(),
        {T: "arrival.accepted_commit=enospc*1"},
    ),
    Case(
        10,
        "a target killed while it writes its yes has not given it",
        dies(T),
        {T: "arrival.accepted_commit=kill9"},
    ),
    Case(
        11,
        "a target killed after its yes starts it when it is back",
        dies(T),
        {T: "arrival.after_accepted=kill9"},
    ),
    Case(
        11,
        "a target killed before the start starts it when it is back",
        dies(T),
        {T: "arrival.before_start=kill9"},
    ),
    Case(
        11,
        "a source killed while the target says yes learns of it later",
        killed_at("arrival.after_accepted", T, (S,)),
        {T: "arrival.after_accepted=pause:0.5*1"},
        arrivals=1,
    ),
    Case(
        11,
        "a cut after the yes leaves the source in doubt until it is healed",
        cut_at("arrival.after_accepted", T),
        {T: "arrival.after_accepted=pause:0.4*1"},
        arrivals=1,
    ),
    Case(
        11,
        "an unexpected error after the yes does not take it back",
        leaves(),
        {T: "arrival.after_accepted=raise*1"},
    ),
    Case(
        12,
        "a hook that raises on arrival is a crash at the target",
        leaves(trouble="on_arrival:raise"),
        statuses=CRASHED,
    ),
    Case(
        12,
        "a process that dies on arrival is a crash at the target",
        leaves(trouble="on_arrival:die"),
        statuses=CRASHED,
    ),
    Case(
        12,
        "a hook that hangs on arrival is a crash at the target",
        leaves(trouble="on_arrival:hang"),
        statuses=CRASHED,
    ),
    Case(
        12,
        "a target killed in on_arrival runs it again",
        killed_at("arrival.before_answer", T, (T,), trouble="on_arrival:hang"),
        {T: "arrival.before_answer=pause:0.1"},
        arrivals=1,
    ),
    Case(
        12,
        "a target whose forkserver dies takes it by the next one",
        twice(leave(), lambda scene: scene.kill_forkserver_at("arrival.before_checks")),
        {T: "arrival.before_checks=pause:0.4*1"},
    ),
    Case(
        13,
        "a yes that is lost is asked for again",
        spoilt(FaultKind.LOSE_ANSWERS),
        arrivals=1,
    ),
    Case(
        13,
        "a yes that comes too late is asked for again",
        leaves(),
        {T: "arrival.before_answer=pause:4*1"},
        arrivals=1,
    ),
    Case(
        13,
        "a target killed before it says yes has said it on disk",
        dies(T),
        {T: "arrival.before_answer=kill9"},
    ),
    Case(
        13,
        "a source killed while it waits for the yes asks again",
        killed_at("arrival.before_answer", T, (S,)),
        {T: "arrival.before_answer=pause:0.5*1"},
        arrivals=1,
    ),
    Case(
        14,
        "a source killed with the yes in hand asks again",
        dies(S),
        {S: "move.got_accepted=kill9"},
        arrivals=1,
    ),
    Case(
        14,
        "a target killed when its yes has been read starts it when it is back",
        killed_at("move.got_accepted", S, (T,)),
        {S: "move.got_accepted=pause:0.4*1"},
    ),
    Case(
        14,
        "an unexpected error with the yes in hand settles later",
        leaves(),
        {S: "move.got_accepted=raise*1"},
        arrivals=1,
    ),
    Case(
        15,
        "a source killed while it writes the tombstone writes it later",
        dies(S),
        {S: "move.moved_commit=kill9"},
        arrivals=1,
    ),
    Case(
        15,
        "a full disk under the tombstone settles later",
        leaves(),
        {S: "move.moved_commit=enospc*2"},
        arrivals=1,
    ),
    Case(
        15,
        "a source killed after the tombstone is written has moved it",
        dies(S),
        {S: "move.after_moved=kill9"},
        arrivals=1,
    ),
    Case(
        15,
        "a source killed before it tells that it has settled tells later",
        dies(S),
        {S: "settle.before_send=kill9"},
        arrivals=1,
    ),
    Case(
        16,
        "offers repeated after the yes start nothing",
        spoilt(FaultKind.LOSE_ANSWERS, attempts=4),
        arrivals=1,
    ),
    Case(
        16,
        "offers repeated after it has gone on start nothing",
        goes_on,
        at=("gamma",),
        arrivals=2,
    ),
    Case(
        16,
        "offers repeated after it has gone on and the target was killed start nothing",
        twice(goes_on, kill(T)),
        at=("gamma",),
        arrivals=2,
    ),
    Case(
        17,
        "a message sent before quiescing is handled once",
        sends_while("move.before_quiesce", S),
        {S: "move.before_quiesce=pause:0.4*1"},
        numbers=(1, 2),
    ),
    Case(
        17,
        "a message sent before the promise is handled once",
        sends_while("move.after_quiesce", S),
        {S: "move.after_quiesce=pause:0.4*1"},
        numbers=(1, 2),
    ),
    Case(
        17,
        "a message sent before the promise to a source that is killed is handled once",
        sends_while("move.after_quiesce", S, kill(S)),
        {S: "move.after_quiesce=pause:2*1"},
        at=HOME,
        numbers=(1, 2),
    ),
    Case(
        17,
        "a message sent during the promise is handled once",
        sends_while("move.after_moving", S),
        {S: "move.after_moving=pause:0.4*1"},
        numbers=(1, 2),
    ),
    Case(
        17,
        "a message sent during the promise to a source that is killed is handled once",
        sends_while("move.after_moving", S, kill(S)),
        {S: "move.after_moving=pause:2*1"},
        numbers=(1, 2),
    ),
    Case(
        17,
        "a message sent during the promise with the target cut off is handled once",
        sends_while("move.after_moving", S, cut_beta),
        {S: "move.after_moving=pause:0.4*1"},
        numbers=(1, 2),
    ),
    Case(
        17,
        "a message sent before the tombstone is handled once",
        sends_while("move.got_accepted", S),
        {S: "move.got_accepted=pause:0.4*1"},
        numbers=(1, 2),
    ),
    Case(
        17,
        "a message sent before the tombstone with both killed is handled once",
        sends_while("move.got_accepted", S, kill(S, T)),
        {S: "move.got_accepted=pause:2*1"},
        numbers=(1, 2),
    ),
    Case(
        17,
        "a message sent after the tombstone is handled once",
        sends_while("move.after_moved", S),
        {S: "move.after_moved=pause:0.4*1"},
        numbers=(1, 2),
    ),
    Case(
        17,
        "a message sent after the tombstone to a source that is killed is handled once",
        sends_while("move.after_moved", S, kill(S)),
        {S: "move.after_moved=pause:2*1"},
        numbers=(1, 2),
    ),
    Case(
        18,
        "both killed during the promise carry on when they are back",
        killed_at("move.after_moving", S, (S, T)),
        {S: "move.after_moving=pause:2*1"},
    ),
    Case(
        18,
        "both killed after the yes carry on when they are back",
        killed_at("arrival.after_accepted", T, (S, T)),
        {T: "arrival.after_accepted=pause:2*1"},
    ),
    Case(
        18,
        "both killed before the tombstone carry on when they are back",
        killed_at("move.got_accepted", S, (T, S)),
        {S: "move.got_accepted=pause:2*1"},
    ),
)
