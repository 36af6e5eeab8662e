#include "text/hft_rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "journal/frame.hpp"

namespace onetape {
namespace {

constexpr std::uint64_t flag_local = 1u << 30, flag_buy = 1u << 29, flag_sell = 1u << 28;
constexpr std::uint64_t kind_mask = 0xff;

enum Kind : std::uint64_t {
    depth = 1,
    trade_kind = 2,
    depth_clear = 3,
    depth_snapshot = 4,
    depth_bbo = 5,
    add_order = 10,
    cancel_order = 11,
    modify_order = 12,
    fill = 13,
};

// Whole ns, or another unit by its magnitude, as in all imports.
[[nodiscard]] bool to_ns(std::int64_t stamp, std::int64_t& ns) noexcept {
    if (stamp <= 0) return false;
    RawDecimal raw;
    raw.mantissa = stamp;
    return time_from_number(raw, ns) == TimeFault::none;
}

}  // namespace

HftDecoder::HftDecoder(int stream, std::uint32_t source, bool measuring, TableStreams& streams,
                       RejectLog& rejects, NameCounts& passed_over, RowGate* gate,
                       RowSorter* sorter)
    : streams_(streams),
      rejects_(rejects),
      passed_over_(passed_over),
      outlet_(gate, sorter),
      stream_(stream),
      source_(source),
      measuring_(measuring) {}

Status HftDecoder::feed(const char* data, std::size_t size) {
    const auto take = [this](const char* bytes) {
        HftRow one;
        std::memcpy(&one, bytes, sizeof one);
        ++number_;
        if (row(one)) return true;
        if (status_ != Status::ok) return false;
        std::array<char, 160> shown{};
        std::snprintf(shown.data(), shown.size(),
                      "ev=0x%llx exch_ts=%lld local_ts=%lld px=%.17g qty=%.17g",
                      static_cast<unsigned long long>(one.ev), static_cast<long long>(one.exch_ts),
                      static_cast<long long>(one.local_ts), one.px, one.qty);
        rejects_.add(source_, number_, std::move(reason_), shown.data());
        reason_.clear();
        return true;
    };
    if (!carry_.empty()) {
        const std::size_t room = std::min(sizeof(HftRow) - carry_.size(), size);
        carry_.append(data, room);
        data += room;
        size -= room;
        if (carry_.size() < sizeof(HftRow)) return status_;
        if (!take(carry_.data())) return status_;
        carry_.clear();
    }
    for (; size >= sizeof(HftRow); data += sizeof(HftRow), size -= sizeof(HftRow)) {
        if (!take(data)) return status_;
    }
    carry_.assign(data, size);
    return status_;
}

Status HftDecoder::finish() {
    if (status_ == Status::ok && !carry_.empty()) {
        rejects_.add(source_, number_ + 1, "last row is truncated", {});
        carry_.clear();
    }
    if (status_ == Status::ok) flush();
    return status_;
}

bool HftDecoder::row(const HftRow& row) {
    if ((row.ev & flag_local) == 0) return true;
    const std::uint64_t kind = row.ev & kind_mask;
    const bool buys = (row.ev & flag_buy) != 0, sells = (row.ev & flag_sell) != 0;
    const Side side = buys == sells ? Side::none : buys ? Side::buy : Side::sell;
    switch (kind) {
        case trade_kind:
            return flush() && trade(row, side);
        case depth:
            return level(row, side, Batch::change);
        case depth_clear:
        case depth_snapshot:
            return level(row, side, Batch::snapshot);
        case depth_bbo:
            return level(row, side, Batch::top);
        case add_order:
        case cancel_order:
        case modify_order:
        case fill:
            return order(row, side);
        default:
            count_name(passed_over_, "event " + std::to_string(kind));
            return true;
    }
}

bool HftDecoder::trade(const HftRow& row, Side side) {
    TradePayload event{};
    if (!to_ns(row.exch_ts, event.ts_event) || !to_ns(row.local_ts, event.ts_recv)) {
        return refuse("time is outside 1970 to 2262");
    }
    if (!numbers(row, event.price, event.size)) return false;
    if (row.qty == 0) return refuse("qty is zero");
    event.side = side;
    EventRow out{};
    out.line = number_;
    out.time = event.ts_recv;
    put_payload(out, EventType::trade, event);
    return hand_on(out);
}

// Rows of one message are consecutive and have the same two times.
bool HftDecoder::level(const HftRow& row, Side side, Batch kind) {
    std::int64_t local = 0, exch = 0;
    if (!to_ns(row.exch_ts, exch) || !to_ns(row.local_ts, local)) {
        return refuse("time is outside 1970 to 2262");
    }
    const bool is_clear = (row.ev & kind_mask) == depth_clear;
    if (side == Side::none && !is_clear) return refuse("is neither of the bids nor of the asks");
    BookLevel level{};
    if (!is_clear && !numbers(row, level.price, level.size)) return false;
    if (batch_ != kind || batch_local_ != local || batch_exch_ != exch) {
        if (!flush()) return false;
        batch_ = kind;
        batch_local_ = local;
        batch_exch_ = exch;
        batch_line_ = number_;
        clears_bids_ = clears_asks_ = goes_on_ = false;
    }
    if (is_clear) {
        clears_bids_ = clears_bids_ || side != Side::sell;
        clears_asks_ = clears_asks_ || side != Side::buy;
        return true;
    }
    if (kind == Batch::snapshot && row.qty == 0) return true;
    (side == Side::buy ? bids_ : asks_).push_back(level);
    if (bids_.size() + asks_.size() < batch_levels_max) return true;
    if (!flush()) return false;
    batch_ = kind;
    goes_on_ = true;
    return true;
}

bool HftDecoder::order(const HftRow& row, Side side) {
    const std::uint64_t kind = row.ev & kind_mask;
    std::int64_t local = 0, exch = 0;
    if (!to_ns(row.exch_ts, exch) || !to_ns(row.local_ts, local)) {
        return refuse("time is outside 1970 to 2262");
    }
    MboPayload event{};
    event.ts_event = exch;
    event.ts_recv = local;
    event.order_id = row.order_id;
    event.side = side;
    // Of a cancel only the id counts; its price and size may be missing.
    const bool unsaid = kind == cancel_order && !(std::isfinite(row.px) && std::isfinite(row.qty));
    if (!unsaid && !numbers(row, event.price, event.size)) return false;
    if (kind == add_order && side == Side::none)
        return refuse("is neither of the bids nor of the asks");
    if (row.qty == 0 && (kind == add_order || kind == fill)) return refuse("qty is zero");
    switch (kind) {
        case add_order:
            event.action = MboAction::add;
            break;
        case cancel_order:
            event.action = MboAction::cancel;
            event.size = 0;  // there a cancel deletes the order, whatever its qty
            break;
        case modify_order:
            event.action = MboAction::modify;
            break;
        default:
            event.action = MboAction::fill;
            event.reported = 1;
    }
    orders_seen_ = true;
    if (!begin_orders(exch, local)) return false;
    if (event.action != MboAction::add) in_snapshot_ = false;
    held_ = event;
    batch_line_ = number_;
    return true;
}

// Emits the pending rows of the same message; then the batch is one of orders.
bool HftDecoder::begin_orders(std::int64_t exch, std::int64_t local) {
    const bool same = batch_local_ == local && batch_exch_ == exch;
    if (batch_ == Batch::orders && same) return send_order(false);
    const bool clears = batch_ == Batch::snapshot && same && !goes_on_ && bids_.empty() &&
                        asks_.empty() && (clears_bids_ || clears_asks_);
    if (!clears) {
        if (!flush()) return false;
        in_snapshot_ = false;
    } else {
        in_snapshot_ = true;
        if (!send_clear()) return false;
    }
    batch_ = Batch::orders;
    batch_local_ = local;
    batch_exch_ = exch;
    return true;
}

bool HftDecoder::send_clear() {
    held_ = {};
    held_.ts_event = batch_exch_;
    held_.ts_recv = batch_local_;
    held_.action = MboAction::clear;
    held_.side = clears_bids_ == clears_asks_ ? Side::none : clears_bids_ ? Side::buy : Side::sell;
    return send_order(!in_snapshot_);
}

bool HftDecoder::send_order(bool last) {
    EventRow out{};
    out.line = batch_line_;
    out.time = batch_local_;
    if (in_snapshot_) out.flags = flag_snapshot;
    held_.last = last ? 1 : 0;
    put_payload(out, EventType::mbo, held_);
    return hand_on(out);
}

bool HftDecoder::flush() {
    const Batch kind = batch_;
    if (kind == Batch::none) return true;
    batch_ = Batch::none;
    if (kind == Batch::orders) return send_order(true);
    EventRow out{};
    out.line = batch_line_;
    out.time = batch_local_;
    if (kind == Batch::top) {
        // One side after the other; the gate keeps the unchanged side. A quote of both sides is one
        // event, so that its second half is not seen crossing the first.
        bool ok = true;
        if (!bids_.empty() && !asks_.empty()) {
            QuotePayload event{};
            event.ts_event = batch_exch_;
            event.ts_recv = batch_local_;
            event.bid = bids_.back().price;
            event.bid_size = bids_.back().size;
            event.ask = asks_.back().price;
            event.ask_size = asks_.back().size;
            put_payload(out, EventType::quote, event);
            ok = hand_on(out);
        } else {
            const bool is_bid = !bids_.empty();
            const BookLevel& top = is_bid ? bids_.back() : asks_.back();
            const SideRow event{batch_exch_, batch_local_, top.price, top.size};
            put_payload(out, EventType::quote, event);
            out.note = is_bid ? RowNote::bid : RowNote::ask;
            ok = hand_on(out);
        }
        bids_.clear();
        asks_.clear();
        return ok;
    }
    if (bids_.empty() && asks_.empty()) {
        if (goes_on_) return true;
        if (orders_seen_) {
            in_snapshot_ = false;
            return send_clear();
        }
        if (clears_bids_ != clears_asks_) {
            count_name(passed_over_, "depth clear of one side alone");
            return true;
        }
    }
    BookPayload event{};
    event.ts_event = batch_exch_;
    event.ts_recv = batch_local_;
    event.bid_count = static_cast<std::uint32_t>(bids_.size());
    event.ask_count = static_cast<std::uint32_t>(asks_.size());
    if (kind == Batch::snapshot && !goes_on_) out.flags = flag_snapshot;
    put_payload(out, EventType::book, event);
    bids_.insert(bids_.end(), asks_.begin(), asks_.end());
    asks_.clear();
    const bool ok = hand_on(out, bids_);
    bids_.clear();
    return ok;
}

bool HftDecoder::numbers(const HftRow& row, std::int64_t& price, std::int64_t& size) {
    if (!std::isfinite(row.px)) return refuse("px is not finite");
    if (!std::isfinite(row.qty)) return refuse("qty is not finite");
    if (row.qty < 0) return refuse("qty is negative");
    if (!fit(row.px, price_scale_, Quantity::price, price)) return refuse("px " + reason_);
    if (!fit(row.qty, size_scale_, Quantity::size, size)) return refuse("qty " + reason_);
    return true;
}

bool HftDecoder::fit(double value, int& scale, Quantity quantity, std::int64_t& units) {
    RawDecimal raw;
    if (!decimal_from_double(value, scale, raw)) return refuse("is too large");
    if (measuring_) {
        streams_.measure(stream_, quantity, raw);
        return true;
    }
    switch (streams_.units(stream_, quantity, raw, units)) {
        case Scaled::exact:
            return true;
        case Scaled::snapped:
            ++facts_.snapped;
            return true;
        default:
            return refuse("does not fit 64 bits");
    }
}

bool HftDecoder::hand_on(EventRow& out, std::span<const BookLevel> levels) {
    if (measuring_) {
        measure(out.time);
        return true;
    }
    out.source = source_;
    out.stream = static_cast<std::uint32_t>(stream_);
    status_ = outlet_.add(out, order_++, levels);
    return status_ == Status::ok;
}

}  // namespace onetape
