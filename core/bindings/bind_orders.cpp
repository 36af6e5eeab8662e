// Orders of an account: single ones, as in a gateway and all readers of its journal, and a
// gateway's index.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/bind.hpp"
#include "bindings/errors.hpp"
#include "bindings/int128_cast.hpp"
#include "bindings/order_spec.hpp"
#include "bindings/py_order_index.hpp"
#include "bindings/words.hpp"

using namespace onetape;
using namespace nb::literals;

namespace {

void show(AccountOrder& order, nb::handle spec) {
    order.shown =
        std::shared_ptr<void>(nb::object(nb::borrow(spec)).release().ptr(),
                              [](void* object) { Py_DECREF(static_cast<PyObject*>(object)); });
}

// The text of a symbol: the same object each time.
[[nodiscard]] nb::object shown(Symbol symbol) {
    static std::vector<PyObject*> texts;
    if (symbol.number() >= texts.size()) texts.resize(symbol.number() + 64, nullptr);
    PyObject*& text = texts[symbol.number()];
    if (text == nullptr) text = nb::str(symbol.text().data(), symbol.text().size()).release().ptr();
    return nb::borrow(text);
}

PyObject* spec_type = nullptr;  // OrderSpec

// Made on demand for an order that was created in the core.
[[nodiscard]] nb::object spec_of(AccountOrder& order) {
    if (!order.shown) {
        const OrderTerms& terms = order.terms;
        show(order, nb::handle(spec_type)(
                        "symbol"_a = shown(terms.symbol), "side"_a = word_of(terms.side),
                        "size_int"_a = terms.size, "type"_a = word_of(terms.type),
                        "price_int"_a = terms.price, "tif"_a = word_of(terms.tif),
                        "position_side"_a = word_of(terms.position_side), "expire"_a = terms.expire,
                        "post_only"_a = terms.post_only, "tag"_a = std::string(terms.tag.data())));
    }
    return nb::borrow(static_cast<PyObject*>(order.shown.get()));
}

// --- one order ----------------------------------------------------------------------------------

template <auto member>
constexpr auto read = [](const AccountOrder& order) -> decltype(auto) { return (order.*member); };

template <auto member>
constexpr auto write =
    [](AccountOrder& order,
       std::remove_reference_t<decltype(std::declval<AccountOrder&>().*member)> value) {
        order.touch();
        order.*member = std::move(value);
    };

// A member that Python reads and writes unchanged.
template <auto member, class Class>
void field(Class& bound, const char* name) {
    bound.def_prop_rw(name, read<member>, write<member>);
}

// The pending requests of an order, on the wire or to be sent again, and one of them. The latter
// can be read after it is gone.
struct PendingView {
    AccountOrderRef order;
    RequestKind kind;
    [[nodiscard]] PendingRequest& request() const { return order->request(kind); }
};

struct PendingRequests {
    AccountOrderRef order;
};

template <auto member>
constexpr auto read_pending =
    [](const PendingView& view) -> decltype(auto) { return (view.request().*member); };
template <auto member>
constexpr auto write_pending =
    [](const PendingView& view,
       std::remove_reference_t<decltype(std::declval<PendingRequest&>().*member)> value) {
        view.order->touch();
        view.request().*member = std::move(value);
    };

void bind_pending(nb::module_& m) {
    nb::class_<PendingView>(
        m, "PendingRequest",
        "A request that is on the wire or waits to be sent again; times ns UTC.")
        .def_prop_ro(
            "kind", [](const PendingView& view) { return word_of(view.kind); },
            nb::sig("def kind(self) -> onetape.model.enums.RequestKind"))
        .def_prop_rw("deadline", read_pending<&PendingRequest::deadline>,
                     write_pending<&PendingRequest::deadline>, "When its answer counts as lost.")
        .def_prop_rw("tries", read_pending<&PendingRequest::tries>,
                     write_pending<&PendingRequest::tries>)
        .def_prop_rw("resend_at", read_pending<&PendingRequest::resend_at>,
                     write_pending<&PendingRequest::resend_at>,
                     "When it is sent again that was refused for now, 0: it was not.")
        .def_prop_rw("number", read_pending<&PendingRequest::number>,
                     write_pending<&PendingRequest::number>, "Of the call that was sent last.")
        .def_prop_rw("code", read_pending<&PendingRequest::code>,
                     write_pending<&PendingRequest::code>)
        .def_prop_rw("reason", read_pending<&PendingRequest::reason>,
                     write_pending<&PendingRequest::reason>);

    const auto there = [](const PendingRequests& of, nb::handle kind) -> PendingRequest& {
        return of.order->request(word_from<RequestKind>(kind));
    };
    nb::class_<PendingRequests>(m, "PendingRequests", "An order's requests that are unanswered.")
        .def("__bool__", [](const PendingRequests& of) { return of.order->has_pending(); })
        .def("__contains__",
             [=](const PendingRequests& of, nb::handle kind) { return there(of, kind).is_there; })
        .def(
            "get",
            [=](const PendingRequests& of, nb::handle kind) -> nb::object {
                if (!there(of, kind).is_there) return nb::none();
                return nb::cast(PendingView{of.order, word_from<RequestKind>(kind)});
            },
            nb::arg("kind"),
            nb::sig(
                "def get(self, kind: onetape.model.enums.RequestKind) -> PendingRequest | None"))
        .def(
            "begin",
            [=](const PendingRequests& of, nb::handle kind, std::int64_t deadline) {
                of.order->touch();
                PendingRequest request;
                request.is_there = true;
                request.deadline = deadline;
                there(of, kind) = std::move(request);
                return PendingView{of.order, word_from<RequestKind>(kind)};
            },
            nb::arg("kind"), nb::arg("deadline"), "One that is sent for the first time.")
        .def(
            "end",
            [=](const PendingRequests& of, nb::handle kind) {
                of.order->touch();
                there(of, kind).is_there = false;
            },
            nb::arg("kind"))
        .def("clear",
             [](const PendingRequests& of) {
                 of.order->touch();
                 of.order->drop_pending();
             })
        .def("all", [](const PendingRequests& of) {
            std::vector<PendingView> found;
            for (const RequestKind kind :
                 {RequestKind::place, RequestKind::cancel, RequestKind::amend})
                if (of.order->request(kind).is_there) found.push_back({of.order, kind});
            return found;
        });
}

[[nodiscard]] AccountOrderRef made_order(std::int64_t robot, std::uint64_t order_id,
                                         nb::handle spec, std::int64_t created,
                                         std::string client_id) {
    auto order = std::make_shared<AccountOrder>();
    order->robot = robot;
    order->order_id = order_id;
    order->terms = terms_of(spec);
    order->size = order->terms.size;
    order->price = order->terms.price;
    order->created = created;
    order->client_id = std::move(client_id);
    show(*order, spec);
    return order;
}

// An impossible event of our own is our fault, not the venue's.
void check_ours(OrderCell cell, OrderState before, const char* event) {
    if (cell == OrderCell::impossible)
        check(false, std::string(event) + " cannot follow in state " +
                         nb::cast<std::string>(nb::str(word_of(before))));
}

[[nodiscard]] const char* event_of(RequestKind kind) {
    return kind == RequestKind::place    ? "submit"
           : kind == RequestKind::cancel ? "cancel_request"
                                         : "amend_request";
}

void bind_order(nb::module_& m) {
    nb::class_<AccountOrder> order(m, "AccountOrder",
                                   "One order of an account; prices and sizes in units of its "
                                   "instrument, times ns UTC. See core/orders/account_order.hpp.");
    order.def(nb::new_(&made_order), nb::arg("robot"), nb::arg("order_id"), nb::arg("spec"),
              nb::arg("created") = 0, nb::arg("client_id") = "");
    order.def_prop_ro("spec", &spec_of, nb::sig("def spec(self) -> onetape.model.order.OrderSpec"));
    order.def_prop_ro(
        "symbol", [](const AccountOrder& of) { return shown(of.terms.symbol); },
        nb::sig("def symbol(self) -> str"));
    order.def_prop_ro(
        "key", [](const AccountOrder& of) { return nb::make_tuple(of.robot, of.order_id); },
        nb::sig("def key(self) -> tuple[int, int]"));
    field<&AccountOrder::robot>(order, "robot");
    field<&AccountOrder::order_id>(order, "order_id");
    field<&AccountOrder::created>(order, "created");
    field<&AccountOrder::price>(order, "price");
    field<&AccountOrder::size>(order, "size");
    field<&AccountOrder::filled>(order, "filled");
    field<&AccountOrder::size_wanted>(order, "size_wanted");
    order.def_prop_rw(
        "state", [](const AccountOrder& of) { return word_of(of.state); },
        [](AccountOrder& of, nb::handle value) {
            of.touch();
            of.state = word_from<OrderState>(value);
        },
        nb::for_getter(nb::sig("def state(self) -> onetape.model.enums.OrderState")),
        nb::for_setter(
            nb::sig("def state(self, value: onetape.model.enums.OrderState, /) -> None")));
    field<&AccountOrder::accepted>(order, "accepted");
    field<&AccountOrder::triggered>(order, "triggered");
    field<&AccountOrder::cancel_open>(order, "cancel_open");
    field<&AccountOrder::update_open>(order, "update_open");
    field<&AccountOrder::venue_id>(order, "venue_id");
    order.def_prop_rw(
        "spent", [](const AccountOrder& of) { return int128_to_python(of.spent); },
        [](AccountOrder& of, nb::handle value) { of.spent = int128_from_python(value.ptr()); },
        nb::for_getter(nb::sig("def spent(self) -> int")),
        nb::for_setter(nb::sig("def spent(self, value: int, /) -> None")),
        "Price times size of its fills.");
    field<&AccountOrder::code>(order, "code");
    field<&AccountOrder::reason>(order, "reason");
    field<&AccountOrder::is_held>(order, "is_held");
    field<&AccountOrder::is_canceling>(order, "is_canceling");
    field<&AccountOrder::is_taken_off>(order, "is_taken_off");
    field<&AccountOrder::reissue_open>(order, "reissue_open");
    order.def_prop_rw(
        "amend_to",
        [](const AccountOrder& of) { return nb::make_tuple(of.amend_price, of.amend_size); },
        [](AccountOrder& of, std::pair<std::int64_t, std::int64_t> to) {
            of.touch();
            std::tie(of.amend_price, of.amend_size) = to;
        },
        nb::for_getter(nb::sig("def amend_to(self) -> tuple[int, int]")),
        nb::for_setter(nb::sig("def amend_to(self, value: tuple[int, int], /) -> None")),
        "Price and size that are asked for.");
    field<&AccountOrder::trade_ids>(order, "trade_ids");

    field<&AccountOrder::client_id>(order, "client_id");
    field<&AccountOrder::conditional>(order, "conditional");
    field<&AccountOrder::is_unfunded>(order, "is_unfunded");
    field<&AccountOrder::reissues>(order, "reissues");
    field<&AccountOrder::sent_as>(order, "sent_as");
    field<&AccountOrder::former>(order, "former");
    field<&AccountOrder::aliases>(order, "aliases");
    field<&AccountOrder::former_venue_ids>(order, "former_venue_ids");
    field<&AccountOrder::filled_outside>(order, "filled_outside");
    field<&AccountOrder::away>(order, "away");
    field<&AccountOrder::sent_at>(order, "sent_at");
    field<&AccountOrder::placed_at>(order, "placed_at");
    field<&AccountOrder::is_met>(order, "is_met");
    order.def_prop_ro("pending",
                      [](AccountOrder& of) { return PendingRequests{of.shared_from_this()}; });
    field<&AccountOrder::cancel_wanted>(order, "cancel_wanted");
    field<&AccountOrder::cancel_retries>(order, "cancel_retries");
    field<&AccountOrder::lost_at>(order, "lost_at");
    field<&AccountOrder::ask_at>(order, "ask_at");
    field<&AccountOrder::asks>(order, "asks");
    field<&AccountOrder::not_found>(order, "not_found");
    field<&AccountOrder::asking>(order, "asking");
    field<&AccountOrder::ask_other>(order, "ask_other");
    field<&AccountOrder::working_query_at>(order, "working_query_at");
    field<&AccountOrder::reported_filled>(order, "reported_filled");
    order.def_prop_rw(
        "reported_end",
        [](const AccountOrder& of) -> nb::object {
            return of.reported_end == OrderNews{} ? nb::none() : word_of(of.reported_end);
        },
        [](AccountOrder& of, nb::handle news) {
            of.touch();
            of.reported_end = news.is_none() ? OrderNews{} : word_from<OrderNews>(news);
        },
        nb::for_getter(nb::sig("def reported_end(self) -> onetape.model.enums.OrderNews | None")),
        nb::for_setter(nb::arg("value").none()),
        nb::for_setter(nb::sig(
            "def reported_end(self, value: onetape.model.enums.OrderNews | None, /) -> None")),
        "It has ended there, and fills are still to come; None: it has not.");
    field<&AccountOrder::reported_time>(order, "reported_time");
    field<&AccountOrder::amended_at>(order, "amended_at");

    order.def_prop_ro("left", [](const AccountOrder& of) { return of.size - of.filled; });
    order.def_prop_ro(
        "remaining",
        [](const AccountOrder& of) {
            return of.closed() ? 0 : std::max<std::int64_t>(of.size - of.filled, 0);
        },
        "What may still be filled; 0 once the order has ended.");
    order.def_prop_ro("worst_left", &AccountOrder::worst_left,
                      "The quantity that may still be filled in the worst case.");
    order.def_prop_ro("name", &AccountOrder::name, "Its client id at the venue.");
    order.def_prop_ro("is_open", &AccountOrder::is_open);
    order.def_prop_ro(
        "reduce_only", [](const AccountOrder& of) { return of.terms.reduce_only; },
        "It can only take off a position, by its flag.");
    order.def_prop_ro("is_unknown", &AccountOrder::is_unknown);
    order.def_prop_ro("is_foreign", [](const AccountOrder& of) { return of.robot == 0; });
    order.def_prop_ro("is_protective", &AccountOrder::is_protective,
                      "A stop of the guardian's: cancelling a robot's orders leaves it.");
    order.def_prop_ro("nearest", &nearest,
                      "The price at which it may be met first: of an amendment that nobody has "
                      "answered both may be true.");
    order.def_prop_ro("due_at", &OrderIndex::due_of,
                      "When something of it is due: a request to be sent again, an answer that is "
                      "lost by then, a query. OrderIndex.NEVER: nothing is.");
    order.def(
        "waits",
        [](const AccountOrder& of, bool conditionals) {
            return waits(of, {.conditionals = conditionals});
        },
        nb::arg("conditionals"),
        "Whether its trigger has not fired yet. conditionals: at this venue orders with a trigger "
        "wait in a service of their own.");
    order.def(
        "take",
        [](AccountOrder& of, nb::handle event, std::int64_t size) {
            of.touch();
            return static_cast<int>(order_machine::take(of, word_from<OrderAct>(event), size));
        },
        nb::arg("event"), nb::arg("size") = 0,
        nb::sig("def take(self, event: onetape.orders.machine.OrderEvent, size: int = 0) -> int"),
        "Takes any event but a fill as the table has it; returns the number of the cell that "
        "applied.");
    order.def(
        "sends",
        [](const AccountOrder& of, nb::handle event) {
            return order_machine::sends(of, word_from<OrderAct>(event));
        },
        nb::arg("event"),
        nb::sig("def sends(self, event: onetape.orders.machine.OrderEvent) -> bool"),
        "Tells whether a request that is made now goes to the venue.");

    order.def(
        "take_request",
        [](AccountOrder& of, nb::handle kind, std::int64_t price, std::int64_t size, bool is_held,
           bool is_reissue) {
            of.touch();
            const OrderState before = of.state;
            const auto asks_for = word_from<RequestKind>(kind);
            check_ours(of.take_request(asks_for, price, size, is_held, is_reissue), before,
                       event_of(asks_for));
        },
        nb::arg("kind"), nb::arg("price") = 0, nb::arg("size") = 0, nb::kw_only(),
        nb::arg("is_held") = false, nb::arg("is_reissue") = false,
        nb::sig("def take_request(self, kind: onetape.model.enums.RequestKind, price: int = 0, "
                "size: int = 0, *, "
                "is_held: bool = False, is_reissue: bool = False) -> None"));
    order.def(
        "sent",
        [](AccountOrder& of, nb::handle kind, std::int64_t now, std::int64_t deadline,
           std::uint64_t number) {
            of.touch();
            of.sent(word_from<RequestKind>(kind), now, deadline, number);
        },
        nb::arg("kind"), nb::arg("now"), nb::arg("deadline"), nb::arg("number"),
        nb::sig("def sent(self, kind: onetape.model.enums.RequestKind, now: int, deadline: int, "
                "number: int) -> None"),
        "Takes in that a request leaves, for the first time or again. number: of its call.");
    order.def("take_back", [](AccountOrder& of) {
        of.touch();
        of.take_back();
    });
    order.def("take_incarnation", [](AccountOrder& of) {
        of.touch();
        of.take_incarnation();
    });
    order.def(
        "take_news",
        [](AccountOrder& of, nb::handle news, std::int64_t size, std::int64_t price) {
            of.touch();
            const OrderState before = of.state;
            const auto heard = word_from<OrderNews>(news);
            const OrderCell cell = of.take_news(heard, size, price);
            if (heard == OrderNews::denied) check_ours(cell, before, "deny");
            return cell != OrderCell::impossible;
        },
        nb::arg("news"), nb::arg("size"), nb::arg("price") = 0,
        nb::sig("def take_news(self, news: onetape.model.enums.OrderNews, size: int, price: int = "
                "0) -> bool"),
        "Takes in a report; False: it cannot be, and the order is as it was.");
    order.def(
        "take_fill",
        [](AccountOrder& of, std::uint64_t trade_id, std::int64_t price, std::int64_t size) {
            check(size > 0, "a fill has a quantity: " + std::to_string(size));
            of.touch();
            return of.take_fill(trade_id, price, size) != OrderCell::impossible;
        },
        nb::arg("trade_id"), nb::arg("price"), nb::arg("size"),
        "Books a fill once; False: the order cannot have one, and is as it was.");
    order.def(
        "request_frame",
        [](const AccountOrder& of, nb::handle kind, std::int64_t price, std::int64_t size,
           bool is_reissue) {
            return bytes_of(
                of.request_frame(word_from<RequestKind>(kind), price, size, is_reissue));
        },
        nb::arg("kind"), nb::arg("price"), nb::arg("size"), nb::arg("is_reissue"),
        nb::sig("def request_frame(self, kind: onetape.model.enums.RequestKind, price: int, size: "
                "int, is_reissue: bool) -> bytes"),
        "A request of it as it stands on its gateway's journal.");
    order.def(
        "news_frame",
        [](const AccountOrder& of, nb::handle news, nb::handle state, std::int64_t time,
           std::uint16_t code) {
            return bytes_of(of.news_frame(word_from<OrderNews>(news), word_from<OrderState>(state),
                                          time, code));
        },
        nb::arg("news"), nb::arg("state"), nb::arg("time"), nb::arg("code"),
        nb::sig("def news_frame(self, news: onetape.model.enums.OrderNews, state: "
                "onetape.model.enums.OrderState, time: int, code: int) -> bytes"),
        "News of it as they stand there. state: after them.");
    order.def("restate", [](AccountOrder& of, std::int64_t step) {
        of.touch();
        of.restate(step);
    });
    order.def("__repr__", [](const AccountOrder& of) {
        return nb::str("<order {} {} {}>")
            .format(of.client_id, of.terms.symbol.text(), word_of(of.state));
    });
}

// --- the index ----------------------------------------------------------------------------------

[[nodiscard]] nb::object shown(const AccountOrderRef& order) {
    return order ? nb::cast(order) : nb::none();
}
[[nodiscard]] nb::object shown(AccountOrder* order) {
    return order != nullptr ? nb::cast(order->shared_from_this()) : nb::none();
}
[[nodiscard]] nb::list listed(const std::vector<AccountOrder*>& orders) {
    nb::list found;
    for (AccountOrder* const each : orders) found.append(shown(each));
    return found;
}

// Mappings to orders for Python.
struct Named {
    const OrderIndex* index;
    [[nodiscard]] AccountOrderRef find(std::string_view name) const { return index->named(name); }
};
struct Open {
    const OrderIndex* index;
    [[nodiscard]] AccountOrderRef find(std::string_view name) const {
        const AccountOrderRef order = index->named(name);
        return order && order->is_listed && order->client_id == name ? order : nullptr;
    }
    [[nodiscard]] nb::list values() const {
        nb::list found;
        for (const AccountOrder* each = index->first_open(); each != nullptr; each = each->next)
            found.append(shown(const_cast<AccountOrder*>(each)));
        return found;
    }
    [[nodiscard]] nb::list names() const {
        nb::list found;
        for (const AccountOrder* each = index->first_open(); each != nullptr; each = each->next)
            found.append(each->client_id);
        return found;
    }
};
struct OfRobots {
    const OrderIndex* index;
    [[nodiscard]] AccountOrderRef find(std::pair<std::int64_t, std::uint64_t> key) const {
        return index->of_robot(key.first, key.second);
    }
};
struct OfVenueIds {
    const OrderIndex* index;
    [[nodiscard]] AccountOrderRef find(const nb::tuple& key) const {
        return index->of_venue(symbol_of(key[0]), nb::cast<std::string_view>(key[1]));
    }
};

template <class View, class Key>
nb::class_<View> bind_view(nb::module_& m, const char* name, const std::string& key,
                           const char* doc) {
    const std::string get = "def get(self, key: " + key + ", /) -> AccountOrder | None";
    const std::string has = "def __contains__(self, key: " + key + ", /) -> bool";
    const std::string at = "def __getitem__(self, key: " + key + ", /) -> AccountOrder";
    nb::class_<View> view(m, name, doc);
    view.def(
            "get", [](const View& of, const Key& key_of) { return shown(of.find(key_of)); },
            nb::sig(get.c_str()))
        .def(
            "__contains__",
            [](const View& of, const Key& key_of) { return of.find(key_of) != nullptr; },
            nb::sig(has.c_str()))
        .def(
            "__getitem__",
            [](const View& of, const Key& key_of) {
                AccountOrderRef found = of.find(key_of);
                if (!found) throw nb::key_error("no such order");
                return found;
            },
            nb::sig(at.c_str()));
    return view;
}

void bind_index(nb::module_& m) {
    bind_view<Named, std::string_view>(m, "OrdersByName", "str",
                                       "Orders by any of their client ids.")
        .def("__len__", [](const Named& of) { return of.index->names(); })
        .def(
            "__iter__",
            [](const Named& of) {
                nb::list found;
                of.index->each_name(
                    [&](const std::string& name, const AccountOrderRef&) { found.append(name); });
                return nb::iter(found);
            },
            nb::sig("def __iter__(self) -> typing.Iterator[str]"))
        .def(
            "values",
            [](const Named& of) {
                std::vector<AccountOrderRef> found;
                of.index->each_name([&](const std::string& name, const AccountOrderRef& order) {
                    if (order->client_id == name) found.push_back(order);
                });
                std::sort(found.begin(), found.end(),
                          [](const auto& a, const auto& b) { return a->listed_as < b->listed_as; });
                return found;
            },
            nb::sig("def values(self) -> list[AccountOrder]"));
    bind_view<Open, std::string_view>(m, "OpenOrders", "str",
                                      "Open orders by their client ids, as they came.")
        .def("__len__", [](const Open& of) { return of.index->open_count(); })
        .def("values", &Open::values, nb::sig("def values(self) -> list[AccountOrder]"))
        .def(
            "items",
            [](const Open& of) {
                nb::list found;
                for (const nb::handle each : of.values())
                    found.append(nb::make_tuple(each.attr("client_id"), each));
                return found;
            },
            nb::sig("def items(self) -> list[tuple[str, AccountOrder]]"))
        .def("keys", &Open::names, nb::sig("def keys(self) -> list[str]"))
        .def(
            "__iter__", [](const Open& of) { return nb::iter(of.names()); },
            nb::sig("def __iter__(self) -> typing.Iterator[str]"));
    bind_view<OfRobots, std::pair<std::int64_t, std::uint64_t>>(
        m, "OrdersByRobot", "tuple[int, int]",
        "Orders by their robot's number and its id of them.");
    bind_view<OfVenueIds, nb::tuple>(m, "OrdersByVenueId", "tuple[str, str]",
                                     "Orders by symbol and the venue's id.");

    nb::class_<PyOrderIndex> index(m, "OrderIndex",
                                   "The orders of an account at its gateway. See "
                                   "core/orders/order_index.hpp.");
    index.def(nb::init<nb::object>(), nb::arg("venue"))
        .def_prop_ro(
            "orders", [](const PyOrderIndex& of) { return Named{&of}; }, nb::keep_alive<0, 1>())
        .def_prop_ro(
            "open", [](const PyOrderIndex& of) { return Open{&of}; }, nb::keep_alive<0, 1>())
        .def_prop_ro(
            "by_robot", [](const PyOrderIndex& of) { return OfRobots{&of}; },
            nb::keep_alive<0, 1>())
        .def_prop_ro(
            "by_venue_id", [](const PyOrderIndex& of) { return OfVenueIds{&of}; },
            nb::keep_alive<0, 1>())
        .def_rw("closed_kept", &PyOrderIndex::closed_kept, "How many ended orders are kept.")
        .def_prop_ro("ended", [](const PyOrderIndex& of) {
            return std::vector<AccountOrderRef>(of.ended().begin(), of.ended().end());
        });

    index.attr("NEVER") = OrderIndex::never;

    // What works, summed up.
    const auto of_order = [](nb::handle order) {
        return order.is_none() ? nullptr : nb::cast<AccountOrder*>(order);
    };
    index
        .def(
            "opening",
            [=](PyOrderIndex& of, nb::handle spec, nb::handle without) {
                return of.sums().worst(query_of(spec), of_order(without)).opening;
            },
            nb::arg("spec"), nb::arg("without") = nb::none(),
            nb::sig("def opening(self, spec: onetape.model.order.OrderSpec, without: AccountOrder "
                    "| None = None) -> int"),
            "What may be filled of the orders that could open the position in the same direction.")
        .def(
            "reducing",
            [=](PyOrderIndex& of, nb::handle spec, nb::handle without) {
                return of.sums().worst(query_of(spec), of_order(without)).reducing;
            },
            nb::arg("spec"), nb::arg("without") = nb::none(),
            nb::sig("def reducing(self, spec: onetape.model.order.OrderSpec, without: AccountOrder "
                    "| None = None) -> int"),
            "The same of those that take it off. At a venue without positions each may.")
        .def(
            "meets",
            [](PyOrderIndex& of, nb::handle spec) {
                return shown(of.sums().meets(query_of(spec)));
            },
            nb::arg("spec"),
            nb::sig("def meets(self, spec: onetape.model.order.OrderSpec) -> AccountOrder | None"),
            "The first order of this account that it would trade with, were it in the book. Of an "
            "amendment that nobody has answered both prices may be true.")
        .def(
            "meeting",
            [](PyOrderIndex& of, nb::handle spec) {
                return listed(of.sums().meeting(query_of(spec)));
            },
            nb::arg("spec"),
            nb::sig("def meeting(self, spec: onetape.model.order.OrderSpec) -> list[AccountOrder]"),
            "All orders that it would trade with, the first to be met first.")
        .def(
            "taking",
            [](PyOrderIndex& of, nb::handle symbol, nb::handle side) {
                return listed(of.taking(symbol_of(symbol), word_from<Side>(side)));
            },
            nb::arg("symbol"), nb::arg("side"),
            nb::sig("def taking(self, symbol: str, side: onetape.model.enums.Side) -> "
                    "list[AccountOrder]"),
            "Orders of robots on that side that are over as soon as the venue has them and take "
            "nothing off by their flag.")
        .def(
            "unknown",
            [](PyOrderIndex& of, nb::handle symbol) {
                return listed(of.sums().unknown(symbol_of(symbol)));
            },
            nb::arg("symbol"), nb::sig("def unknown(self, symbol: str) -> list[AccountOrder]"),
            "The orders of this symbol whose state is unknown and which may have opened.")
        .def(
            "all_unknown", [](PyOrderIndex& of) { return listed(of.sums().all_unknown()); },
            nb::sig("def all_unknown(self) -> list[AccountOrder]"))
        .def(
            "spent",
            [=](PyOrderIndex& of, nb::handle without) {
                nb::list found;
                for (const auto& [symbol, side, sums] : of.sums().spent(of_order(without)))
                    found.append(nb::make_tuple(symbol.text(), word_of(side), sums.size,
                                                int128_to_python(sums.maker),
                                                int128_to_python(sums.taker), sums.unpriced));
                return found;
            },
            nb::arg("without") = nb::none(),
            nb::sig("def spent(self, without: AccountOrder | None = None) -> "
                    "list[tuple[str, onetape.model.enums.Side, int, int, int, int]]"),
            "What may be filled, for each symbol and side with open orders: symbol, side, size, "
            "cost "
            "that is charged the maker's fee, and the taker's, and size of market orders.")
        .def_prop_ro("touched", &PyOrderIndex::touched, "How many orders are not summed up yet.")
        .def("look", &PyOrderIndex::look,
             "Sums up what has changed: by whoever has time, so that it stays little.")
        .def_prop_ro("next_due", &PyOrderIndex::next_due)
        .def("take_due", &PyOrderIndex::take_due, nb::arg("now"),
             "The orders with something due by now, the longest due first.");

    // As the journal has them.
    index.def("add", &PyOrderIndex::add, nb::arg("order"))
        .def("file", &PyOrderIndex::file, nb::arg("order"),
             "An order as a checkpoint has it; ended ones in the order in which they ended.")
        .def(
            "place",
            [](PyOrderIndex& of, const AccountOrderRef& order, bool is_held) {
                const OrderState before = order->state;
                check_ours(of.place(order, is_held), before, event_of(RequestKind::place));
            },
            nb::arg("order"), nb::kw_only(), nb::arg("is_held") = false,
            "A new order that is asked for. is_held: not sent yet.")
        .def(
            "take",
            [](PyOrderIndex& of, AccountOrder& order, nb::handle kind, std::int64_t price,
               std::int64_t size, std::int64_t now, bool is_reissue) {
                const OrderState before = order.state;
                const auto asks_for = word_from<RequestKind>(kind);
                check_ours(of.request(order, asks_for, price, size, now, is_reissue), before,
                           event_of(asks_for));
            },
            nb::arg("order"), nb::arg("kind"), nb::arg("price"), nb::arg("size"), nb::arg("now"),
            nb::kw_only(), nb::arg("is_reissue") = false,
            nb::sig("def take(self, order: AccountOrder, kind: onetape.model.enums.RequestKind, "
                    "price: int, size: int, now: int, "
                    "*, is_reissue: bool = False) -> None"),
            "A cancel, or an amendment at the venue.")
        .def(
            "news",
            [](PyOrderIndex& of, AccountOrder& order, nb::handle news, std::int64_t size,
               std::int64_t price, std::uint16_t code, std::string_view reason) -> nb::object {
                const OrderState before = order.state;
                const auto heard = word_from<OrderNews>(news);
                switch (of.news(order, heard, size, price, code, reason)) {
                    case OrderIndex::Change::impossible:
                        if (heard == OrderNews::denied)
                            check_ours(OrderCell::impossible, before, "deny");
                        return nb::none();
                    case OrderIndex::Change::news:
                        return nb::bool_(true);
                    default:
                        return nb::bool_(false);
                }
            },
            nb::arg("order"), nb::arg("news"), nb::kw_only(), nb::arg("size") = 0,
            nb::arg("price") = 0, nb::arg("code") = 0, nb::arg("reason") = "",
            nb::sig("def news(self, order: AccountOrder, news: onetape.model.enums.OrderNews, *, "
                    "size: int = 0, price: int = "
                    "0, code: int = 0, reason: str = '') -> bool | None"),
            "Takes in a report; tells whether that changes anything. None: it cannot be, and the "
            "order is as it was. size, price: of the order after it, 0: as they were. code, "
            "reason: "
            "of a refusal.")
        .def("close", &PyOrderIndex::close, nb::arg("order"))
        .def("incarnation", &PyOrderIndex::incarnation)
        .def("name", &PyOrderIndex::name, nb::arg("order"), nb::arg("venue_id"))
        .def("reissue", &PyOrderIndex::reissue, nb::arg("order"), nb::arg("name"), nb::arg("now"))
        .def("rename", &PyOrderIndex::rename, nb::arg("order"), nb::arg("name"))
        .def("keep", &PyOrderIndex::keep, nb::arg("order"))
        .def("begin_anew", &PyOrderIndex::begin_anew);
}

}  // namespace

void bind_orders(nb::module_& m) {
    m.def(
        "name_words",
        [](nb::handle sides, nb::handle types, nb::handle tifs, nb::handle triggers,
           nb::handle trigger_kinds, nb::handle position_sides, nb::handle states, nb::handle news,
           nb::handle kinds) {
            Words<Side>::name(sides);
            Words<OrderType>::name(types);
            Words<TimeInForce>::name(tifs);
            Words<TriggerBy>::name(triggers);
            Words<TriggerKind>::name(trigger_kinds);
            Words<PositionSide>::name(position_sides);
            Words<OrderState>::name(states);
            Words<OrderNews>::name(news);
            Words<RequestKind>::name(kinds);
        },
        "Takes the members of the model's enumerations by their numbers.");
    m.def(
        "name_spec",
        [](const nb::type_object& type) {
            Py_XDECREF(spec_type);
            spec_type = nb::object(type).release().ptr();
        },
        nb::arg("type"), "Takes the class of orders' terms.");
    m.def(
        "order_table",
        [] {
            const order_machine::Matrix& table = order_machine::matrix();
            return nb::bytes(reinterpret_cast<const char*>(table.data()), table.size());
        },
        "What each event does in each state: see onetape/orders/machine.py.");
    bind_pending(m);
    bind_order(m);
    bind_index(m);
}
