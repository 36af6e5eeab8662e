// Depth in the message reader: numbered books, and checked books.
#include <algorithm>
#include <utility>

#include "text/message_reader.hpp"

namespace onetape {
namespace {

// The fixed part of a book takes the room of three levels, so its frame is one array of them.
constexpr std::size_t head_levels = 3;
static_assert(sizeof(BookPayload) == head_levels * sizeof(BookLevel));

}  // namespace

bool MessageReader::book(const MessageRule& rule, StreamState& stream, std::int64_t receipt) {
    BookPayload head{};
    DepthIds ids;
    frame_.resize(head_levels);
    if (!event_time(rule, head.ts_event) || !integer(rule, Role::first_id, ids.first) ||
        !integer(rule, Role::last_id, ids.last) ||
        !integer(rule, Role::previous_id, ids.previous) ||
        !side_of_levels(rule, stream, Role::bids, frame_)) {
        return false;
    }
    const std::size_t bid_count = frame_.size() - head_levels;
    if (!side_of_levels(rule, stream, Role::asks, frame_)) return false;
    if (config_.measuring) return true;
    if (ids.first > ids.last) return refuse("first id is above the last");
    ids.linked = message_.has(slot(rule, Role::previous_id));
    head.ts_recv = receipt;
    head.first_id = ids.first;
    head.last_id = ids.last;
    head.previous_id = ids.previous;
    std::uint16_t flags = 0;
    const std::span<const BookLevel> levels = std::span(frame_).subspan(head_levels);
    head.bid_count = static_cast<std::uint32_t>(bid_count);
    head.ask_count = static_cast<std::uint32_t>(levels.size() - bid_count);
    switch (stream.chain.change(ids, head.ts_event, levels.first(bid_count),
                                levels.subspan(bid_count))) {
        case DepthChain::Verdict::applies:
            break;
        case DepthChain::Verdict::waits:
        case DepthChain::Verdict::stale:
            flags = flag_unsynced;
            break;
        case DepthChain::Verdict::gap:
            flags = flag_gap | flag_unsynced;
            ++gaps_;
            break;
    }
    unsynced_ += (flags & flag_unsynced) != 0;
    return emit_frame(flags, stream.spec.stream, receipt, head);
}

bool MessageReader::snapshot(const MessageRule& rule, StreamState& stream, std::int64_t receipt) {
    BookPayload head{};
    if (!event_time(rule, head.ts_event) || !integer(rule, Role::last_id, head.first_id) ||
        !sides_of_book(rule, stream)) {
        return false;
    }
    if (config_.measuring) return true;
    head.ts_recv = receipt;
    head.last_id = head.first_id;
    std::uint16_t flags = flag_snapshot;
    if (stream.chain.snapshot(head.last_id, head.ts_event, bids_, asks_) ==
        DepthChain::Seed::too_old) {
        flags = flag_snapshot | flag_unsynced;
        ++unsynced_;
    }
    return emit_book(flags, stream.spec.stream, receipt, head);
}

// Identifies one of a stream's books: "orderbook.50" of "orderbook.50.BTCUSDT".
bool MessageReader::is_first_channel(const MessageRule& rule, StreamState& stream) {
    std::string_view name = rule.name;
    if (config_.separator != 0 && message_.has(config_.event_slot)) {
        name = message_.at(config_.event_slot).text;
        const std::size_t symbol = stream.raw.size() + 1;
        if (name.ends_with(stream.raw) && name.size() > symbol) name.remove_suffix(symbol);
    }
    if (stream.book_channel.empty()) stream.book_channel = name;
    if (stream.book_channel == name) return true;
    pass_over(std::string(name) + " beside " + stream.book_channel);
    return false;
}

bool MessageReader::is_whole(const MessageRule& rule) const noexcept {
    if (rule.whole.empty()) return false;
    const int action = slot(rule, Role::action);
    return action < 0 || (message_.has(action) && message_.at(action).text == rule.whole);
}

bool MessageReader::checked_book(const MessageRule& rule, StreamState& stream,
                                 std::int64_t receipt) {
    if (!is_first_channel(rule, stream)) return true;
    const bool is_level = slot(rule, Role::side) >= 0;
    if (open_.stream != nullptr && open_.stream != &stream && !close_book(receipt)) return false;
    if (open_.stream == nullptr && !open_book(rule, stream)) return false;
    if (is_level) return event_time(rule, open_.head.ts_event) && checked_level(rule, stream);
    return sides_of_book(rule, stream) && close_book(receipt);
}

// Reads the values of the whole message; levels follow.
bool MessageReader::open_book(const MessageRule& rule, StreamState& stream) {
    open_ = {&stream, &rule, {}, is_whole(rule), true};
    bids_.clear();
    asks_.clear();
    CheckedBook& book = stream.checked;
    BookPayload& head = open_.head;
    std::uint64_t sequence = 0;
    std::int64_t previous = 0;
    if (!event_time(rule, head.ts_event) || !integer(rule, Role::last_id, head.last_id) ||
        !integer(rule, Role::sequence, sequence) ||
        !signed_integer(rule, Role::previous_id, previous)) {
        return false;
    }
    if (config_.measuring) return true;
    const std::uint64_t last = book.last_id();
    bool fits = true;
    if (slot(rule, Role::sequence) >= 0) {
        fits = sequence >= last;
        book.set_last_id(sequence);
    } else if (slot(rule, Role::previous_id) >= 0) {  // not in each message
        head.previous_id = static_cast<std::uint64_t>(std::max<std::int64_t>(previous, 0));
        fits = head.previous_id == 0 || last == 0 || head.previous_id == last;
        if (head.last_id != 0 || open_.is_snapshot) book.set_last_id(head.last_id);
    } else if (slot(rule, Role::last_id) >= 0) {  // consecutive
        head.previous_id = open_.is_snapshot ? 0 : last;
        fits = head.last_id == last + 1;
        book.set_last_id(head.last_id);
    }
    // Without a previous number the first one is unknown, and 0 exempts a book from checking it.
    head.first_id = head.previous_id != 0 ? head.last_id : 0;
    open_.fits = fits || open_.is_snapshot;
    if (open_.is_snapshot) book.clear_ids();
    std::size_t depth = 0;
    for (const char c : channel_) {
        if (c < '0' || c > '9' || depth >= 1'000'000) return true;
        depth = depth * 10 + static_cast<std::size_t>(c - '0');
    }
    if (depth != 0) book.set_depth(depth);
    return true;
}

bool MessageReader::close_book(std::int64_t receipt) {
    StreamState* const stream = std::exchange(open_.stream, nullptr);
    if (stream == nullptr || config_.measuring) return true;
    const MessageRule& rule = *open_.rule;
    CheckedBook& book = stream->checked;
    std::int64_t sum = 0;
    if (!signed_integer(rule, Role::checksum, sum)) {
        book.lose();
        return false;
    }
    if (config_.checksum != BookChecksum::none) {
        const auto raw = [&](Role role) -> std::span<const RawLevel> {
            const int at = slot(rule, role);
            if (!message_.has(at)) return {};
            return std::span(message_.levels).subspan(message_.at(at).first, message_.at(at).count);
        };
        book.apply(config_.checksum, open_.is_snapshot, bids_, raw(Role::bids), asks_,
                   raw(Role::asks));
        // A venue with checksums of alternating sides has sent 0 for none since 2026-06.
        const bool is_checked = config_.checksum != BookChecksum::turns || sum != 0;
        if (is_checked && message_.has(slot(rule, Role::checksum))) {
            const auto wanted = static_cast<std::uint32_t>(sum);
            open_.fits = open_.fits && wanted == book.checksum(config_.checksum);
        }
    }
    const std::uint16_t flags = book.flags(open_.is_snapshot, open_.fits);
    gaps_ += (flags & flag_gap) != 0;
    unsynced_ += (flags & flag_unsynced) != 0;
    open_.head.ts_recv = receipt;
    return emit_book(flags, stream->spec.stream, receipt, open_.head);
}

// One level of the present message, from its row or from the message itself.
bool MessageReader::checked_level(const MessageRule& rule, StreamState& stream) {
    Side side = Side::none;
    BookLevel level{};
    if (!side_of(rule, side) || !units(rule, stream, Role::price, Quantity::price, level.price) ||
        !units(rule, stream, Role::size, Quantity::size, level.size)) {
        return false;
    }
    if (side == Side::none) return refuse("side is neither buy nor sell");
    if (level.size < 0) return refuse("size is negative");
    std::vector<BookLevel>& own = side == Side::buy ? bids_ : asks_;
    if (slot(rule, Role::id) < 0) {
        own.push_back(level);
        return true;
    }
    const int action = slot(rule, Role::action);
    const auto is = [&](std::string_view word) {
        return message_.list == word || (message_.has(action) && message_.at(action).text == word);
    };
    const bool is_insert = open_.is_snapshot || is("insert");
    const bool is_remove = !is_insert && is("delete");
    if (!is_insert && !is_remove && !is("update")) return refuse(rule.name + " has no such action");
    const auto says = [&](Role role) {
        const int at = slot(rule, role);
        return message_.has(at) && !is_null(at);
    };
    const bool is_priced = says(Role::price);
    if (is_insert && !is_priced) return refuse("a level has no price");
    if (!is_remove && !says(Role::size)) return refuse("a level has no size");
    std::uint64_t id = 0;
    if (!integer(rule, Role::id, id)) return false;
    if (config_.measuring) return true;
    const LevelChange what = is_insert   ? LevelChange::insert
                             : is_remove ? LevelChange::remove
                                         : LevelChange::update;
    const bool has_price = stream.checked.change(side, id, what, is_priced, level, own,
                                                 side == Side::buy ? asks_ : bids_);
    open_.fits = open_.fits && has_price;
    return true;
}

// The next message of the book being read gets the gap flag.
void MessageReader::lose_book() noexcept {
    if (open_.stream != nullptr) open_.stream->checked.lose();
    open_.stream = nullptr;
}

// A list without rows means a book without levels.
bool MessageReader::empty_book(std::int64_t receipt) {
    const MessageRule* const rule = rule_of();
    if (rule == nullptr || rule->kind != MessageKind::checked_book || slot(*rule, Role::side) < 0 ||
        !is_whole(*rule)) {
        return true;
    }
    StreamState* const stream = stream_of(*rule);
    if (stream == nullptr) return reason_.empty();
    return !is_first_channel(*rule, *stream) || (open_book(*rule, *stream) && close_book(receipt));
}

bool MessageReader::sides_of_book(const MessageRule& rule, StreamState& stream) {
    bids_.clear();
    asks_.clear();
    return side_of_levels(rule, stream, Role::bids, bids_) &&
           side_of_levels(rule, stream, Role::asks, asks_);
}

// Adds the levels of one side to `levels`.
bool MessageReader::side_of_levels(const MessageRule& rule, StreamState& stream, Role role,
                                   std::vector<BookLevel>& levels) {
    const int at = slot(rule, role);
    if (!message_.has(at)) return true;
    const JsonValue& found = message_.at(at);
    if (found.kind != JsonKind::levels) {
        return refuse(std::string(name_of(role)) + " is not a list of levels");
    }
    const std::size_t from = levels.size();
    levels.resize(from + found.count);
    const int price = stream.numbers.price_decimals, size = stream.numbers.size_decimals;
    const auto fits = [](const RawDecimal& raw, int decimals) {
        return (raw.decimals == decimals || raw.mantissa == 0) && !raw.cut;
    };
    std::int64_t signs = 0;
    for (std::uint32_t i = 0; i < found.count; ++i) {
        const RawLevel& raw = message_.levels[found.first + i];
        BookLevel& level = levels[from + i];
        if (fits(raw.price, price) && fits(raw.size, size) && !config_.measuring) {
            level = {raw.price.mantissa, raw.size.mantissa};
        } else if (!fit(raw.price, stream, Quantity::price, level.price) ||
                   !fit(raw.size, stream, Quantity::size, level.size)) {
            if (reason_.empty()) reason_ = "a level does not fit 64 bits";
            return false;
        }
        signs |= level.size;
    }
    return signs >= 0 || refuse("size is negative");
}

bool MessageReader::emit_book(std::uint16_t flags, std::uint32_t stream, std::int64_t receipt,
                              BookPayload head) {
    frame_.resize(head_levels);
    frame_.insert(frame_.end(), bids_.begin(), bids_.end());
    frame_.insert(frame_.end(), asks_.begin(), asks_.end());
    head.bid_count = static_cast<std::uint32_t>(bids_.size());
    head.ask_count = static_cast<std::uint32_t>(asks_.size());
    return emit_frame(flags, stream, receipt, head);
}

bool MessageReader::emit_frame(std::uint16_t flags, std::uint32_t stream, std::int64_t receipt,
                               const BookPayload& head) {
    __builtin_memcpy(frame_.data(), &head, sizeof head);
    return emit(EventType::book, flags, stream, receipt, frame_.data(),
                frame_.size() * sizeof(BookLevel));
}

}  // namespace onetape
