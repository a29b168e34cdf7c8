"""What is read and refused when a Paglet class is defined or loaded."""

import types
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

import pytest

from paglets import (
    AutoStartSpec,
    ClassLoadError,
    Durability,
    InvalidRequestError,
    Itinerary,
    Message,
    Paglet,
    RestartPolicy,
    ServiceContract,
    ServiceOperation,
    ServiceReplyError,
    handles,
    provides,
)
from paglets.agent.introspection import (
    class_name_of,
    itinerary_field,
    make_manifest,
    state_class_of,
)

S = TypeVar("S")


@dataclass
class Notes:
    count: int = 0


@dataclass
class Text:
    text: str


@dataclass
class TwoPlans:
    one: Itinerary = field(default_factory=Itinerary)
    two: Itinerary | None = None


class Base(Paglet[S], Generic[S]):
    @handles("base")
    def base(self) -> str:
        return "base"


class Derived(Base[Notes]):
    @handles("sum")
    def sum(self, a: int, b: int = 2, *, message: Message, **rest: str) -> int:
        return a + b + len(rest)

    @handles(Text)
    def take(self, text: Text) -> str:
        return text.text

    @handles("arg")
    def with_arg(self, arg: list[int]) -> int:
        return sum(arg)


class Further(Derived):
    @handles("base")
    def base(self) -> str:
        return "further"


def define(name: str, bases: tuple[object, ...], body: dict[str, object]) -> type:
    return types.new_class(name, bases, exec_body=lambda namespace: namespace.update(body))


def route(cls: type, message: Message) -> object:
    paglet = cls.__new__(cls)
    return paglet.routes.find(message).call(paglet, message)


def test_the_state_class_is_read_through_generic_bases():
    assert state_class_of(Derived) is Notes
    assert state_class_of(Further) is Notes
    assert state_class_of(define("Plain", (Paglet[None],), {})) is None


def test_a_class_without_a_state_parameter_is_told_what_to_write():
    with pytest.raises(ClassLoadError, match=r"Paglet\[TheState\]"):
        state_class_of(define("Bare", (Paglet,), {}))


def test_classes_other_processes_cannot_import_are_refused_with_a_remedy():
    class Local(Paglet[None]):
        pass

    with pytest.raises(ClassLoadError, match=r"tour\.py"):
        class_name_of(Local)
    Script = define("Script", (Paglet[None],), {"__module__": "__main__"})  # noqa: N806
    with pytest.raises(ClassLoadError, match=r"tour\.py"):
        class_name_of(Script)
    assert class_name_of(Derived).endswith("test_classes:Derived")


def test_args_become_arguments_by_name():
    assert route(Derived, Message("sum", {"a": 1})) == 3
    assert route(Derived, Message("sum", {"a": 1, "b": 1, "x": "y"})) == 3
    assert route(Derived, Message("arg", arg=[1, 2])) == 3


def test_a_dataclass_is_handed_over_whole():
    assert route(Derived, Message.of(Text("hi"))) == "hi"


def test_arguments_that_do_not_fit_are_refused():
    with pytest.raises(InvalidRequestError, match="sum"):
        route(Derived, Message("sum", {"a": "one"}))
    with pytest.raises(InvalidRequestError, match="Text"):
        route(Derived, Message("Text", {}))


def test_a_subclass_replaces_a_handler():
    assert route(Derived, Message("base")) == "base"
    assert route(Further, Message("base")) == "further"


def test_two_handlers_of_one_kind_in_a_class_are_refused():
    def first(self: object) -> None: ...
    def second(self: object) -> None: ...

    with pytest.raises(TypeError, match="both handle 'x'"):
        define("Twice", (Paglet[None],), {"a": handles("x")(first), "b": handles("x")(second)})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("durability", "message"),
        ("restart", "never"),
        ("services", [ServiceContract("s", [])]),
        ("auto_start", "indexer"),
    ],
)
def test_raw_values_in_class_variables_are_type_errors(name: str, value: object):
    with pytest.raises(TypeError, match=name):
        define("Wrong", (Paglet[None],), {name: value})


@pytest.mark.parametrize(("name", "value"), [("run_grace", -1), ("handler_limit", 0)])
def test_numbers_out_of_range_are_refused(name: str, value: object):
    with pytest.raises(ValueError, match=name):
        define("Wrong", (Paglet[None],), {name: value})


class Full(Paglet[Notes]):
    durability = Durability.MESSAGE
    restart = RestartPolicy.ON_CRASH
    run_grace = 1.5
    handler_limit = 5
    auto_start: ClassVar[AutoStartSpec | None] = AutoStartSpec("indexer")

    def run(self) -> None: ...
    def on_arrival(self, event: object) -> None: ...


def test_a_manifest_says_all_a_host_must_know():
    manifest = make_manifest(Full, Full.routes, code_version="c")

    assert manifest.hooks == ("on_arrival", "run")
    assert (manifest.run_grace, manifest.handler_limit) == (1.5, 5.0)
    assert manifest.auto_start is not None
    assert (manifest.auto_start.alias, manifest.auto_start.singleton) == ("indexer", True)


def test_a_class_is_examined_once_whatever_the_version_of_the_code(monkeypatch):
    first = make_manifest(Full, Full.routes, code_version="a")
    monkeypatch.setattr("paglets.agent.introspection.overridden_hooks", None)
    second = make_manifest(Full, Full.routes, code_version="b")
    assert (first.code_version, second.code_version) == ("a", "b")
    assert second.hooks == first.hooks


def test_two_itineraries_in_a_state_are_refused():
    with pytest.raises(ClassLoadError, match="two itineraries"):
        itinerary_field(TwoPlans)


ECHO = ServiceOperation("echo", Text, Text)


class WrongHint(Paglet[None]):
    services = (ServiceContract("echo", [ECHO]),)

    @provides(ECHO)  # type: ignore[arg-type]
    def echo(self, request: Notes) -> Text:
        return Text("")


class WrongReply(Paglet[None]):
    services = (ServiceContract("echo", [ECHO]),)

    @provides(ECHO)
    def echo(self, request: Text) -> Text:
        return request.text  # type: ignore[return-value]


def test_a_provider_with_another_signature_is_refused_when_loaded():
    with pytest.raises(ClassLoadError, match="request is"):
        make_manifest(WrongHint, WrongHint.routes, code_version="c")


class Porter(Paglet[None]):
    @provides(ECHO)
    def echo(self, request: Text, message: Message) -> Text:
        return Text(f"{request.text} {message.message_id}")

    @handles(Notes)
    def notes(self, notes: Notes, *, told: Message) -> str:
        return f"{notes.count} {told.kind}"


def test_a_provider_and_a_handler_of_a_dataclass_may_take_the_message_too():
    make_manifest(Porter, Porter.routes, code_version="c")
    asked = Message("echo", {"text": "x"}, message_id="m1")

    assert bytes(route(Porter, asked)) == b'{"text":"x m1"}'
    assert route(Porter, Message.of(Notes(3))) == "3 Notes"


class Greedy(Paglet[None]):
    @provides(ECHO)  # type: ignore[arg-type]
    def echo(self, request: Text, other: Text) -> Text:
        return request


def test_a_provider_with_two_parameters_of_its_own_is_refused_when_loaded():
    with pytest.raises(ClassLoadError, match=r"takes \(self, echo: Text\)"):
        make_manifest(Greedy, Greedy.routes, code_version="c")


def test_a_reply_of_another_type_is_the_providers_error():
    with pytest.raises(ServiceReplyError, match="instead of a Text"):
        route(WrongReply, Message("echo", {"text": "x"}))


def test_a_contract_with_an_operation_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        ServiceContract("s", [ECHO, ECHO])
