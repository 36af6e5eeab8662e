#include "exchange/flow_symbol.hpp"

#include <algorithm>
#include <cmath>

namespace onetape {

namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t fair_period = second / 2;
constexpr double fair_steps_a_year = 365.0 * 86400.0 * 2.0;

// Rates per second before excitement and FlowOptions::rate.
constexpr double limit_rate = 6.0;
constexpr double taker_rate = 0.4;
constexpr double cancel_rate = 0.02;  // per resting order
constexpr double excite = 0.5;        // addition of one taker to the rate's factor
constexpr double excite_decay = 0.8;  // decay of it per second
constexpr double excite_max = 12.0;

constexpr double keep_side = 0.68;     // chance that the next taker is of the same side
constexpr double informed = 0.25;      // share of stale orders that are hit instead of canceled
constexpr double quote_chance = 0.95;  // chance that a gap at the touch is closed at once
constexpr int stale_max = 64;          // bound of orders handled in one step of the fair value
constexpr int opening_orders = 70;     // per side, before the first event

constexpr double regime_factor[] = {0.6, 1.0, 2.2};
constexpr double regime_leave = 0.004;  // per step of the fair value: about two minutes each

}  // namespace

FlowSymbolState::FlowSymbolState(Flow& flow, std::uint32_t index, const FlowSymbol& symbol,
                                 const FlowOptions& options) noexcept
    : FlowVenue(flow, index, symbol, options),
      rate_(options.rate),
      own_(options.seed * 0x9E3779B97F4A7C15ull + index + 1),
      common_(options.seed),
      next_fair_(options.start + fair_period),
      next_act_(options.start),
      act_time_(options.start) {
    fair_ticks_ = static_cast<double>(symbol_.price) / static_cast<double>(symbol_.spec.tick) + 0.5;
    step_ticks_ = fair_ticks_ * symbol_.volatility / std::sqrt(fair_steps_a_year);
    spread_ticks_ = std::max(0.5, step_ticks_ * 0.1);
    depth_ticks_ = std::max(2.0, step_ticks_ * 2.0);
    open_book();
    open(options.start, to_price(fair_ticks_, false), options.book_levels);
    schedule_act(options.start);
}

std::int64_t FlowSymbolState::next_time() const noexcept {
    return std::min(std::min(next_fair_, next_act_), std::min(next_mark_, next_bar_));
}

// A bar closes before events at its end, which belong to the next bar.
void FlowSymbolState::step() noexcept {
    const std::int64_t now = next_time();
    if (now == next_bar_) {
        close_bar(now);
    } else if (now == next_fair_) {
        next_fair_ += fair_period;
        move_fair(now);
    } else if (now == next_mark_) {
        send_mark(now, to_price(fair_ticks_, false));
    } else {
        act(now);
        schedule_act(now);
    }
}

// ---- the fair value ----------------------------------------------------------------------------

void FlowSymbolState::move_fair(std::int64_t now) noexcept {
    // The common factor is drawn by every symbol from a source of the same seed: no symbol waits
    // for another, and all see the same one.
    const double shared = common_.bell();
    const double alone = own_.bell();
    const double share = std::sqrt(symbol_.correlation);
    const double rest = std::sqrt(1.0 - symbol_.correlation);
    if (own_.chance(regime_leave)) regime_ = static_cast<std::uint32_t>(own_.below(3));
    fair_ticks_ += step_ticks_ * regime_factor[regime_] * (share * shared + rest * alone);
    fair_ticks_ = std::max(fair_ticks_, 50.0);  // far below any start: prices stay positive
    clear_stale(now, Side::sell);
    clear_stale(now, Side::buy);
    tighten(now, Side::buy);
    tighten(now, Side::sell);
}

// Orders that the fair value has passed: most are canceled in time, some are hit.
void FlowSymbolState::clear_stale(std::int64_t now, Side side) noexcept {
    const std::int64_t fair = to_price(fair_ticks_, side == Side::buy);
    for (int done = 0; done < stale_max && engine_.level_count(side) != 0; ++done) {
        const BookLevel best = engine_.level(side, 0);
        const bool stale = side == Side::sell ? best.price < fair : best.price > fair;
        if (!stale) return;
        std::uint32_t participant = crowd;
        std::uint64_t order_id = 0;
        (void)engine_.first_order(side, participant, order_id);
        // External participants do not cancel: their orders are hit.
        if (participant != crowd || own_.chance(informed)) {
            // The whole drawn size: the rest of a level may be below the venue's minimum.
            send(now, side == Side::sell ? Side::buy : Side::sell, OrderType::limit,
                 TimeInForce::ioc, best.price, draw_size(2.0));
        } else {
            send_cancel(now, order_id);
        }
    }
}

// Quoting makers usually close a gap between the touch and the fair value.
void FlowSymbolState::tighten(std::int64_t now, Side side) noexcept {
    const double reach = std::max(0.5, step_ticks_ * 0.08);
    if (engine_.level_count(side) != 0) {
        const double best = static_cast<double>(engine_.level(side, 0).price) /
                            static_cast<double>(symbol_.spec.tick);
        const double gap = side == Side::buy ? fair_ticks_ - best : best - fair_ticks_;
        if (gap < spread_ticks_ + 3.0 * reach || !own_.chance(quote_chance)) return;
    }
    send_limit(now, side, spread_ticks_ + reach * own_.waiting());
}

// ---- the crowd ---------------------------------------------------------------------------------

void FlowSymbolState::schedule_act(std::int64_t now) noexcept {
    const double resting = static_cast<double>(engine_.order_count());
    const double rate = rate_ * ((limit_rate + cancel_rate * resting) * (1.0 + 0.25 * excitement_) +
                                 taker_rate * (1.0 + excitement_));
    const double wait = own_.waiting() / rate * static_cast<double>(second);
    next_act_ = now + std::max<std::int64_t>(1, static_cast<std::int64_t>(wait));
}

void FlowSymbolState::act(std::int64_t now) noexcept {
    const double passed = static_cast<double>(now - act_time_) / static_cast<double>(second);
    act_time_ = now;
    const double step = 1.0 + passed * rate_ * excite_decay / 8.0;
    const double square = step * step;
    const double fourth = square * square;
    excitement_ /= fourth * fourth;  // (1 + x/8)^-8: exp(-x) with exactly rounded operations
    const double calm = 1.0 + 0.25 * excitement_;
    const double limit = limit_rate * calm;
    const double cancel = cancel_rate * static_cast<double>(engine_.order_count()) * calm;
    const double taker = taker_rate * (1.0 + excitement_);
    const double drawn = own_.uniform() * (limit + cancel + taker);
    if (drawn < limit) {
        place_limit(now);
    } else if (drawn < limit + cancel) {
        cancel_one(now);
    } else {
        take(now);
        excitement_ = std::min(excitement_ + excite, excite_max);
        tighten(now, other_side(run_side_));
    }
}

void FlowSymbolState::place_limit(std::int64_t now) noexcept {
    // The thinner side pays more to stand on.
    const double bids = static_cast<double>(engine_.level_count(Side::buy)) + 1.0;
    const double asks = static_cast<double>(engine_.level_count(Side::sell)) + 1.0;
    const Side side = own_.chance(asks / (bids + asks)) ? Side::buy : Side::sell;
    // A distance whose density falls as its square: half of all are within depth_ticks_.
    const double distance =
        spread_ticks_ + depth_ticks_ * std::min(1.0 / own_.uniform() - 1.0, 60.0);
    send_limit(now, side, distance);
}

// A maker's order `distance` ticks from the fair value, never across the touch.
void FlowSymbolState::send_limit(std::int64_t now, Side side, double distance) noexcept {
    const std::int64_t tick = symbol_.spec.tick;
    std::int64_t price = 0;
    if (side == Side::buy) {
        price = to_price(fair_ticks_ - distance, false);
        if (engine_.level_count(Side::sell) != 0) {
            price = std::min(price, engine_.level(Side::sell, 0).price - tick);
        }
    } else {
        price = to_price(fair_ticks_ + distance, true);
        if (engine_.level_count(Side::buy) != 0) {
            price = std::max(price, engine_.level(Side::buy, 0).price + tick);
        }
    }
    if (price < tick) return;
    placed_.push_back(next_order_id_);
    send(now, side, OrderType::limit, TimeInForce::gtc, price, draw_size(1.0));
}

void FlowSymbolState::cancel_one(std::int64_t now) noexcept {
    // Ids of filled orders are dropped when they are drawn.
    while (!placed_.empty()) {
        const std::size_t at = own_.below(static_cast<std::uint32_t>(placed_.size()));
        const std::uint64_t order_id = placed_[at];
        placed_[at] = placed_.back();
        placed_.pop_back();
        const std::size_t before = engine_.order_count();
        send_cancel(now, order_id);
        if (engine_.order_count() != before) return;
    }
}

void FlowSymbolState::take(std::int64_t now) noexcept {
    if (!own_.chance(keep_side)) {
        // A new run begins on the side that brings the touch back to the fair value.
        const bool both =
            engine_.level_count(Side::buy) != 0 && engine_.level_count(Side::sell) != 0;
        double chance_buy = 0.5;
        if (both) {
            const double mid = static_cast<double>(engine_.level(Side::buy, 0).price +
                                                   engine_.level(Side::sell, 0).price) /
                               2.0 / static_cast<double>(symbol_.spec.tick);
            chance_buy = mid < fair_ticks_ ? 0.65 : 0.35;
        }
        run_side_ = own_.chance(chance_buy) ? Side::buy : Side::sell;
    }
    const Side opposite = other_side(run_side_);
    if (engine_.level_count(opposite) < 4) return;  // takers never empty a book completely
    send(now, run_side_, OrderType::market, TimeInForce::ioc, 0, draw_size(1.0));
}

// Pareto with exponent 2 around the typical size, on the lot.
std::int64_t FlowSymbolState::draw_size(double factor) noexcept {
    const double size = static_cast<double>(symbol_.size_typical) * 0.5 * factor *
                        std::min(1.0 / std::sqrt(own_.uniform()), 30.0);
    const std::int64_t lot = std::max<std::int64_t>(symbol_.spec.lot, 1);
    const auto units = static_cast<std::int64_t>(size);
    return std::max(units - units % lot, std::max(lot, symbol_.spec.size_min));
}

std::int64_t FlowSymbolState::to_price(double ticks, bool up) const noexcept {
    const double whole = up ? std::ceil(ticks) : std::floor(ticks);
    return static_cast<std::int64_t>(whole) * std::max<std::int64_t>(symbol_.spec.tick, 1);
}

void FlowSymbolState::open_book() noexcept {
    for (int i = 0; i < 2 * opening_orders; ++i) place_limit(next_act_);
}

}  // namespace onetape
