// Rows about single orders of the venue's book. Actions are words (add, modify, cancel, fill,
// clear, trade), or the letters of Databento's MBO schema (A M C F R T N, read 2026-11), in which a
// fill changes no size because the cancel or modify after it does, and flag 128 marks the last row
// of a message and 32 those of a snapshot. With a column `last`, as in our own exports, flags are
// those of a frame.
#include "journal/frame.hpp"
#include "text/table.hpp"
#include "text/word.hpp"

namespace onetape {
namespace {

constexpr std::int64_t flag_last = 128, flag_of_snapshot = 32;  // Databento's

enum class Word : std::uint8_t { add, modify, cancel, fill, report, clear, trade, nothing, none };

[[nodiscard]] Word read_word(std::string_view text) noexcept {
    constexpr struct {
        std::string_view text;
        Word word;
    } words[] = {{"add", Word::add},   {"a", Word::add},         {"modify", Word::modify},
                 {"m", Word::modify},  {"cancel", Word::cancel}, {"c", Word::cancel},
                 {"fill", Word::fill}, {"f", Word::report},      {"clear", Word::clear},
                 {"r", Word::clear},   {"trade", Word::trade},   {"t", Word::trade},
                 {"n", Word::nothing}, {"none", Word::nothing}};
    for (const auto& each : words)
        if (is_word(text, each.text)) return each.word;
    return Word::none;
}

[[nodiscard]] bool read_order_side(std::string_view text, Side& side) noexcept {
    if (text.empty() || is_word(text, "n") || is_word(text, "none"))
        side = Side::none;
    else if (is_word(text, "b") || is_word(text, "buy") || is_word(text, "bid"))
        side = Side::buy;
    else if (is_word(text, "a") || is_word(text, "s") || is_word(text, "sell") ||
             is_word(text, "ask"))
        side = Side::sell;
    else
        return false;
    return true;
}

[[nodiscard]] bool read_number(std::string_view text, std::uint64_t& number) noexcept {
    if (text.empty() || text.size() > 20) return false;
    number = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return false;
        if (__builtin_mul_overflow(number, std::uint64_t{10}, &number) ||
            __builtin_add_overflow(number, static_cast<std::uint64_t>(c - '0'), &number))
            return false;
    }
    return true;
}

}  // namespace

bool TableDecoder::order(EventRow& out) {
    MboPayload event{};
    if (!times(event.ts_event, event.ts_recv)) return false;
    out.time = event.ts_recv;
    const Word word = read_word(text(TableColumn::action));
    if (word == Word::none) return refuse("action is none that is known");
    if (word == Word::nothing) return true;
    if (!read_order_side(text(TableColumn::side), event.side))
        return refuse("side is none that is known");
    std::int64_t flags = 0;
    bool is_last = true, is_reported = word == Word::report;
    if (!count_in(TableColumn::flags, flags)) return false;
    if (has(TableColumn::flags)) is_last = (flags & flag_last) != 0;
    if (has(TableColumn::last) && !truth(TableColumn::last, is_last)) return false;
    if (has(TableColumn::reported) && word == Word::fill &&
        !truth(TableColumn::reported, is_reported))
        return false;
    if (word == Word::clear) {
        event.action = MboAction::clear;
    } else {
        const bool sized = word != Word::cancel || !text(TableColumn::size).empty();
        const bool priced = word != Word::cancel || !text(TableColumn::price).empty();
        if ((priced && !units(TableColumn::price, Quantity::price, event.price)) ||
            (sized && !units(TableColumn::size, Quantity::size, event.size)))
            return false;
        if (event.size < 0) return refuse("size is negative");
        const bool needs_size = word != Word::cancel && word != Word::modify;
        if (event.size == 0 && needs_size && !config_.measuring) return refuse("size is zero");
    }
    if (word == Word::trade) {
        TradePayload trade{};
        trade.ts_event = event.ts_event;
        trade.ts_recv = event.ts_recv;
        trade.price = event.price;
        trade.size = event.size;
        trade.side = event.side;
        put_payload(out, EventType::trade, trade);
        return hand_on(out);
    }
    if (!read_number(text(TableColumn::id), event.order_id) && word != Word::clear)
        return refuse("order_id is no whole number of 64 bits");
    if (word == Word::add) {
        if (event.side == Side::none) return refuse("side is neither bid nor ask");
        event.action = MboAction::add;
    } else if (word == Word::modify) {
        event.action = MboAction::modify;
    } else if (word == Word::cancel) {
        event.action = MboAction::cancel;
    } else if (word != Word::clear) {
        event.action = MboAction::fill;
    }
    event.last = is_last ? 1 : 0;
    event.reported = is_reported ? 1 : 0;
    const std::int64_t of_snapshot = has(TableColumn::last) ? flag_snapshot : flag_of_snapshot;
    if ((flags & of_snapshot) != 0) out.flags = flag_snapshot;
    put_payload(out, EventType::mbo, event);
    return hand_on(out);
}

}  // namespace onetape
