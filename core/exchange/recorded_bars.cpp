// Orders against bars. A bar is one price at its open, an unknown path between low and high, and
// one price at its close. An order that is there when the bar opens, or early in it, meets all
// three; one that arrives later meets the close alone, the only price known to come after it.
#include <algorithm>

#include "exchange/errors.hpp"
#include "exchange/recorded.hpp"

namespace onetape {

namespace {

bool beyond(Side side, std::int64_t price, std::int64_t limit) {
    return side == Side::buy ? price < limit : price > limit;
}

// A bar has one price near its beginning: its open. An order that arrives early in the bar (in its
// first tenth) meets that price, so that a few milliseconds of latency after the close on which it
// was decided do not cost it a whole bar. Later in the bar only the close is known to follow.
constexpr std::int64_t early_part = 10;

bool meets_open(const BarPayload& bar, std::int64_t arrival) noexcept {
    return arrival <= bar.ts_open + (bar.ts_close - bar.ts_open) / early_part;
}

bool only_reduces(const OrderRequestPayload& request) {
    return (request.flags & order_reduce_only) != 0;
}

bool rises(const OrderRequestPayload& request) {
    return trigger_rises(request.side, request.flags);
}

bool acceptable(const OrderRequestPayload& request, std::int64_t price) {
    if (request.type == OrderType::market) return true;
    return request.side == Side::buy ? price <= request.price : price >= request.price;
}

}  // namespace

// With bars alone an arriving order meets the market at the next open. Until then a sale has not
// paid for the purchase behind it, but will have: waiting reductions count as done. The purchase is
// checked again when it fills, and then its money must be there.
std::uint16_t RecordedExchange::funds_on_credit(std::uint32_t index,
                                                const OrderRequestPayload& request,
                                                std::int64_t price, std::int64_t size) noexcept {
    Account after = *account_;
    bool frees = false;
    for (std::uint32_t i = 0; i < markets_.size(); ++i) {
        const Market& market = markets_[i];
        if (market.working == 0 || !bars_only(market)) continue;
        for (const auto* list : {&market.waiting, &market.bids, &market.asks}) {
            for (const std::uint32_t slot : *list) {
                const Order& order = orders_[slot];
                const OrderRequestPayload& other = order.request;
                if ((other.order_id == request.order_id && other.robot == request.robot) ||
                    order.on_credit || (list != &market.waiting && !order.taker))
                    continue;
                const bool reduced =
                    after.assume_filled(i, other.position_side, other.side, reference(market),
                                        other.size - order.filled, order.reserved_price);
                frees = frees || reduced;
            }
        }
    }
    if (!frees) return error::insufficient_funds;
    return after.check_funds(index, request.position_side, request.side, price, size,
                             only_reduces(request));
}

// Whether the account can carry a waiting order at a bar's price. If not it is canceled; but while
// an order that would fund it waits, too, it stays, and so does the offer.
bool RecordedExchange::bar_pays(std::uint32_t slot, std::int64_t time,
                                std::int64_t price) noexcept {
    Order& order = orders_[slot];
    const OrderRequestPayload& request = order.request;
    const std::uint32_t index = order.instrument;
    const std::int64_t left = request.size - order.filled;
    const std::int64_t reserved = order.reserved_price;
    unreserve(order);
    const std::int64_t paid = pushed_price(index, request, price, 0, left, time);
    std::uint16_t code = error::none;
    if (options_.check_funds) {
        mark_for_funds(index);
        code = account_->check_funds(index, request.position_side, request.side, paid, left,
                                     only_reduces(request));
    }
    order.has_offer = code == error::insufficient_funds && order.on_credit &&
                      funds_on_credit(index, request, paid, left) == error::none;
    if (code != error::none && !order.has_offer) {
        close(slot, time, OrderNews::canceled, code);
        return false;
    }
    reserve(order, reserved);
    order.offer_time = time;
    order.offer_price = price;
    if (order.has_offer) return false;
    on_credit_ -= order.on_credit ? 1 : 0;
    order.on_credit = false;
    return true;
}

// A sale may have filled: an order that waited for the money takes its own bar's offer, if that bar
// is of this time. An older offer was gone before the money came.
void RecordedExchange::take_offers(std::int64_t now) noexcept {
    if (on_credit_ == 0) [[likely]]
        return;
    batch_.clear();
    for (std::uint32_t slot = 0; slot < orders_.size(); ++slot)
        if (orders_[slot].live && orders_[slot].has_offer) batch_.push_back(slot);
    std::sort(batch_.begin(), batch_.end(), [this](std::uint32_t left, std::uint32_t right) {
        return orders_[left].venue_id < orders_[right].venue_id;
    });
    const std::vector<std::uint32_t> offers = batch_;
    for (const std::uint32_t slot : offers) {
        const std::uint32_t index = orders_[slot].instrument;
        Market& market = markets_[index];
        if (const BarPayload& bar = market.view->bar; bar.ts_close + bar.period_ns <= now) continue;
        const bool in_bar = market.in_bar;
        const std::int64_t bar_price = market.bar_price;
        market.in_bar = true;  // its close was not known then
        market.bar_price = orders_[slot].offer_price;
        bar_take(slot, orders_[slot].offer_time, orders_[slot].offer_price);
        market.in_bar = in_bar;
        market.bar_price = bar_price;
        if (market.held && market.view->bar.period_ns == market.bar_period) stress_bar(index, now);
    }
}

std::int64_t RecordedExchange::bar_room(Market& market, std::int64_t wanted) noexcept {
    if (!market.bar_capped) return wanted;
    const std::int64_t lot = std::max<std::int64_t>(market.spec.lot, 1);
    const std::int64_t left = pool_of(market).bar_left;
    return std::min(wanted, left - left % lot);
}

// The size a taker gets at a price: limited by the bar's volume, and by how far its limit lets it
// move the market.
std::int64_t RecordedExchange::bar_taker_room(std::uint32_t slot, std::int64_t price,
                                              std::int64_t time) noexcept {
    const Order& order = orders_[slot];
    const std::int64_t room =
        bar_room(markets_[order.instrument], order.request.size - order.filled);
    return room_within(order.instrument, order.request, price, 0, room,
                       std::max(time, order.arrival));
}

std::int64_t RecordedExchange::bar_fill(std::uint32_t slot, std::int64_t time, std::int64_t price,
                                        Liquidity liquidity) noexcept {
    const Order& order = orders_[slot];
    const std::uint32_t index = order.instrument;
    Market& market = markets_[index];
    const bool takes = liquidity == Liquidity::taker;
    const std::int64_t room = takes ? bar_taker_room(slot, price, time)
                                    : bar_room(market, order.request.size - order.filled);
    if (room <= 0) return 0;
    const std::int64_t at = std::max(time, order.arrival);  // not before the order arrived
    const std::int64_t paid =
        takes ? pushed_price(index, order.request, price, 0, room, at) : price;
    const std::int64_t size = fill_pushed(slot, at, price, paid, room, liquidity);
    if (size == 0) return 0;
    pool_of(market).bar_left -= size;
    if (market.in_bar) market.filled_bar = market.view->bar.ts_close;
    if (!market.bar_capped) ++counters_.fills_without_volume;
    return size;
}

// A waiting order takes the bar's volume at a price. Only a market order keeps waiting with its
// rest.
void RecordedExchange::bar_take(std::uint32_t slot, std::int64_t time,
                                std::int64_t price) noexcept {
    Order& order = orders_[slot];
    const std::int64_t left = order.request.size - order.filled;
    const bool whole = order.request.tif == TimeInForce::fok;
    if (order.request.type == OrderType::limit &&
        (order.request.tif == TimeInForce::gtc || order.request.tif == TimeInForce::gtd)) {
        // An order that rests once its money is there counts as resting since its arrival.
        if (!bar_pays(slot, time, order.request.price)) return;
        const std::int64_t arrival = order.arrival;
        unlink(slot);
        rest(slot, time);
        orders_[slot].arrival = arrival;
        return;
    }
    if (acceptable(order.request, price) && !(whole && bar_taker_room(slot, price, time) < left)) {
        if (!bar_pays(slot, time, price)) return;
        bar_fill(slot, time, price, Liquidity::taker);
    }
    if (!orders_[slot].live) return;
    const bool carries =
        order.request.type == OrderType::market &&
        (order.request.tif == TimeInForce::gtc || order.request.tif == TimeInForce::gtd);
    if (!carries) close(slot, time, OrderNews::canceled, error::none);
}

// A trigger was met at `price`: the triggered order trades there if it can, else rests.
void RecordedExchange::bar_fire(std::uint32_t slot, std::int64_t time,
                                std::int64_t price) noexcept {
    Market& market = markets_[orders_[slot].instrument];
    const std::int64_t before = market.bar_price;
    market.bar_price = price;
    fire(slot, time);  // in bars this leaves the order waiting or resting, or cancels it
    if (orders_[slot].live) bar_triggered(slot, time, price);
    market.bar_price = before;
}

void RecordedExchange::bar_triggered(std::uint32_t slot, std::int64_t time,
                                     std::int64_t price) noexcept {
    const OrderRequestPayload& request = orders_[slot].request;
    if (orders_[slot].place == Place::waiting) {
        bar_take(slot, time, price);
    } else if ((request.flags & order_post_only) == 0 && acceptable(request, price)) {
        bar_fill(slot, time, price, Liquidity::taker);
    }
}

// The open, for orders that arrived early in the bar. A fill there counts from then on: funding
// inside the bar is computed with its position; funding due before the bar, or before an order
// came, is not.
void RecordedExchange::bar_open(std::uint32_t index) noexcept {
    const BarPayload& bar = markets_[index].view->bar;
    const std::vector<Funding>& fundings = markets_[index].fundings;
    pay_fundings(index, bar.ts_open);
    std::int64_t from = std::numeric_limits<std::int64_t>::min();
    for (bool is_last = false; !is_last;) {
        is_last = fundings.empty() || fundings.front().time >= bar.ts_close;
        const std::int64_t until = is_last ? never : fundings.front().time;
        bar_at_price(index, bar.ts_open, bar.open, true, [&](const Order& order) {
            return meets_open(bar, order.arrival) && order.arrival >= from && order.arrival < until;
        });
        if (!is_last) pay_fundings(index, until);
        from = until;
    }
}

// All effects of a single known price: waiting orders take, triggers fire, limits that it lies
// beyond fill at it.
template <class Meets>
void RecordedExchange::bar_at_price(std::uint32_t index, std::int64_t time, std::int64_t price,
                                    bool at_open, const Meets& is_there) noexcept {
    Market& market = markets_[index];
    const auto meets = [&](std::uint32_t slot) {
        return orders_[slot].live && is_there(orders_[slot]);
    };
    auto& batch = bar_batch_;
    batch.assign(market.waiting.begin(), market.waiting.end());
    for (const std::uint32_t slot : batch) {
        if (meets(slot)) bar_take(slot, time, price);
    }
    const auto fire_met = [&] {
        batch.assign(market.triggers.begin(), market.triggers.end());
        for (const std::uint32_t slot : batch) {
            if (!meets(slot) || orders_[slot].sleeps()) continue;
            const Order& order = orders_[slot];
            if (!market.view->goes_by_last(order.request.trigger_by))
                continue;  // handled by on_mark
            const bool fires = rises(order.request) ? price >= order.request.trigger
                                                    : price <= order.request.trigger;
            if (fires) bar_fire(slot, time, price);
        }
    };
    fire_met();
    batch.assign(market.bids.begin(), market.bids.end());
    batch.insert(batch.end(), market.asks.begin(), market.asks.end());
    for (const std::uint32_t slot : batch) {
        if (!meets(slot) || orders_[slot].place != Place::resting) continue;
        const Order& order = orders_[slot];
        const std::int64_t moved = price + push(index, order.request.side, time);
        if (!beyond(order.request.side, moved, order.request.price)) continue;
        // Inside a bar a resting order fills at its own price; one that crossed on arrival, and any
        // order at the open, at the price itself.
        const std::int64_t own = order.request.price;
        if (order.taker) {
            bar_fill(slot, time, price, Liquidity::taker);
        } else if (!at_open || options_.limits_at_limit) {
            bar_fill(slot, time, own, Liquidity::maker);
        } else if (const std::int64_t size = bar_fill(slot, time, moved, Liquidity::maker)) {
            ++counters_.gapped_limits;
            market.gapped_gain +=
                absolute(market.spec.notional(own, size) - market.spec.notional(moved, size));
        }
    }
    for (const std::uint32_t slot : batch) {
        if (orders_[slot].live && orders_[slot].instrument == index) orders_[slot].taker = false;
    }
    fire_met();  // the price may already lie beyond the stop of a filled limit
}

// Whether the bar reaches the trigger of an order that was there early in it.
bool RecordedExchange::bar_reaches(const Market& market, const Order& order) noexcept {
    const BarPayload& bar = market.view->bar;
    return order.live && meets_open(bar, order.arrival) &&
           market.view->goes_by_last(order.request.trigger_by) &&
           (rises(order.request) ? bar.high >= order.request.trigger
                                 : bar.low <= order.request.trigger);
}

// Whether this is an inactive stop or take-profit of an entry that the bar may fill between open
// and close.
bool RecordedExchange::bar_fills_entry(const Market& market, const Order& leg) const noexcept {
    const std::uint32_t slot = ids_.find(leg.request.robot, leg.attached.entry);
    if (slot == IdMap::absent) return false;
    const Order& entry = orders_[slot];
    const Side side = entry.request.side;
    if (entry.place == Place::trigger) return bar_reaches(market, entry);
    return entry.place == Place::resting && meets_open(market.view->bar, entry.arrival) &&
           beyond(side, side == Side::buy ? market.view->bar.low : market.view->bar.high,
                  entry.request.price);
}

// After the open: does the bar reach own orders above its open and others below it? From the open
// each side is reached nearest first; unknown is which side came first. Orders that only reduce
// count if there is something to reduce, or an order that might open it.
bool RecordedExchange::bar_ambiguous(std::uint32_t index) const noexcept {
    const Market& market = markets_[index];
    if (market.triggers.size() + market.bids.size() + market.asks.size() < 2) return false;
    const BarPayload& bar = market.view->bar;
    bool above = false, below = false;                  // all reached ones
    bool free = false;                                  // one of them may open a position
    bool above_reduces = false, below_reduces = false;  // those with something to reduce
    const auto reached = [&](const Order& order, bool is_above) {
        (is_above ? above : below) = true;
        if (!only_reduces(order.request)) {
            free = true;
        } else if (reducible(index, order.request) > 0) {
            (is_above ? above_reduces : below_reduces) = true;
        }
    };
    for (const std::uint32_t slot : market.triggers) {
        const Order& order = orders_[slot];
        if (bar_reaches(market, order) && (!order.sleeps() || bar_fills_entry(market, order)))
            reached(order, rises(order.request));
    }
    for (const auto* list : {&market.bids, &market.asks}) {
        for (const std::uint32_t slot : *list) {
            const Order& order = orders_[slot];
            const Side side = order.request.side;
            if (!order.live || !meets_open(bar, order.arrival)) continue;
            if (beyond(side, bar.open, order.request.price)) continue;  // filled there, or no room
            if (beyond(side, side == Side::buy ? bar.low : bar.high, order.request.price))
                reached(order, side == Side::sell);
        }
    }
    return free ? above && below : above_reduces && below_reduces;
}

// Between open and close. Losing triggers, winning ones, limits; then losing triggers again, for a
// stop whose position one of those limits opened.
void RecordedExchange::bar_inside(std::uint32_t index, std::int64_t now) noexcept {
    const bool ambiguous = bar_ambiguous(index);
    const std::uint64_t fills = counters_.fills;
    bar_stops(index, now, true, false);
    bar_stops(index, now, false, false);
    bar_limits(index, now);
    bar_stops(index, now, true, true);
    if (!ambiguous) return;
    ++counters_.ambiguous_bars;
    counters_.ambiguous_fills += counters_.fills - fills;
    if (ambiguous_.size() < ambiguous_kept)
        ambiguous_.push_back({markets_[index].view->bar.ts_open, index});
}

// Triggers between open and close, at the trigger's own price. Losing ones come first. A stop that
// would find nothing to reduce waits for positions that the bar's limits open.
void RecordedExchange::bar_stops(std::uint32_t index, std::int64_t now, bool adverse,
                                 bool limits_done) noexcept {
    Market& market = markets_[index];
    bar_batch_.assign(market.triggers.begin(), market.triggers.end());
    for (const std::uint32_t slot : bar_batch_) {
        const Order& order = orders_[slot];
        if (order.place != Place::trigger || order.sleeps() || !bar_reaches(market, order))
            continue;
        if ((trigger_kind_of(order.request.flags) == TriggerKind::stop) != adverse) continue;
        if (adverse && !limits_done && only_reduces(order.request) &&
            reducible(index, order.request) <= 0)
            continue;
        bar_fire(slot, now, order.request.trigger);
    }
}

// Limits that the bar traded through, at their own price. A touch is not enough.
void RecordedExchange::bar_limits(std::uint32_t index, std::int64_t now) noexcept {
    Market& market = markets_[index];
    const BarPayload& bar = market.view->bar;
    bar_batch_.assign(market.bids.begin(), market.bids.end());
    bar_batch_.insert(bar_batch_.end(), market.asks.begin(), market.asks.end());
    for (const std::uint32_t slot : bar_batch_) {
        const Order& order = orders_[slot];
        if (!order.live || !meets_open(bar, order.arrival)) continue;
        const std::int64_t extreme = order.request.side == Side::buy ? bar.low : bar.high;
        const std::int64_t moved = extreme + push(index, order.request.side, now);
        if (!beyond(order.request.side, moved, order.request.price)) continue;
        bar_fill(slot, now, order.request.price, Liquidity::maker);
    }
}

void RecordedExchange::on_bar(std::uint32_t index, std::int64_t now) noexcept {
    if (index >= markets_.size()) return;
    Market& market = markets_[index];
    if ((market.working == 0 && !market.held && !market.lent) || !bars_only(market)) return;
    const BarPayload& bar = market.view->bar;
    note_bar_period(market);
    if (bar.period_ns > market.bar_period) return;
    market.bar_capped = market.view->has_volume;
    Market& pool = pool_of(market);
    if (&pool == &market || pool.bar_version != pool.view->version)
        pool.bar_left = static_cast<std::int64_t>(static_cast<Int128>(bar.volume) *
                                                  options_.bar_volume_share / 1'000'000);
    pool.bar_version = pool.view->version;
    if (market.working != 0) {
        market.in_bar = true;
        market.bar_price = bar.open;  // no later price is known at the open
        bar_open(index);
        take_offers(now);
        bar_inside(index, now);
        market.in_bar = false;
        if (market.working == 0) pay_fundings(index, never);
    }
    if (market.held) stress_bar(index, now);
    if (market.lent) stress_loans(index, now);
    mark_account(index);
    if (market.working == 0) {
        market.sweep = false;  // nothing to sweep
        return;
    }
    bar_at_price(index, now, bar.close, false,
                 [&](const Order& order) { return !meets_open(bar, order.arrival); });
    take_offers(now);
    sweep_reduce_only(index, now);
}

}  // namespace onetape
