// Orders of an account: state transitions, lookup, and sums of working orders compared with a walk
// over all open orders.
#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "doctest.h"
#include "orders/client_id.hpp"
#include "orders/order_index.hpp"

using namespace onetape;

namespace {

constexpr std::int64_t second = 1'000'000'000, now = 1'795'000'000 * second;

OrderTerms terms_of(Side side, std::int64_t size, std::int64_t price,
                    const char* symbol = "binance:BTC/USDT:USDT") {
    OrderTerms terms;
    terms.symbol = Symbol::of(symbol);
    terms.side = side;
    terms.size = size;
    terms.price = price;
    return terms;
}

OrderTerms stop_of(Side side, std::int64_t size, std::int64_t trigger) {
    OrderTerms terms = terms_of(side, size, trigger);
    terms.trigger = trigger;
    terms.trigger_by = TriggerBy::last;
    terms.trigger_kind = TriggerKind::stop;
    return terms;
}

OrderTerms market_of(Side side, std::int64_t size) {
    OrderTerms terms = terms_of(side, size, 0);
    terms.type = OrderType::market;
    return terms;
}

AccountOrderRef order_of(const std::string& name, const OrderTerms& terms,
                         std::uint64_t order_id = 1) {
    auto order = std::make_shared<AccountOrder>();
    order->client_id = name;
    order->robot = 1;
    order->order_id = order_id;
    order->terms = terms;
    order->size = terms.size;
    order->price = terms.price;
    order->created = now;
    return order;
}

class Venue final : public OrderIndex {
 public:
    OrderTraits of;

    AccountOrderRef placed(const std::string& name, const OrderTerms& terms,
                           std::uint64_t order_id = 1) {
        const AccountOrderRef order = order_of(name, terms, order_id);
        place(order, false);
        return order;
    }
    AccountOrderRef working(const std::string& name, const OrderTerms& terms,
                            std::uint64_t order_id = 1) {
        const AccountOrderRef order = placed(name, terms, order_id);
        news(*order, OrderNews::accepted, 0, 0, 0, "");
        return order;
    }
    // A reduction with the same terms, where both position sides are separate.
    static OrderTerms reducing(OrderTerms terms) {
        terms.reduce_only = true;
        return terms;
    }

 protected:
    [[nodiscard]] OrderTraits traits() const override { return of; }
};

TEST_CASE("account order: its request on the tape says all that it was asked for") {
    OrderTerms terms = stop_of(Side::sell, 70, 99);
    terms.expire = 5 * second;
    terms.tif = TimeInForce::gtd;
    terms.reduce_only = terms.post_only = true;
    terms.position_side = PositionSide::long_;
    terms.name_tag("close");
    AccountOrderRef order = order_of("a", terms, 17);
    order->is_held = true;
    const OrderRequestPayload frame = order->request_frame(RequestKind::amend, 98, 60, true);
    CHECK(frame.order_id == 17);
    CHECK(frame.price == 98);
    CHECK(frame.size == 60);
    CHECK(frame.trigger == 99);
    CHECK(frame.expire_ns == 5 * second);
    CHECK(frame.kind == RequestKind::amend);
    CHECK(frame.side == Side::sell);
    CHECK(frame.type == terms.type);
    CHECK(frame.tif == TimeInForce::gtd);
    CHECK(frame.flags ==
          with_trigger_kind(order_post_only | order_reduce_only | order_held | order_reissue,
                            TriggerKind::stop));
    CHECK(frame.trigger_by == TriggerBy::last);
    CHECK(frame.position_side == PositionSide::long_);
    CHECK(frame.robot == 1);
    CHECK(std::string(frame.tag) == "close");
    order->is_held = false;
    order->terms.own_reducing = true;
    order->terms.reduce_only = order->terms.post_only = false;
    CHECK(order->request_frame(RequestKind::place, 0, 0, false).flags ==
          with_trigger_kind(order_own_reducing, TriggerKind::stop));
}

TEST_CASE(
    "account order: news of it on the tape have its numbers, and the venue's where it is one") {
    AccountOrderRef order = order_of("a", terms_of(Side::buy, 100, 50), 3);
    order->filled = 40;
    order->venue_id = "8389765";
    const OrderEventPayload frame =
        order->news_frame(OrderNews::canceled, OrderState::canceled, now, 77);
    CHECK(frame.order_id == 3);
    CHECK(frame.venue_id == 8389765);
    CHECK(frame.ts_event == now);
    CHECK(frame.price == 50);
    CHECK(frame.size == 100);
    CHECK(frame.filled == 40);
    CHECK(frame.code == 77);
    CHECK(frame.news == OrderNews::canceled);
    CHECK(frame.state == OrderState::canceled);
    CHECK(frame.robot == 1);
    for (const char* const id : {"", "7a", "O-12", "99999999999999999999999"}) {
        order->venue_id = id;
        CHECK(order->news_frame(OrderNews::accepted, OrderState::accepted, now, 0).venue_id == 0);
    }
}

TEST_CASE("client id: it reads back, and what only looks like one does not") {
    for (const ClientId& id : {ClientId{"mm1", 2, 71}, ClientId{"a", epoch_max, ordinal_max, 35},
                               ClientId{"01234567", 216'000'000, 1, 1}}) {
        const std::string text = client_id(id);
        CHECK(parse_client_id(text) == id);
        std::string other = text;
        other.back() = other.back() == 'a' ? 'b' : 'a';
        CHECK(!parse_client_id(other));
    }
    CHECK(client_id({"mm1", 2, 71}) == "Tmm1X2X1zv");
    for (const std::string stem : {"TmmX01X1", "TmmX1X01", "TmmX1X1X0", "TmmX1X1X01", "TmmX1",
                                   "TX1X1", "TmmX1X1X1X1", "TMX1X1", "TmmXzzzzzzX1", "Tm"})
        CHECK(!parse_client_id(stem + check_of(stem)));
    CHECK(!parse_client_id(""));
    CHECK(broken_rule({"", 1, 1}) != nullptr);
    CHECK(broken_rule({"a", 0, 1}) != nullptr);
    CHECK(broken_rule({"a", 1, 0}) != nullptr);
    CHECK(broken_rule({"a", 1, 1, 36}) != nullptr);
}

}  // namespace

TEST_CASE("order life: a fill beyond the old size proves an amendment that is unanswered") {
    OrderLife life{.size = 10};
    order_machine::take(life, OrderAct::submit);
    order_machine::take(life, OrderAct::amend_request, 20);
    CHECK(order_machine::act_of_fill(life, 10) == OrderAct::fill_partial);
    CHECK(order_machine::fill(life, 12) == static_cast<OrderCell>(OrderCell::same));
    CHECK(life.size == 20);
    CHECK(life.filled == 12);
    CHECK(life.accepted);
    CHECK(life.state == OrderState::pending_update);
    order_machine::take(life, OrderAct::amend_ack, 20);
    CHECK(life.state == OrderState::partially_filled);
    CHECK(life.size_wanted == 0);
}

TEST_CASE("order life: what is found is neither being canceled nor amended") {
    OrderLife life{.size = 10};
    order_machine::take(life, OrderAct::submit);
    order_machine::take(life, OrderAct::cancel_request);
    order_machine::take(life, OrderAct::reply_lost);
    CHECK(life.state == OrderState::unknown);
    order_machine::take(life, OrderAct::accept);
    CHECK(life.state == OrderState::unknown);  // the cancel is still open
    order_machine::take(life, OrderAct::found_working, 7);
    CHECK(life.state == OrderState::accepted);
    CHECK_FALSE(life.cancel_open);
    CHECK(life.size == 7);
}

TEST_CASE("order life: what is proven gone is canceled where it was, else rejected") {
    OrderLife never{.size = 10}, was{.size = 10};
    for (OrderLife* const each : {&never, &was}) order_machine::take(*each, OrderAct::submit);
    order_machine::take(was, OrderAct::accept);
    order_machine::take(was, OrderAct::missing);
    order_machine::take(never, OrderAct::found_absent);
    order_machine::take(was, OrderAct::found_absent);
    CHECK(never.state == OrderState::rejected);
    CHECK(was.state == OrderState::canceled);
}

TEST_CASE("order life: a cancel that is refused is open no more, and only what changes is sent") {
    OrderLife life{.size = 10};
    CHECK_FALSE(order_machine::sends(life, OrderAct::cancel_request));
    order_machine::take(life, OrderAct::submit);
    order_machine::take(life, OrderAct::accept);
    CHECK(order_machine::sends(life, OrderAct::cancel_request));
    order_machine::take(life, OrderAct::cancel_request);
    CHECK_FALSE(order_machine::sends(life, OrderAct::cancel_request));
    order_machine::take(life, OrderAct::cancel_reject);
    CHECK_FALSE(life.cancel_open);
    CHECK(life.state == OrderState::accepted);
    life.state = OrderState::unknown;
    CHECK(order_machine::sends(life, OrderAct::cancel_request));
    CHECK_FALSE(order_machine::sends(life, OrderAct::amend_request));
}

TEST_CASE("order life: sizes that do not fit end at the greatest number") {
    OrderLife life{.size = 10, .filled = 5, .state = OrderState::accepted};
    order_machine::fill(life, std::numeric_limits<std::int64_t>::max());
    CHECK(life.filled == std::numeric_limits<std::int64_t>::max());
    CHECK(life.state == OrderState::filled);
}

TEST_CASE("account order: a fill that is told twice is booked and paid once") {
    const AccountOrderRef order = order_of("a", terms_of(Side::buy, 10, 100));
    order->take_request(RequestKind::place, 0, 0, false, false);
    order->code = 7;
    order->reason = "a cancel that was refused";
    order->take_fill(5, 100, 4);
    order->take_fill(5, 100, 4);
    order->take_fill(3, 90, 2);
    CHECK(order->filled == 6);
    CHECK(order->spent == 4 * 100 + 2 * 90);
    CHECK(order->code == 0);
    CHECK(order->reason.empty());
    CHECK(order->trade_ids == std::vector<std::uint64_t>{3, 5});
}

TEST_CASE(
    "account order: what is taken off and placed again is an amendment that changes nothing") {
    const AccountOrderRef order = order_of("a", terms_of(Side::buy, 10, 100));
    order->take_request(RequestKind::place, 0, 0, false, false);
    order->take_news(OrderNews::accepted, 0, 0);
    order->take_request(RequestKind::cancel, 0, 0, false, true);
    CHECK(order->is_taken_off);
    order->take_back();
    CHECK(order->is_held);
    CHECK_FALSE(order->cancel_open);
    CHECK(order->state == OrderState::accepted);
    order->take_request(RequestKind::amend, 0, 0, false, true);
    CHECK_FALSE(order->is_held);
    CHECK_FALSE(order->is_taken_off);
    CHECK(order->reissue_open);
    CHECK(order->state == OrderState::pending_update);
    CHECK(order->amend_price == 100);
    CHECK(order->amend_size == 10);
    order->take_news(OrderNews::updated, 10, 0);
    CHECK_FALSE(order->reissue_open);
    CHECK(order->price == 100);  // a missing price stays unchanged
    order->take_request(RequestKind::cancel, 0, 0, false, true);
    order->take_request(RequestKind::amend, 0, 0, false, true);
    CHECK_FALSE(order->cancel_open);
    order->take_news(OrderNews::updated, 10, 0);
    order->take_request(RequestKind::cancel, 0, 0, false, true);
    order->take_news(OrderNews::cancel_rejected, 0, 0);
    CHECK_FALSE(order->is_taken_off);
}

TEST_CASE("account order: another incarnation makes unknown what is unanswered and not held") {
    const AccountOrderRef held = order_of("a", terms_of(Side::buy, 10, 100)),
                          sent = order_of("b", terms_of(Side::buy, 10, 100)),
                          amended = order_of("c", terms_of(Side::buy, 10, 100)),
                          works = order_of("d", terms_of(Side::buy, 10, 100));
    held->take_request(RequestKind::place, 0, 0, true, false);
    for (const AccountOrderRef& each : {sent, amended, works})
        each->take_request(RequestKind::place, 0, 0, false, false);
    for (const AccountOrderRef& each : {amended, works}) each->take_news(OrderNews::accepted, 0, 0);
    amended->take_request(RequestKind::amend, 101, 12, false, false);
    CHECK(amended->worst_left() == 12);
    for (const AccountOrderRef& each : {held, sent, amended, works}) each->take_incarnation();
    CHECK(held->state == OrderState::submitted);
    CHECK(sent->is_unknown());
    CHECK(amended->is_unknown());
    CHECK(works->state == OrderState::accepted);
    works->take_news(OrderNews::expired, 0, 0);
    CHECK(works->worst_left() == 0);
}

TEST_CASE("account order: a request that leaves again waits for its own answer") {
    const AccountOrderRef order = order_of("a", terms_of(Side::buy, 10, 100));
    order->sent(RequestKind::place, now, now + second, 7);
    PendingRequest& request = order->request(RequestKind::place);
    CHECK(order->placed_at == now);
    CHECK(request.tries == 1);
    CHECK(request.number == 7);
    request.resend_at = now + 9;
    request.reason = "too many";
    order->sent(RequestKind::place, now + 9, now + 9 + second, 8);
    CHECK(request.tries == 2);
    CHECK(request.number == 8);
    CHECK(request.resend_at == 0);
    CHECK(request.deadline == now + 9 + second);
    CHECK(order->placed_at == now + 9);
    request.is_there = false;
    order->sent(RequestKind::place, now + 20, now + 20 + second, 9);
    CHECK(request.tries == 1);
    CHECK(request.reason.empty());
    order->sent(RequestKind::amend, now + 30, now + 31, 10);
    CHECK(order->amended_at == now + 30);
    CHECK(order->placed_at == now + 20);
}

TEST_CASE("account order: what was noted by a wrong clock is due as much later") {
    const AccountOrderRef order = order_of("a", terms_of(Side::buy, 10, 100));
    order->ask_at = now;
    order->request(RequestKind::cancel) = {true, now + second, 1, now + 2 * second, 1, 0, ""};
    order->reported_time = now;
    order->restate(5);
    CHECK(order->created == now + 5);
    CHECK(order->ask_at == now + 5);
    CHECK(order->lost_at == 0);
    CHECK(order->reported_time == now);
    CHECK(order->request(RequestKind::cancel).deadline == now + second + 5);
    CHECK(order->request(RequestKind::cancel).resend_at == now + 2 * second + 5);
}

TEST_CASE("order index: an order is found by its names until so many later ones have ended") {
    Venue venue;
    venue.closed_kept = 1;
    const AccountOrderRef first = venue.working("a", terms_of(Side::buy, 10, 100), 1),
                          other = venue.working("b", terms_of(Side::buy, 10, 100), 2);
    venue.name(*first, "77");
    venue.name(*first, "78");  // it has triggered: late reports use the former id
    venue.rename(*first, "a1");
    venue.name(*first, "79");
    const Symbol symbol = first->terms.symbol;
    for (const char* const name : {"a", "a1"}) CHECK(venue.named(name) == first);
    for (const char* const id : {"77", "78", "79"}) CHECK(venue.of_venue(symbol, id) == first);
    CHECK(venue.of_venue(Symbol::of("kraken:BTC/USD"), "79") == nullptr);
    CHECK(venue.of_robot(1, 1) == first);
    CHECK(first->former == std::vector<std::string>{"a", "78"});
    CHECK(first->name() == "a1");
    first->request(RequestKind::cancel).is_there = true;
    first->ask_at = now;
    venue.close(*first);
    CHECK(venue.next_due() == OrderIndex::never);
    CHECK_FALSE(first->has_pending());
    CHECK(first->ask_at == 0);
    CHECK(venue.named("a1") == first);  // late reports
    CHECK(venue.open_count() == 1);
    CHECK(venue.first_open() == other.get());
    venue.close(*other);
    CHECK(venue.named("a") == nullptr);
    CHECK(venue.named("a1") == nullptr);
    CHECK(venue.of_robot(1, 1) == nullptr);
    for (const char* const id : {"77", "78", "79"}) CHECK(venue.of_venue(symbol, id) == nullptr);
    CHECK(venue.named("b") == other);
}

TEST_CASE("order index: what is due is taken, the longest due first, until it is changed") {
    Venue venue;
    const AccountOrderRef first = venue.working("a", terms_of(Side::buy, 10, 100), 1),
                          other = venue.working("b", terms_of(Side::buy, 10, 100), 2);
    CHECK(venue.next_due() == OrderIndex::never);
    const auto ask = [](AccountOrder& order, std::int64_t at) {
        order.touch();
        order.ask_at = at;
    };
    ask(*first, now + 9);
    ask(*other, now + 3);
    CHECK(venue.next_due() == now + 3);
    ask(*other, now + 10);
    CHECK(venue.next_due() == now + 9);
    for (int repeat = 0; repeat < 2; ++repeat)  // an unchanged order is reported again
        CHECK(venue.take_due(now + 10) == std::vector<AccountOrderRef>{first, other});
    first->touch();
    first->asking = true;
    CHECK(venue.take_due(now + 10) == std::vector<AccountOrderRef>{other});
    other->touch();
    other->ask_at = 0;
    PendingRequest& request = other->request(RequestKind::place);
    request.is_there = true;
    request.deadline = now + 5;
    CHECK(venue.next_due() == now + 5);
    other->touch();
    request.resend_at = now + 2;
    CHECK(venue.next_due() == now + 2);
}

TEST_CASE("order index: news tells whether it changes anything") {
    Venue venue;
    const AccountOrderRef order = venue.placed("a", terms_of(Side::buy, 10, 100));
    using Change = OrderIndex::Change;
    CHECK(venue.news(*order, OrderNews::accepted, 0, 0, 0, "") == Change::news);
    CHECK(venue.news(*order, OrderNews::accepted, 0, 0, 0, "") == Change::nothing);
    CHECK(venue.news(*order, OrderNews::updated, 0, 101, 0, "") == Change::news);
    venue.request(*order, RequestKind::cancel, 0, 0, now, false);
    CHECK(order->cancel_open);
    CHECK(venue.news(*order, OrderNews::lost, 0, 0, 0, "") == Change::news);
    // The state is as before, and the cancel is no longer open.
    order->state = OrderState::partially_filled;
    CHECK(venue.news(*order, OrderNews::cancel_rejected, 0, 0, 7, "why") == Change::news);
    CHECK(order->state == OrderState::partially_filled);
    CHECK(venue.news(*order, OrderNews::cancel_rejected, 0, 0, 8, "") == Change::nothing);
    CHECK(order->code == 7);
    CHECK(order->reason == "why");
    venue.request(*order, RequestKind::amend, 99, 12, now, false);
    CHECK(order->amended_at == now);
    CHECK(order->amend_price == 99);
    order->state = OrderState::initialized;
    CHECK(venue.news(*order, OrderNews::accepted, 0, 0, 0, "") == Change::impossible);
    CHECK(order->code == 7);
}

TEST_CASE(
    "order index: a new order in the place of what is left knows nothing of what was filled") {
    Venue venue;
    const AccountOrderRef order = venue.working("a", stop_of(Side::sell, 10, 90));
    CHECK(order->conditional);
    order->take_fill(1, 90, 4);
    order->asks = order->not_found = 3;
    order->reported_time = now;
    order->amended_at = now;
    venue.request(*order, RequestKind::cancel, 0, 0, now, true);
    order->reported_end = OrderNews::canceled;
    order->ask_at = order->lost_at = now;
    venue.keep(*order);
    CHECK(order->reported_end == OrderNews{});
    CHECK(order->ask_at == 0);
    CHECK(order->lost_at == 0);
    venue.reissue(*order, "a1", now + second);
    CHECK(venue.named("a1") == order);
    CHECK(order->reissues == 1);
    CHECK_FALSE(order->conditional);
    CHECK(order->away == 4);
    CHECK(order->filled_outside == 4);
    CHECK(order->reported_filled == 4);
    CHECK(order->reported_time == 0);
    CHECK(order->asks == 0);
    CHECK(order->not_found == 0);
    CHECK(order->sent_at == now + second);
    CHECK(order->amended_at == 0);
}

TEST_CASE("order index: whoever has an order longer than its index may change it") {
    AccountOrderRef first, second;
    {
        Venue venue;
        first = venue.working("a", terms_of(Side::buy, 10, 100));
        second = venue.working("a", terms_of(Side::buy, 4, 100));
        CHECK(venue.named("a") == second);
        CHECK(venue.open_count() == 1);
        CHECK(venue.sums().worst(first->terms, nullptr).opening == 4);
        first->touch();
        CHECK(venue.touched() == 0);
    }
    first->touch();
    second->touch();
}

TEST_CASE("order index: at another exchange nothing is there") {
    Venue venue;
    const AccountOrderRef order = venue.working("a", terms_of(Side::buy, 10, 100));
    CHECK(venue.sums().worst(order->terms, nullptr).opening == 10);
    venue.begin_anew();
    CHECK(venue.sums().worst(order->terms, nullptr).opening == 0);
    CHECK(venue.open_count() == 0);
    CHECK(venue.named("a") == nullptr);
    order->touch();  // a holder of the reference may change it
    CHECK(venue.touched() == 0);
}

TEST_CASE("order sums: an order counts as it is now, and not in its own place") {
    Venue venue;
    const AccountOrderRef order = venue.working("a", terms_of(Side::buy, 10, 100)),
                          cut = venue.working("b", Venue::reducing(terms_of(Side::buy, 7, 100)), 2),
                          stop = venue.working("c", Venue::reducing(stop_of(Side::buy, 5, 110)), 3);
    CHECK(venue.sums().worst(order->terms, nullptr).opening == 10);
    CHECK(venue.sums().worst(order->terms, order.get()).opening == 0);
    CHECK(venue.sums().worst(order->terms, nullptr).reducing == 7);  // waiting orders do not count
    CHECK(venue.sums().worst(order->terms, cut.get()).reducing == 0);
    CHECK(venue.sums().worst(terms_of(Side::sell, 1, 1), nullptr).opening == 0);
    order->touch();
    order->take_fill(1, 100, 4);
    CHECK(venue.sums().worst(order->terms, nullptr).opening == 6);
    venue.request(*order, RequestKind::amend, 90, 12, now, false);
    CHECK(venue.sums().worst(order->terms, nullptr).opening == 8);
    // Of both prices the more expensive counts for cost, and the nearer for matching.
    const auto spent = venue.sums().spent(nullptr);
    REQUIRE(spent.size() == 1);
    CHECK(spent[0].sums.taker == 8 * 100 + 7 * 100 + 5 * 110);
    CHECK(venue.sums().spent(order.get())[0].sums.taker == 7 * 100 + 5 * 110);
    CHECK(nearest(*order) == 100);
}

TEST_CASE("order sums: who would be met first") {
    Venue venue;
    const AccountOrderRef far = venue.working("a", terms_of(Side::sell, 1, 103), 1),
                          near = venue.working("b", terms_of(Side::sell, 1, 102), 2),
                          same = venue.working("c", terms_of(Side::sell, 1, 102), 3);
    venue.working("d", stop_of(Side::sell, 1, 90), 4);  // matched by none while it waits
    const OrderTerms below = terms_of(Side::buy, 1, 101), at = terms_of(Side::buy, 1, 102),
                     above = terms_of(Side::buy, 1, 110);
    CHECK(venue.sums().meets(below) == nullptr);
    CHECK(venue.sums().meets(at) == near.get());
    CHECK(venue.sums().meeting(at) == std::vector<AccountOrder*>{near.get(), same.get()});
    CHECK(venue.sums().meeting(above).size() == 3);
    CHECK(venue.sums().meets(market_of(Side::buy, 1)) == near.get());
    venue.request(*far, RequestKind::amend, 95, 1, now, false);
    CHECK(venue.sums().meets(below) == far.get());  // at either price
    CHECK(venue.sums().meets(terms_of(Side::sell, 1, 1)) == nullptr);
}

TEST_CASE("order sums: costs by the fee that they are charged") {
    Venue venue;
    OrderTerms maker = terms_of(Side::buy, 2, 100), waiting = market_of(Side::buy, 3);
    maker.post_only = true;
    waiting.trigger = 50;
    waiting.trigger_by = TriggerBy::last;
    venue.working("a", maker, 1);
    venue.working("b", waiting, 2);
    venue.working("c", market_of(Side::buy, 5), 3);
    const AccountOrderRef unfunded = venue.working("d", terms_of(Side::buy, 9, 100), 4);
    unfunded->touch();
    unfunded->is_unfunded = true;
    const auto spent = venue.sums().spent(nullptr);
    REQUIRE(spent.size() == 1);
    CHECK(spent[0].sums.size == 10);
    CHECK(spent[0].sums.maker == 200);
    CHECK(spent[0].sums.taker == 150);
    CHECK(spent[0].sums.unpriced == 5);
}

TEST_CASE("order sums: in hedge mode the side that is closed says that an order reduces") {
    Venue venue;
    OrderTerms opens = terms_of(Side::sell, 4, 100), closes = opens;
    opens.position_side = PositionSide::short_;
    closes.position_side = PositionSide::long_;
    venue.working("a", opens, 1);
    venue.working("b", closes, 2);
    CHECK(venue.sums().worst(opens, nullptr).opening == 4);
    CHECK(venue.sums().worst(closes, nullptr).opening == 0);
    CHECK(venue.sums().worst(closes, nullptr).reducing == 4);
    Venue spot;
    spot.of.positions = false;
    const AccountOrderRef sale = spot.working("a", terms_of(Side::sell, 4, 100));
    CHECK(spot.sums().worst(sale->terms, nullptr).reducing == 4);
    spot.working("b", stop_of(Side::sell, 3, 90), 2);
    CHECK(spot.sums().worst(sale->terms, nullptr).reducing == 7);  // no venue cuts it
}

TEST_CASE("order sums: what is unknown may have opened, but for what only reduces and waits") {
    Venue venue;
    const AccountOrderRef plain = venue.placed("a", terms_of(Side::buy, 1, 100), 1),
                          stop = venue.placed("b", Venue::reducing(stop_of(Side::sell, 1, 90)), 2);
    OrderTerms guarded = stop_of(Side::sell, 1, 90);
    guarded.name_tag("guardian");
    const AccountOrderRef guardians = venue.placed("c", guarded, 3);
    for (const AccountOrderRef& each : {plain, stop, guardians})
        venue.news(*each, OrderNews::lost, 0, 0, 0, "");
    const Symbol symbol = plain->terms.symbol;
    CHECK(venue.sums().unknown(symbol) == std::vector<AccountOrder*>{plain.get()});
    CHECK(venue.sums().all_unknown().size() == 3);
    venue.news(*plain, OrderNews::found, 0, 0, 0, "");
    CHECK(venue.sums().unknown(symbol).empty());
}

TEST_CASE("order sums: whatever happens, they are those of a walk") {
    std::mt19937_64 random(7);
    const auto below = [&](std::uint64_t most) { return random() % most; };
    Venue venue;
    std::vector<AccountOrderRef> orders;
    const char* const symbols[] = {"binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT"};
    for (int step = 0; step < 4000; ++step) {
        if (orders.empty() || below(3) == 0) {
            OrderTerms terms = terms_of(
                below(2) != 0 ? Side::buy : Side::sell, static_cast<std::int64_t>(1 + below(20)),
                static_cast<std::int64_t>(90 + below(20)), symbols[below(2)]);
            terms.reduce_only = below(4) == 0;
            orders.push_back(
                venue.placed("o" + std::to_string(step), terms, static_cast<std::uint64_t>(step)));
        }
        AccountOrder& order = *orders[below(orders.size())];
        switch (below(6)) {
            case 0:
                venue.request(order, RequestKind::amend, static_cast<std::int64_t>(90 + below(20)),
                              static_cast<std::int64_t>(1 + below(20)), now, false);
                break;
            case 1:
                order.touch();
                order.take_fill(static_cast<std::uint64_t>(step), 100,
                                static_cast<std::int64_t>(1 + below(5)));
                break;
            default:
                venue.news(order, static_cast<OrderNews>(1 + below(12)), 0, 0, 0, "");
        }
        if (order.closed()) venue.close(order);
        if (step % 20 != 0) continue;
        for (const char* const symbol : symbols) {
            for (const Side side : {Side::buy, Side::sell}) {
                const OrderTerms query = terms_of(side, 1, 100, symbol);
                std::int64_t opening = 0, reducing = 0;
                std::vector<std::string> met;
                for (const AccountOrderRef& each : orders) {
                    if (each->closed() || each->terms.symbol != query.symbol) continue;
                    if (each->terms.side == side)
                        (each->terms.reduce_only ? reducing : opening) += each->worst_left();
                    else if (side == Side::buy ? nearest(*each) <= 100 : nearest(*each) >= 100)
                        met.push_back(each->client_id);
                }
                CHECK(venue.sums().worst(query, nullptr).opening == opening);
                CHECK(venue.sums().worst(query, nullptr).reducing == reducing);
                std::vector<std::string> found;
                for (const AccountOrder* const each : venue.sums().meeting(query))
                    found.push_back(each->client_id);
                std::sort(met.begin(), met.end());
                std::sort(found.begin(), found.end());
                CHECK(found == met);
            }
        }
    }
}
