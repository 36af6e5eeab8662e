// Any messages of any sources: no value steps back, no trade is taken twice, no taken message
// breaks a rule, and nothing of an ended symbol is taken.
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "fuzz/input.hpp"
#include "market/merge.hpp"

using namespace onetape;

namespace {

// Mostly a few values, so that they collide; sometimes one from the ends of its range.
std::int64_t number(fuzz::Input& input) {
    const auto small = input.take<std::int8_t>();
    if (small == 127) return std::numeric_limits<std::int64_t>::max();
    if (small == -128) return std::numeric_limits<std::int64_t>::min();
    return small == 126 ? input.take<std::int64_t>() : small;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    MergeOptions options;
    options.filters = input.take<std::uint8_t>() % 2 != 0;
    Merge merge(options);
    for (std::uint32_t rank = 0; rank < 3; ++rank) merge.add_source(rank);
    for (int symbol = 0; symbol < 2; ++symbol) merge.add_symbol();
    std::map<std::uint32_t, QuotePayload> quotes;
    std::set<std::pair<std::uint32_t, std::uint64_t>> trades;
    std::map<std::pair<std::uint32_t, std::uint64_t>, std::int64_t> times;
    std::set<std::uint32_t> ended;
    while (!input.empty()) {
        const auto what = input.take<std::uint8_t>();
        const std::uint32_t source = what % 3u, symbol = what / 3u % 2u;
        const std::int64_t time = number(input);
        Merged outcome = Merged::older;
        switch (what / 6 % 6) {
            case 0:
            case 1: {
                QuotePayload quote{};
                quote.ts_event = number(input), quote.ts_recv = time;
                quote.bid = number(input), quote.ask = number(input);
                quote.bid_size = number(input), quote.ask_size = 1;
                quote.update_id = input.take<std::uint8_t>() % 8u;
                outcome = merge.on_quote(source, symbol, time, quote);
                if (outcome != Merged::taken) break;
                const QuotePayload& before = quotes[symbol];
                fuzz::require(quote.ts_event == 0 || before.ts_event == 0 ||
                              quote.ts_event >= before.ts_event);
                if (options.filters)
                    fuzz::require(quote.bid >= 0 && quote.ask >= 0 && quote.bid_size >= 0);
                quotes[symbol] = quote;
                break;
            }
            case 2:
            case 3: {
                TradePayload trade{};
                trade.ts_recv = time;
                trade.price = number(input), trade.size = number(input);
                trade.id_low = input.take<std::uint8_t>();
                trade.id_kind = trade.id_low == 0 ? IdKind::none : IdKind::integer;
                // A trade of the venue has one time, by which it is forgotten.
                const std::int64_t event = number(input);
                trade.ts_event =
                    trade.id_low == 0
                        ? event
                        : times.try_emplace({symbol, trade.id_low}, event).first->second;
                if (trade.ts_event == 0) trade.ts_recv = 0;
                outcome = merge.on_trade(source, symbol, time, trade);
                for (const HeldTrade& each : merge.released())
                    if (each.trade.id_kind != IdKind::none)
                        fuzz::require(trades.insert({symbol, each.trade.id_low}).second);
                if (outcome == Merged::taken && trade.id_kind != IdKind::none)
                    fuzz::require(trades.insert({symbol, trade.id_low}).second);
                break;
            }
            case 4: {
                const MarkPayload mark{number(input), time, number(input), number(input)};
                outcome = merge.on_mark(source, symbol, time, mark);
                break;
            }
            default: {
                const auto rest = input.take<std::uint8_t>();
                if (rest == 255) {
                    merge.end(symbol);
                    ended.insert(symbol);
                } else if (rest % 4 == 0) {
                    merge.pin(symbol, rest % 8 == 0 ? merge_none : source);
                } else if (rest % 4 == 1) {
                    merge.set_rank(source, rest);
                } else {
                    BarPayload bar{};
                    bar.ts_open = number(input), bar.period_ns = number(input);
                    outcome = merge.on_bar(source, symbol, time, bar, rest);
                }
            }
        }
        fuzz::require(outcome != Merged::taken || !ended.contains(symbol));
        QuotePayload made{};
        if (merge.median(symbol, time, made)) fuzz::require(made.bid > 0 && made.ask > 0);
    }
    return 0;
}
