#include "exchange/flow_venue.hpp"

#include <algorithm>

#include "journal/frame.hpp"

namespace onetape {

namespace {

constexpr std::int64_t mark_period = 1'000'000'000;
constexpr std::int64_t bar_period = 60 * mark_period;

std::span<const std::byte> bytes_of(const auto& value) {
    return std::as_bytes(std::span(&value, 1));
}

}  // namespace

FlowVenue::FlowVenue(Flow& flow, std::uint32_t index, const FlowSymbol& symbol,
                     const FlowOptions& options) noexcept
    : flow_(&flow),
      index_(index),
      symbol_(symbol),
      engine_(symbol.spec, {.by_order = options.by_order}, *this),
      next_mark_(options.start),
      next_bar_(options.start - options.start % bar_period + bar_period),
      by_order_(options.by_order) {
    symbol_.size_typical = std::max<std::int64_t>(symbol_.size_typical, 1);
    symbol_.spec.tick = std::max<std::int64_t>(symbol_.spec.tick, 1);
}

void FlowVenue::open(std::int64_t now, std::int64_t price, std::uint32_t levels) noexcept {
    quiet_ = false;
    bar_.ts_open = next_bar_ - bar_period;
    previous_close_ = price;
    send_snapshot(now, levels);
}

// ---- requests of the flow itself ---------------------------------------------------------------

std::uint64_t FlowVenue::send(std::int64_t now, Side side, OrderType type, TimeInForce tif,
                              std::int64_t price, std::int64_t size) noexcept {
    OrderRequestPayload request{};
    request.order_id = next_order_id_++;
    request.kind = RequestKind::place;
    request.side = side;
    request.type = type;
    request.tif = tif;
    request.price = price;
    request.size = size;
    engine_.request(crowd, now, request);
    return request.order_id;
}

void FlowVenue::send_cancel(std::int64_t now, std::uint64_t order_id) noexcept {
    OrderRequestPayload request{};
    request.order_id = order_id;
    request.kind = RequestKind::cancel;
    engine_.request(crowd, now, request);
}

// ---- the venue's publications ------------------------------------------------------------------

void FlowVenue::send_snapshot(std::int64_t now, std::uint32_t levels) noexcept {
    std::vector<BookLevel> bids;
    std::vector<BookLevel> asks;
    const auto copy = [&](Side side, std::vector<BookLevel>& out) {
        std::size_t count = engine_.level_count(side);
        if (levels != 0) count = std::min<std::size_t>(count, levels);
        for (std::size_t depth = 0; depth < count; ++depth) {
            out.push_back(engine_.level(side, depth));
        }
    };
    copy(Side::buy, bids);
    copy(Side::sell, asks);
    BookPayload book{};
    book.ts_event = book.ts_recv = now;
    book.first_id = book.last_id = ++book_id_;
    book.bid_count = static_cast<std::uint32_t>(bids.size());
    book.ask_count = static_cast<std::uint32_t>(asks.size());
    if (by_order_)
        send_orders(now);
    else
        flow_->push(EventType::book, flag_snapshot, index_, book.ts_recv, bytes_of(book),
                    std::as_bytes(std::span(bids)), std::as_bytes(std::span(asks)));
    if (bids.empty() || asks.empty()) return;
    QuotePayload quote{};
    quote.ts_event = quote.ts_recv = book.ts_recv;
    quote.bid = bids.front().price;
    quote.bid_size = bids.front().size;
    quote.ask = asks.front().price;
    quote.ask_size = asks.front().size;
    quote.update_id = book_id_;
    flow_->push(EventType::quote, 0, index_, book.ts_recv, bytes_of(quote));
}

void FlowVenue::send_orders(std::int64_t now) noexcept {
    std::vector<MboPayload> orders(1);
    orders.front().ts_event = orders.front().ts_recv = now;
    orders.front().action = MboAction::clear;
    engine_.copy_orders(now, orders);
    orders.back().last = 1;
    for (const MboPayload& order : orders)
        flow_->push(EventType::mbo, flag_snapshot, index_, now, bytes_of(order));
}

void FlowVenue::send_mark(std::int64_t now, std::int64_t price) noexcept {
    next_mark_ += mark_period;
    MarkPayload mark{};
    mark.ts_event = mark.ts_recv = now;
    mark.mark = mark.index = price;
    flow_->push(EventType::mark, 0, index_, now, bytes_of(mark));
}

void FlowVenue::close_bar(std::int64_t now) noexcept {
    std::uint16_t flags = 0;
    if (bar_.trades == 0) {
        flags = flag_empty;
        bar_.open = bar_.high = bar_.low = bar_.close = previous_close_;
    }
    bar_.ts_close = next_bar_;
    bar_.period_ns = bar_period;
    bar_.turnover_low = low_half(turnover_);
    bar_.turnover_high = high_half(turnover_);
    previous_close_ = bar_.close;
    flow_->push(EventType::bar, flags, index_, now, bytes_of(bar_));
    bar_ = {};
    turnover_ = 0;
    bar_.ts_open = next_bar_;
    next_bar_ += bar_period;
}

void FlowVenue::on_trade(const TradePayload& trade) {
    if (bar_.trades == 0) {
        bar_.open = bar_.high = bar_.low = trade.price;
    }
    bar_.high = std::max(bar_.high, trade.price);
    bar_.low = std::min(bar_.low, trade.price);
    bar_.close = trade.price;
    bar_.volume += trade.size;
    turnover_ += static_cast<Int128>(trade.price) * trade.size;
    ++bar_.trades;
    flow_->push(EventType::trade, 0, index_, trade.ts_recv, bytes_of(trade));
}

void FlowVenue::on_levels(std::int64_t now, std::span<const BookLevel> bids,
                          std::span<const BookLevel> asks) {
    if (quiet_ || by_order_) return;
    BookPayload book{};
    book.ts_event = book.ts_recv = now;
    book.previous_id = book_id_;
    book.first_id = book.last_id = ++book_id_;
    book.bid_count = static_cast<std::uint32_t>(bids.size());
    book.ask_count = static_cast<std::uint32_t>(asks.size());
    flow_->push(EventType::book, 0, index_, now, bytes_of(book), std::as_bytes(bids),
                std::as_bytes(asks));
}

void FlowVenue::on_orders(std::int64_t now, std::span<const MboPayload> orders) {
    if (quiet_) return;
    for (const MboPayload& order : orders)
        flow_->push(EventType::mbo, 0, index_, now, bytes_of(order));
}

void FlowVenue::on_touch(const QuotePayload& quote) {
    if (quiet_ || quote.bid_size == 0 || quote.ask_size == 0) return;
    QuotePayload sent = quote;
    sent.update_id = book_id_;
    flow_->push(EventType::quote, 0, index_, quote.ts_recv, bytes_of(sent));
}

void FlowVenue::on_order_event(std::uint32_t participant, const OrderEventPayload& event) {
    if (participant != crowd && flow_->participants_ != nullptr) {
        flow_->participants_->on_order_event(index_, participant, event);
    }
}

void FlowVenue::on_fill(std::uint32_t participant, const FillPayload& fill) {
    if (participant != crowd && flow_->participants_ != nullptr) {
        flow_->participants_->on_fill(index_, participant, fill);
    }
}

}  // namespace onetape
