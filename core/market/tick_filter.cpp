#include "market/tick_filter.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace onetape {

namespace {

constexpr double deviation_of_mad = 1.4826;  // for a normal distribution
constexpr std::uint64_t delays_min = 16;     // from a source, before its times are checked
constexpr std::int64_t price_max = std::int64_t{1} << 60;

// Without an id of the venue two equal trades are two trades.
[[nodiscard]] bool has_id(const TradePayload& trade) noexcept {
    return trade.id_kind != IdKind::none;
}

[[nodiscard]] TradeKey key_of(const TradePayload& trade) noexcept {
    return {trade.id_low, trade.id_high, trade.id_kind};
}

[[nodiscard]] std::int64_t distance(std::int64_t a, std::int64_t b) noexcept {
    return a > b ? a - b : b - a;
}

[[nodiscard]] std::int64_t doubled(std::int64_t a, std::int64_t b) noexcept {
    return std::clamp(a, -price_max, price_max) + std::clamp(b, -price_max, price_max);
}

}  // namespace

TickFilter::Symbol& TickFilter::symbol_at(std::uint32_t symbol) {
    if (symbol >= symbols_.size()) symbols_.resize(symbol + std::size_t{1});
    return symbols_[symbol];
}

TickFilter::Source& TickFilter::source_at(std::uint32_t source) {
    if (source >= sources_.size()) sources_.resize(source + std::size_t{1});
    return sources_[source];
}

TickFilter::Last& TickFilter::last_at(std::uint32_t source, std::uint32_t symbol) {
    std::vector<Last>& last = source_at(source).last;
    if (symbol >= last.size()) last.resize(symbol + std::size_t{1});
    return last[symbol];
}

// The first value that a poll finds for a quiet symbol is old but right. After a venue sets its
// clock forward, all its messages are ahead: after a few in a row they count as right.
TickRule TickFilter::times(std::uint32_t source, std::int64_t event, std::int64_t received,
                           bool is_late_bad) {
    if (event == 0) return TickRule::none;
    Source& own = source_at(source);
    const std::int64_t delay = difference(received, event);
    if (own.floor.count() >= delays_min) {
        const std::int64_t beyond = difference(delay, own.floor.value());
        if (beyond < -options_.ahead_ns && is_on(TickRule::out_of_order)) {
            if (++own.ahead < options_.confirm) return TickRule::out_of_order;
            own.floor.clear();
        }
        if (is_late_bad && beyond > options_.stale_ns && is_on(TickRule::stale))
            return TickRule::stale;
    }
    own.ahead = 0;
    own.floor.add(received, delay);
    return TickRule::none;
}

void TickFilter::remember(Symbol& own, const TradePayload& trade) {
    if (is_on(TickRule::duplicate) && has_id(trade) &&
        own.trades.look(key_of(trade), trade) == TradeMemory::Seen::fresh)
        own.trades.take(key_of(trade), trade);
}

void TickFilter::band(Symbol& own) noexcept {
    std::array<std::int64_t, tick_window> sorted{};
    const auto begin = sorted.begin();
    const auto end = begin + static_cast<std::ptrdiff_t>(own.count);
    const auto middle = begin + static_cast<std::ptrdiff_t>(own.count / 2);
    std::copy_n(own.prices.begin(), own.count, begin);
    std::nth_element(begin, middle, end);
    own.median = *middle;
    for (auto each = begin; each != end; ++each) *each = distance(*each, own.median);
    std::nth_element(begin, middle, end);
    const double spread = options_.deviations * deviation_of_mad * static_cast<double>(*middle);
    const double least = static_cast<double>(distance(own.median, 0)) *
                         static_cast<double>(options_.share_ppm) * 1e-6;
    own.width = static_cast<std::int64_t>(std::min(std::max(spread, least), 4e18));
    own.since_band = 0;
}

void TickFilter::learn(Symbol& own, std::int64_t price) {
    own.prices[own.next] = price;
    own.next = (own.next + 1) % tick_window;
    own.count = std::min(own.count + 1, tick_window);
    ++own.since_band;
    if (own.count >= tick_window_min &&
        (own.count == tick_window_min || own.since_band >= tick_band_every))
        band(own);
}

bool TickFilter::is_spike(Symbol& own, std::uint32_t source, std::int64_t time, std::int64_t price,
                          const HeldTrade* trade) {
    Candidate& candidate = own.candidate;
    if (!is_on(TickRule::spike) || own.count < tick_window_min ||
        distance(price, own.median) <= own.width) {
        candidate.count = 0;
        candidate.held.clear();
        learn(own, price);
        return false;
    }
    const auto near = static_cast<std::int64_t>(static_cast<double>(distance(candidate.price, 0)) *
                                                static_cast<double>(options_.share_ppm) * 1e-6);
    const bool agrees = candidate.count > 0 && distance(price, candidate.price) <= near &&
                        difference(time, candidate.time) <= options_.confirm_ns;
    if (!agrees) {
        candidate.price = price;
        candidate.time = time;
        candidate.source = source;
        candidate.count = 0;
        candidate.held.clear();
    }
    ++candidate.count;
    if (candidate.count >= options_.confirm || (agrees && candidate.source != source)) {
        released_ = std::exchange(candidate.held, {});
        for (const HeldTrade& each : released_) remember(own, each.trade);
        candidate.count = 0;
        own.count = own.next = own.since_band = 0;  // the market restarts here
        learn(own, price);
        return false;
    }
    if (trade != nullptr) candidate.held.push_back(*trade);
    return true;
}

TickRule TickFilter::on_quote(std::uint32_t source, std::uint32_t symbol, std::int64_t time,
                              const QuotePayload& quote) {
    released_.clear();
    const bool has_bid = quote.bid_size != 0 || quote.bid != 0;
    const bool has_ask = quote.ask_size != 0 || quote.ask != 0;
    if (is_on(TickRule::negative) &&
        (quote.bid < 0 || quote.ask < 0 || quote.bid_size < 0 || quote.ask_size < 0))
        return refused(TickRule::negative);
    if (is_on(TickRule::zero_price) &&
        ((has_bid && quote.bid == 0) || (has_ask && quote.ask == 0) || (!has_bid && !has_ask)))
        return refused(TickRule::zero_price);
    const bool is_whole = has_bid && has_ask;
    if (is_whole && quote.bid > quote.ask && is_on(TickRule::crossed))
        return refused(TickRule::crossed);
    Last& last = last_at(source, symbol);
    if (last.has_quote) {
        if (is_on(TickRule::duplicate) && same_message(quote, last.quote))
            return refused(TickRule::duplicate);
        const bool is_before = quote.ts_event != 0 && quote.ts_event < last.quote.ts_event;
        const bool is_below = quote.ts_event == last.quote.ts_event && quote.update_id != 0 &&
                              quote.update_id < last.quote.update_id;
        if (is_on(TickRule::out_of_order) && (is_before || is_below))
            return refused(TickRule::out_of_order);
    }
    if (const TickRule rule = times(source, quote.ts_event, quote.ts_recv, last.has_quote);
        rule != TickRule::none)
        return refused(rule);
    Symbol& own = symbol_at(symbol);
    if (is_whole && quote.bid == quote.ask) {
        if (!own.is_locked) own.locked_since = time;
        own.is_locked = true;
        if (is_on(TickRule::locked_too_long) &&
            difference(time, own.locked_since) > options_.locked_ns)
            return refused(TickRule::locked_too_long);
    } else {
        own.is_locked = false;
    }
    if (is_whole && is_spike(own, source, time, doubled(quote.bid, quote.ask), nullptr))
        return refused(TickRule::spike);
    last.quote = quote;
    last.has_quote = true;
    return TickRule::none;
}

TickRule TickFilter::on_trade(std::uint32_t source, std::uint32_t symbol, std::int64_t time,
                              const TradePayload& trade, std::uint64_t sequence) {
    released_.clear();
    if (is_on(TickRule::negative) && (trade.price < 0 || trade.size < 0))
        return refused(TickRule::negative);
    if (is_on(TickRule::zero_price) && trade.price == 0) return refused(TickRule::zero_price);
    Symbol& own = symbol_at(symbol);
    if (is_on(TickRule::duplicate) && has_id(trade)) {
        const TradeMemory::Seen seen = own.trades.look(key_of(trade), trade);
        if (seen == TradeMemory::Seen::taken || seen == TradeMemory::Seen::differs)
            return refused(TickRule::duplicate);
    }
    // Two reports from the same source confirm nothing.
    for (const HeldTrade& each : own.candidate.held)
        if (has_id(trade) && each.source == source && key_of(each.trade) == key_of(trade))
            return refused(is_on(TickRule::duplicate) ? TickRule::duplicate : TickRule::spike);
    if (const TickRule rule = times(source, trade.ts_event, trade.ts_recv, false);
        rule != TickRule::none)
        return refused(rule);
    const HeldTrade held{source, sequence, trade, false};
    if (is_spike(own, source, time, doubled(trade.price, trade.price), &held))
        return refused(TickRule::spike);
    remember(own, trade);
    return TickRule::none;
}

TickRule TickFilter::on_mark(std::uint32_t source, std::uint32_t symbol, const MarkPayload& mark) {
    released_.clear();
    if (is_on(TickRule::negative) && (mark.mark < 0 || mark.index < 0))
        return refused(TickRule::negative);
    if (is_on(TickRule::zero_price) && mark.mark == 0) return refused(TickRule::zero_price);
    Last& last = last_at(source, symbol);
    if (last.has_mark) {
        if (is_on(TickRule::duplicate) && same_message(mark, last.mark))
            return refused(TickRule::duplicate);
        if (is_on(TickRule::out_of_order) && mark.ts_event != 0 &&
            mark.ts_event < last.mark.ts_event)
            return refused(TickRule::out_of_order);
    }
    if (const TickRule rule = times(source, mark.ts_event, mark.ts_recv, last.has_mark);
        rule != TickRule::none)
        return refused(rule);
    last.mark = mark;
    last.has_mark = true;
    return TickRule::none;
}

}  // namespace onetape
